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
use glasshive::trace::{Recorder, Trace, Unfollowed, follow};
use glasshive::verifier::Progress;
use glasshive::verifier::observer::Observer;
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
    judge_recorded(object, program, Recorder::new(), Recorder::finish, rng, area)
}

/// As [`judge`], with claims that come of any observer.
fn judge_recorded<O: Observer>(
    object: &Object,
    program: usize,
    observer: O,
    trace: impl FnOnce(O) -> Trace,
    rng: &mut Rng,
    area: &mut Area,
) -> Option<String> {
    let program = &object.programs[program];
    let code = program.code.as_ref().ok()?;
    let mut kernel = Kernel::new(VecMemory::new(1 << 24), 2, rng.u64(..), Box::new(Sequential::default()));
    let mut fds = MapFds::new();
    create_maps(&mut kernel, object, code, &mut fds).ok()?;
    let request = request(object, program, None, &fds, 0).ok()?;
    let mut verifier = kernel.verifier(&request, observer);
    if verifier.step(MOST_WALKED) == Progress::Running {
        return None;
    }
    let outcome = verifier.finish();
    let fd = kernel.insert_program(&request, &outcome).ok()?;
    area.accepted += 1;
    let trace = trace(outcome.observer);
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

#[cfg(test)]
mod tests {
    use super::*;
    use glasshive::isa::Pc;
    use glasshive::verifier::observer::{Linked, Prepared};
    use glasshive::verifier::state::{State, StateId};
    use glasshive::verifier::{Rejection, register::Register};

    /// Records claims that are too narrow: numbers in registers are claimed to lie in the lower half of what the
    /// verifier found.
    struct Narrow(Recorder);

    fn narrow(state: &State) -> State {
        let mut state = state.clone();
        let ranged = |register: &&mut Register| register.is_scalar() && register.var.as_constant().is_none();
        for register in state.frames.iter_mut().flat_map(|frame| frame.registers.iter_mut()).filter(ranged) {
            let range = &mut register.var;
            range.umax = range.umin + (range.umax - range.umin) / 2;
        }
        state
    }

    impl Observer for Narrow {
        fn prepared(&mut self, program: &Prepared<'_>) {
            self.0.prepared(program);
        }
        fn entry(&mut self, pc: Pc) {
            self.0.entry(pc);
        }
        fn step(&mut self, pc: Pc, state: &State, log: usize) {
            self.0.step(pc, &narrow(state), log);
        }
        fn fork(&mut self) -> u32 {
            self.0.fork()
        }
        fn resume(&mut self, token: u32, pc: Pc, guessed: bool) {
            self.0.resume(token, pc, guessed);
        }
        fn kept(&mut self, id: StateId, pc: Pc) {
            self.0.kept(id, pc);
        }
        fn pruned(&mut self, by: StateId, looping: bool, pc: Pc, state: &State) {
            self.0.pruned(by, looping, pc, &narrow(state));
        }
        fn exit(&mut self) {
            self.0.exit();
        }
        fn barrier(&mut self, why: Option<&Rejection>) {
            self.0.barrier(why);
        }
        fn precise(&mut self, state: StateId, what: Linked) {
            self.0.precise(state, what);
        }
        fn all_precise(&mut self, state: StateId) {
            self.0.all_precise(state);
        }
        fn completed(&mut self, state: StateId, frame: usize, registers: u16, slots: u64) {
            self.0.completed(state, frame, registers, slots);
        }
        fn rejected(&mut self, rejection: &Rejection, pc: Option<Pc>) {
            self.0.rejected(rejection, pc);
        }
    }

    /// As [`judge`], with claims that are too narrow.
    fn judge_narrow(object: &Object, rng: &mut Rng, area: &mut Area) -> Option<String> {
        judge_recorded(object, 0, Narrow(Recorder::new()), |narrow| narrow.0.finish(), rng, area)
    }

    #[test]
    fn a_claim_that_is_too_narrow_is_a_violation() {
        let text = ".type xdp
            r2 = *(u32 *)(r1 +4)
            r3 = *(u32 *)(r1 +0)
            r4 = r3
            r4 += 14
            r0 = 2
            if r4 > r2 goto end
            r0 = *(u8 *)(r3 +3)
        end:
            exit";
        let assembly = asm::assemble(text, &Uapi).unwrap();
        let object = from_assembly(&assembly);
        let mut area = Area::default();
        assert_eq!(judge(&object, 0, &mut Rng::with_seed(1), &mut area), None);
        assert_eq!((area.accepted, area.runs, area.violations), (1, RUNS, 0));
        let mut area = Area::default();
        let found = judge_narrow(&object, &mut Rng::with_seed(1), &mut area);
        let found = found.expect("a byte over 127 is outside the claim");
        assert!(found.contains("instruction 7") && found.contains("r0 is 0x"), "{found}");
        assert_eq!((area.accepted, area.violations), (1, 1));
    }

    /// What the command prints no violation of, it would print many of.
    #[test]
    fn generated_programs_would_show_claims_that_are_too_narrow() {
        let (mut right, mut wrong) = (Area::default(), Area::default());
        for seed in 0..1_000 {
            let (mut assembly, _) = grow::grow(&mut Rng::with_seed(seed));
            shrink::drop_unused_maps(&mut assembly);
            let object = from_assembly(&assembly);
            let found = judge(&object, 0, &mut Rng::with_seed(seed), &mut right);
            assert_eq!(found, None, "seed {seed}");
            judge_narrow(&object, &mut Rng::with_seed(seed), &mut wrong);
        }
        println!("{} accepted, {} found when narrowed", right.accepted, wrong.violations);
        assert!(right.accepted > 30 && wrong.violations * 4 > right.accepted);
    }
}
