//! The verifier's values as views: the kernel's notation, and words.

use alloc::format;
use alloc::string::String;

use super::recorder::Program;
use super::view::{FrameView, Range, RegisterView, SegmentId, SlotView, StateView, Step, Value, ValueKind};
use crate::isa::Pc;
use crate::verifier::domain::Scalar;
use crate::verifier::print;
use crate::verifier::register::{
    AT_PACKET_END, BEYOND_PACKET_END, Kind, MapInfo, MapRef, MemoryKind, Register,
};
use crate::verifier::state::{Frame, Slot, State};

/// A state as a view, marked where it differs from the one before. Step and segment are left to the caller.
pub(super) fn state(program: &Program, state: &State, before: Option<&State>) -> StateView {
    let frames = state.frames.iter().enumerate().map(|(number, frame)| {
        // Another call's frame is another frame.
        let before = before
            .and_then(|before| before.frames.get(number))
            .filter(|before| before.call_site == frame.call_site);
        let at = match state.frames.get(number + 1) {
            Some(callee) => callee.call_site.unwrap_or(state.pc),
            None => state.pc,
        };
        self::frame(program, number, frame, before, at)
    });
    let references = state.references.iter();
    StateView {
        step: Step::default(),
        pc: state.pc.0,
        segment: SegmentId::default(),
        frames: frames.collect(),
        references: references.map(|r| format!("id={} from insn {}", r.id, r.acquired)).collect(),
    }
}

fn frame(program: &Program, number: usize, frame: &Frame, before: Option<&Frame>, at: Pc) -> FrameView {
    let live = program.live.get(at.index()).copied().unwrap_or(u16::MAX);
    let registers = frame.registers.iter().enumerate().map(|(r, register)| RegisterView {
        number: r as u8,
        value: value(register, number, &program.maps),
        changed: before.is_some_and(|before| !same(&before.registers[r], register)),
        live: live >> r & 1 == 1 || r == 10,
    });
    let slots = frame.stack.iter().enumerate().filter(|(_, slot)| slot.is_written()).map(|(at, slot)| {
        let old = before.map(|before| before.slot(at));
        SlotView {
            offset: -8 * (at as i32 + 1),
            value: slot_value(slot, number, &program.maps),
            bytes: slot.bytes.iter().rev().map(|byte| byte.character()).collect(),
            changed: old.is_some_and(|old| old.bytes != slot.bytes || !same(&old.spilled, &slot.spilled)),
        }
    });
    FrameView {
        number: number as u32,
        call_site: frame.call_site.map(|pc| pc.0),
        registers: registers.collect(),
        slots: slots.collect(),
    }
}

/// Whether two registers say the same; that one is found to matter exactly is no change of it.
fn same(a: &Register, b: &Register) -> bool {
    Register { precise: false, ..*a } == Register { precise: false, ..*b }
}

/// A register, seen from a frame.
pub(super) fn value(register: &Register, frame: usize, maps: &[MapInfo]) -> Value {
    let mut text = String::new();
    if register.kind != Kind::Uninitialised {
        // A string takes all that is written.
        let _ = print::write_register(register, frame, &print::Names::of_maps(maps), &mut text);
    }
    Value {
        kind: kind(register),
        text,
        words: words(register, frame, maps),
        range: range(register),
        maybe_null: register.maybe_null,
        precise: register.precise,
        id: register.id,
    }
}

pub(super) fn slot_value(slot: &Slot, frame: usize, maps: &[MapInfo]) -> Value {
    if slot.is_spill() {
        return value(&slot.spilled, frame, maps);
    }
    let bytes: String = slot.bytes.iter().map(|byte| byte.character()).collect();
    let zero = bytes.bytes().all(|byte| byte == b'0');
    let held = if zero { Register::constant(0) } else { Register::UNKNOWN };
    let words = match () {
        () if zero => "zero",
        () if bytes.contains('?') => "partly written",
        () if bytes.bytes().all(|byte| matches!(byte, b'm' | b'0')) => "some bytes",
        () => "an object of the verifier's",
    };
    Value { text: bytes, words: words.into(), ..value(&held, frame, maps) }
}

fn kind(register: &Register) -> ValueKind {
    match register.kind {
        Kind::Uninitialised => ValueKind::Uninitialised,
        Kind::Scalar => ValueKind::Scalar,
        Kind::Context => ValueKind::Context,
        Kind::Stack { .. } => ValueKind::Stack,
        Kind::Packet | Kind::PacketMeta | Kind::PacketEnd => ValueKind::Packet,
        Kind::Map(_) | Kind::MapValue(_) => ValueKind::Map,
        _ => ValueKind::Object,
    }
}

fn range(register: &Register) -> Option<Range> {
    let shown = register.is_scalar() || (register.is_pointer() && register.var.as_constant() != Some(0));
    let s = &register.var;
    shown.then_some(Range {
        umin: s.umin,
        umax: s.umax,
        smin: s.smin,
        smax: s.smax,
        u32_min: s.u32_min,
        u32_max: s.u32_max,
        s32_min: s.s32_min,
        s32_max: s.s32_max,
        value: s.var.value,
        mask: s.var.mask,
    })
}

/// A number as people read it: with a sign where it is a small negative one, hexadecimal where it is large.
pub(super) fn number(value: i64) -> String {
    match value {
        -0xffff..=0xf_ffff => format!("{value}"),
        i64::MIN => "-2^63".into(),
        _ if value < 0 => format!("-{:#x}", value.unsigned_abs()),
        _ => format!("{value:#x}"),
    }
}

fn unsigned(value: u64) -> String {
    match i64::try_from(value) {
        Ok(small) => number(small),
        Err(_) if value == u64::MAX => "2^64-1".into(),
        Err(_) => format!("{value:#x}"),
    }
}

