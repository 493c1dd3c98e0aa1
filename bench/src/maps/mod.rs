//! `glasshive-bench maps [--rounds N] [--only TYPE]`: operations on maps from programs, by test runs of this
//! project's compiler and interpreter and of the running kernel, interleaved; beside them `hashbrown` directly.
//!
//! A program does [`OPERATIONS`] operations in a loop on keys spread over the map; what the loop without an
//! operation takes is taken off, on every side.

mod direct;
mod text;

use anyhow::{Result, anyhow, bail, ensure};
use glasshive::isa::asm::assemble;
use glasshive::isa::bytes;
use glasshive::loader::from_assembly;
use glasshive::names::Uapi;
use glasshive_native::engine;
use glasshive_native::oracle::calls::{Attr, Load, MapCreate, TestRun, address, errno_name};
use glasshive_native::oracle::{Bpf, Fresh, Side};
use std::time::Duration;

use crate::{clock, median};
use text::{Kind, OPERATIONS, Operation};

/// Numbers of entries, each a power of two.
const ENTRIES: &[u32] = &[1 << 10, 1 << 16, 1 << 20];
/// Operations of one measurement.
const MEASURED: u32 = 1 << 17;
/// `BPF_MAP_UPDATE_BATCH`, `BPF_MAP_GET_NEXT_KEY`.
const UPDATE_BATCH: i32 = 26;
const NEXT_KEY: i32 = 4;

/// Who runs the programs.
struct System<'a> {
    name: &'static str,
    bpf: &'a dyn Bpf,
    cpus: u32,
}

/// A measurement that can be repeated: what it took, of one operation.
type Measure<'a> = Box<dyn FnMut() -> Result<Duration> + 'a>;

/// Prints the tables.
pub fn tables(rounds: usize, only: Option<&str>) -> Result<()> {
    let cpus = glasshive_native::process::possible_cpus();
    let own = |compiles: bool| -> Result<Fresh> {
        let system = Fresh::new(cpus)?;
        system.configure(|kernel| kernel.set_compiler(if compiles { engine::compiler() } else { None }));
        Ok(system)
    };
    let (jit, interpreter) = (own(true)?, own(false)?);
    let mut systems: Vec<System> = vec![
        System { name: "glasshive, x86-64", bpf: &jit, cpus },
        System { name: "glasshive, interpreter", bpf: &interpreter, cpus },
    ];
    match glasshive_native::oracle::usable() {
        Ok(()) => systems.push(System { name: "kernel", bpf: &Side::Kernel, cpus }),
        Err(why) => println!("skipped: the kernel's maps: {why}"),
    }
    println!(
        "ns of processor time per operation, medians of {rounds} interleaved measurements of {MEASURED} \
         operations, less the loop around them; keys of 4 bytes, values of 8\n"
    );
    for kind in text::KINDS.iter().filter(|kind| only.is_none_or(|only| only == kind.name)) {
        for operation in kind.operations {
            table(kind, *operation, &systems, rounds)?;
        }
        iterate(kind, &systems, rounds)?;
    }
    Ok(())
}

/// One operation of one type: a row per system, a column per number of entries.
fn table(kind: &Kind, operation: Operation, systems: &[System], rounds: usize) -> Result<()> {
    let columns: Vec<String> = ENTRIES.iter().map(|entries| format!("{entries}")).collect();
    println!("| {}: {} | {} |", kind.name, operation.name(), columns.join(" | "));
    println!("| --- |{}", " --- |".repeat(columns.len()));
    let mut rows: Vec<(String, Vec<String>)> = Vec::new();
    for &entries in ENTRIES {
        let mut measures: Vec<(String, Result<[Measure; 2]>)> = Vec::new();
        for system in systems {
            measures.push((system.name.into(), prepare(system, kind, operation, entries)));
        }
        for (name, measure) in direct::measures(kind, operation, entries) {
            measures.push((name.into(), Ok(measure)));
        }
        let mut times: Vec<[Vec<Duration>; 2]> = vec![Default::default(); measures.len()];
        for _ in 0..rounds {
            for ((_, measure), times) in measures.iter_mut().zip(&mut times) {
                let Ok(both) = measure else { continue };
                for (measure, times) in both.iter_mut().zip(times) {
                    times.push(measure()?);
                }
            }
        }
        for (at, ((name, measure), [times, empty])) in measures.into_iter().zip(times).enumerate() {
            let cell = match measure {
                Ok(_) => {
                    let took = median(times).as_nanos() as f64 - median(empty).as_nanos() as f64;
                    format!("{:.1}", took / f64::from(MEASURED))
                }
                Err(error) => format!("none: {}", error.to_string().lines().next().unwrap_or_default()),
            };
            match rows.get_mut(at) {
                Some((_, cells)) => cells.push(cell),
                None => rows.push((name, vec![cell])),
            }
        }
    }
    for (name, cells) in rows {
        println!("| {name} | {} |", cells.join(" | "));
    }
    println!();
    Ok(())
}

/// Descriptors of a system, closed at the end.
struct Open<'a> {
    bpf: &'a dyn Bpf,
    fds: Vec<i64>,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        for fd in &self.fds {
            self.bpf.close(*fd);
        }
    }
}

