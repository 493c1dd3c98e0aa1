//! From an object to calls of the system.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use crate::arena::Memory;
use crate::errno::Errno;
use crate::names;
use crate::object::btf::TypeId;
use crate::object::{Code, Inner, Object, ObjectError, ObjectProgram, ProgramKind};
use crate::program::ProgramType;
use crate::syscall::Kernel;
use crate::syscall::programs::LoadRequest;
use crate::verifier::SourceLine;
use crate::verifier::function_types::FunctionType;

/// Descriptors of maps that were created, by index into [`Object::maps`].
pub type MapFds = BTreeMap<usize, i32>;

/// Why an object's program can't be loaded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LoadError {
    /// Its instructions can't be made.
    Code(ObjectError),
    /// Nothing says which type it has; the section's name.
    NoType {
        /// The program.
        program: String,
        /// Its section.
        section: String,
    },
    /// A map can't be created, or not filled.
    Map {
        /// The map.
        map: String,
        /// Its type's name.
        map_type: String,
        /// What was tried.
        what: &'static str,
        /// What the system answered.
        errno: Errno,
    },
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::Code(error) => error.fmt(f),
            LoadError::NoType { program, section } => write!(
                f,
                "program {program}: the section name {section:?} stands for no program type; name one, as xdp"
            ),
            LoadError::Map { map, map_type, what, errno: Errno::EOPNOTSUPP } => {
                write!(f, "map {map}: {what} maps of type {map_type} is not built yet")
            }
            LoadError::Map { map, map_type, what, errno } => {
                write!(f, "map {map} of type {map_type}: {what} it gave {errno}")
            }
        }
    }
}

impl core::error::Error for LoadError {}

/// Creates the maps that the program uses and that `fds` does not have yet, with their contents.
///
/// # Errors
/// The first map that can't be made; what was made before it is closed again.
pub fn create_maps<M: Memory + 'static>(
    kernel: &mut Kernel<M>,
    object: &Object,
    code: &Code,
    fds: &mut MapFds,
) -> Result<(), LoadError> {
    let mut made = Vec::new();
    // What a map is a map of comes first.
    let inner = |map: usize| match object.maps.get(map).and_then(|m| m.inner.as_ref()) {
        Some(Inner::Map(inner)) => Some(*inner),
        _ => None,
    };
    let wanted = code.map_uses.iter().flat_map(|used| [inner(used.map), Some(used.map)]).flatten();
    for map in wanted {
        if fds.contains_key(&map) {
            continue;
        }
        match create_map(kernel, object, map) {
            Ok(fd) => {
                fds.insert(map, fd);
                made.push(map);
            }
            Err(error) => {
                for fd in made.iter().filter_map(|map| fds.remove(map)) {
                    // It was made here: closing it can't fail.
                    let _ = kernel.close(fd);
                }
                return Err(error);
            }
        }
    }
    Ok(())
}

fn create_map<M: Memory + 'static>(
    kernel: &mut Kernel<M>,
    object: &Object,
    index: usize,
) -> Result<i32, LoadError> {
    let error = |what| {
        move |errno| {
            let map = object.maps.get(index);
            let number = map.map_or(0, |m| m.spec.map_type);
            LoadError::Map {
                map: map.map_or_else(|| format!("{index}"), |m| m.name.clone()),
                map_type: names::map_type(number).map_or_else(|| format!("{number}"), ToString::to_string),
                what,
                errno,
            }
        }
    };
    let map = object.maps.get(index).ok_or(Errno::ENOENT).map_err(error("finding"))?;
    let fd = kernel.create_map(map.spec.clone()).map_err(error("creating"))?;
    let mut fill = || {
        if !map.contents.is_empty() {
            let mut value = map.contents.clone();
            value.resize(map.spec.value_size as usize, 0);
            let key = vec![0; map.spec.key_size as usize];
            kernel.map_update(fd, &key, &value, 0).map_err(error("filling"))?;
        }
        if map.frozen { kernel.map_freeze(fd).map_err(error("freezing")) } else { Ok(()) }
    };
    fill().map(|()| fd).inspect_err(|_| {
        // It was made here: closing it can't fail.
        let _ = kernel.close(fd);
    })
}

/// What is to be loaded: the program with its maps' descriptors in place. `kind` goes before what the section's
/// name says.
///
/// # Errors
/// Why the program has no code or no type; a map that `fds` does not have.
pub fn request(
    object: &Object,
    program: &ObjectProgram,
    kind: Option<ProgramKind>,
    fds: &MapFds,
    log_level: u32,
) -> Result<LoadRequest, LoadError> {
    let code = program.code.as_ref().map_err(|error| LoadError::Code(error.clone()))?;
    let kind = kind.or(program.kind);
    let row = kind.and_then(|kind| Some((kind, ProgramType::by_number(kind.program_type)?)));
    let (kind, program_type) = row.ok_or_else(|| LoadError::NoType {
        program: program.name.clone(),
        section: program.section.clone(),
    })?;
    let mut insns = code.insns.clone();
    for used in &code.map_uses {
        let fd = fds.get(&used.map);
        let place = insns.get_mut(used.at.index());
        let (Some(fd), Some(place)) = (fd, place) else {
            let map = object.maps.get(used.map).map_or_else(|| format!("{}", used.map), |m| m.name.clone());
            let (map_type, errno) = (String::new(), Errno::EBADF);
            return Err(LoadError::Map { map, map_type, what: "finding", errno });
        };
        place.imm = *fd;
    }
    let (mut lines, mut functions) = (Vec::new(), Vec::new());
    if let Some(btf) = &object.btf {
        for line in &code.lines {
            let file = btf.text(line.file);
            lines.push(SourceLine {
                pc: line.at.0,
                text: btf.text(line.text).into(),
                file: file.rsplit('/').next().unwrap_or(file).into(),
                line: line.line,
            });
        }
        // A function without a type leaves the rest without use: the table is whole or absent.
        let typed = |f: &crate::object::CodeFunction| f.type_id.map(|of| FunctionType { pc: f.at.0, of });
        functions = code.functions.iter().map(typed).collect::<Option<Vec<_>>>().unwrap_or_default();
    }
    Ok(LoadRequest {
        program_type,
        expected_attach_type: kind.attach_type,
        flags: kind.flags,
        license: object.license.clone().unwrap_or_default(),
        code: insns,
        name: program.name.chars().take(15).collect(),
        lines,
        types: object.btf.clone().map(Arc::new),
        attach_type: TypeId::VOID,
        functions,
        nameless_line: None,
        fd_array: Vec::new(),
        held: Vec::new(),
        log_level,
    })
}
