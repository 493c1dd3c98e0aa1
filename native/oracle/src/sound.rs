//! Accepted programs run on random inputs, in strict mode, held against every value that the verifier claimed
//! along their paths. The kernel is not asked: a claim that does not hold is wrong whatever it says.

use crate::verify::{grow, mutate, shrink};
use anyhow::Context;
use fastrand::Rng;
use glasshive::arena::VecMemory;
use glasshive::isa::asm::{self, Assembly};
use glasshive::loader::{MapFds, create_maps, from_assembly, request};
use glasshive::names::{self, Uapi};
use glasshive::object::Object;
use glasshive::program::TestRun;
use glasshive::program::test_run::Input;
use glasshive::syscall::Kernel;
use glasshive::syscall::descriptors::Sequential;
use glasshive::trace::{Recorder, Unfollowed, follow};
use glasshive::verifier::Progress;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// Runs of an accepted program.
const RUNS: u32 = 12;
/// Instructions that a program may take to verify.
const MOST_WALKED: u32 = 50_000;
/// Instructions of one run.
const MOST_EXECUTED: u64 = 20_000;
/// Entries that each map is filled with before the runs.
const ENTRIES: u32 = 8;
/// Bytes of a raw tracepoint's arguments: twelve.
const RAW_ARGUMENTS: usize = 96;
/// Bytes of a context that the type does not measure.
const MOST_CONTEXT: usize = 4096;
/// Violations that are shrunk and written.
const WRITTEN: u32 = 10;

/// A row of the table.
#[derive(Default)]
struct Area {
    programs: u32,
    accepted: u32,
    runs: u32,
    not_run: u32,
    executed: u64,
    checked: u64,
    violations: u32,
    panics: u32,
}

impl Area {
    fn add(&mut self, other: &Area) {
        self.programs += other.programs;
        self.accepted += other.accepted;
        self.runs += other.runs;
        self.not_run += other.not_run;
        self.executed += other.executed;
        self.checked += other.checked;
        self.violations += other.violations;
        self.panics += other.panics;
    }
}

