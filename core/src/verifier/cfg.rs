//! The control-flow graph: which functions there are, whether every jump leads somewhere, whether every
//! instruction can be reached, and at which ones states are compared.

use alloc::vec;
use alloc::vec::Vec;
use core::fmt::Write;

use super::log::Log;
use super::{Rejection, policy, reject};
use crate::errno::Errno;
use crate::isa::{DecodeError, Insn, RawInsn};

/// A function of the program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Function {
    /// Its first slot.
    pub start: u32,
    /// Past its last slot.
    pub end: u32,
    /// Bytes of stack it was seen to use.
    pub stack_depth: u32,
}

/// What stands of an instruction before the program is walked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Marks {
    /// States are compared here.
    pub prune: bool,
    /// Being reached is kept in the path's history.
    pub jump: bool,
    /// A state is always kept here.
    pub checkpoint: bool,
    /// The loop that it is part of, from 1; 0 for none.
    pub component: u32,
    /// Registers that are read after it is reached, before they are written: bit N is rN.
    pub live: u16,
}

/// A program's instructions, as the passes see them.
pub struct Code<'a> {
    /// As given.
    pub raw: &'a [RawInsn],
    /// As decoded, an entry per slot.
    pub insns: &'a [Result<Insn, DecodeError>],
}

impl Code<'_> {
    fn len(&self) -> usize {
        self.raw.len()
    }

    /// The jump's target by the raw fields, for those that have one: the kernel looks at these before it
    /// looks whether the rest is right.
    fn target(&self, at: usize) -> Option<i64> {
        let raw = self.raw[at];
        let relative = match (raw.code & 7, raw.code & 0xf0) {
            (5 | 6, 0x80 | 0x90) => return None,
            (6, 0x00) => raw.imm.into(),
            (5 | 6, _) => i64::from(raw.off),
            _ => return None,
        };
        Some(at as i64 + 1 + relative)
    }
}

/// Finds the functions: the program's own, each that is called or pointed to, and the exception callback. Those found so far are there
/// with an error too.
///
/// # Errors
/// `EINVAL` for a call that leads outside, `E2BIG` for too many functions.
pub fn functions(
    code: &Code,
    exception: Result<Option<u32>, Rejection>,
    log: &mut Log,
    found: &mut Vec<Function>,
) -> Result<(), Rejection> {
    let mut starts = vec![0u32];
    let mut checked = function_starts(code, &mut starts);
    match (&checked, exception) {
        (Ok(()), Ok(Some(start))) => {
            if let Err(place) = starts.binary_search(&start) {
                starts.insert(place, start);
            }
        }
        (Ok(()), Err(rejection)) => checked = Err(rejection),
        _ => {}
    }
    if checked.is_ok() && log.shows_all() {
        for (number, start) in starts.iter().enumerate() {
            let _ = writeln!(log, "func#{number} @{start}");
        }
    }
    let ends = starts[1..].iter().copied().chain([code.len() as u32]);
    *found = starts.iter().zip(ends).map(|(&start, end)| Function { start, end, stack_depth: 0 }).collect();
    checked
}

fn function_starts(code: &Code, starts: &mut Vec<u32>) -> Result<(), Rejection> {
    for at in 0..code.len() {
        let raw = code.raw[at];
        let is_call = raw.code == 0x85 && raw.src == 1;
        let is_pointer = raw.code == 0x18 && raw.src == 4;
        if !is_call && !is_pointer {
            continue;
        }
        let to = at as i64 + 1 + i64::from(raw.imm);
        if to < 0 || to >= code.len() as i64 {
            return Err(reject(Errno::EINVAL, "call to invalid destination"));
        }
        if let Err(place) = starts.binary_search(&(to as u32)) {
            if starts.len() >= policy::MAX_FUNCTIONS {
                return Err(reject(Errno::E2BIG, "too many subprograms"));
            }
            starts.insert(place, to as u32);
        }
    }
    Ok(())
}

/// Every jump stays in its function, and no function runs on into the next.
///
/// # Errors
/// `EINVAL` with the kernel's line.
pub fn check_jumps(code: &Code, functions: &[Function]) -> Result<(), Rejection> {
    for function in functions {
        for at in function.start as usize..function.end as usize {
            if let Some(to) = code.target(at)
                && !(i64::from(function.start)..i64::from(function.end)).contains(&to)
            {
                return Err(reject(Errno::EINVAL, format_args!("jump out of range from insn {at} to {to}")));
            }
        }
        let last = code.raw[function.end as usize - 1].code;
        if !matches!(last, 0x95 | 0x05 | 0x06) {
            return Err(reject(Errno::EINVAL, "last insn is not an exit or jmp"));
        }
    }
    Ok(())
}

