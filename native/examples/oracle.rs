//! `cargo xtask oracle`: the running kernel and this system, asked the same.

use anyhow::{Context, bail};
use glasshive_native::oracle::syscall::shrink::{difference, shrink};
use glasshive_native::oracle::syscall::{Sequence, generate};
use glasshive_native::oracle::{Side, usable};
use glasshive_native::process::possible_cpus;

/// Actions of a sequence.
const LENGTH: usize = 24;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut arguments = arguments.iter().map(String::as_str);
    match arguments.next() {
        Some("syscall") => {}
        _ => bail!("oracle syscall [--seed S] [--count N] [--show N]"),
    }
    let (mut seed, mut count, mut show) = (1, 10_000, 10);
    while let Some(name) = arguments.next() {
        let value = arguments.next().with_context(|| format!("{name} takes a number"))?;
        let value: u64 = value.parse().with_context(|| format!("{name} takes a number, not '{value}'"))?;
        match name {
            "--seed" => seed = value,
            "--count" => count = value,
            "--show" => show = value,
            _ => bail!("no option '{name}'"),
        }
    }
    usable().map_err(anyhow::Error::msg)?;
    pin_to_one_cpu();
    let cpus = possible_cpus() as usize;
    let (mut calls, mut different) = (0, 0);
    let begun = std::time::Instant::now();
    for at in 0..count {
        let sequence = generate::sequence(seed.wrapping_add(at), LENGTH, cpus);
        calls += sequence.0.len();
        if difference(&sequence, &Side::Kernel, &Side::Glasshive).is_none() {
            continue;
        }
        different += 1;
        if different <= show {
            report(seed.wrapping_add(at), &sequence);
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!("{count} sequences from seed {seed}, {calls} calls: {different} differ ({seconds:.1} s)");
    if different > 0 {
        bail!("the systems differ");
    }
    Ok(())
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

/// The kernel's per-CPU values and lists are those of the CPU that the call is made on.
fn pin_to_one_cpu() {
    // SAFETY: a zeroed set is an empty one, and the calls read and write that set alone.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(0, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set);
    }
}