/// Makes the map, fills it, loads the program; the measurement of it, and of its loop alone.
fn prepare<'a>(
    system: &System<'a>,
    kind: &Kind,
    operation: Operation,
    entries: u32,
) -> Result<[Measure<'a>; 2]> {
    let bits = entries.trailing_zeros();
    let filled = create(system, kind, entries)?;
    let mut measures = Vec::new();
    for operation in [operation, Operation::Nothing] {
        let (fd, state) = load(system.bpf, &text::program(kind, operation, bits), filled.fds[0])?;
        let open = Open { bpf: system.bpf, fds: vec![fd, state] };
        let bpf = system.bpf;
        measures.push(Box::new(move || {
            let packet = [0; 64];
            let repeat = MEASURED / OPERATIONS;
            let test = TestRun { data: Some(&packet), repeat, ..TestRun::default() };
            let start = clock::now();
            let ran = test.call(bpf, open.fds[0]);
            let took = clock::now() - start;
            ensure!(ran.ret == 0, "{}", errno_name(ran.ret));
            ensure!(ran.value == 0, "{} operations failed in the last run", ran.value);
            Ok(took)
        }) as Measure);
    }
    let [measured, empty]: [Measure; 2] = measures.try_into().map_err(|_| anyhow!("two of them"))?;
    // The programs hold the map.
    drop(filled);
    Ok([measured, empty])
}

/// A map with all entries in it.
fn create<'a>(system: &System<'a>, kind: &Kind, entries: u32) -> Result<Open<'a>> {
    let (map_type, key_size, value_size) = (kind.number, kind.key_size, 8);
    let create = MapCreate {
        map_type,
        key_size,
        value_size,
        max_entries: entries,
        flags: kind.flags,
        ..MapCreate::default()
    };
    let fd = create.call(system.bpf);
    ensure!(fd >= 0, "{}", errno_name(fd));
    let open = Open { bpf: system.bpf, fds: vec![fd] };
    let copies = if kind.per_cpu { system.cpus as usize } else { 1 };
    let keys: Vec<u8> = (0..entries).flat_map(|at| kind.key(at)).collect();
    let values = vec![1; entries as usize * 8 * copies];
    if kind.key_size == 0 {
        return Ok(open);
    }
    // Tries have no batch for updates in every kernel.
    let mut attr =
        Attr::default().u64(16, address(&keys)).u64(24, address(&values)).u32(32, entries).fd(36, fd);
    let batch = system.bpf.bpf(UPDATE_BATCH, &mut attr.0, 56);
    ensure!(batch == 0, "filling it: {}", errno_name(batch));
    Ok(open)
}

/// Loads a program whose first map is the one given, the second its own.
fn load(bpf: &dyn Bpf, text: &str, map: i64) -> Result<(i64, i64)> {
    let assembly = assemble(text, &Uapi).map_err(|errors| anyhow!("{errors:?}\n{text}"))?;
    let object = from_assembly(&assembly);
    let Some(Ok(code)) = object.programs.first().map(|program| &program.code) else { bail!("no program") };
    let mut insns = code.insns.clone();
    let state = MapCreate { map_type: 2, key_size: 4, value_size: 8, max_entries: 1, ..MapCreate::default() }
        .call(bpf);
    ensure!(state >= 0, "{}", errno_name(state));
    for used in &code.map_uses {
        insns[used.at.index()].imm = if used.map == 0 { map } else { state } as i32;
    }
    let load =
        Load { program_type: 6, insns: &bytes(&insns), license: b"GPL\0", log_level: 1, ..Load::default() };
    let loaded = load.call(bpf);
    if loaded.ret < 0 {
        bpf.close(state);
        let last = loaded.log.lines().rev().nth(1).unwrap_or_default().to_string();
        bail!("{}: {last}", errno_name(loaded.ret));
    }
    Ok((loaded.ret, state))
}

/// All keys by the system call, one after another.
fn iterate(kind: &Kind, systems: &[System], rounds: usize) -> Result<()> {
    if kind.key_size == 0 {
        return Ok(());
    }
    println!(
        "| {}: next key, by the system call | {} |",
        kind.name,
        ENTRIES[..2].iter().map(u32::to_string).collect::<Vec<_>>().join(" | ")
    );
    println!("| --- | --- | --- |");
    for system in systems.iter().filter(|system| system.name != "glasshive, interpreter") {
        let mut cells = Vec::new();
        for &entries in &ENTRIES[..2] {
            let map = create(system, kind, entries)?;
            let mut times = Vec::new();
            for _ in 0..rounds.min(5) {
                let start = clock::now();
                let count = keys(system.bpf, map.fds[0], kind.key_size as usize)?;
                times.push(clock::now() - start);
                ensure!(count == entries, "{count} of {entries} keys");
            }
            cells.push(format!("{:.0}", median(times).as_nanos() as f64 / f64::from(entries)));
        }
        println!("| {} | {} |", system.name, cells.join(" | "));
    }
    println!();
    Ok(())
}

fn keys(bpf: &dyn Bpf, fd: i64, size: usize) -> Result<u32> {
    let (mut key, mut next, mut count) = (vec![0; size], vec![0_u8; size], 0);
    loop {
        let from = if count == 0 { 0 } else { address(&key) };
        let mut attr = Attr::default().fd(0, fd).u64(8, from).u64(16, next.as_mut_ptr() as u64);
        match bpf.bpf(NEXT_KEY, &mut attr.0, 24) {
            0 => count += 1,
            // ENOENT
            -2 => return Ok(count),
            other => bail!("{}", errno_name(other)),
        }
        key.copy_from_slice(&next);
    }
}
