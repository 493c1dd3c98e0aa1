//! Between texts and objects.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::isa::asm::{Assembly, Label, MapDirective, MapReference};
use crate::isa::{CallTarget, DecodeError, Imm64, Insn, Pc, decode_program};
use crate::map::MapSpec;
use crate::map::types::flag;
use crate::names;
use crate::object::{
    Code, CodeFunction, Inner, MapOrigin, MapUse, Object, ObjectMap, ObjectProgram, ProgramKind,
};
use crate::program;

/// Source field of a load of an address in a map's value.
const MAP_VALUE: u8 = 2;
/// The program's name where the text gives none.
const MAIN: &str = "main";

/// The object that a text stands for: its maps, and one program, named by the `.func` line at its begin.
///
/// A map that has contents and that programs can't write is frozen, as read-only data is.
pub fn from_assembly(assembly: &Assembly) -> Object {
    let position = |name: &String| assembly.maps.iter().position(|map| map.name == *name);
    let maps = assembly.maps.iter().map(|map| ObjectMap {
        name: map.name.clone(),
        spec: spec_of(map),
        origin: MapOrigin::Directive,
        contents: map.contents.clone(),
        frozen: !map.contents.is_empty() && map.flags & flag::RDONLY_PROG != 0,
        inner: map.inner.as_ref().and_then(position).map(Inner::Map),
        slots: Vec::new(),
        pinned: false,
        key_type: None,
        value_type: None,
    });
    let mut insns = assembly.insns.clone();
    let mut map_uses = Vec::new();
    for reference in &assembly.map_references {
        if let (Some(offset), Some(second)) =
            (reference.value_offset, insns.get_mut(reference.at.index().saturating_add(1)))
        {
            second.imm = offset as i32;
        }
        map_uses.push(MapUse { at: reference.at, map: reference.map as usize });
    }
    let named = assembly.labels.iter().filter(|label| label.function);
    let mut functions: Vec<CodeFunction> =
        named.map(|label| CodeFunction { at: label.at, name: label.name.clone(), type_id: None }).collect();
    functions.sort_by_key(|function| function.at);
    if functions.first().is_none_or(|function| function.at != Pc(0)) {
        functions.insert(0, CodeFunction { at: Pc(0), name: MAIN.into(), type_id: None });
    }
    let program_type = assembly.program_type.as_deref().and_then(names::program_type);
    let kind = program_type.map(|program_type| ProgramKind {
        program_type,
        attach_type: assembly.attach_type.unwrap_or(0),
        flags: assembly.program_flags.unwrap_or(0),
    });
    let program = ObjectProgram {
        name: functions[0].name.clone(),
        section: assembly.program_type.clone().unwrap_or_default(),
        kind,
        code: Ok(Code { insns, map_uses, functions, lines: Vec::new() }),
    };
    Object {
        license: assembly.license.clone(),
        version: None,
        maps: maps.collect(),
        programs: alloc::vec![program],
        btf: None,
        btf_bytes: Vec::new(),
    }
}

fn spec_of(map: &MapDirective) -> MapSpec {
    MapSpec {
        map_type: map.map_type,
        key_size: map.key_size,
        value_size: map.value_size,
        max_entries: map.max_entries,
        flags: map.flags,
        name: kernel_name(&map.name),
        ..MapSpec::default()
    }
}

/// What the kernel takes of a name: at most 15 letters, digits, `_` and `.`.
fn kernel_name(name: &str) -> String {
    name.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.')).take(15).collect()
}

fn directive(name: String, spec: &MapSpec, contents: &[u8]) -> MapDirective {
    MapDirective {
        name,
        map_type: spec.map_type,
        key_size: spec.key_size,
        value_size: spec.value_size,
        max_entries: spec.max_entries,
        flags: spec.flags,
        inner: None,
        contents: contents.to_vec(),
    }
}

