//! From a program of an object to what is to be loaded.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use crate::errno::Errno;
use crate::object::btf::TypeId;
use crate::object::{Object, ObjectError, ObjectProgram, ProgramKind};
use crate::program::ProgramType;
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
