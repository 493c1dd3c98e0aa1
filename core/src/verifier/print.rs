//! Registers and states in the kernel log's notation.

use core::fmt::{self, Write};

use super::domain::text::{write_bounds, write_signed, write_unsigned};
use super::register::{Kind, MapInfo, MapRef, Register};
use super::state::{Byte, State};
use super::typed::{Trust, TypeRef, TypeSource};
use crate::object::btf::Btf;

/// Which registers and slots of the current frame changed since the log last showed them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Changed {
    /// Bit N is rN.
    pub registers: u16,
    /// Bit N is slot N.
    pub slots: u64,
}

impl Changed {
    /// All of them.
    pub const ALL: Changed = Changed { registers: u16::MAX, slots: u64::MAX };
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.registers == 0 && self.slots == 0
    }
}

/// What the log names registers by.
#[derive(Clone, Copy)]
pub struct Names<'a> {
    /// The program's maps.
    pub maps: &'a [MapInfo],
    /// The kernel's types.
    pub kernel: Option<&'a Btf>,
    /// The program's types.
    pub program: Option<&'a Btf>,
}

impl<'a> Names<'a> {
    /// Without types.
    pub fn of_maps(maps: &'a [MapInfo]) -> Names<'a> {
        Names { maps, kernel: None, program: None }
    }

    fn type_name(&self, of: TypeRef) -> &'a str {
        let btf = match of.source {
            TypeSource::Kernel => self.kernel,
            TypeSource::Program => self.program,
            TypeSource::Map(map) => self.maps.get(usize::from(map)).and_then(|m| m.types.as_deref()),
        };
        btf.map_or("", |btf| btf.name_of(of.id))
    }
}

/// Writes one register. `frame` is the frame that is shown.
pub fn write_register(r: &Register, frame: usize, names: &Names, out: &mut impl Write) -> fmt::Result {
    if r.is_scalar() {
        if r.precise {
            out.write_char('P')?;
        }
        if let Some(value) = r.as_constant() {
            return write_signed(value as i64, out);
        }
    }
    out.write_str(r.type_name())?;
    match r.kind {
        Kind::Arena => return Ok(()),
        Kind::Typed { of, .. } => out.write_str(names.type_name(of))?,
        _ => {}
    }
    if let Kind::Stack { frame: of } = r.kind {
        if usize::from(of) != frame {
            write!(out, "[{of}]")?;
        }
        if let Some(value) = r.var.as_constant() {
            return write_signed((value as i64).wrapping_add(r.offset.into()), out);
        }
    }
    out.write_char('(')?;
    let mut parts = Parts { out, any: false };
    if r.id != 0 {
        parts.next()?;
        write!(parts.out, "id={}", r.id)?;
        if r.add_const {
            write!(parts.out, "{:+}", r.offset)?;
        }
    }
    if r.reference != 0 {
        parts.next()?;
        write!(parts.out, "ref_obj_id={}", r.reference)?;
    }
    if let Kind::Typed { trust, .. } = r.kind
        && trust.has(Trust::NON_OWNING)
    {
        parts.next()?;
        parts.out.write_str("non_own_ref")?;
    }
    if let Kind::Map(MapRef(map)) | Kind::MapValue(MapRef(map)) | Kind::MapKey(MapRef(map)) = r.kind
        && let Some(info) = names.maps.get(usize::from(map))
    {
        if !info.spec.name.is_empty() {
            parts.next()?;
            write!(parts.out, "map={}", info.spec.name)?;
        }
        parts.next()?;
        write!(parts.out, "ks={},vs={}", info.spec.key_size, info.spec.value_size)?;
    }
    if !r.is_scalar() && r.offset != 0 {
        parts.next()?;
        parts.out.write_str("off=")?;
        write_signed(r.offset.into(), parts.out)?;
    }
    if r.is_packet() {
        parts.next()?;
        parts.out.write_str("r=")?;
        write_unsigned(i64::from(r.range) as u64, parts.out)?;
    }
    if let Kind::Memory { size, .. } = r.kind {
        parts.next()?;
        parts.out.write_str("sz=")?;
        write_unsigned(size.into(), parts.out)?;
    }
    if let Kind::DynptrPointer(kind) = r.kind {
        parts.next()?;
        write!(parts.out, "type={}", kind.name())?;
    }
    match r.var.as_constant() {
        Some(0) => {}
        Some(value) => {
            parts.next()?;
            parts.out.write_str("imm=")?;
            write_signed(value as i64, parts.out)?;
        }
        None => {
            let any = parts.any;
            write_bounds(&r.var, any, parts.out)?;
        }
    }
    out.write_char(')')
}

