//! Functions that helpers and kernel functions call back: within the call, any number of times, or later.

use super::deferred::CALL_BACK_LATER;
use super::iterators::widen;
use super::observer::Observer;
use super::register::{DynptrKind, Kind, MapRef, Register};
use super::state::{CallbackFrame, Frame, MAX_FRAMES, State};
use super::typed::{Trust, TypeRef, TypeSource};
use super::{Changed, Pending, Rejection, Verifier, not_built, reject};
use crate::errno::Errno;
use crate::helper::Callback;
use crate::isa::{CallTarget, Imm64, Insn, Pc, Reg};

/// A number that a callback may return.
const ZERO_OR_ONE: (i64, i64) = (0, 1);

impl<O: Observer> Verifier<O> {
    /// A 64-bit immediate that names a local function.
    pub(super) fn function_pointer(&mut self, pc: Pc, value: Imm64) -> Result<Register, Rejection> {
        let Imm64::Function { offset } = value else { return Err(reject(Errno::EINVAL, "")) };
        let start = (i64::from(pc.0) + 1 + i64::from(offset)) as u32;
        let number = self.functions.iter().position(|f| f.start == start).unwrap_or(0);
        match self.function_facts.get(number) {
            None => Err(reject(Errno::EINVAL, "missing btf func_info")),
            Some(facts) if facts.global => Err(reject(Errno::EINVAL, "callback function not static")),
            Some(_) => Ok(Register::pointer(Kind::Function(start))),
        }
    }

    /// Which callback the call at a slot makes within itself.
    pub(super) fn calls_back(&self, pc: u32) -> bool {
        match self.insns.get(pc as usize) {
            Some(Ok(Insn::Call(CallTarget::Helper(number)))) => matches!(number, 164 | 180 | 181 | 209),
            Some(Ok(Insn::Call(CallTarget::Kernel { .. }))) => {
                self.kernel_function_at(pc).is_some_and(|f| f.name == "bpf_rbtree_add_impl")
            }
            _ => false,
        }
    }

    /// Calls that call back are where states are always kept, and what they come back to is in the history.
    pub(super) fn mark_callbacks(&mut self) {
        for at in 0..self.insns.len() {
            if self.calls_back(at as u32) {
                self.marks[at].prune = true;
                self.marks[at].checkpoint = true;
                self.marks[at].jump = true;
            }
            let later = match self.insns[at] {
                Ok(Insn::Call(CallTarget::Helper(number))) => number == 170,
                Ok(Insn::Call(CallTarget::Kernel { .. })) => {
                    self.kernel_function_at(at as u32).is_some_and(|f| CALL_BACK_LATER.contains(&f.name))
                }
                _ => false,
            };
            if later {
                self.marks[at].prune = true;
            }
        }
    }

    /// A helper's call back of the function that begins at `start`. The path goes on as if none were made, or
    /// none any more.
    pub(super) fn call_back(
        &mut self,
        pc: Pc,
        callback: Callback,
        start: u32,
        map: Option<MapRef>,
    ) -> Result<(), Rejection> {
        if callback == Callback::Loop {
            self.ask_for_loop_flags(pc, start)?;
            self.mark_precise(Reg::R1)?;
            let times = self.state.register(Reg::R1).var.umax;
            if u64::from(self.state.frame().callback_depth) >= times {
                self.state.frame_mut().callback_depth = 0;
                if self.log.shows_all() {
                    use core::fmt::Write;
                    let frame = self.state.current();
                    let _ = writeln!(self.log, "frame{frame} bpf_loop iteration limit reached");
                }
                return Ok(());
            }
        }
        let held = |reg: Reg, v: &Verifier<O>| *v.state.register(reg);
        let map = map.unwrap_or(MapRef(0));
        let mut registers = [Register::UNINITIALISED; 5];
        match callback {
            Callback::Loop => {
                registers[0] = Register::UNKNOWN;
                registers[1] = held(Reg::R3, self);
            }
            Callback::ForEachMapElem => {
                registers[0] = held(Reg::R1, self);
                registers[1] = Register::pointer(Kind::MapKey(map));
                registers[2] = Register::pointer(Kind::MapValue(map));
                registers[3] = held(Reg::R3, self);
            }
            Callback::Timer => {
                let Kind::MapValue(map) = held(Reg::R1, self).kind else { return Ok(()) };
                registers[0] = Register::pointer(Kind::Map(map));
                registers[1] = Register::pointer(Kind::MapKey(map));
                registers[2] = Register::pointer(Kind::MapValue(map));
            }
            Callback::FindVma => {
                let kernel = self.input.kernel_types.as_ref().and_then(|k| k.structure("vm_area_struct"));
                let Some(id) = kernel else { return Err(not_built("bpf_find_vma without the kernel's BTF")) };
                registers[0] = held(Reg::R1, self);
                let of = TypeRef { source: TypeSource::Kernel, id };
                registers[1] = Register::pointer(Kind::Typed { of, trust: Trust::NONE });
                registers[2] = held(Reg::R4, self);
            }
            Callback::UserRingBuffer => {
                let id = self.new_id();
                registers[0] = Register { id, ..Register::pointer(Kind::DynptrPointer(DynptrKind::Local)) };
                registers[1] = held(Reg::R3, self);
            }
        }
        let later = callback == Callback::Timer;
        let returns = if later { (0, 0) } else { ZERO_OR_ONE };
        self.enter_callback(pc, start, registers, CallbackFrame { later, returns })
    }

