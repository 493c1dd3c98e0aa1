//! The recorded verifier cases, compared with what Linux 6.18 answered.
//!
//! `data/corpus.agreements` says, case by case, in what this verifier agrees; the test fails where one no longer
//! does. `GLASSHIVE_BLESS=1 cargo test -p glasshive-native --test corpus` writes the file anew. Its lines are
//! sorted, and a merge may keep lines of both sides: what any of a case's lines says counts.

mod cases;

use cases::corpus::{Answer, Btfs, Case, Environment, kernel_types, read};
use cases::{hash, say, shared};
use glasshive::object::btf::kernel::KernelTypes;
use glasshive::syscall::capability;
use glasshive_native::oracle::calls::{Loaded, TestRun, errno_name};
use glasshive_native::oracle::log::{last_message, stats, without_addresses};
use glasshive_native::oracle::{Bpf, Fresh};
use glasshive_native::process::possible_cpus;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// What can agree: a letter in the file, and a column's name. The last four are of loaders with few capabilities.
const ASPECTS: [(char, &str); 10] = [
    ('v', "verdict"),
    ('e', "errno"),
    ('m', "message"),
    ('p', "processed"),
    ('s', "states"),
    ('r', "runs"),
    ('V', "few:verdict"),
    ('E', "few:errno"),
    ('M', "few:message"),
    ('P', "few:process"),
];
/// Where those begin.
const FEW: usize = 6;

/// In which aspects a case agrees, and to which it applies.
#[derive(Clone, Copy, Default)]
struct Score {
    applies: [bool; ASPECTS.len()],
    agrees: [bool; ASPECTS.len()],
    /// Accepted here, rejected by the kernel.
    unsafe_: bool,
}

/// Statistics, and so messages, without the states between them.
const LOG_LEVEL: u32 = 4;

fn score(case: &Case, btfs: &Btfs, types: &Arc<KernelTypes>) -> Result<Score, String> {
    let system = Fresh::new(possible_cpus()).map_err(|error| error.to_string())?;
    let system = system.with_kernel_types(Arc::clone(types));
    let live = &case.live;
    let mut score = Score::default();
    score.applies[..FEW].copy_from_slice(&[true, true, live.ret != 0, true, true, !live.runs.is_empty()]);
    if let Some(few) = &live.capbpf {
        score.applies[FEW..].copy_from_slice(&[true, true, few.ret != 0, true]);
    }
    let environment = match Environment::new(case, btfs, &system) {
        Ok(environment) => environment,
        Err(_) => return Ok(score),
    };
    let loaded = environment.load(&case.prog, LOG_LEVEL, 1 << 20);
    let alike = agreeing(live, &loaded);
    let verdict = alike[0];
    let counted = stats(&loaded.log);
    let states = counted.map(|s| (s.total_states, s.peak_states, s.max_states_per_insn));
    let expected_states =
        live.total_states.zip(live.peak_states).zip(live.max_states_per_insn).map(|((t, p), m)| (t, p, m));
    let runs = loaded.ret >= 0
        && live.runs.iter().all(|run| {
            let data = run.data.as_ref().map(|bytes| bytes.0.as_slice());
            let test = TestRun {
                data,
                data_out: if data.is_some() { 256 } else { 0 },
                repeat: u32::from(data.is_some()),
                ..TestRun::default()
            };
            let ran = test.call(&system, loaded.ret);
            match &run.err {
                Some(errno) => errno_name(ran.ret) == *errno,
                None => ran.ret == 0 && Some(ran.value) == run.retval,
            }
        });
    score.agrees[..4].copy_from_slice(&alike);
    score.agrees[4..FEW].copy_from_slice(&[verdict && states == expected_states, runs]);
    score.unsafe_ = loaded.ret >= 0 && live.ret != 0;
    system.close(loaded.ret);
    if let Some(few) = &live.capbpf {
        system.configure(|kernel| kernel.set_capabilities(capability::BPF | capability::NET_ADMIN));
        let loaded = environment.load(&case.prog, LOG_LEVEL, 1 << 20);
        score.agrees[FEW..].copy_from_slice(&agreeing(few, &loaded));
        score.unsafe_ |= loaded.ret >= 0 && few.ret != 0;
        system.close(loaded.ret);
    }
    Ok(score)
}

/// Whether an answer is the kernel's: verdict, errno, message, instructions processed.
fn agreeing(live: &Answer, loaded: &Loaded) -> [bool; 4] {
    let verdict = (loaded.ret >= 0) == (live.ret == 0);
    let expected = live.messages.last().map(|line| without_addresses(line)).unwrap_or_default();
    [
        verdict,
        loaded.ret.min(0) == live.ret,
        verdict && last_message(&loaded.log) == expected,
        verdict && stats(&loaded.log).map(|s| s.processed) == live.processed,
    ]
}

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/corpus.agreements")
}

fn agreements(text: &str) -> BTreeMap<u64, [bool; ASPECTS.len()]> {
    let mut agreements = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with(['#', '<', '=', '>'])) {
        let Some((name, letters)) = line.split_once(' ') else { continue };
        let name = u64::from_str_radix(name, 16).expect("a case's hash");
        let entry = agreements.entry(name).or_insert([false; ASPECTS.len()]);
        for (agrees, (letter, _)) in entry.iter_mut().zip(ASPECTS) {
            *agrees |= letters.contains(letter);
        }
    }
    agreements
}

fn letters(agrees: &[bool; ASPECTS.len()], applies: &[bool; ASPECTS.len()]) -> String {
    let both = ASPECTS.iter().zip(agrees).zip(applies);
    both.filter(|((_, agrees), applies)| **agrees && **applies).map(|((aspect, _), _)| aspect.0).collect()
}

