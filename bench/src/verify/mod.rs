//! `glasshive-bench verify CASES FOLDER [--rounds N] [--only TEXT]`: how fast this verifier is beside the
//! kernel's. The same programs to both, by turns, at log level 0; each timed by its caller, in processor time.

mod made;
mod recorded;

use anyhow::{Context, Result, anyhow, bail};
use glasshive::arena::VecMemory;
use glasshive::isa::asm::Assembly;
use glasshive::loader::{MapFds, create_maps, from_assembly, request};
use glasshive::syscall::descriptors::Sequential;
use glasshive::syscall::{Kernel, programs::LoadRequest};
use glasshive::trace::Recorder;
use glasshive::verifier::observer::Nobody;
use glasshive_native::oracle::calls::errno_name;
use glasshive_native::oracle::texts::Maps;
use glasshive_native::oracle::{Bpf, Side, log, usable};
use serde::Serialize;
use std::path::Path;
use std::time::Duration;

use crate::clock;

/// Log level that writes the last lines alone.
const STATISTICS: u32 = 4;
/// Bytes of the system's arena: maps lie in it.
const ARENA: usize = 1 << 26;

/// What is asked for.
pub struct Options<'a> {
    /// `cases.jsonl.xz`
    pub cases: &'a Path,
    /// Where the programs and the figures are written.
    pub into: &'a Path,
    /// Measurements of each.
    pub rounds: usize,
    /// What a program's name has in it.
    pub only: &'a str,
}

/// A row: seconds are medians.
#[derive(Serialize)]
struct Row {
    program: String,
    large: bool,
    processed: u32,
    kernel_seconds: f64,
    /// `verification_time`, which the kernel itself says.
    kernel_verification_seconds: f64,
    seconds: f64,
    trace_seconds: f64,
    /// Most memory that verifying took, in bytes.
    peak: u64,
    /// The same with the trace.
    trace_peak: u64,
    /// Bytes of the trace.
    trace_size: usize,
}

impl Row {
    fn ratio(&self) -> f64 {
        self.kernel_seconds / self.seconds
    }
    fn trace_ratio(&self) -> f64 {
        self.kernel_seconds / self.trace_seconds
    }
}

/// Bytes of memory, now and at most since [`forget_peak`].
fn memory() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("");
        line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0) * 1024
    };
    (field("VmRSS:"), field("VmHWM:"))
}

