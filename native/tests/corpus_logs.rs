//! Whole logs of the recorded cases, held to what agreed with the running kernel.
//!
//! `data/corpus.logs` has a line per case whose level-2 log was, to the byte but for addresses and times, the
//! running kernel's: hashes of the case's id and of this verifier's log, and of the log that a loader with
//! few capabilities gets, or `-`. The test makes the logs again and fails where a hash is another.
//! `GLASSHIVE_BLESS=1 cargo test -p glasshive-native --test corpus_logs` asks the running kernel anew: it adds
//! what agrees now, and says what no longer does. Where a merge left lines of both sides, bless again.
//!
//! The kernel that runs may number its types otherwise than the one that recorded: it is asked about the case with
//! its own numbers, and its answer compared with this verifier's for the same.

mod cases;

use cases::corpus::{Btfs, Case, Environment, Translation, kernel_types, read};
use cases::{few_capabilities, hash, on_all_cpus, say, shared};
use glasshive::object::btf::kernel::KernelTypes;
use glasshive::syscall::capability;
use glasshive_native::oracle::log::normalised;
use glasshive_native::oracle::{Bpf, Fresh, Side, usable};
use glasshive_native::process::possible_cpus;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;

/// Everything, and the counters.
const LOG_LEVEL: u32 = 6;
/// Cases that take more instructions than that have logs too large to be worth it.
const MOST_PROCESSED: u32 = 60_000;
/// Bytes of log that most are content with.
const FIRST_SIZE: usize = 1 << 17;

/// Hashes of a case's logs: with all capabilities, and with few.
type Hashes = [Option<u32>; 2];

/// The log of a load, whole.
fn load(environment: &Environment, case: &Case, system: &dyn Bpf) -> String {
    let mut loaded = environment.load(&case.prog, LOG_LEVEL, FIRST_SIZE);
    system.close(loaded.ret);
    if loaded.log_true_size as usize > FIRST_SIZE {
        // Times have more digits now and then.
        loaded = environment.load(&case.prog, LOG_LEVEL, loaded.log_true_size as usize + 64);
        system.close(loaded.ret);
    }
    normalised(&loaded.log)
}

/// This verifier's logs of a case; `None` where its objects can't be made, or for few capabilities where none
/// were recorded.
fn logs(case: &Case, btfs: &Btfs, types: &Arc<KernelTypes>) -> [Option<String>; 2] {
    let system = Fresh::new(possible_cpus()).expect("an arena").with_kernel_types(Arc::clone(types));
    let Ok(environment) = Environment::new(case, btfs, &system) else { return [None, None] };
    let load = || load(&environment, case, &system);
    let all = load();
    let few = case.live.capbpf.as_ref().map(|_| {
        system.configure(|kernel| kernel.set_capabilities(capability::BPF | capability::NET_ADMIN));
        load()
    });
    [Some(all), few]
}

/// The running kernel's.
fn kernel_logs(case: &Case, btfs: &Btfs) -> [Option<String>; 2] {
    let Ok(environment) = Environment::new(case, btfs, &Side::Kernel) else { return [None, None] };
    let load = || load(&environment, case, &Side::Kernel);
    let few = case.live.capbpf.as_ref().map(|_| few_capabilities(load));
    [Some(load()), few]
}

fn short(text: &str) -> u32 {
    let hash = hash(text);
    (hash ^ hash >> 32) as u32
}

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/corpus.logs")
}

fn parse(text: &str) -> BTreeMap<u64, Hashes> {
    let hex = |word: &str| u32::from_str_radix(word, 16).ok();
    let lines = text.lines().filter(|line| !line.starts_with(['#', '<', '=', '>']));
    let row = |line: &str| {
        let mut words = line.split(' ');
        let name = u64::from_str_radix(words.next()?, 16).ok()?;
        Some((name, [words.next().and_then(hex), words.next().and_then(hex)]))
    };
    lines.filter_map(row).collect()
}

fn write(rows: &BTreeMap<u64, Hashes>) {
    let mut text = String::from(
        "# By case (FNV-1a of its id): the log that is the kernel's, and that with few capabilities.\n",
    );
    for (name, hashes) in rows.iter().filter(|(_, hashes)| hashes.iter().any(Option::is_some)) {
        let [all, few] = hashes.map(|h| h.map_or("-".to_string(), |h| format!("{h:08x}")));
        let _ = writeln!(text, "{name:016x} {all} {few}");
    }
    std::fs::write(file(), text).expect("writable");
}

#[test]
fn logs_that_were_the_kernels_still_are() {
    let Some(folder) = shared("corpus logs", "verifier") else { return };
    let (mut cases, btfs) = read(&folder);
    cases.retain(|case| case.live.processed.unwrap_or(0) <= MOST_PROCESSED);
    // The largest first, so that no thread ends long after the others.
    cases.sort_by_key(|case| std::cmp::Reverse(case.live.processed));
    let types = kernel_types(&folder);
    let known = parse(&std::fs::read_to_string(file()).unwrap_or_default());
    let now = on_all_cpus(&cases, |case| logs(case, &btfs, &types).map(|log| log.as_deref().map(short)));
    let held = |which: usize| known.values().filter(|hashes| hashes[which].is_some()).count();
    say(&format!(
        "corpus logs: {} held, {} with few capabilities, of {} cases",
        held(0),
        held(1),
        cases.len()
    ));

    if std::env::var_os("GLASSHIVE_BLESS").is_none() {
        let mut changed = Vec::new();
        for (case, now) in cases.iter().zip(&now) {
            let known = known.get(&hash(&case.id)).copied().unwrap_or_default();
            for (which, (known, now)) in known.iter().zip(now).enumerate() {
                if known.is_some() && known != now {
                    changed.push(format!("{}{}", case.id, ["", " (few capabilities)"][which]));
                }
            }
        }
        let count = changed.len();
        assert!(changed.is_empty(), "{count} logs were the kernel's and changed:\n{}", changed.join("\n"));
        return;
    }

    usable().expect("a running kernel to ask");
    let translation = Translation::to_the_running_kernel(&types);
    let running = Arc::clone(&translation.to);
    cases.iter_mut().for_each(|case| translation.apply(case));
    let agree = on_all_cpus(&cases, |case| {
        let (kernel, here) = (kernel_logs(case, &btfs), logs(case, &btfs, &running));
        [0, 1].map(|which| kernel[which].is_some() && kernel[which] == here[which])
    });
    let mut rows = BTreeMap::new();
    for ((case, now), agree) in cases.iter().zip(&now).zip(&agree) {
        let name = hash(&case.id);
        let known = known.get(&name).copied().unwrap_or_default();
        let row: Hashes = [0, 1].map(|which| now[which].filter(|_| agree[which]));
        for which in [0, 1] {
            if known[which].is_some() && row[which].is_none() {
                say(&format!(
                    "corpus logs: {}{}: agreed before",
                    case.id,
                    ["", " (few capabilities)"][which]
                ));
            }
        }
        rows.insert(name, row);
    }
    write(&rows);
    let count = |which: usize| agree.iter().filter(|agree| agree[which]).count();
    let few = cases.iter().filter(|case| case.live.capbpf.is_some()).count();
    say(&format!(
        "corpus logs: {} of {} agree with the running kernel, {} of {few} with few capabilities",
        count(0),
        cases.len(),
        count(1)
    ));
}
