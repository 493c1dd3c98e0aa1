//! Other projects' object files (`../shared/objects`).

use glasshive::object::{Code, Inner, Object, ObjectError, ObjectProgram, ProgramKind};
use glasshive_native::oracle::Bpf;
use glasshive_native::oracle::calls::{self, Attr, Load, Loaded, MapCreate, command, errno_name};
use glasshive_native::process::possible_cpus;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::shared;

/// The files, by path; the ones that have to be refused are in a folder `invalid`.
pub fn files(test: &str) -> Option<Vec<PathBuf>> {
    let mut folders = vec![shared(test, "objects")?];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("readable") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "o") {
                files.push(path);
            }
        }
    }
    files.sort();
    Some(files)
}

/// Whether it has to be refused.
pub fn is_invalid(file: &Path) -> bool {
    file.parent().and_then(Path::file_name).is_some_and(|folder| folder == "invalid")
}

/// A short name: its folder and file.
pub fn name(file: &Path) -> String {
    let parts: Vec<_> =
        file.components().rev().take(2).map(|part| part.as_os_str().to_string_lossy()).collect();
    parts.into_iter().rev().collect::<Vec<_>>().join("/")
}

/// Reads a file.
///
/// # Errors
/// What is wrong with it.
pub fn open(file: &Path) -> Result<Object, ObjectError> {
    Object::parse(&std::fs::read(file).expect("readable"))
}

/// A program's maps and BTF in a system.
struct Made<'a> {
    system: &'a dyn Bpf,
    /// 0 where the object has none, or the system takes none.
    btf_fd: i64,
    maps: BTreeMap<usize, i64>,
    opened: Vec<i64>,
}

impl Drop for Made<'_> {
    fn drop(&mut self) {
        self.opened.iter().for_each(|fd| self.system.close(*fd));
    }
}

impl Made<'_> {
    /// Creates a map of the object, and what it is a map of before it.
    fn map(&mut self, object: &Object, index: usize) -> Result<i64, String> {
        if let Some(fd) = self.maps.get(&index) {
            return Ok(*fd);
        }
        let map = &object.maps[index];
        let inner_map_fd = match &map.inner {
            Some(Inner::Map(inner)) => self.map(object, *inner)?,
            Some(Inner::Spec(spec)) => {
                let create = MapCreate { name: "", ..create(spec) };
                self.keep(create.call(self.system), "an inner map")?
            }
            None => 0,
        };
        let plain = MapCreate { inner_map_fd, ..create(&map.spec) };
        let typed = MapCreate {
            btf_fd: self.btf_fd,
            btf_key_type_id: map.key_type.map_or(0, |key| key.0),
            btf_value_type_id: map.value_type.map_or(0, |value| value.0),
            ..plain
        };
        // Not every type of map takes types: as loaders do, it is tried without.
        let fd = match typed.btf_value_type_id {
            0 => plain.call(self.system),
            _ => {
                Some(typed.call(self.system)).filter(|fd| *fd >= 0).unwrap_or_else(|| plain.call(self.system))
            }
        };
        let fd = self.keep(fd, &format!("map {}", map.name))?;
        self.maps.insert(index, fd);
        if !map.contents.is_empty() {
            let mut value = map.contents.clone();
            value.resize(map.spec.value_size as usize, 0);
            let ret = calls::update(self.system, fd, Some(&[0; 4]), &value, 0);
            self.keep(ret, &format!("contents of map {}", map.name)).map(|_| self.opened.pop())?;
        }
        if map.frozen {
            let mut attr = Attr::default().fd(0, fd);
            self.system.bpf(command::MAP_FREEZE, &mut attr.0, 4);
        }
        Ok(fd)
    }

    fn keep(&mut self, fd: i64, what: &str) -> Result<i64, String> {
        if fd < 0 {
            return Err(format!("{what}: {}", errno_name(fd)));
        }
        self.opened.push(fd);
        Ok(fd)
    }
}

fn create(spec: &glasshive::map::MapSpec) -> MapCreate<'_> {
    // A perf event array is as large as there are CPUs where its size is left to the loader.
    const PERF_EVENT_ARRAY: u32 = 4;
    let max_entries = match (spec.map_type, spec.max_entries) {
        (PERF_EVENT_ARRAY, 0) => possible_cpus(),
        (_, entries) => entries,
    };
    MapCreate {
        map_type: spec.map_type,
        key_size: spec.key_size,
        value_size: spec.value_size,
        max_entries,
        flags: spec.flags,
        name: &spec.name,
        extra: spec.extra,
        ..MapCreate::default()
    }
}

/// Loads a program of an object, its maps and BTF before it; all of it is closed again.
///
/// # Errors
/// What of it the system did not make.
pub fn load(
    system: &dyn Bpf,
    object: &Object,
    program: &ObjectProgram,
    code: &Code,
) -> Result<Loaded, String> {
    let mut made = Made { system, btf_fd: 0, maps: BTreeMap::new(), opened: Vec::new() };
    let btf = match object.btf_bytes.is_empty() {
        true => 0,
        false => made.keep(calls::btf_load(system, &object.btf_bytes), "BTF").unwrap_or(0),
    };
    made.btf_fd = btf;
    let mut insns = code.insns.clone();
    for used in &code.map_uses {
        insns[used.at.index()].imm = made.map(object, used.map)? as i32;
    }
    // Section names that stand for nothing are mostly those of traffic control's own loader.
    const SCHED_CLS: ProgramKind = ProgramKind { program_type: 3, attach_type: 0, flags: 0 };
    let kind = program.kind.unwrap_or(SCHED_CLS);
    let mut license = object.license.clone().unwrap_or_default().into_bytes();
    license.push(0);
    let info = |bytes: Vec<u8>| if btf == 0 { Vec::new() } else { bytes };
    let (func_info, line_info) = (info(code.func_info()), info(code.line_info()));
    let insns = glasshive::isa::bytes(&insns);
    let loaded = Load {
        program_type: kind.program_type,
        expected_attach_type: kind.attach_type,
        flags: kind.flags,
        license: &license,
        insns: &insns,
        log_level: 4,
        kern_version: object.version.unwrap_or(0),
        btf_fd: btf,
        func_info: &func_info,
        line_info: &line_info,
        ..Load::default()
    }
    .call(system);
    system.close(loaded.ret);
    Ok(loaded)
}