/// Where control goes after an instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Successors {
    /// The next instruction, where control falls through.
    pub next: Option<u32>,
    /// The target of a jump.
    pub jump: Option<u32>,
    /// The first slot of a function that is called.
    pub call: Option<u32>,
}

/// Where control goes after the instruction at a slot. One that does not decode falls through: the walk
/// refuses it when it gets there.
pub fn successors(code: &Code, at: usize) -> Successors {
    let raw = code.raw[at];
    let width = if raw.code == 0x18 { 2 } else { 1 };
    let next = Some(at as u32 + width);
    let jump = code.target(at).map(|to| to as u32);
    if raw.code == 0x18 && raw.src == 4 {
        let call = Some((at as i64 + 1 + i64::from(raw.imm)) as u32);
        return Successors { next, jump: None, call };
    }
    match (raw.code & 7, raw.code & 0xf0) {
        (5, 0x90) => Successors::default(),
        (5, 0x80) => {
            let call = (raw.src == 1).then(|| (at as i64 + 1 + i64::from(raw.imm)) as u32);
            Successors { next, jump: None, call }
        }
        (5 | 6, 0x00) => Successors { next: None, jump, call: None },
        (5 | 6, _) => Successors { next, jump, call: None },
        _ => Successors { next, jump: None, call: None },
    }
}

/// Walks the graph depth first: finds unreachable instructions and, where loops are not allowed, back
/// edges; marks where states are compared. Gives back the order in which instructions were left.
///
/// # Errors
/// `EINVAL` with the kernel's line.
pub fn check_graph(
    code: &Code,
    functions: &[Function],
    loops: bool,
    marks: &mut [Marks],
) -> Result<Vec<u32>, Rejection> {
    #[derive(Clone, Copy, PartialEq)]
    enum Visit {
        New,
        Open,
        Done,
    }
    let len = code.len();
    let mut visits = vec![Visit::New; len];
    let mut postorder = Vec::with_capacity(len);
    let mut path: Vec<(u32, u8)> = Vec::new();
    // A function that nothing names, as the exception callback, is entered by itself.
    let named: alloc::collections::BTreeSet<u32> =
        (0..len).filter_map(|at| successors(code, at).call).collect();
    for function in functions.iter().filter(|f| f.start == 0 || !named.contains(&f.start)) {
        if visits[function.start as usize] == Visit::New {
            visits[function.start as usize] = Visit::Open;
            path.push((function.start, 0));
        }
        while let Some((at, edge)) = path.last_mut() {
            let (at, this) = (*at as usize, *edge);
            *edge += 1;
            let s = successors(code, at);
            if this == 0 {
                mark(code, at, &s, marks);
            }
            let (to, is_jump) = match this {
                0 => (s.next, false),
                1 => (s.jump.or(s.call), true),
                _ => {
                    visits[at] = Visit::Done;
                    postorder.push(at as u32);
                    path.pop();
                    continue;
                }
            };
            let Some(to) = to else { continue };
            if to as usize >= len {
                return Err(reject(Errno::EINVAL, format_args!("jump out of range from insn {at} to {to}")));
            }
            if is_jump {
                marks[to as usize].prune = true;
                marks[to as usize].jump = true;
            }
            match visits[to as usize] {
                Visit::New => {
                    visits[to as usize] = Visit::Open;
                    path.push((to, 0));
                }
                Visit::Open if !loops => {
                    return Err(reject(Errno::EINVAL, format_args!("back-edge from insn {at} to {to}")));
                }
                _ => {}
            }
        }
    }
    let mut at = 0;
    while at < len {
        if visits[at] != Visit::Done {
            return Err(reject(Errno::EINVAL, format_args!("unreachable insn {at}")));
        }
        if code.raw[at].code == 0x18 {
            if at + 1 < len && visits[at + 1] != Visit::New {
                let message = format_args!("jump into the middle of ldimm64 insn {at}");
                return Err(reject(Errno::EINVAL, message));
            }
            at += 1;
        }
        at += 1;
    }
    Ok(postorder)
}

