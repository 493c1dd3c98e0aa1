//! The walk: one instruction after another, depth first, and what the log says of each.

use core::fmt::Write;

use super::arena::allows_atomic;
use super::domain::Scalar;
use super::observer::Observer;
use super::prune::Visit;
use super::register::{Kind, MemoryKind, Register};
use super::resolve::function_address;
use super::state::{State, Step};
use super::tracing;
use super::{Changed, Pending, Rejection, Verifier, not_built, policy, print, reject};
use crate::errno::Errno;
use crate::helper::Facts;
use crate::isa::disasm::{self, Names};
use crate::isa::{AtomicOp, CallTarget, DecodeError, Imm64, Insn, Operand, PacketOffset, Pc, Reg, Size};
use crate::object::btf::TypeId;
use crate::object::btf::kernel::KernelTypes;

/// `bpf_tail_call`
pub(super) const TAIL_CALL: i32 = 12;

/// Ended paths' states whose room is kept for the next that are put aside.
const MOST_SPARE: usize = 16;

/// Where control goes after an instruction was walked.
pub(super) enum Next {
    /// To this instruction.
    At(Pc),
    /// The path ends.
    Exit,
}

impl<O: Observer> Verifier<O> {
    /// Walks one instruction; `false` when there is none left.
    pub(super) fn walk_one(&mut self) -> Result<bool, Rejection> {
        self.history_entry = false;
        let pc = self.pc;
        if pc.index() >= self.insns.len() {
            let message = format_args!("invalid insn idx {pc} insn_cnt {}", self.insns.len());
            return Err(reject(Errno::EFAULT, message));
        }
        self.stats.processed += 1;
        if self.stats.processed > policy::MAX_PROCESSED {
            let message = format_args!("BPF program is too large. Processed {} insn", self.stats.processed);
            return Err(reject(Errno::E2BIG, message));
        }
        self.state.last = self.previous.unwrap_or(Pc(u32::MAX));
        self.state.pc = pc;
        if self.marks[pc.index()].prune
            && let Visit::Covered { by, looping } = self.visit()?
        {
            if self.log.shows_instructions() {
                let _ = match self.show_state {
                    true => {
                        writeln!(
                            self.log,
                            "\nfrom {} to {pc}{}: safe",
                            self.previous_pc(),
                            self.guess_label()
                        )
                    }
                    false => writeln!(self.log, "{pc}: safe"),
                };
            }
            self.observer.pruned(by, looping, pc, &self.state);
            return self.path_ends();
        }
        if self.marks[pc.index()].jump {
            self.record(None, None);
        }
        self.log_instruction();
        self.observer.step(pc, &self.state, self.line_end.map_or(0, |(end, len)| end - len));
        // What is reached by guess alone is taken out as dead code.
        self.seen[pc.index()].walked |= !self.state.speculative;
        self.previous = Some(pc);
        let instance = self.state.frame().instance;
        if self.state.speculative && self.barriers().before {
            self.observer.barrier(None);
            return self.path_ends();
        }
        let walked = self.walk_insn(pc);
        if walked.is_err() {
            self.overwritten = Default::default();
        }
        let next = self.end_of_guess(walked)?;
        match self.insns[pc.index()] {
            // What a function overwrites, its calls do: that is told when its path ends.
            Ok(Insn::Call(CallTarget::Local(_))) => {}
            Ok(Insn::Store { .. } | Insn::Atomic { .. } | Insn::Call(_)) => {
                let overwritten = core::mem::take(&mut self.overwritten);
                self.live_stack.wrote(instance, pc, overwritten);
            }
            _ => {}
        }
        match next {
            Some(Next::At(next)) => {
                self.pc = next;
                Ok(true)
            }
            Some(Next::Exit) => {
                self.observer.exit();
                self.path_ends()
            }
            None => self.path_ends(),
        }
    }

