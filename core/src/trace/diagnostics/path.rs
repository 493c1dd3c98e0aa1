//! Where a value came from: the walk back from where it was used.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::super::describe;
use super::super::recorder::{Program, Trace};
use super::super::view::{Cause, Step};
use crate::helper::Facts;
use crate::isa::{AluOp, AtomicOp, CallTarget, Insn, JumpOp, Operand, Reg};
use crate::verifier::register::{Kind, Register};
use crate::verifier::state::{Slot, State};

/// Where a value is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::trace) enum Place {
    /// In a register of a frame.
    Register {
        /// The frame.
        frame: usize,
        /// 0 to 10.
        number: u8,
    },
    /// In a slot of a frame's stack.
    Slot {
        /// The frame.
        frame: usize,
        /// 0 is fp-8.
        slot: usize,
    },
}

/// Most causes that are told.
const MOST_CAUSES: usize = 12;
/// Most steps that are looked through.
const MOST_STEPS: usize = 100_000;

impl Place {
    fn frame(self) -> usize {
        match self {
            Place::Register { frame, .. } | Place::Slot { frame, .. } => frame,
        }
    }

    fn value(self, state: &State) -> Option<Slot> {
        let frame = state.frames.get(self.frame())?;
        Some(match self {
            Place::Register { number, .. } => {
                Slot { spilled: *frame.registers.get(usize::from(number))?, ..Slot::EMPTY }
            }
            Place::Slot { slot, .. } => frame.slot(slot),
        })
    }

    fn name(self, current: usize) -> String {
        let of = match self.frame() == current {
            true => String::new(),
            false => format!(" of frame {}", self.frame()),
        };
        match self {
            Place::Register { number, .. } => format!("r{number}{of}"),
            Place::Slot { slot, .. } => format!("fp-{}{of}", 8 * (slot + 1)),
        }
    }

    fn words(self, state: &State, program: &Program) -> String {
        match (self, self.value(state)) {
            (Place::Slot { .. }, Some(slot)) if !slot.is_spill() => {
                if slot.is_written() {
                    "some bytes".into()
                } else {
                    "nothing was written".into()
                }
            }
            (_, Some(slot)) => describe::words(&slot.spilled, self.frame(), &program.maps),
            (_, None) => String::new(),
        }
    }
}

/// One step back.
struct Back<'a> {
    program: &'a Program,
    before: &'a State,
    after: &'a State,
    /// What is asked for before the step.
    places: Vec<Place>,
    what: Option<String>,
}

impl Back<'_> {
    fn tell(&mut self, what: String) {
        self.what.get_or_insert(what);
    }

    fn ask(&mut self, place: Place) {
        if !self.places.contains(&place) {
            self.places.push(place);
        }
    }

    fn register(&self, number: Reg) -> Place {
        Place::Register { frame: self.before.current(), number: number.number() }
    }

    /// What a place is after the step.
    fn now(&self, place: Place) -> String {
        place.words(self.after, self.program)
    }

    fn name(&self, place: Place) -> String {
        place.name(self.before.current())
    }

    /// A place that the step left as it was, or refined.
    fn keep(&mut self, place: Place, insn: &Insn) {
        let (before, after) = (place.value(self.before), place.value(self.after));
        if let (Some(before), Some(after)) = (before, after)
            && !alike(&before, &after)
        {
            let now = self.now(place);
            let name = self.name(place);
            self.tell(match insn {
                Insn::Branch { .. } => format!("{}: {name} is {now}", condition(insn, self.taken())),
                Insn::Call(CallTarget::Helper(number)) => {
                    format!("{} changes what {name} is: {now}", helper(*number))
                }
                _ => format!("{name} is now {now}"),
            });
        }
        self.ask(place);
    }

    fn taken(&self) -> bool {
        self.after.pc.0 != self.before.pc.0 + 1
    }
}

/// The same, but for how exactly it matters.
fn alike(a: &Slot, b: &Slot) -> bool {
    let plain = |r: &Register| Register { precise: false, ..*r };
    a.bytes == b.bytes && Register { id: 0, ..plain(&a.spilled) } == Register { id: 0, ..plain(&b.spilled) }
}

fn helper(number: i32) -> String {
    Facts::of(number).map_or_else(|| format!("helper {number}"), |facts| facts.name.to_string())
}

fn operand(operand: Operand) -> String {
    match operand {
        Operand::Reg(reg) => format!("r{}", reg.number()),
        Operand::Imm(value) => describe::number(value.into()),
    }
}

/// A comparison as it turned out: `r0 == 0 did not hold`.
fn condition(insn: &Insn, taken: bool) -> String {
    let Insn::Branch { op, dst, src, .. } = insn else { return String::new() };
    let (holds, fails) = match op {
        JumpOp::Eq => ("==", "!="),
        JumpOp::Ne => ("!=", "=="),
        JumpOp::Gt => (">", "<="),
        JumpOp::Ge => (">=", "<"),
        JumpOp::Lt => ("<", ">="),
        JumpOp::Le => ("<=", ">"),
        JumpOp::Sgt => ("s>", "s<="),
        JumpOp::Sge => ("s>=", "s<"),
        JumpOp::Slt => ("s<", "s>="),
        JumpOp::Sle => ("s<=", "s>"),
        JumpOp::Set => ("&", "has no bit of"),
    };
    let shown = if taken { holds } else { fails };
    format!("r{} {shown} {} here", dst.number(), operand(*src))
}