fn forget_peak() {
    // Where it can't be reset, the peaks are the whole process's.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// What a piece of work gives, and the most memory that it took beyond what there was.
fn peak_of<T>(work: impl FnOnce() -> T) -> (T, u64) {
    // What was freed goes back to the system first, or the work takes it again uncounted.
    // SAFETY: the call changes nothing that is in use.
    unsafe { libc::malloc_trim(0) };
    forget_peak();
    let before = memory().0;
    let done = work();
    (done, memory().1.saturating_sub(before))
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let begin = clock::now();
    let done = work();
    (done, clock::now() - begin)
}

/// A program in this system, ready to be verified.
fn prepared(assembly: &Assembly) -> Result<(Kernel<VecMemory>, LoadRequest)> {
    let object = from_assembly(assembly);
    let program = object.programs.first().context("no program")?;
    let code = program.code.as_ref().map_err(|error| anyhow!("{error:?}"))?;
    let mut kernel = Kernel::new(VecMemory::new(ARENA), 2, 0, Box::new(Sequential::default()));
    let mut fds = MapFds::new();
    create_maps(&mut kernel, &object, code, &mut fds).map_err(|error| anyhow!("{error}"))?;
    let request = request(&object, program, None, &fds, 0).map_err(|error| anyhow!("{error}"))?;
    Ok((kernel, request))
}

fn row(name: &str, assembly: &Assembly, large: bool, rounds: usize) -> Result<Row> {
    let maps = Maps::new(assembly, &Side::Kernel).map_err(|why| anyhow!(why))?;
    let mut buffer = vec![0; 1 << 16];
    let stats = maps.load(assembly, STATISTICS, &mut buffer);
    if stats.ret < 0 {
        bail!("the kernel: {}", errno_name(stats.ret));
    }
    Side::Kernel.close(stats.ret);
    let said = stats.log.lines().find_map(|line| line.strip_prefix("verification time "));
    let microseconds: f64 = said.and_then(|rest| rest.split(' ').next()?.parse().ok()).unwrap_or(0.0);
    let (kernel, request) = prepared(assembly)?;
    let (outcome, peak) = peak_of(|| kernel.verifier(&request, Nobody).finish());
    if let Err(rejection) = &outcome.result {
        bail!("glasshive: {}", rejection.message);
    }
    let processed = outcome.stats.processed;
    let kernels = log::stats(&stats.log).map_or(0, |stats| stats.processed);
    if kernels != processed {
        println!("{name}: {processed} instructions, the kernel's {kernels}");
    }
    drop(outcome);
    let (trace, trace_peak) =
        peak_of(|| kernel.verifier(&request, Recorder::new()).finish().observer.finish());
    let trace_size = trace.size();
    drop(trace);
    let mut times: [Vec<Duration>; 3] = Default::default();
    for _ in 0..rounds {
        let (loaded, took) = timed(|| maps.load(assembly, 0, &mut []));
        Side::Kernel.close(loaded.ret);
        times[0].push(took);
        let (outcome, took) = timed(|| kernel.verifier(&request, Nobody).finish());
        drop(outcome);
        times[1].push(took);
        let (trace, took) = timed(|| kernel.verifier(&request, Recorder::new()).finish().observer.finish());
        drop(trace);
        times[2].push(took);
    }
    let [kernel_seconds, seconds, trace_seconds] = times.map(|times| crate::median(times).as_secs_f64());
    Ok(Row {
        program: name.into(),
        large,
        processed,
        kernel_seconds,
        kernel_verification_seconds: microseconds / 1e6,
        seconds,
        trace_seconds,
        peak,
        trace_peak,
        trace_size,
    })
}

fn middle(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(0.0)
}

fn print(rows: &[Row]) {
    println!(
        "M instructions/s, medians of interleaved loads at log level 0; in brackets times the kernel's speed\n"
    );
    println!(
        "| program | processed | kernel | its own time | glasshive | with a trace | peak MiB | with a trace | trace bytes/insn |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    for row in rows {
        let speed = |seconds: f64| f64::from(row.processed) / seconds / 1e6;
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        println!(
            "| {} | {} | {:.2} | {:.2} | {:.2} ({:.2}) | {:.2} ({:.2}) | {:.1} | {:.1} | {:.0} |",
            row.program,
            row.processed,
            speed(row.kernel_seconds),
            speed(row.kernel_verification_seconds),
            speed(row.seconds),
            row.ratio(),
            speed(row.trace_seconds),
            row.trace_ratio(),
            mib(row.peak),
            mib(row.trace_peak),
            row.trace_size as f64 / f64::from(row.processed),
        );
    }
    let large = || rows.iter().filter(|row| row.large);
    let least = |ratio: fn(&Row) -> f64| rows.iter().map(ratio).fold(f64::INFINITY, f64::min);
    println!(
        "\nlarge programs: median {:.2} times the kernel's speed, {:.2} with a trace; least of all programs {:.2}, {:.2}",
        middle(large().map(Row::ratio).collect()),
        middle(large().map(Row::trace_ratio).collect()),
        least(Row::ratio),
        least(Row::trace_ratio),
    );
}

/// Times the programs, prints the table, and writes the figures; the programs too, for a browser to verify.
pub fn run(options: &Options) -> Result<()> {
    if let Err(why) = usable() {
        println!("skipped: {why}");
        return Ok(());
    }
    let mut programs: Vec<(String, Assembly, bool)> =
        made::programs()?.into_iter().map(|(name, assembly)| (name, assembly, false)).collect();
    match options.cases.is_file() {
        true => programs.extend(recorded::programs(options.cases)?.into_iter().map(|(n, a)| (n, a, true))),
        false => println!("skipped: {} is absent", options.cases.display()),
    }
    programs.retain(|(name, ..)| name.contains(options.only));
    let mut rows = Vec::new();
    for (name, assembly, large) in &programs {
        match row(name, assembly, *large, options.rounds) {
            Ok(row) => rows.push(row),
            // Kernel functions' numbers are another kernel's.
            Err(why) => println!("{name} is left out: {why}"),
        }
    }
    print(&rows);
    let file = options.into.join("verify.json");
    std::fs::write(&file, serde_json::to_string_pretty(&rows)?)
        .with_context(|| file.display().to_string())?;
    let timed = programs.iter().filter(|(name, ..)| rows.iter().any(|row| row.program == *name));
    let timed: Vec<(&str, &Assembly)> = timed.map(|(name, assembly, _)| (name.as_str(), assembly)).collect();
    let file = options.into.join("verify.postcard");
    std::fs::write(&file, postcard::to_allocvec(&timed)?).with_context(|| file.display().to_string())?;
    Ok(())
}