    fn guess_label(&self) -> &'static str {
        if self.state.speculative { " (speculative execution)" } else { "" }
    }

    fn previous_pc(&self) -> i64 {
        self.previous.map_or(-1, |pc| pc.0.into())
    }

    /// Ends the path; takes up the last side that waits.
    fn path_ends(&mut self) -> Result<bool, Rejection> {
        self.changed = Changed::ALL;
        self.finish_path()?;
        self.live_stack.update(&self.state, &mut self.log);
        let Some(pending) = self.pending.pop() else { return Ok(false) };
        if !self.log.shows_all() {
            self.log.reset(pending.log_position);
        }
        self.observer.resume(pending.token, pending.pc, pending.state.speculative);
        let ended = core::mem::replace(&mut self.state, pending.state);
        if self.spare.len() < MOST_SPARE {
            self.spare.push(ended);
        }
        self.pc = pending.pc;
        self.previous = Some(pending.previous);
        self.show_state = true;
        Ok(true)
    }

    /// Puts a side of a branch aside: a copy of the current state at `pc`.
    pub(super) fn put_aside(&mut self, pc: Pc, previous: Pc) -> Result<&mut State, Rejection> {
        if self.pending.len() >= policy::MAX_PENDING {
            let count = self.pending.len() + 1;
            let message = format_args!("The sequence of {count} jumps is too complex.");
            return Err(reject(Errno::EFAULT, message));
        }
        if let Some(parent) = self.state.parent {
            self.kept_mut(parent).state.branches += 1;
        }
        let token = self.observer.fork();
        let mut state = match self.spare.pop() {
            Some(mut spare) => {
                spare.clone_from(&self.state);
                spare
            }
            None => self.state.clone(),
        };
        state.branches = 1;
        self.pending.push(Pending { state, pc, previous, log_position: self.log.position(), token });
        let last = self.pending.len() - 1;
        Ok(&mut self.pending[last].state)
    }

    /// Records the instruction in the path's history, once.
    pub(super) fn record(&mut self, stack: Option<(u8, u8)>, linked: Option<u32>) {
        if self.history_entry
            && let Some(step) = self.state.history.last_mut()
        {
            step.stack = stack.or(step.stack);
            step.linked = linked.or(step.linked);
            return;
        }
        self.history_entry = true;
        let previous = self.state.last;
        self.state.history.push(Step { pc: self.pc, previous, stack, linked, stack_operands: 0 });
    }

    /// A new id for values.
    pub(super) fn new_id(&mut self) -> u32 {
        self.next_id += 1;
        self.next_id
    }

    pub(super) fn next_insn(&self, pc: Pc) -> Next {
        Next::At(Pc(pc.0 + 1))
    }

    /// The register, to read.
    ///
    /// # Errors
    /// `EACCES` where nothing was written to it.
    pub(super) fn read(&mut self, reg: Reg) -> Result<Register, Rejection> {
        self.changed.registers |= 1 << reg.number();
        let register = *self.state.register(reg);
        if register.kind == Kind::Uninitialised {
            return Err(reject(Errno::EACCES, format_args!("R{} !read_ok", reg.number())).of(reg));
        }
        Ok(register)
    }

    /// Checks that the register may be written.
    ///
    /// # Errors
    /// `EACCES` for r10.
    pub(super) fn may_write(&mut self, reg: Reg) -> Result<(), Rejection> {
        if reg == Reg::FP {
            return Err(reject(Errno::EACCES, "frame pointer is read only").of(reg));
        }
        self.changed.registers |= 1 << reg.number();
        Ok(())
    }

    /// Writes a register that may be written.
    pub(super) fn write(&mut self, reg: Reg, value: Register) {
        self.changed.registers |= 1 << reg.number();
        *self.state.register_mut(reg) = value;
    }

    fn walk_insn(&mut self, pc: Pc) -> Result<Next, Rejection> {
        let insn = match self.insns[pc.index()] {
            Ok(insn) => insn,
            Err(error) => {
                self.read_before_fields(pc, error)?;
                return Err(reject(Errno::EINVAL, error));
            }
        };
        match insn {
            Insn::Alu { .. } | Insn::MovSx { .. } | Insn::Neg { .. } | Insn::ByteSwap { .. } => {
                self.walk_alu(insn)?;
            }
            Insn::AddrSpaceCast { dst, src, to, .. } => self.walk_cast(dst, src, to)?,
            Insn::AddrPerCpu { .. } => return Err(reject(Errno::EINVAL, "BPF_MOV uses reserved fields")),
            Insn::Load { size, sign_extend, dst, base, off } => {
                self.read(base)?;
                self.may_write(dst)?;
                self.load(base, off.into(), size, sign_extend, dst)?;
            }
            Insn::Store { size, base, off, src } => {
                if let Operand::Reg(src) = src {
                    self.read(src)?;
                }
                self.read(base)?;
                self.store(base, off.into(), size, src)?;
            }
            Insn::Atomic { op, size, base, off, src } => self.walk_atomic(op, size, base, off, src)?,
            Insn::LoadImm64 { dst, value } => {
                self.may_write(dst)?;
                let register = self.immediate(pc, value)?;
                self.write(dst, register);
                return Ok(Next::At(Pc(pc.0 + 2)));
            }
            Insn::LoadPacket { size: _, at, .. } => return self.walk_load_packet(pc, at),
            Insn::Goto { off, .. } => {
                self.counters.jumps += 1;
                return Ok(Next::At(Pc((i64::from(pc.0) + 1 + i64::from(off)) as u32)));
            }
            Insn::MayGoto { off } => {
                self.counters.jumps += 1;
                // The budget's end is walked first; the other side has one turn more.
                let before = self.earlier_turn(pc);
                self.put_aside(Pc(pc.0 + 1), pc)?.may_goto_depth += 1;
                self.widen_waiting(before);
                return Ok(Next::At(Pc((i64::from(pc.0) + 1 + i64::from(off)) as u32)));
            }
            Insn::Branch { .. } => {
                self.counters.jumps += 1;
                return self.walk_branch(pc, insn);
            }
            Insn::Call(target) => {
                self.counters.jumps += 1;
                return self.walk_call(pc, target);
            }
            Insn::CallReg { .. } => return Err(reject(Errno::EINVAL, "unknown opcode 8d")),
            Insn::Exit => {
                self.counters.jumps += 1;
                return self.walk_exit(pc);
            }
        }
        Ok(self.next_insn(pc))
    }

    /// A comparison reads its first operand before its other fields are looked at.
    fn read_before_fields(&mut self, pc: Pc, error: DecodeError) -> Result<(), Rejection> {
        let raw = self.input.code[pc.index()];
        if let (DecodeError::Reserved("BPF_JMP/JMP32"), Some(reg)) = (error, Reg::new(raw.dst)) {
            self.read(reg)?;
        }
        Ok(())
    }

    fn walk_call(&mut self, pc: Pc, target: CallTarget) -> Result<Next, Rejection> {
        match target {
            CallTarget::Helper(number) => {
                self.call_helper(pc, number)?;
                match number {
                    // Whatever program a tail call leads to returns to the caller.
                    TAIL_CALL => self.may_return(pc, Register::UNKNOWN),
                    _ => Ok(self.next_insn(pc)),
                }
            }
            CallTarget::Local(offset) => self.call_local(pc, offset),
            CallTarget::Kernel { btf_id, .. } => self.call_kernel(pc, btf_id),
        }
    }

    fn immediate(&mut self, pc: Pc, value: Imm64) -> Result<Register, Rejection> {
        if let Some((map, offset, is_value)) = self.seen[pc.index()].map {
            let map = super::register::MapRef(map);
            if !is_value {
                return Ok(Register::pointer(Kind::Map(map)));
            }
            if self.maps[usize::from(map.0)].is_arena() {
                // The process's address: a number.
                return Ok(Register::UNKNOWN);
            }
            let mut register = Register::pointer(Kind::MapValue(map));
            register.offset = offset as i32;
            return Ok(register);
        }
        if matches!(value, Imm64::KernelVariable { .. }) {
            // A function's address: nothing can be read there.
            return Ok(Register::pointer(Kind::Memory { kind: MemoryKind::ReadOnly, size: 0 }));
        }
        match value {
            Imm64::Value(value) => Ok(Register::constant(value)),
            Imm64::Function { .. } => self.function_pointer(pc, value),
            _ => Err(not_built("a pointer to a kernel variable")),
        }
    }

    fn walk_atomic(
        &mut self,
        op: AtomicOp,
        size: Size,
        base: Reg,
        off: i16,
        src: Reg,
    ) -> Result<(), Rejection> {
        match op {
            AtomicOp::LoadAcquire => {
                self.read(base)?;
                self.may_write(src)?;
                self.load(base, off.into(), size, false, src)?;
                // What was loaded over its own pointer is judged by what it is now.
                let target = *self.state.register(base);
                return self.atomic_target(&target, base, "loads from", true);
            }
            AtomicOp::StoreRelease => {
                self.read(src)?;
                let target = self.read(base)?;
                self.store(base, off.into(), size, Operand::Reg(src))?;
                return self.atomic_target(&target, base, "stores into", false);
            }
            _ => {}
        }
        let given = self.read(src)?;
        self.read(base)?;
        if op == AtomicOp::Cmpxchg {
            let compared = self.read(Reg::R0)?;
            self.check_leak(&compared, Reg::R0, "into mem")?;
        }
        self.check_leak(&given, src, "into mem")?;
        let target = *self.state.register(base);
        self.atomic_target(&target, base, "stores into", true)?;
        if self.state.register(base).kind == Kind::Arena && !allows_atomic(op) {
            return Err(not_atomic(&target, base, "stores into"));
        }
        let fetched = match op {
            AtomicOp::Cmpxchg => Some(Reg::R0),
            AtomicOp::Xchg
            | AtomicOp::Add { fetch: true }
            | AtomicOp::Or { fetch: true }
            | AtomicOp::And { fetch: true }
            | AtomicOp::Xor { fetch: true } => Some(src),
            _ => None,
        };
        if let Some(reg) = fetched {
            self.may_write(reg)?;
        }
        self.access_atomically(base, off.into(), size, fetched)
    }

    fn atomic_target(
        &self,
        register: &Register,
        base: Reg,
        what: &str,
        socket: bool,
    ) -> Result<(), Rejection> {
        if matches!(register.kind, Kind::Context | Kind::Packet | Kind::PacketMeta | Kind::FlowKeys)
            || (socket && matches!(register.kind, Kind::Socket(_)))
        {
            return Err(not_atomic(register, base, what));
        }
        Ok(())
    }

    fn walk_load_packet(&mut self, pc: Pc, at: PacketOffset) -> Result<Next, Rejection> {
        if !matches!(self.input.program_type.number, 1 | 3 | 4) {
            let message = "BPF_LD_[ABS|IND] instructions not allowed for this program type";
            return Err(reject(Errno::EINVAL, message));
        }
        let context = self.read(Reg::R6)?;
        if context.kind != Kind::Context {
            let message = "at the time of BPF_LD_ABS|IND R6 != pointer to skb";
            return Err(reject(Errno::EINVAL, message).of(Reg::R6));
        }
        if let PacketOffset::Indirect(reg) = at {
            self.read(reg)?;
        }
        self.check_resources("BPF_LD_[ABS|IND]", true)?;
        self.check_pointer_offset(&context, Reg::R6, false)?;
        for reg in Reg::all().take(6) {
            self.write(reg, Register::UNINITIALISED);
        }
        self.write(Reg::R0, Register::UNKNOWN);
        // Where the packet ends before, the function returns 0.
        self.may_return(pc, Register::constant(0))
    }

    fn walk_exit(&mut self, pc: Pc) -> Result<Next, Rejection> {
        if self.state.current() > 0 {
            return self.return_local(pc);
        }
        self.check_resources("BPF_EXIT instruction in main prog", true)?;
        if let Some(callback) = self.state.frame().callback {
            self.check_callback_result(callback)?;
            return Ok(Next::Exit);
        }
        if self.verifying != 0 && self.exception_callback != Some(self.verifying) {
            self.check_function_result()?;
            return Ok(Next::Exit);
        }
        self.check_return_value(Reg::R0)?;
        Ok(Next::Exit)
    }

    /// What the program returns in a register: a number that its type allows.
    pub(super) fn check_return_value(&mut self, reg: Reg) -> Result<(), Rejection> {
        if self.target.as_ref().is_some_and(|target| target.returns_nothing()) {
            return Ok(());
        }
        let returned = self.read(reg)?;
        self.check_leak(&returned, reg, "as return value")?;
        let returns = match self.input.program_type.number {
            tracing::TRACING if self.input.expected_attach_type == tracing::ITERATOR => {
                crate::program::Returns::Between(0, 1)
            }
            _ => self.input.program_type.returns(self.input.expected_attach_type),
        };
        let crate::program::Returns::Between(min, max) = returns else { return Ok(()) };
        let r = reg.number();
        if !returned.is_scalar() {
            let name = returned.type_name();
            let message = format_args!("At program exit the register R{r} is not a known value ({name})");
            return Err(reject(Errno::EINVAL, message).of(reg));
        }
        self.mark_precise(reg)?;
        check_range("At program exit", reg, &returned, (min, max))
    }
}