/// A function's instructions, each behind those that it leads to where no loop leads back. What an instruction
/// leads to counts as met at once, jumps are followed first: the order in which the log shows what changes.
pub fn postorder(code: &Code, function: &Function) -> Vec<u32> {
    let within = function.start..function.end;
    let len = within.len();
    let (mut met, mut left) = (vec![false; len], vec![false; len]);
    let mut order = Vec::with_capacity(len);
    let mut path = vec![function.start];
    met[0] = true;
    while let Some(&at) = path.last() {
        let place = (at - function.start) as usize;
        if core::mem::replace(&mut left[place], true) {
            order.push(at);
            path.pop();
            continue;
        }
        let s = successors(code, at as usize);
        for to in [s.next, s.jump].into_iter().flatten().filter(|to| within.contains(to)) {
            if !core::mem::replace(&mut met[(to - function.start) as usize], true) {
                path.push(to);
            }
        }
    }
    order
}

/// Where states are compared, and where a path's history is kept.
fn mark(code: &Code, at: usize, s: &Successors, marks: &mut [Marks]) {
    let raw = code.raw[at];
    let after = at + 1;
    if raw.code == 0x18 && raw.src == 4 && at + 2 < marks.len() {
        marks[at].prune = true;
        marks[at + 2].prune = true;
        marks[at + 2].jump = true;
        return;
    }
    match (raw.code & 7, raw.code & 0xf0) {
        // A function that is called may come back by a jump of its own.
        (5, 0x80) if s.call.is_some() && after < marks.len() => {
            marks[at].prune = true;
            marks[after].prune = true;
            marks[after].jump = true;
        }
        // Any other call may end a path's similarity to others.
        (5, 0x80) if after < marks.len() => marks[after].prune = true,
        (5 | 6, 0x00 | 0x90) | (5, 0x80) => {}
        // With other fields set it is none.
        (5, 0xe0) if raw.src != 0 => {}
        (5, 0xe0) => {
            marks[at].prune = true;
            marks[at].checkpoint = true;
        }
        (5 | 6, _) => marks[at].prune = true,
        _ => {}
    }
}

/// Numbers the loops of each function: the strongly connected components that have an edge inside.
pub fn components(code: &Code, functions: &[Function], marks: &mut [Marks]) {
    let len = code.len();
    const NONE: u32 = u32::MAX;
    let mut order = vec![NONE; len];
    let mut low = vec![0u32; len];
    let mut on_stack = vec![false; len];
    let (mut stack, mut path): (Vec<u32>, Vec<(u32, u8)>) = (Vec::new(), Vec::new());
    let (mut next_order, mut next_component) = (0u32, 1u32);
    let starts = functions.iter().map(|f| f.start).chain(0..len as u32);
    for start in starts {
        if order[start as usize] != NONE || (start > 0 && code.raw[start as usize - 1].code == 0x18) {
            continue;
        }
        path.push((start, 0));
        while let Some((at, edge)) = path.last_mut() {
            let (at, this) = (*at as usize, *edge);
            *edge += 1;
            if this == 0 {
                order[at] = next_order;
                low[at] = next_order;
                next_order += 1;
                stack.push(at as u32);
                on_stack[at] = true;
            }
            let s = successors(code, at);
            let to = match this {
                0 => s.next,
                1 => s.jump,
                _ => {
                    path.pop();
                    if let Some((parent, _)) = path.last() {
                        let parent = *parent as usize;
                        low[parent] = low[parent].min(low[at]);
                    }
                    if low[at] == order[at] {
                        let mut members = Vec::new();
                        while let Some(member) = stack.pop() {
                            on_stack[member as usize] = false;
                            members.push(member);
                            if member as usize == at {
                                break;
                            }
                        }
                        let to_itself = s.next == Some(at as u32) || s.jump == Some(at as u32);
                        if members.len() > 1 || to_itself {
                            members.iter().for_each(|m| marks[*m as usize].component = next_component);
                            next_component += 1;
                        }
                    }
                    continue;
                }
            };
            let Some(to) = to.map(|to| to as usize).filter(|to| *to < len) else { continue };
            if order[to] == NONE {
                path.push((to as u32, 0));
            } else if on_stack[to] {
                low[at] = low[at].min(order[to]);
            }
        }
    }
}