/// The interval that says most, as `[0, 16]`'s two ends; `None` where nothing is known.
pub(super) fn interval(s: &Scalar) -> Option<(String, String)> {
    if s.smin < 0 {
        let signed = s.smin > i64::MIN || s.smax < i64::MAX;
        return signed.then(|| {
            let most = if s.smax == i64::MAX { "2^63-1".into() } else { number(s.smax) };
            (number(s.smin), most)
        });
    }
    let known = s.umin > 0 || s.umax < u64::MAX;
    known.then(|| (unsigned(s.umin), unsigned(s.umax)))
}

/// A set of numbers in words.
pub(super) fn numbers(s: &Scalar) -> String {
    if let Some(value) = s.as_constant() {
        return number(value as i64);
    }
    let unsigned32 = s.umax == u64::from(u32::MAX) && s.umin == 0;
    let mut words = match interval(s) {
        Some(_) if unsigned32 && s.u32_min == 0 && s.u32_max == u32::MAX => "any 32-bit number".into(),
        Some((least, most)) => format!("{least} to {most}"),
        None if s.u32_min > 0 || s.u32_max < u32::MAX => {
            format!("any number whose low 32 bits are {} to {}", s.u32_min, s.u32_max)
        }
        None if s.s32_min > i32::MIN || s.s32_max < i32::MAX => {
            format!("any number whose low 32 bits, signed, are {} to {}", s.s32_min, s.s32_max)
        }
        None => "any number".into(),
    };
    let zeros = (s.var.value | s.var.mask).trailing_zeros();
    if (1..64).contains(&zeros) {
        words += &format!(", a multiple of {}", number((1u64 << zeros) as i64));
    }
    words
}

/// An offset behind a pointer: ` + 4`, ` - 8`, ` + 0 to 16`, or nothing.
fn offset(register: &Register) -> String {
    let fixed = i64::from(register.offset);
    match register.var.as_constant() {
        Some(value) => match fixed.wrapping_add(value as i64) {
            0 => String::new(),
            at if at < 0 => format!(" - {}", number(at.saturating_neg())),
            at => format!(" + {}", number(at)),
        },
        None if fixed == 0 => format!(" + {}", numbers(&register.var)),
        None => format!(" + {} + {}", number(fixed), numbers(&register.var)),
    }
}

/// A map's name, or its number.
pub(super) fn map_name(map: MapRef, maps: &[MapInfo]) -> String {
    let name = maps.get(usize::from(map.0)).map(|info| info.spec.name.as_str());
    name.filter(|name| !name.is_empty()).map_or_else(|| format!("#{}", map.0), String::from)
}

/// A register in words.
pub(super) fn words(register: &Register, frame: usize, maps: &[MapInfo]) -> String {
    let mut words = match register.kind {
        Kind::Uninitialised => "nothing was written".into(),
        Kind::Scalar => numbers(&register.var),
        Kind::Context => format!("the context{}", offset(register)),
        Kind::Stack { frame: of } if usize::from(of) == frame => format!("the stack{}", offset(register)),
        Kind::Stack { frame: of } => format!("the stack of frame {of}{}", offset(register)),
        Kind::Map(map) => format!("map {}", map_name(map, maps)),
        Kind::MapValue(map) => {
            let size = maps.get(usize::from(map.0)).map_or(0, |info| info.spec.value_size);
            format!("a value of map {} ({}){}", map_name(map, maps), bytes(size.into()), offset(register))
        }
        Kind::Packet => format!("the packet{}, {}", offset(register), known_there(register)),
        Kind::PacketMeta => format!("the packet's metadata{}, {}", offset(register), known_there(register)),
        Kind::PacketEnd => "the packet's end".into(),
        Kind::Socket(_) => format!("a socket{}", offset(register)),
        Kind::FlowKeys => format!("the flow's keys{}", offset(register)),
        Kind::TracepointBuffer => format!("the tracepoint's buffer{}", offset(register)),
        Kind::Buffer { .. } => format!("the iterator's buffer{}", offset(register)),
        Kind::Function(pc) => format!("the function at {pc}"),
        Kind::Memory { kind: MemoryKind::RingBuffer, size } => {
            format!("a ring buffer's record ({}){}", bytes(size.into()), offset(register))
        }
        Kind::Memory { size, .. } => format!("memory ({}){}", bytes(size.into()), offset(register)),
        Kind::MapKey(map) => format!("a key of map {}{}", map_name(map, maps), offset(register)),
        Kind::Arena => format!("the arena{}", offset(register)),
        Kind::DynptrPointer(_) => "a dynptr".into(),
        Kind::Iterator { .. } => "an iterator".into(),
        Kind::Interrupts { .. } => "a saved state of interrupts".into(),
        Kind::Typed { .. } => format!("an object of the kernel's{}", offset(register)),
        // Kinds that have no words yet have the log's name.
        #[allow(unreachable_patterns)]
        _ => {
            let name = Register { maybe_null: false, ..*register }.type_name();
            format!("a {name}{}", offset(register))
        }
    };
    if register.maybe_null {
        words += ", or null";
    }
    words
}

fn known_there(register: &Register) -> String {
    match register.range {
        0 => "of which no byte is known to be there".into(),
        AT_PACKET_END => "at or beyond its end".into(),
        BEYOND_PACKET_END => "beyond its end".into(),
        range => format!("whose first {} are known to be there", bytes(range.into())),
    }
}

/// A number of bytes.
pub(super) fn bytes(count: i64) -> String {
    if count == 1 { "1 byte".into() } else { format!("{} bytes", number(count)) }
}
