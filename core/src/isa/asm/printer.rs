//! An [`Assembly`] as text.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

use super::Assembly;
use crate::isa::decode::{decode, encode};
use crate::isa::disasm::{self, Names};
use crate::isa::insn::{CallTarget, Imm64, Insn};
use crate::isa::raw::RawInsn;

/// Writes an assembly as text that [`assemble`](super::assemble) reads back as the same, but for the
/// lines' numbers. `map_types` names a map type's number.
pub fn print(
    assembly: &Assembly,
    names: &dyn Names,
    map_types: &dyn Fn(u32) -> Option<&'static str>,
) -> String {
    let mut out = String::new();
    // A string takes all that is written.
    let _ = write(&mut out, assembly, names, map_types);
    out
}

fn write(
    out: &mut String,
    assembly: &Assembly,
    names: &dyn Names,
    map_types: &dyn Fn(u32) -> Option<&'static str>,
) -> core::fmt::Result {
    if let Some(name) = &assembly.program_type {
        writeln!(out, ".type {}", quoted(name))?;
    }
    if let Some(number) = assembly.attach_type {
        writeln!(out, ".attach {number}")?;
    }
    if let Some(flags) = assembly.program_flags {
        writeln!(out, ".flags {flags:#x}")?;
    }
    if let Some(license) = &assembly.license {
        writeln!(out, ".license {}", quoted(license))?;
    }
    for map in &assembly.maps {
        write!(out, ".map {} ", quoted(&map.name))?;
        match map_types(map.map_type) {
            Some(name) => write!(out, "{name}")?,
            None => write!(out, "{}", map.map_type)?,
        }
        write!(out, " {} {} {}", map.key_size, map.value_size, map.max_entries)?;
        if map.flags != 0 {
            write!(out, " {:#x}", map.flags)?;
        }
        if let Some(inner) = &map.inner {
            write!(out, " inner {}", quoted(inner))?;
        }
        writeln!(out)?;
        for bytes in map.contents.chunks(32) {
            write!(out, ".contents {} \"", quoted(&map.name))?;
            for byte in bytes {
                write!(out, "{byte:02x}")?;
            }
            writeln!(out, "\"")?;
        }
    }
    if !out.is_empty() {
        writeln!(out)?;
    }
    let mut labels: Vec<_> = assembly.labels.iter().collect();
    labels.sort_by_key(|label| label.at);
    let mut labels = labels.into_iter().peekable();
    let mut slot = 0;
    loop {
        while let Some(label) = labels.next_if(|label| label.at.index() <= slot) {
            if label.function {
                writeln!(out, ".func {}", quoted(&label.name))?;
            } else {
                writeln!(out, "{}:", quoted(&label.name))?;
            }
        }
        let Some(raw) = assembly.insns.get(slot..).filter(|rest| !rest.is_empty()) else { break };
        match decode(raw) {
            // A function's address ignores its second slot's constant: text has no place for one.
            Ok(insn) if exact(insn, raw) => {
                out.push_str("    ");
                instruction(out, assembly, names, slot, raw, insn)?;
                slot += insn.slots() as usize;
            }
            _ => {
                out.push_str("    .bytes");
                for byte in raw[0].to_bytes() {
                    write!(out, " {byte:#04x}")?;
                }
                slot += 1;
            }
        }
        out.push('\n');
    }
    Ok(())
}

/// Whether the instruction is all that the slots say.
fn exact(insn: Insn, raw: &[RawInsn]) -> bool {
    let (first, second) = encode(insn);
    raw.first() == Some(&first) && second.is_none_or(|second| raw.get(1) == Some(&second))
}

fn instruction(
    out: &mut String,
    assembly: &Assembly,
    names: &dyn Names,
    slot: usize,
    raw: &[RawInsn],
    insn: Insn,
) -> core::fmt::Result {
    let label = |offset: i64| {
        let at = slot as i64 + 1 + offset;
        let label = assembly.labels.iter().find(|label| i64::from(label.at.0) == at);
        label.map_or_else(|| format!("pc{offset:+}"), |label| quoted(&label.name).into_owned())
    };
    match insn {
        Insn::Goto { long, off } => {
            write!(out, "{} {}", if long { "gotol" } else { "goto" }, label(off.into()))
        }
        Insn::MayGoto { off } => write!(out, "may_goto {}", label(off.into())),
        Insn::Branch { off, .. } => {
            let text = disasm::text(raw, names);
            let before = text.rfind("pc").unwrap_or(text.len());
            write!(out, "{}{}", &text[..before], label(off.into()))
        }
        Insn::Call(CallTarget::Local(offset)) => write!(out, "call {}", label(offset.into())),
        Insn::Call(CallTarget::Helper(number)) => {
            let number = number as u32;
            match names.helper(number as i32) {
                Some(name) => write!(out, "call {name}#{number}"),
                None => write!(out, "call #{number}"),
            }
        }
        Insn::Call(CallTarget::Kernel { btf_id, fd_index }) => {
            let name = names.kernel_function(btf_id, fd_index).unwrap_or(Cow::Borrowed(""));
            write!(out, "call kernel {name}#{}", btf_id as u32)?;
            if fd_index != 0 { write!(out, " in {fd_index}") } else { Ok(()) }
        }
        Insn::CallReg { reg } => write!(out, "callx {reg}"),
        Insn::LoadImm64 { dst, value } => {
            write!(out, "{dst} = ")?;
            let at = assembly.map_references.iter().find(|r| r.at.index() == slot);
            if let Some((reference, map)) = at.and_then(|r| Some((r, assembly.maps.get(r.map as usize)?))) {
                return match reference.value_offset {
                    Some(offset) => write!(out, "map_value {} +{offset}", quoted(&map.name)),
                    None => write!(out, "map {}", quoted(&map.name)),
                };
            }
            match value {
                Imm64::Value(value) => write!(out, "{value:#x} ll"),
                Imm64::MapFd(fd) => write!(out, "map_fd {fd}"),
                Imm64::MapValue { fd, offset } => write!(out, "map_fd_value {fd} +{offset}"),
                Imm64::KernelVariable { btf_id, btf_fd } => {
                    write!(out, "kernel_variable {btf_id} in {btf_fd}")
                }
                Imm64::Function { offset } => write!(out, "function {}", label(offset.into())),
                Imm64::MapIndex(index) => write!(out, "map_index {index}"),
                Imm64::MapIndexValue { index, offset } => write!(out, "map_index_value {index} +{offset}"),
            }
        }
        _ => disasm::write(raw, names, out),
    }
}

/// The name as it is where it reads as one word, else in quotes.
fn quoted(name: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '$');
    let digit = name.starts_with(|c: char| c.is_ascii_digit());
    // A label whose name begins with a dot reads as one, since a colon follows it.
    if !name.is_empty() && !digit && name.chars().all(plain) {
        return Cow::Borrowed(name);
    }
    let mut text = String::from("\"");
    for c in name.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            c => text.push(c),
        }
    }
    text.push('"');
    Cow::Owned(text)
}