fn operator(op: AluOp) -> &'static str {
    match op {
        AluOp::Add => "+=",
        AluOp::Sub => "-=",
        AluOp::Mul => "*=",
        AluOp::Div => "/=",
        AluOp::Sdiv => "s/=",
        AluOp::Or => "|=",
        AluOp::And => "&=",
        AluOp::Lsh => "<<=",
        AluOp::Rsh => ">>=",
        AluOp::Mod => "%=",
        AluOp::Smod => "s%=",
        AluOp::Xor => "^=",
        AluOp::Mov => "=",
        AluOp::Arsh => "s>>=",
    }
}

/// The steps that gave these places their values before a step, oldest first.
pub(in crate::trace) fn causes(trace: &Trace, places: &[Place], before: Step) -> Vec<Cause> {
    let mut causes = Vec::new();
    let Some(program) = &trace.program else { return causes };
    let mut places = places.to_vec();
    let (mut at, mut after) = (before, None);
    for _ in 0..MOST_STEPS {
        if places.is_empty() || causes.len() >= MOST_CAUSES {
            break;
        }
        let Some(step) = trace.previous(at) else {
            if let Some(what) = at_entry(&places) {
                causes.push(Cause { step: at, pc: trace.pc(at).0, what: what.into() });
            }
            break;
        };
        let pc = trace.pc(step);
        let later: State = match after.take().or_else(|| trace.state_at(at)) {
            Some(state) => state,
            None => break,
        };
        let Some(earlier) = trace.state_at(step) else { break };
        if let Some(Ok(insn)) = program.insns.get(pc.index()) {
            let (left, what) = back(program, insn, &earlier, &later, &places);
            places = left;
            if let Some(what) = what {
                causes.push(Cause { step, pc: pc.0, what });
            }
        }
        (at, after) = (step, Some(earlier));
    }
    causes.reverse();
    causes
}

fn at_entry(places: &[Place]) -> Option<&'static str> {
    places.iter().find_map(|place| match place {
        Place::Register { number: 1, .. } => Some("r1 is the context when the program begins"),
        _ => None,
    })
}

/// What is asked for before a step, and what the step did to it.
fn back(
    program: &Program,
    insn: &Insn,
    before: &State,
    after: &State,
    places: &[Place],
) -> (Vec<Place>, Option<String>) {
    let mut back = Back { program, before, after, places: Vec::new(), what: None };
    for place in places {
        one_back(&mut back, insn, *place);
    }
    (back.places, back.what)
}

fn one_back(back: &mut Back<'_>, insn: &Insn, place: Place) {
    let current = back.before.current();
    // Into a function, and back out of one.
    if back.after.frames.len() > back.before.frames.len() && place.frame() == current + 1 {
        if let Place::Register { number, .. } = place
            && (1..=5).contains(&number)
        {
            back.tell(format!("the call passes r{number}: {}", back.now(place)));
            back.ask(Place::Register { frame: current, number });
        }
        return;
    }
    let own = place.frame() == current || (*insn == Insn::Exit && place.frame() + 1 == current);
    if let Place::Slot { frame, slot } = place {
        match stored(back.before, insn) {
            Some((of, at, source)) if (of, at) == (frame, slot) => {
                let now = back.now(place);
                let name = back.name(place);
                back.tell(match source {
                    Some(Operand::Reg(reg)) => format!("r{} is stored at {name}: {now}", reg.number()),
                    Some(Operand::Imm(value)) => {
                        format!("{} is stored at {name}", describe::number(value.into()))
                    }
                    None => format!("{name} is changed in place: {now}"),
                });
                if let Some(Operand::Reg(reg)) = source {
                    back.ask(back.register(reg));
                }
            }
            _ => back.keep(place, insn),
        }
        return;
    }
    let Place::Register { number, .. } = place else { return };
    if !own {
        return back.keep(place, insn);
    }
    let now = back.now(place);
    let r = format!("r{number}");
    match *insn {
        Insn::Alu { op: AluOp::Mov, dst, src, .. } if dst.number() == number => match src {
            Operand::Imm(value) => back.tell(format!("{r} = {}", describe::number(value.into()))),
            Operand::Reg(src) => {
                back.tell(format!("{r} = r{}: {now}", src.number()));
                back.ask(back.register(src));
            }
        },
        Insn::MovSx { dst, src, .. } | Insn::AddrSpaceCast { dst, src, .. } if dst.number() == number => {
            back.tell(format!("{r} = r{}: {now}", src.number()));
            back.ask(back.register(src));
        }
        Insn::Alu { op, dst, src, .. } if dst.number() == number => {
            back.tell(format!("{r} {} {}: {now}", operator(op), operand(src)));
            back.ask(place);
            if let Operand::Reg(src) = src
                && back.before.register(src).as_constant().is_none()
            {
                back.ask(back.register(src));
            }
        }
        Insn::Neg { dst, .. } | Insn::ByteSwap { dst, .. } if dst.number() == number => {
            let what = if matches!(insn, Insn::Neg { .. }) { "is negated" } else { "has its bytes swapped" };
            back.tell(format!("{r} {what}: {now}"));
            back.ask(place);
        }
        Insn::LoadImm64 { dst, .. } if dst.number() == number => back.tell(format!("{r} = {now}")),
        Insn::Load { dst, base, off, .. }
        | Insn::Atomic { op: AtomicOp::LoadAcquire, src: dst, base, off, .. }
            if dst.number() == number =>
        {
            loaded(back, insn, &r, &now, base, off.into());
        }
        Insn::Atomic { op, src, base, off, .. } if fetched(op, src) == Some(number) => {
            loaded(back, insn, &r, &now, base, off.into());
        }
        Insn::LoadPacket { .. } if number == 0 => back.tell(format!("r0 is loaded from the packet: {now}")),
        Insn::LoadPacket { .. } if number <= 5 => {
            back.tell("a packet load leaves r1 to r5 without a value".into());
        }
        Insn::Call(CallTarget::Helper(call)) if number == 0 => {
            back.tell(format!("{} gives {now}", helper(call)));
        }
        Insn::Call(CallTarget::Kernel { .. }) if number == 0 => {
            back.tell(format!("the kernel function gives {now}"));
        }
        Insn::Call(target) if number <= 5 => {
            let name = match target {
                CallTarget::Helper(number) => helper(number),
                CallTarget::Local(_) => "the call of a local function".into(),
                CallTarget::Kernel { .. } => "the call of a kernel function".into(),
            };
            back.tell(format!("{name} leaves r1 to r5 without a value"));
        }
        Insn::Exit if number == 0 => {
            back.tell(format!("the function returns {now}"));
            back.ask(Place::Register { frame: current, number: 0 });
        }
        Insn::Exit => back.ask(place),
        _ => back.keep(place, insn),
    }
}