    /// Whether the loop may be made one of instructions: by its flags, which are relied on then.
    fn ask_for_loop_flags(&mut self, pc: Pc, start: u32) -> Result<(), Rejection> {
        let inlined = match self.inlined.get(&pc.0) {
            Some(None) => return Ok(()),
            Some(Some(before)) => *before,
            None => start,
        };
        let zero = self.state.register(Reg::R4).is_null();
        if zero {
            self.mark_precise(Reg::R4)?;
        }
        self.inlined.insert(pc.0, (zero && inlined == start).then_some(start));
        Ok(())
    }

    /// Puts aside a state in which the function that begins at `start` was called back.
    pub(super) fn enter_callback(
        &mut self,
        pc: Pc,
        start: u32,
        registers: [Register; 5],
        callback: CallbackFrame,
    ) -> Result<(), Rejection> {
        let function = self.functions.iter().position(|f| f.start == start).unwrap_or(0);
        self.called_back.insert(function, callback.later);
        // What the prototype says is noted; a static function need not be called as it says.
        self.call_by_prototype(function)?;
        // Entering it was shown, so to speak: the caller's frame is shown whole next.
        self.changed = Changed::ALL;
        let depth = self.state.frames.len();
        if callback.later {
            let mut frame = Frame::new(0, function as u16, None);
            frame.registers[1..6].copy_from_slice(&registers);
            frame.callback = Some(callback);
            frame.instance = self.live_stack.begin(function as u16);
            let mut state = State::entry();
            state.frames = alloc::vec![frame];
            state.sections.callbacks = self.state.sections.callbacks + 1;
            return self.put_aside_later(state, Pc(start), pc);
        }
        if depth >= MAX_FRAMES {
            let message = format_args!("the call stack of {} frames is too deep", depth + 1);
            return Err(reject(Errno::E2BIG, message));
        }
        let instance = self.live_stack.enter(self.state.frame().instance, pc, function as u16);
        let waiting = self.put_aside(Pc(start), pc)?;
        let mut frame = Frame::new(depth as u8, function as u16, Some(pc));
        frame.registers[1..6].copy_from_slice(&registers);
        frame.callback = Some(callback);
        frame.instance = instance;
        waiting.frame_mut().callback_depth += 1;
        waiting.frames.push(frame);
        waiting.sections.callbacks += 1;
        self.state.frame_mut().callback_depth = 0;
        Ok(())
    }

    fn put_aside_later(&mut self, state: State, pc: Pc, previous: Pc) -> Result<(), Rejection> {
        let token = self.observer.fork();
        let log_position = self.log.position();
        self.pending.push(Pending { state, pc, previous, log_position, token });
        Ok(())
    }

    /// What a callback returns, as it ends.
    pub(super) fn check_callback_result(&mut self, callback: CallbackFrame) -> Result<(), Rejection> {
        let shown = self.changed;
        let r0 = self.read(Reg::R0)?;
        self.changed = shown;
        if !r0.is_scalar() {
            return Err(reject(Errno::EACCES, "R0 not a scalar value").of(Reg::R0));
        }
        self.mark_precise(Reg::R0)?;
        let what = if callback.later { "At async callback return" } else { "At callback return" };
        super::walk::check_range(what, Reg::R0, &r0, callback.returns)
    }

    /// Back at the call: numbers that differ from the turn before are taken to be any.
    pub(super) fn widen_turn(&mut self, pc: Pc) {
        if let Some(before) = self.turn_before(pc)
            && let Some(kept) = self.kept[before.0 as usize].take()
        {
            widen(&kept.state, &mut self.state);
            self.kept[before.0 as usize] = Some(kept);
        }
    }
}