fn not_atomic(register: &Register, base: Reg, what: &str) -> Rejection {
    let (r, name) = (base.number(), register.type_name());
    reject(Errno::EACCES, format_args!("BPF_ATOMIC {what} R{r} {name} is not allowed")).of(base)
}

/// A number lies between two.
pub(super) fn check_range(
    what: &str,
    reg: Reg,
    register: &Register,
    (min, max): (i64, i64),
) -> Result<(), Rejection> {
    let (r, Scalar { smin, smax, .. }) = (reg.number(), register.var);
    if smin >= min && smax <= max {
        return Ok(());
    }
    let mut message = alloc::format!("{what} the register R{r} has");
    if smin > i64::MIN {
        let _ = write!(message, " smin={smin}");
    }
    if smax < i64::MAX {
        let _ = write!(message, " smax={smax}");
    }
    if smin == i64::MIN && smax == i64::MAX {
        message.push_str(" unknown scalar value");
    }
    let _ = write!(message, " should have been in [{min}, {max}]");
    Err(reject(Errno::EINVAL, message).of(reg))
}

/// The names that the log needs.
struct LogNames<'a> {
    /// What a map's immediate shows: its handle's, or its value's, address; 0 to who may not see it.
    immediate: Option<u64>,
    types: Option<&'a KernelTypes>,
}