/// Where a load from memory got its value.
fn loaded(back: &mut Back<'_>, insn: &Insn, r: &str, now: &str, base: Reg, off: i64) {
    let pointer = *back.before.register(base);
    let (Insn::Load { size, .. } | Insn::Atomic { size, .. }) = insn else { return };
    if let Some((frame, at)) = stack_address(&pointer, off) {
        let slot = (-at - 1) as usize / 8;
        let place = Place::Slot { frame, slot };
        back.tell(format!("{r} is loaded from {}: {now}", back.name(place)));
        if place.value(back.before).is_some_and(|slot| slot.is_spill()) {
            back.ask(place);
        }
        return;
    }
    let from = match pointer.kind {
        Kind::Context => "the context".into(),
        Kind::Packet | Kind::PacketMeta => "the packet".into(),
        Kind::MapValue(map) => format!("a value of map {}", describe::map_name(map, &back.program.maps)),
        _ => "memory".to_string(),
    };
    let count = describe::bytes(size.bytes().into());
    let r#where = if pointer.kind == Kind::Context {
        format!(" at offset {}", describe::number(off + i64::from(pointer.offset)))
    } else {
        String::new()
    };
    back.tell(format!("{r} is loaded, {count} of {from}{}: {now}", r#where));
}

/// The register that an atomic operation leaves the old value in.
pub(in crate::trace) fn fetched(op: AtomicOp, src: Reg) -> Option<u8> {
    match op {
        AtomicOp::Cmpxchg => Some(0),
        AtomicOp::Xchg
        | AtomicOp::Add { fetch: true }
        | AtomicOp::Or { fetch: true }
        | AtomicOp::And { fetch: true }
        | AtomicOp::Xor { fetch: true } => Some(src.number()),
        _ => None,
    }
}

/// The frame and the offset in it that a stack pointer with a known offset, plus `off`, is.
pub(in crate::trace) fn stack_address(pointer: &Register, off: i64) -> Option<(usize, i64)> {
    let Kind::Stack { frame } = pointer.kind else { return None };
    let at = (pointer.var.as_constant()? as i64).checked_add(pointer.offset.into())?.checked_add(off)?;
    (-512..0).contains(&at).then_some((frame.into(), at))
}

/// The slot that a store writes, and what it stores; `None` for an operation on what is there.
pub(in crate::trace) fn stored(before: &State, insn: &Insn) -> Option<(usize, usize, Option<Operand>)> {
    let (base, off, source) = match *insn {
        Insn::Store { base, off, src, .. } => (base, off, Some(src)),
        Insn::Atomic { op: AtomicOp::StoreRelease, base, off, src, .. } => {
            (base, off, Some(Operand::Reg(src)))
        }
        Insn::Atomic { op: AtomicOp::LoadAcquire, .. } => return None,
        Insn::Atomic { base, off, .. } => (base, off, None),
        _ => return None,
    };
    let (frame, at) = stack_address(before.register(base), off.into())?;
    Some((frame, (-at - 1) as usize / 8, source))
}
