//! Conditional jumps: which sides are walked, and what each learns.

use super::domain::{Scalar, branch};
use super::observer::Observer;
use super::precision::{Linked, LinkedSet};
use super::register::{AT_PACKET_END, BEYOND_PACKET_END, Kind, MapInfo, MemoryKind, Register, SocketKind};
use super::state::{StackOperands, State};
use super::typed_memory::is_trusted;
use super::walk::Next;
use super::{Rejection, Verifier, alu, policy, references};
use crate::isa::{Insn, JumpOp, Operand, Pc, Reg, Width};

/// The comparison with its operands the other way round.
fn swapped(op: JumpOp) -> JumpOp {
    match op {
        JumpOp::Gt => JumpOp::Lt,
        JumpOp::Ge => JumpOp::Le,
        JumpOp::Lt => JumpOp::Gt,
        JumpOp::Le => JumpOp::Ge,
        JumpOp::Sgt => JumpOp::Slt,
        JumpOp::Sge => JumpOp::Sle,
        JumpOp::Slt => JumpOp::Sgt,
        JumpOp::Sle => JumpOp::Sge,
        same => same,
    }
}

/// Whether a pointer can't be null, as far as comparisons with 0 go.
fn is_not_null(register: &Register) -> bool {
    let known = match register.kind {
        Kind::Socket(_) | Kind::MapValue(_) | Kind::MapKey(_) | Kind::Map(_) => true,
        Kind::Typed { .. } => is_trusted(register),
        Kind::Memory { kind, .. } => kind != MemoryKind::UntrustedReadOnly,
        _ => false,
    };
    known && !register.maybe_null
}

/// Whether the branch is known to be taken, or not to be.
fn outcome(op: JumpOp, width: Width, a: &Register, b: &Register) -> Option<bool> {
    let at_packet = |r: &Register| r.is_packet() || r.kind == Kind::PacketEnd;
    if at_packet(a) && at_packet(b) && width == Width::W64 {
        return packet_outcome(op, a, b);
    }
    let constant = |r: &Register| match width {
        _ if !r.is_scalar() => None,
        Width::W64 => r.var.as_constant(),
        Width::W32 => r.var.as_constant32().map(u64::from),
    };
    let (a, b, op) = if constant(b).is_some() { (a, b, op) } else { (b, a, swapped(op)) };
    if a.is_pointer() {
        if !is_not_null(a) || constant(b) != Some(0) {
            return None;
        }
        return match op {
            JumpOp::Eq => Some(false),
            JumpOp::Ne => Some(true),
            _ => None,
        };
    }
    if !b.is_scalar() {
        return None;
    }
    branch::decide(op, width, &a.var, &b.var)
}

/// As [`outcome`], of a packet pointer that was compared with the packet's end before.
fn packet_outcome(op: JumpOp, a: &Register, b: &Register) -> Option<bool> {
    let (packet, op) = match (a.kind, b.kind) {
        (_, Kind::PacketEnd) => (a, op),
        (Kind::PacketEnd, _) => (b, swapped(op)),
        _ => return None,
    };
    match (op, packet.range) {
        (JumpOp::Le | JumpOp::Gt, BEYOND_PACKET_END) => Some(op == JumpOp::Gt),
        (JumpOp::Lt | JumpOp::Ge, BEYOND_PACKET_END | AT_PACKET_END) => Some(op == JumpOp::Ge),
        _ => None,
    }
}