/// Registers that an instruction reads, and those that it writes.
fn uses_and_definitions(insn: &Insn) -> (u16, u16) {
    use crate::isa::{AluOp, AtomicOp, Operand, Reg};
    let bit = |reg: Reg| 1u16 << reg.number();
    let operand = |src: Operand| match src {
        Operand::Reg(reg) => bit(reg),
        Operand::Imm(_) => 0,
    };
    match *insn {
        Insn::Alu { op: AluOp::Mov, dst, src, .. } => (operand(src), bit(dst)),
        Insn::Alu { dst, src, .. } => (bit(dst) | operand(src), bit(dst)),
        Insn::MovSx { dst, src, .. }
        | Insn::AddrSpaceCast { dst, src, .. }
        | Insn::AddrPerCpu { dst, src } => (bit(src), bit(dst)),
        Insn::Neg { dst, .. } | Insn::ByteSwap { dst, .. } => (bit(dst), bit(dst)),
        Insn::Load { dst, base, .. } => (bit(base), bit(dst)),
        Insn::Store { base, src, .. } => (bit(base) | operand(src), 0),
        Insn::Atomic { op, base, src, .. } => match op {
            AtomicOp::Cmpxchg => (bit(Reg::R0) | bit(base) | bit(src), bit(Reg::R0)),
            AtomicOp::LoadAcquire => (bit(base), bit(src)),
            AtomicOp::Xchg
            | AtomicOp::Add { fetch: true }
            | AtomicOp::Or { fetch: true }
            | AtomicOp::And { fetch: true }
            | AtomicOp::Xor { fetch: true } => (bit(base) | bit(src), bit(src)),
            _ => (bit(base) | bit(src), 0),
        },
        Insn::LoadImm64 { dst, .. } => (0, bit(dst)),
        // The kernel takes it to read all and to write nothing.
        Insn::LoadPacket { .. } => (0x3ff, 0),
        Insn::Goto { .. } | Insn::MayGoto { .. } => (0, 0),
        Insn::Branch { dst, src, .. } => (bit(dst) | operand(src), 0),
        Insn::Call(_) => (arguments(5), CALLER_SAVED),
        Insn::CallReg { reg } => (0x3e | bit(reg), CALLER_SAVED),
        Insn::Exit => (bit(Reg::R0), 0),
    }
}

/// r0 to r5.
const CALLER_SAVED: u16 = 0x3f;

/// The registers of so many arguments.
fn arguments(count: u32) -> u16 {
    ((1 << count) - 1) << 1
}

/// The same of an instruction that does not decode, as its opcode's class would have it: the kernel finds what
/// is wrong with its fields when it comes to it.
fn raw_uses(raw: &RawInsn) -> (u16, u16) {
    let (dst, src) = (1u16 << raw.dst, 1u16 << raw.src);
    let operand = if raw.code & 8 != 0 { src } else { 0 };
    let op = raw.code & 0xf0;
    match raw.code & 7 {
        // LD: a wide immediate, or a load from the packet.
        0 if raw.code & 0xe0 == 0 => (0, dst),
        0 => (0x3ff, 0),
        // LDX
        1 => (src, dst),
        // ST
        2 => (dst, 0),
        // STX: an atomic operation by its immediate.
        3 if raw.code & 0xe0 == 0xc0 => match raw.imm {
            0xf1 => (1 | dst | src, 1),
            0x100 => (src, dst),
            0x110 => (dst | src, 0),
            imm if imm & 1 != 0 => (dst | src, src),
            _ => (dst | src, 0),
        },
        3 => (dst | src, 0),
        // JMP and JMP32: JA and JCOND, CALL, EXIT, comparisons.
        5 | 6 => match op {
            0 | 0xe0 => (0, 0),
            0x80 => (arguments(5), CALLER_SAVED),
            0x90 => (1, 0),
            _ => (dst | operand, 0),
        },
        // ALU and ALU64: MOV, NEG and END, others.
        _ => match op {
            0xb0 => (operand, dst),
            0x80 | 0xd0 => (dst, dst),
            _ => (dst | operand, dst),
        },
    }
}

/// Finds which registers are live before each instruction.
/// `counts` has the number of arguments of kernel functions by the slot that calls them.
pub fn live_registers(code: &Code, postorder: &[u32], counts: &[(u32, u32)], marks: &mut [Marks]) {
    let facts = code.insns.iter().zip(code.raw);
    let mut facts: Vec<(u16, u16)> =
        facts.map(|(insn, raw)| insn.as_ref().map_or_else(|_| raw_uses(raw), uses_and_definitions)).collect();
    for (at, count) in counts {
        facts[*at as usize].0 = arguments(*count);
    }
    loop {
        let mut changed = false;
        for &at in postorder {
            let at = at as usize;
            let s = successors(code, at);
            let after = [s.next, s.jump].into_iter().flatten();
            let out = after.fold(0, |all, to| all | marks.get(to as usize).map_or(0, |m| m.live));
            let (uses, definitions) = facts[at];
            let live = (out & !definitions | uses) & 0x3ff;
            changed |= live != marks[at].live;
            marks[at].live = live;
        }
        if !changed {
            return;
        }
    }
}
