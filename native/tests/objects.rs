//! Other projects' object files: each opens or is refused with a reason, and each of its programs gets the
//! running kernel's verdict.

mod cases;

use cases::{objects, say};
use glasshive::object::{Code, Inner, Object, ObjectProgram, ProgramKind};
use glasshive_native::oracle::calls::{self, Attr, Load, Loaded, MapCreate, command, errno_name};
use glasshive_native::oracle::log::{last_message, stats};
use glasshive_native::oracle::{Bpf, Fresh, Side, usable};
use glasshive_native::process::possible_cpus;
use std::collections::BTreeMap;
use std::panic::catch_unwind;

/// A program's maps and BTF in a system.
struct Made<'a> {
    system: &'a dyn Bpf,
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
        let fd = MapCreate { inner_map_fd, ..create(&map.spec) }.call(self.system);
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

/// Loads a program of an object.
fn load(system: &dyn Bpf, object: &Object, program: &ObjectProgram, code: &Code) -> Result<Loaded, String> {
    let mut made = Made { system, maps: BTreeMap::new(), opened: Vec::new() };
    let mut insns = code.insns.clone();
    for used in &code.map_uses {
        insns[used.at.index()].imm = made.map(object, used.map)? as i32;
    }
    // Section names that stand for nothing are mostly those of traffic control's own loader.
    const SCHED_CLS: ProgramKind = ProgramKind { program_type: 3, attach_type: 0, flags: 0 };
    let kind = program.kind.unwrap_or(SCHED_CLS);
    let mut license = object.license.clone().unwrap_or_default().into_bytes();
    license.push(0);
    let btf = match object.btf_bytes.is_empty() {
        true => 0,
        false => made.keep(calls::btf_load(system, &object.btf_bytes), "BTF").unwrap_or(0),
    };
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

#[test]
fn objects_open_or_say_what_is_wrong() {
    let Some(files) = objects::files("objects") else { return };
    let (mut opened, mut refused, mut programs, mut without) = (0, 0, 0, Vec::new());
    for file in &files {
        let read = catch_unwind(|| objects::open(file));
        let read = read.unwrap_or_else(|_| panic!("{}: reading it panics", file.display()));
        // A file that is wrong in a program alone opens, and says so in that program's place.
        let prepared = read.as_ref().is_ok_and(|o| o.programs.iter().all(|program| program.code.is_ok()));
        if objects::is_invalid(file) {
            assert!(!prepared, "{}: not refused", file.display());
        } else if let Err(error) = &read {
            panic!("{}: {error}", file.display());
        }
        match read {
            Ok(object) => {
                opened += 1;
                programs += object.programs.len();
                for program in &object.programs {
                    if let Err(error) = &program.code {
                        without.push(format!("{}: {}: {error}", objects::name(file), program.name));
                    }
                }
            }
            Err(error) => {
                refused += 1;
                assert!(!error.to_string().is_empty());
            }
        }
    }
    for line in &without {
        say(&format!("objects: not prepared: {line}"));
    }
    say(&format!(
        "objects: {opened} open with {programs} programs, {} of them not prepared; {refused} refused",
        without.len()
    ));
}

#[test]
fn programs_get_the_kernels_verdict() {
    let Some(files) = objects::files("objects, verdicts") else { return };
    if let Err(why) = usable() {
        return say(&format!("skipped: objects, verdicts: {why}"));
    }
    let mut rows: BTreeMap<String, [u32; 6]> = BTreeMap::new();
    let (mut differ, mut unsafe_, mut missing) = (Vec::new(), Vec::new(), Vec::new());
    for file in &files {
        let Ok(object) = objects::open(file) else { continue };
        for program in &object.programs {
            let Ok(code) = &program.code else { continue };
            let folder = objects::name(file).split('/').next().unwrap_or_default().to_string();
            let name = format!("{} {}", objects::name(file), program.name);
            let kernel = match load(&Side::Kernel, &object, program, code) {
                Ok(loaded) => loaded,
                // What the kernel does not create can't be compared.
                Err(why) => {
                    say(&format!("objects: not loadable by the kernel: {name}: {why}"));
                    continue;
                }
            };
            let fresh = Fresh::new(possible_cpus()).expect("address space");
            let here = load(&fresh, &object, program, code);
            let row = rows.entry(folder).or_default();
            row[0] += 1;
            let (ret, log) = match &here {
                Ok(loaded) => (loaded.ret, loaded.log.as_str()),
                Err(why) => (-1, why.as_str()),
            };
            let same = [
                (ret >= 0) == (kernel.ret >= 0),
                ret.min(0) == kernel.ret.min(0),
                last_message(log) == last_message(&kernel.log),
                stats(log).map(|s| s.processed) == stats(&kernel.log).map(|s| s.processed),
                stats(log) == stats(&kernel.log),
            ];
            for (sum, same) in row[1..].iter_mut().zip(same) {
                *sum += u32::from(same);
            }
            if !same[0] {
                let what = format!(
                    "{name}: kernel {} {:?}, glasshive {} {:?}",
                    errno_name(kernel.ret),
                    last_message(&kernel.log),
                    errno_name(ret),
                    if here.is_ok() { last_message(log) } else { log.to_string() }
                );
                match () {
                    () if ret >= 0 => unsafe_.push(what),
                    () if log.contains("is not built yet") => missing.push(what),
                    () => differ.push(what),
                }
            }
        }
    }
    say("objects             programs  verdict  errno  message  processed  counters");
    let mut total = [0; 6];
    for (folder, row) in &rows {
        total.iter_mut().zip(row).for_each(|(sum, n)| *sum += n);
        let [programs, verdict, errno, message, processed, counters] = row;
        say(&format!("{folder:20}{programs:8}{verdict:9}{errno:7}{message:9}{processed:11}{counters:10}"));
    }
    let [programs, verdict, errno, message, processed, counters] = total;
    say(&format!("{:20}{programs:8}{verdict:9}{errno:7}{message:9}{processed:11}{counters:10}", "total"));
    assert!(unsafe_.is_empty(), "accepted, and the kernel rejects:\n{}", unsafe_.join("\n"));
    for line in &missing {
        say(&format!("objects: refused by name: {line}"));
    }
    assert!(differ.is_empty(), "rejected, and the kernel accepts:\n{}", differ.join("\n"));
}