struct Parts<'a, W> {
    out: &'a mut W,
    any: bool,
}

impl<W: Write> Parts<'_, W> {
    fn next(&mut self) -> fmt::Result {
        if core::mem::replace(&mut self.any, true) { self.out.write_char(',') } else { Ok(()) }
    }
}

/// Writes what changed of a frame, or all of it, and a line's end.
pub fn write_frame(
    state: &State,
    frame: usize,
    which: Option<Changed>,
    names: &Names,
    out: &mut impl Write,
) -> fmt::Result {
    let shown = which.unwrap_or(Changed::ALL);
    if frame > 0 {
        write!(out, " frame{frame}:")?;
    }
    let f = &state.frames[frame];
    for (number, r) in f.registers.iter().enumerate() {
        if r.kind != Kind::Uninitialised && shown.registers >> number & 1 == 1 {
            write!(out, " R{number}=")?;
            write_register(r, frame, names, out)?;
        }
    }
    for (number, slot) in f.stack.iter().enumerate() {
        let object = match slot.bytes[7] {
            Byte::Iterator | Byte::Dynptr => Some(slot.spilled),
            _ => None,
        };
        if let Some(object) = object {
            if number >= 64 || shown.slots >> number & 1 == 1 {
                write_object(&object, number, names, out)?;
            }
            continue;
        }
        if !slot.is_written() || (number < 64 && shown.slots >> number & 1 == 0) {
            continue;
        }
        write!(out, " fp{}=", -8 * (number as i32 + 1))?;
        let spill = slot.is_spill();
        for byte in slot.bytes.iter().take_while(|b| !(spill && **b == Byte::Spill)) {
            out.write_char(byte.character())?;
        }
        if spill {
            write_register(&slot.spilled, frame, names, out)?;
        }
    }
    // A lock of a map with one element has no id: none is shown where it is the first.
    if state.references.first().is_some_and(|first| first.id != 0) {
        for (at, reference) in state.references.iter().filter(|r| r.id != 0).enumerate() {
            out.write_str(if at == 0 { " refs=" } else { "," })?;
            write!(out, "{}", reference.id)?;
        }
    }
    if let Some(callback) = f.callback {
        out.write_str(if callback.later { " async_cb" } else { " cb" })?;
    }
    out.write_char('\n')
}

/// Writes an object on the stack, with its slot of the lowest address.
fn write_object(r: &Register, number: usize, names: &Names, out: &mut impl Write) -> fmt::Result {
    let at = -8 * (number as i32 + 1);
    match r.kind {
        Kind::Dynptr { kind, first: true } => {
            write!(out, " fp{at}=dynptr_{}(", kind.name())?;
            let mut parts = Parts { out, any: false };
            for (name, value) in [("id", r.id), ("ref_id", r.reference), ("dynptr_id", 1)] {
                if value != 0 {
                    parts.next()?;
                    write!(parts.out, "{name}={value}")?;
                }
            }
            out.write_char(')')
        }
        Kind::Iterator { of, drained, depth, first: true, .. } => {
            let state = if drained { "drained" } else { "active" };
            let name = names.kernel.map_or("", |btf| btf.name_of(of)).trim_start_matches("bpf_iter_");
            write!(out, " fp{at}=iter_{name}(ref_id={},state={state},depth={depth})", r.reference)
        }
        _ => Ok(()),
    }
}