#[test]
fn what_agreed_with_the_kernel_still_does() {
    let Some(folder) = shared("corpus", "verifier") else { return };
    let (mut cases, btfs) = read(&folder);
    let types = kernel_types(&folder);
    // The largest first, so that no thread ends long after the others.
    cases.sort_by_key(|case| std::cmp::Reverse(case.live.processed));
    let next = AtomicUsize::new(0);
    let scores = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let score = catch_unwind(AssertUnwindSafe(|| score(case, &btfs, &types)));
                    let score = score.unwrap_or_else(|_| Err("panicked".into()));
                    scores.lock().expect("no thread panics").push((case, score));
                }
            });
        }
    });
    let scores = scores.into_inner().expect("no thread panics");

    let known = agreements(&std::fs::read_to_string(file()).unwrap_or_default());
    let mut rows: BTreeMap<&str, Row> = BTreeMap::new();
    let mut lines = BTreeMap::new();
    let (mut regressions, mut improved, mut died) = (Vec::new(), 0, Vec::new());
    for (case, score) in &scores {
        let score = match score {
            Ok(score) => *score,
            Err(why) => {
                died.push(format!("{}: {why}", case.id));
                Score::default()
            }
        };
        for name in [case.area(), "total"] {
            rows.entry(name).or_default().add(&score);
        }
        let name = hash(&case.id);
        let before = known.get(&name).copied().unwrap_or_default();
        for (at, (_, aspect)) in ASPECTS.iter().enumerate() {
            let agrees = score.agrees[at] && score.applies[at];
            match (before[at], agrees) {
                (true, false) => regressions.push(format!("{}: {aspect}", case.id)),
                (false, true) => improved += 1,
                _ => {}
            }
        }
        lines.insert(name, letters(&score.agrees, &score.applies));
    }
    say(&table(&rows));
    if std::env::var_os("GLASSHIVE_BLESS").is_some() {
        let mut text =
            String::from("# By case (FNV-1a of its id): in what this verifier agrees with Linux 6.18.\n");
        for (name, letters) in lines.iter().filter(|line| !line.1.is_empty()) {
            let _ = writeln!(text, "{name:016x} {letters}");
        }
        std::fs::write(file(), text).expect("writable");
        say(&format!("corpus: blessed, {improved} aspects improved, {} lost", regressions.len()));
    } else {
        if improved > 0 {
            say(&format!("corpus: {improved} aspects agree that did not: GLASSHIVE_BLESS=1 keeps them"));
        }
        regressions.sort();
        assert!(
            regressions.is_empty(),
            "{} aspects agreed and no longer do:\n{}",
            regressions.len(),
            regressions.join("\n")
        );
    }
    assert!(died.is_empty(), "no answer:\n{}", died.join("\n"));
}

/// Sums of an area.
#[derive(Default)]
struct Row {
    cases: u32,
    unsafe_: u32,
    applies: [u32; ASPECTS.len()],
    agrees: [u32; ASPECTS.len()],
}

impl Row {
    fn add(&mut self, score: &Score) {
        self.cases += 1;
        self.unsafe_ += u32::from(score.unsafe_);
        for at in 0..ASPECTS.len() {
            self.applies[at] += u32::from(score.applies[at]);
            self.agrees[at] += u32::from(score.applies[at] && score.agrees[at]);
        }
    }
}

/// The table, an area a line: how many agree of how many.
fn table(rows: &BTreeMap<&str, Row>) -> String {
    let mut out = format!("{:26} {:>5} {:>7}", "corpus", "cases", "unsafe");
    for (_, name) in ASPECTS {
        let _ = write!(out, " {name:>11}");
    }
    let total = rows.iter().filter(|row| *row.0 == "total");
    for (name, row) in rows.iter().filter(|row| *row.0 != "total").chain(total) {
        let _ = write!(out, "\n{name:26} {:5} {:7}", row.cases, row.unsafe_);
        for (agrees, applies) in row.agrees.iter().zip(row.applies) {
            let _ = write!(out, " {:>11}", format!("{agrees}/{applies}"));
        }
        if *name == "total" {
            let _ = write!(out, "\n{:39}", "");
            for (agrees, applies) in row.agrees.iter().zip(row.applies) {
                let percent = 100.0 * f64::from(*agrees) / f64::from(applies.max(1));
                let _ = write!(out, " {:>11}", format!("{percent:.2} %"));
            }
        }
    }
    out
}

/// Each line with which the kernel rejected a recorded case has an explanation of its own.
#[test]
fn the_kernels_rejections_are_explained() {
    let Some(folder) = shared("explanations", "verifier") else { return };
    let (cases, _) = read(&folder);
    let answers = cases.iter().flat_map(|case| [Some(&case.live), case.live.capbpf.as_deref()]);
    let line = |live: &Answer| live.messages.iter().rev().find(|line| !is_counter(line)).cloned();
    let lines: Vec<String> = answers.flatten().filter(|live| live.ret != 0).filter_map(line).collect();
    let missing: Vec<&String> = lines.iter().filter(|line| !glasshive::trace::explains(line)).collect();
    say(&format!("explained: {} of {} lines", lines.len() - missing.len(), lines.len()));
    assert!(!lines.is_empty() && missing.is_empty(), "not explained: {missing:#?}");
}

/// Whether a line of the log is of the counters at its end.
fn is_counter(line: &str) -> bool {
    ["processed ", "verification time ", "stack depth "].iter().any(|start| line.starts_with(start))
}