/// Where the kernel's direct mapping would begin: log addresses are this plus the arena offset.
const ADDRESS_BASE: u64 = 0xffff_8880_0000_0000;

impl Names for LogNames<'_> {
    fn helper(&self, number: i32) -> Option<alloc::borrow::Cow<'_, str>> {
        match number {
            0 => Some("bpf_unspec".into()),
            _ => Facts::of(number).map(|f| f.name.into()),
        }
    }
    fn kernel_function(&self, btf_id: i32, _fd_index: i16) -> Option<alloc::borrow::Cow<'_, str>> {
        let types = self.types?;
        Some(types.btf.name_of(TypeId(u32::try_from(btf_id).ok()?)).into())
    }
    fn immediate(&self, _source: u8, _low: i32, _high: i32) -> Option<alloc::borrow::Cow<'_, str>> {
        self.immediate.map(|address| alloc::format!("{address:#x}").into())
    }
}

impl<O: Observer> Verifier<O> {
    /// An instruction's text, as the log has it.
    pub(super) fn write_insn(&mut self, pc: usize) {
        let immediate = self.seen[pc].map.map(|(map, offset, is_value)| {
            let info = &self.maps[usize::from(map)];
            let base = if is_value && info.is_arena() { 0 } else { ADDRESS_BASE };
            match self.input.perfmon {
                true => base + info.immediate(offset, is_value),
                false => 0,
            }
        });
        let immediate = match self.insns[pc] {
            Ok(Insn::LoadImm64 { value: Imm64::KernelVariable { btf_id, .. }, .. }) => {
                Some(if self.input.perfmon { function_address(btf_id) } else { 0 })
            }
            _ => immediate,
        };
        let names = LogNames { immediate, types: self.input.kernel_types.as_deref() };
        let raw = &self.input.code[pc..];
        let _ = disasm::write_with_opcode(raw, &names, &mut self.log);
        let _ = self.log.write_char('\n');
    }