fn table(areas: &BTreeMap<String, Area>) {
    println!(
        "| area | programs | accepted | runs | not run | instructions | values checked | violations | panics |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    let mut all = Area::default();
    let row = |name: &str, a: &Area| {
        println!(
            "| {name} | {} | {} | {} | {} | {} | {} | {} | {} |",
            a.programs, a.accepted, a.runs, a.not_run, a.executed, a.checked, a.violations, a.panics
        );
    };
    for (name, area) in areas {
        row(name, area);
        all.add(area);
    }
    row("all", &all);
}

/// A packet of random bytes that now and then look like a header.
fn packet(rng: &mut Rng) -> Vec<u8> {
    let len = [14, 20, 34, 54, 64, 100, 200][rng.usize(..7)];
    let mut bytes: Vec<u8> = (0..len).map(|_| rng.u8(..)).collect();
    if rng.bool() {
        bytes[12..14].copy_from_slice(&[8, 0]);
        for byte in bytes.iter_mut().skip(14) {
            if rng.bool() {
                *byte &= 0x47;
            }
        }
    }
    bytes
}

/// Verifies a program of an object, and runs it where it is accepted. Answers the first violation.
fn judge(object: &Object, program: usize, rng: &mut Rng, area: &mut Area) -> Option<String> {
    let program = &object.programs[program];
    let code = program.code.as_ref().ok()?;
    let mut kernel = Kernel::new(VecMemory::new(1 << 24), 2, rng.u64(..), Box::new(Sequential::default()));
    let mut fds = MapFds::new();
    create_maps(&mut kernel, object, code, &mut fds).ok()?;
    let request = request(object, program, None, &fds, 0).ok()?;
    let mut verifier = kernel.verifier(&request, Recorder::new());
    if verifier.step(MOST_WALKED) == Progress::Running {
        return None;
    }
    let outcome = verifier.finish();
    let fd = kernel.insert_program(&request, &outcome).ok()?;
    area.accepted += 1;
    let trace = outcome.observer.finish();
    let image = kernel.program(fd).ok()?.image.clone();
    for (index, fd) in &fds {
        let spec = &object.maps[*index].spec;
        for entry in 0..ENTRIES.min(spec.max_entries) {
            let mut key = vec![0; spec.key_size as usize];
            let value: Vec<u8> = (0..spec.value_size).map(|_| rng.u8(..)).collect();
            if let Some(first) = key.first_mut() {
                *first = entry as u8;
            }
            // Maps that take no such entry, or none at all, stay as they are.
            let _ = kernel.map_update(*fd, &key, &value, 0);
        }
    }
    for _ in 0..RUNS {
        let bytes = match request.program_type.test_run {
            TestRun::Skb { .. } | TestRun::Xdp | TestRun::FlowDissector => packet(rng),
            TestRun::RawTracepoint => (0..RAW_ARGUMENTS).map(|_| rng.u8(..)).collect(),
            _ => (0..MOST_CONTEXT).map(|_| rng.u8(..)).collect(),
        };
        let input = match request.program_type.test_run {
            TestRun::Skb { .. } | TestRun::Xdp | TestRun::FlowDissector => {
                Input { data: Some(&bytes), repeat: 1, ..Input::default() }
            }
            _ => Input { context: Some(&bytes), ..Input::default() },
        };
        let kind = request.program_type;
        match follow(&trace, &image, kind, &input, &mut kernel.resources, MOST_EXECUTED) {
            Ok(followed) => {
                area.runs += 1;
                area.executed += followed.executed;
                area.checked += followed.checked;
            }
            Err(error @ (Unfollowed::Trap(_) | Unfollowed::Broken(_))) => {
                area.violations += 1;
                return Some(error.to_string());
            }
            Err(Unfollowed::NotRun(_) | Unfollowed::NotBuilt(_)) => area.not_run += 1,
        }
    }
    None
}

/// As [`judge`], of a text; a panic is a violation too. The same seed gives the same runs.
fn judge_text(assembly: &Assembly, seed: u64, area: &mut Area) -> Option<String> {
    let object = from_assembly(assembly);
    let judged = catch_unwind(AssertUnwindSafe(|| {
        let mut area = Area::default();
        let found = judge(&object, 0, &mut Rng::with_seed(seed), &mut area);
        (area, found)
    }));
    match judged {
        Ok((counted, found)) => {
            area.add(&counted);
            found
        }
        Err(_) => {
            area.panics += 1;
            Some("glasshive panicked".into())
        }
    }
}

/// Generated programs; whether every claim of every run held.
pub fn generated(seed: u64, count: u32) -> anyhow::Result<bool> {
    let folder = Path::new("target/oracle/sound");
    let _ = std::fs::remove_dir_all(folder);
    std::fs::create_dir_all(folder).with_context(|| format!("{} can't be made", folder.display()))?;
    std::panic::set_hook(Box::new(|_| {}));
    let mut areas = BTreeMap::<String, Area>::new();
    let mut parents: Vec<(Assembly, &'static str)> = Vec::new();
    let mut written = 0;
    for number in 0..count {
        let seed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(number.into());
        let mut rng = Rng::with_seed(seed);
        let (mut assembly, name) = match parents.len() {
            len if len > 20 && rng.u8(..3) == 0 => {
                let (parent, name) = &parents[rng.usize(..len)];
                (mutate::mutate(&mut rng, parent), *name)
            }
            _ => grow::grow(&mut rng),
        };
        shrink::drop_unused_maps(&mut assembly);
        let area = areas.entry(name.into()).or_default();
        area.programs += 1;
        let accepted = area.accepted;
        let Some(what) = judge_text(&assembly, seed, area) else {
            if area.accepted > accepted && parents.len() < 500 {
                parents.push((assembly, name));
            }
            continue;
        };
        written += 1;
        if written > WRITTEN {
            continue;
        }
        let small = shrink::shrink(&assembly, |candidate| {
            judge_text(candidate, seed, &mut Area::default()).is_some()
        });
        let what = judge_text(&small, seed, &mut Area::default()).unwrap_or(what);
        let text = format!("; {what}\n{}", asm::print(&small, &Uapi, &names::map_type));
        let file = folder.join(format!("{name}-{number}.bpf"));
        std::fs::write(&file, text).with_context(|| format!("{} can't be written", file.display()))?;
        println!("{}: {what}", file.display());
    }
    let _ = std::panic::take_hook();
    table(&areas);
    Ok(areas.values().all(|area| area.violations == 0 && area.panics == 0))
}

/// Texts and objects given as files; whether every claim of every run held.
pub fn files(files: &[PathBuf], seed: u64) -> anyhow::Result<bool> {
    let mut areas = BTreeMap::<String, Area>::new();
    for file in files {
        let bytes = std::fs::read(file).with_context(|| format!("{} can't be read", file.display()))?;
        let object = match bytes.starts_with(b"\x7fELF") {
            true => Object::parse(&bytes).map_err(|error| anyhow::anyhow!("{}: {error}", file.display()))?,
            false => {
                let text = String::from_utf8_lossy(&bytes);
                let assembly = asm::assemble(&text, &Uapi).map_err(|errors| {
                    let first = errors.first().map(ToString::to_string).unwrap_or_default();
                    anyhow::anyhow!("{}: {first}", file.display())
                })?;
                from_assembly(&assembly)
            }
        };
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        for program in 0..object.programs.len() {
            let area = areas.entry(name.clone()).or_default();
            area.programs += 1;
            if let Some(what) = judge(&object, program, &mut Rng::with_seed(seed), area) {
                println!("{}, {}: {what}", file.display(), object.programs[program].name);
            }
        }
    }
    table(&areas);
    Ok(areas.values().all(|area| area.violations == 0))
}
