//! `oracle syscall`: random sequences of calls to both systems, every result and every byte compared.

use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::Context;
use glasshive_native::oracle::syscall::run::run;
use glasshive_native::oracle::syscall::shrink::{difference, shrink};
use glasshive_native::oracle::syscall::{Recorded, Sequence, generate};
use glasshive_native::oracle::{Side, usable};
use glasshive_native::process::possible_cpus;

/// Actions of a sequence.
const LENGTH: usize = 24;
/// Bytes of memory that a recorded sequence may have.
const MOST_RECORDED: usize = 1500;

/// Whether all sequences were answered alike; the first `show` that were not are shown, shrunk.
pub fn compare(seed: u64, count: u32, show: u32) -> anyhow::Result<bool> {
    if let Err(why) = usable() {
        println!("skipped: {why} ({count} sequences)");
        return Ok(true);
    }
    pin_to_one_cpu();
    let cpus = possible_cpus() as usize;
    let (mut calls, mut different) = (0, 0);
    let begun = Instant::now();
    for seed in (seed..).take(count as usize) {
        let sequence = generate::sequence(seed, LENGTH, cpus);
        calls += sequence.0.len();
        if difference(&sequence, &Side::Kernel, &Side::Glasshive).is_none() {
            continue;
        }
        different += 1;
        if different <= show {
            report(seed, &sequence);
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "{count} sequences from seed {seed}, {calls} calls: {different} answered differently ({seconds:.1} s)"
    );
    Ok(different == 0)
}

fn report(seed: u64, sequence: &Sequence) {
    let short = shrink(sequence, &Side::Kernel, &Side::Glasshive);
    let Some(found) = difference(&short, &Side::Kernel, &Side::Glasshive) else {
        println!("seed {seed}: differs now and then");
        return;
    };
    println!("seed {seed}: action {} differs\n{short}", found.at);
    println!("  kernel    {:?}\n  glasshive {:?}\n", found.first, found.second);
}

/// Writes short sequences with the running kernel's answers, for tests on machines without it.
pub fn record(seed: u64, count: u32, file: &Path) -> anyhow::Result<bool> {
    usable().map_err(anyhow::Error::msg)?;
    pin_to_one_cpu();
    let cpus = possible_cpus() as usize;
    let sequences = (seed..).map(|seed| generate::sequence(seed, LENGTH, cpus));
    let short = sequences.filter(|sequence| sequence.memory() <= MOST_RECORDED).take(count as usize);
    let mut lines = String::new();
    for sequence in short {
        let answers = run(&sequence, &Side::Kernel);
        lines += &serde_json::to_string(&Recorded { cpus, sequence, answers })?;
        lines.push('\n');
    }
    fs::write(file, lines).with_context(|| format!("writing {}", file.display()))?;
    println!("recorded {count} sequences in {}", file.display());
    Ok(true)
}

/// The kernel's per-CPU values and lists are those of the CPU that the call is made on.
fn pin_to_one_cpu() {
    // SAFETY: a zeroed set is an empty one, and the calls read and write that set alone.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(0, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set);
    }
}