    pub(super) fn log_live_registers(&mut self) {
        if !self.log.shows_all() {
            return;
        }
        let _ = self.log.write_str("Live regs before insn:\n");
        let mut pc = 0;
        while pc < self.insns.len() {
            let marks = self.marks[pc];
            let _ = match marks.component {
                0 => self.log.write_str("    "),
                component => write!(self.log, "{component:3} "),
            };
            let _ = write!(self.log, "{pc:3}: ");
            for number in 0..10u8 {
                let shown = if marks.live >> number & 1 == 1 { char::from(b'0' + number) } else { '.' };
                let _ = self.log.write_char(shown);
            }
            let _ = self.log.write_char(' ');
            self.write_insn(pc);
            pc += if self.input.code[pc].code == 0x18 { 2 } else { 1 };
        }
    }

    /// The lines before an instruction is walked: where the path comes from, the source line, the
    /// instruction.
    fn log_instruction(&mut self) {
        if !self.log.shows_instructions() {
            return;
        }
        let (pc, current) = (self.pc, self.state.current());
        // At level 1 it is not shown, and stays to be shown.
        if self.show_state && self.log.shows_all() {
            let _ = write!(self.log, "\nfrom {} to {pc}{}:", self.previous_pc(), self.guess_label());
            self.log_frame(current, None);
            self.show_state = false;
        }
        if !self.changed.is_empty() {
            self.log_changed();
        }
        self.log_source_line(pc);
        let start = self.log.position();
        let _ = write!(self.log, "{pc}: ");
        self.write_insn(pc.index());
        self.line_end = Some((self.log.position(), self.log.position() - start));
    }