impl<O: Observer> Verifier<O> {
    pub(super) fn walk_branch(&mut self, pc: Pc, insn: Insn) -> Result<Next, Rejection> {
        let Insn::Branch { width, op, dst, src, off } = insn else { return Ok(self.next_insn(pc)) };
        let target = Pc((i64::from(pc.0) + 1 + i64::from(off)) as u32);
        let a = self.read(dst)?;
        if let Operand::Reg(src) = src {
            let b = self.read(src)?;
            self.check_comparison(&a, Some((&b, src)))?;
        }
        let (b, src_reg) = match src {
            Operand::Reg(src) => (*self.state.register(src), Some(src)),
            Operand::Imm(imm) => (Register::constant(i64::from(imm) as u64), None),
        };
        self.record_stack_operands(&a, &b, src_reg.is_some());
        if let Some(taken) = outcome(op, width, &a, &b) {
            let other = if taken { Pc(pc.0 + 1) } else { target };
            self.guess_branch(other, dst, src_reg)?;
            if !a.is_pointer() {
                self.mark_precise(dst)?;
            }
            if let Some(src) = src_reg.filter(|_| !b.is_pointer()) {
                self.mark_precise(src)?;
            }
            self.log_changed_now();
            return Ok(if taken { Next::At(target) } else { self.next_insn(pc) });
        }
        let tests_null = width == Width::W64
            && src == Operand::Imm(0)
            && matches!(op, JumpOp::Eq | JumpOp::Ne)
            && a.maybe_null;
        let orders = matches!(op, JumpOp::Gt | JumpOp::Ge | JumpOp::Lt | JumpOp::Le);
        let within_packet = width == Width::W64 && orders && (is_below(&a, &b) || is_below(&b, &a));
        let linked = self.collect_linked(&a, &b, src_reg.is_some());
        if linked.len() > 1 {
            self.linked.push(linked.clone());
            let index = self.linked.len() as u32 - 1;
            self.record(None, Some(index));
        }
        self.put_aside(target, pc)?;
        // The other side waits already: by guess it is walked although this one is refused.
        if !tests_null && !within_packet {
            self.check_exposes(&a, dst, "pointer comparison prohibited")?;
        }
        let last = self.pending.len() - 1;
        let taken = &mut self.pending[last].state;
        let followed = &mut self.state;

        if a.is_scalar() && b.is_scalar() {
            for (state, holds) in [(&mut *followed, false), (&mut *taken, true)] {
                let (mut x, mut y) = (a.var, b.var);
                if src_reg == Some(dst) {
                    branch::refine_same(op, width, holds, &mut x);
                    y = x;
                } else {
                    branch::refine(op, width, holds, &mut x, &mut y);
                }
                state.register_mut(dst).var = x;
                if let Some(src) = src_reg {
                    state.register_mut(src).var = y;
                }
            }
            for state in [followed, taken] {
                for reg in [src_reg, Some(dst)].into_iter().flatten() {
                    let known = *state.register(reg);
                    if known.id != 0 {
                        share(state, &known, &linked);
                    }
                }
            }
        }
        let keeps_id = self.may_hold_lock(if a.maybe_null { &a } else { &b });
        let is_zero_test = src == Operand::Imm(0) && matches!(op, JumpOp::Eq | JumpOp::Ne);
        let last = self.pending.len() - 1;
        let (followed, taken) = (&mut self.state, &mut self.pending[last].state);
        if width == Width::W64
            && src_reg.is_some()
            && a.is_pointer()
            && b.is_pointer()
            && a.maybe_null != b.maybe_null
            && matches!(op, JumpOp::Eq | JumpOp::Ne)
        {
            // Equal to something that is not null.
            let (maybe, reg) = if a.maybe_null { (a, dst) } else { (b, src_reg.unwrap_or(dst)) };
            let present = present_kind(maybe.kind, &self.maps);
            // The one register, whatever others are known to be the same.
            let equal = if op == JumpOp::Eq { taken } else { followed };
            let known = equal.register_mut(reg);
            known.maybe_null = false;
            known.kind = present;
        } else if width == Width::W64 && is_zero_test && a.maybe_null {
            let present = present_kind(a.kind, &self.maps);
            decide_null(followed, &a, op == JumpOp::Ne, present, keeps_id);
            decide_null(taken, &a, op == JumpOp::Eq, present, keeps_id);
        } else if width == Width::W64
            && let Some(src) = src_reg
        {
            learn_packet_range(op, dst, src, &a, &b, followed, taken);
        }
        self.log_changed_now();
        Ok(self.next_insn(pc))
    }

    /// The path's history tells which operands are pointers into the stack.
    fn record_stack_operands(&mut self, a: &Register, b: &Register, with_b: bool) {
        let is_stack = |r: &Register| matches!(r.kind, Kind::Stack { .. });
        let mut operands = if is_stack(a) { StackOperands::DST } else { 0 };
        if with_b && is_stack(b) {
            operands |= StackOperands::SRC;
        }
        if operands != 0 {
            self.record(None, None);
            if let Some(step) = self.state.history.last_mut() {
                step.stack_operands = operands;
            }
        }
    }

    fn log_changed_now(&mut self) {
        if self.log.shows_instructions() {
            self.log_changed();
        }
    }

    /// The registers and slots that are tied to the operands, where those are numbers with an id.
    fn collect_linked(&mut self, a: &Register, b: &Register, with_b: bool) -> LinkedSet {
        let mut linked = LinkedSet::new();
        for (register, asked) in [(b, with_b), (a, true)] {
            if !asked || !register.is_scalar() || register.id == 0 {
                continue;
            }
            let id = register.id;
            for frame in 0..self.state.frames.len() {
                let pc = self.frame_pc(&self.state, frame);
                let live = self.marks[pc.index()].live;
                let f = &mut self.state.frames[frame];
                for number in 0..10u8 {
                    let r = &mut f.registers[usize::from(number)];
                    if r.is_scalar() && r.id == id && live >> number & 1 == 1 {
                        let entry = Linked { frame: frame as u8, slot: false, number };
                        push_linked(&mut linked, entry, r);
                    }
                }
                for (number, slot) in f.stack.iter_mut().enumerate() {
                    if slot.is_spilled_scalar() && slot.spilled.id == id {
                        let entry = Linked { frame: frame as u8, slot: true, number: number as u8 };
                        push_linked(&mut linked, entry, &mut slot.spilled);
                    }
                }
            }
        }
        linked
    }