/// A program of an object as a text: the maps that it uses, its functions, and a label wherever it jumps to.
///
/// A text has no place for a map's initial elements, nor for BTF: these are left out. `None` for a program
/// that can't be loaded.
pub fn to_assembly(object: &Object, program: &ObjectProgram) -> Option<Assembly> {
    let code = program.code.as_ref().ok()?;
    let mut out = Assembly { license: object.license.clone(), ..Assembly::default() };
    if let Some(kind) = program.kind {
        let row = program::types::TYPES.iter().find(|row| row.number == kind.program_type);
        out.program_type = row.map(|row| row.name.into());
        out.attach_type = Some(kind.attach_type).filter(|number| *number != 0);
        out.program_flags = Some(kind.flags).filter(|flags| *flags != 0);
    }
    // Index in the object to index in the text; what is used, and what that is a map of.
    let mut kept: BTreeMap<usize, u32> = BTreeMap::new();
    let mut wanted: BTreeSet<usize> = code.map_uses.iter().map(|used| used.map).collect();
    for map in wanted.clone() {
        if let Some(Inner::Map(inner)) = object.maps.get(map)?.inner {
            wanted.insert(inner);
        }
    }
    let mut names = BTreeSet::new();
    for index in &wanted {
        let map = object.maps.get(*index)?;
        kept.insert(*index, out.maps.len() as u32);
        out.maps.push(directive(unused(&mut names, &map.name), &map.spec, &map.contents));
    }
    for (index, at) in &kept {
        let inner = match &object.maps.get(*index)?.inner {
            Some(Inner::Map(inner)) => {
                kept.get(inner).and_then(|at| Some(out.maps.get(*at as usize)?.name.clone()))
            }
            Some(Inner::Spec(spec)) => {
                let name = unused(&mut names, &format!("{}.inner", object.maps[*index].name));
                out.maps.push(directive(name.clone(), spec, &[]));
                Some(name)
            }
            None => None,
        };
        out.maps[*at as usize].inner = inner;
    }
    out.insns = code.insns.clone();
    for used in &code.map_uses {
        let (at, slot) = (used.at, used.at.index());
        let second = out.insns.get_mut(slot + 1)?;
        let offset = core::mem::take(&mut second.imm) as u32;
        let first = out.insns.get_mut(slot)?;
        first.imm = 0;
        let value_offset = (first.src == MAP_VALUE).then_some(offset);
        out.map_references.push(MapReference { at, map: *kept.get(&used.map)?, value_offset });
    }
    let mut names = BTreeSet::new();
    for function in &code.functions {
        let name = unused(&mut names, &function.name);
        out.labels.push(Label { name, at: function.at, function: true });
    }
    let starts: BTreeSet<Pc> = code.functions.iter().map(|function| function.at).collect();
    for at in targets(&out) {
        if !starts.contains(&at) {
            let name = unused(&mut names, &format!("L{at}"));
            out.labels.push(Label { name, at, function: false });
        }
    }
    out.labels.sort_by_key(|label| label.at);
    Some(out)
}

/// The name, or the name with a number behind it where it is taken.
fn unused(taken: &mut BTreeSet<String>, name: &str) -> String {
    let mut candidate = String::from(name);
    let mut number = 2_u32;
    while !taken.insert(candidate.clone()) {
        candidate = format!("{name}.{number}");
        number = number.saturating_add(1);
    }
    candidate
}

/// The slots that instructions go to, or take the address of, within the program. The second slot of a
/// 64-bit load can't have a label.
fn targets(assembly: &Assembly) -> BTreeSet<Pc> {
    let mut targets = BTreeSet::new();
    let insns = decode_program(&assembly.insns);
    for (slot, insn) in insns.iter().enumerate() {
        let offset: i64 = match insn {
            Ok(Insn::Goto { off, .. }) => (*off).into(),
            Ok(Insn::MayGoto { off } | Insn::Branch { off, .. }) => (*off).into(),
            Ok(Insn::Call(CallTarget::Local(off))) => (*off).into(),
            Ok(Insn::LoadImm64 { value: Imm64::Function { offset }, .. }) => (*offset).into(),
            _ => continue,
        };
        let target = slot as i64 + 1 + offset;
        if let Ok(at) = u32::try_from(target)
            && (at as usize) <= insns.len()
            && insns.get(at as usize) != Some(&Err(DecodeError::MiddleOfImm64))
        {
            targets.insert(Pc(at));
        }
    }
    targets
}