    /// Writes a frame, all of it or what changed.
    pub(super) fn log_frame(&mut self, frame: usize, which: Option<Changed>) {
        let _ = print::write_frame(&self.state, frame, which, &print_names!(self), &mut self.log);
    }

    /// Writes what the last instruction changed, behind it where its line is still the last.
    pub(super) fn log_changed(&mut self) {
        if !self.log.shows_instructions() {
            return;
        }
        match self.line_end {
            Some((end, len)) if end == self.log.position() => {
                self.log.reset(end - 1);
                // Columns of 8, the first from 40 on, whatever is longer pushed to the next.
                let column = (len + 4).max(40).next_multiple_of(8) - 1;
                let width = column - len;
                let _ = write!(self.log, "{:>width$};", ' ');
            }
            _ => {
                let _ = write!(self.log, "{}:", self.pc);
            }
        }
        let (current, changed) = (self.state.current(), self.changed);
        self.log_frame(current, Some(changed));
        self.changed = Changed::default();
    }

    /// A rejection that has the instruction's source line behind it, where that was not shown yet.
    pub(super) fn reject_with_line(&mut self, rejection: Rejection) -> Rejection {
        let _ = writeln!(self.log, "{}", rejection.message);
        self.log_source_line(self.pc);
        Rejection { logged: true, ..rejection }
    }

    /// Writes the source line of an instruction, where it is another than the last one shown.
    pub(super) fn log_source_line(&mut self, pc: Pc) {
        let count = self.input.lines.partition_point(|line| line.pc <= pc.0);
        let Some(at) = count.checked_sub(1) else { return };
        if self.last_line == Some(at) {
            return;
        }
        let line = &self.input.lines[at];
        // Records that differ in the column alone are one line.
        let same = |before: usize| {
            let before = &self.input.lines[before];
            before.line == line.line && before.file == line.file && before.text == line.text
        };
        let shown = self.last_line.is_some_and(same);
        self.last_line = Some(at);
        if shown {
            return;
        }
        let text = line.text.trim_start();
        let _ = writeln!(self.log, "; {text} @ {}:{}", line.file, line.line);
    }
}