    /// The instruction that a frame is at: the call, for all but the last.
    pub(super) fn frame_pc(&self, state: &State, frame: usize) -> Pc {
        match state.frames.get(frame + 1) {
            Some(callee) => callee.call_site.unwrap_or(state.pc),
            None => state.pc,
        }
    }
}

/// Adds an entry; where there is no room, unties the register instead.
fn push_linked(linked: &mut LinkedSet, entry: Linked, register: &mut Register) {
    if linked.contains(&entry) {
        return;
    }
    if linked.len() < policy::MAX_LINKED {
        linked.push(entry);
    } else {
        register.untie();
    }
}

/// Lets what is tied to a number know what it knows.
fn share(state: &mut State, known: &Register, linked: &[Linked]) {
    for entry in linked {
        let frame = &mut state.frames[usize::from(entry.frame)];
        let number = usize::from(entry.number);
        let register =
            if entry.slot { &mut frame.stack[number].spilled } else { &mut frame.registers[number] };
        if !register.is_scalar() || register.id != known.id {
            continue;
        }
        let same = (!register.add_const && !known.add_const) || register.offset == known.offset;
        if same && register.add_const == known.add_const && register.add_const32 == known.add_const32 {
            let precise = register.precise;
            *register = Register { precise: precise || known.precise, ..*known };
        } else {
            register.var = alu::shifted(known, register);
        }
    }
}

/// What a value that may be null is where it is not: what a map of maps or of sockets holds.
fn present_kind(kind: Kind, maps: &[MapInfo]) -> Kind {
    let Kind::MapValue(map) = kind else { return kind };
    let Some(info) = maps.get(usize::from(map.0)) else { return kind };
    match (info.spec.map_type, info.inner) {
        (_, Some(inner)) => Kind::Map(inner),
        (15 | 18, None) => Kind::Socket(SocketKind::Full),
        (17, None) => Kind::Socket(SocketKind::Xdp),
        _ => kind,
    }
}

/// Decides for all values with that one's id whether they are null; `present` is their kind where they are not.
fn decide_null(state: &mut State, decided: &Register, null: bool, present: Kind, keeps_id: bool) {
    let (id, reference) = (decided.id, decided.reference);
    if null && reference != 0 && reference == id {
        // What is not there need not be given back.
        references::release(state, reference);
    }
    state.each_register(|r| {
        if !r.maybe_null || r.id != id {
            return;
        }
        if null {
            *r = Register { kind: Kind::Scalar, maybe_null: false, id: 0, reference: 0, ..*r };
            r.offset = 0;
            r.var = Scalar::constant(0);
        } else {
            r.maybe_null = false;
            // A lock in it is told from others by the id.
            if !keeps_id {
                r.id = 0;
            }
            r.kind = present;
        }
    });
}

/// Whether the one may be compared with the other as with an end: a packet pointer with the packet's end, one
/// into the meta data with the packet's start.
fn is_below(x: &Register, y: &Register) -> bool {
    let starts =
        |r: &Register| r.kind == Kind::Packet && r.offset == 0 && r.id == 0 && r.var.as_constant() == Some(0);
    (x.kind == Kind::Packet && y.kind == Kind::PacketEnd) || (x.kind == Kind::PacketMeta && starts(y))
}

/// A comparison with the packet's end says how many bytes are there.
fn learn_packet_range(
    op: JumpOp,
    dst: Reg,
    src: Reg,
    a: &Register,
    b: &Register,
    followed: &mut State,
    taken: &mut State,
) {
    // Written as "packet op end".
    let (op, packet, reg) = if is_below(a, b) {
        (op, a, dst)
    } else if is_below(b, a) {
        (swapped(op), b, src)
    } else {
        return;
    };
    // The side on which the pointer is at or below the end, whether strictly, and the other one.
    let (inside, outside, strictly) = match op {
        JumpOp::Gt => (followed, taken, false),
        JumpOp::Ge => (followed, taken, true),
        JumpOp::Lt => (taken, followed, true),
        JumpOp::Le => (taken, followed, false),
        _ => return,
    };
    extend_range(inside, packet, strictly);
    let r = outside.register_mut(reg);
    if r.kind == Kind::Packet {
        r.range = if strictly { AT_PACKET_END } else { BEYOND_PACKET_END };
    }
}

/// Every pointer with the same variable part may reach as far as this one was found to.
fn extend_range(state: &mut State, packet: &Register, strictly: bool) {
    let offset = packet.offset;
    if offset < 0 || (offset == 0 && strictly) {
        return;
    }
    let most = policy::MAX_PACKET_OFFSET;
    if packet.var.umax > most || packet.var.umax + offset as u64 > most {
        return;
    }
    let range = offset + i32::from(strictly);
    let (kind, id) = (packet.kind, packet.id);
    state.each_register(|r| {
        if r.kind == kind && r.id == id {
            r.range = r.range.max(range);
        }
    });
}
