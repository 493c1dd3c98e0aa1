//! Programs with maps, which only a verifier's owner can load: this project's engines behind its `bpf(2)`, the
//! kernel's JIT, and native Rust. Nanoseconds per run, of many runs in one test run.

use anyhow::{Result, anyhow, bail, ensure};
use glasshive::isa::asm::assemble;
use glasshive::isa::bytes;
use glasshive::loader::from_assembly;
use glasshive::names::Uapi;
use glasshive_native::engine;
use glasshive_native::oracle::calls::{Load, MapCreate, TestRun, errno_name};
use glasshive_native::oracle::{Bpf, Fresh, Side};
use std::collections::HashMap;
use std::hint::black_box;
use std::time::Duration;

use crate::clock;

/// Runs of one measurement.
const REPEAT: u32 = 500;

struct Program {
    name: &'static str,
    text: &'static str,
    /// The same work: the value that the program returns.
    native: fn(&mut Native, &[u8]) -> u32,
}

const PROGRAMS: &[Program] = &[
    Program { name: "hash counter", text: include_str!("../programs/hash_counter.gh"), native: hash_counter },
    Program {
        name: "array histogram",
        text: include_str!("../programs/array_histogram.gh"),
        native: histogram,
    },
    Program { name: "stack sort", text: include_str!("../programs/stack_sort.gh"), native: sort },
];

/// What the native work keeps from run to run.
struct Native {
    hash: HashMap<u32, u64>,
    array: Vec<u64>,
}

fn hash_counter(kept: &mut Native, packet: &[u8]) -> u32 {
    for &byte in &packet[..64] {
        *kept.hash.entry(byte.into()).or_insert(0) += 1;
    }
    2
}

fn histogram(kept: &mut Native, packet: &[u8]) -> u32 {
    for &byte in &packet[..64] {
        kept.array[usize::from(byte)] += 1;
    }
    2
}

fn sort(_: &mut Native, packet: &[u8]) -> u32 {
    let mut numbers = [0_u64; 32];
    for (number, bytes) in numbers.iter_mut().zip(packet.as_chunks::<8>().0) {
        *number = u64::from_le_bytes(*bytes);
    }
    for last in (1..32).rev() {
        for at in 0..last {
            if numbers[at] > numbers[at + 1] {
                numbers.swap(at, at + 1);
            }
        }
    }
    numbers[16] as u32
}

/// One measurement: the value that the program returned.
type Runner<'a> = Box<dyn FnMut() -> Result<u32> + 'a>;

/// Loads a program with its maps; descriptors stay open until the process ends.
fn loaded<'a>(system: &'a dyn Bpf, program: &Program, packet: &'a [u8]) -> Result<Runner<'a>> {
    let assembly = assemble(program.text, &Uapi).map_err(|errors| anyhow!("{}: {errors:?}", program.name))?;
    let object = from_assembly(&assembly);
    let Some(Ok(code)) = object.programs.first().map(|program| &program.code) else { bail!("no program") };
    let mut insns = code.insns.clone();
    let maps: Vec<i64> = object
        .maps
        .iter()
        .map(|map| {
            let spec = &map.spec;
            let (map_type, key_size, value_size) = (spec.map_type, spec.key_size, spec.value_size);
            MapCreate {
                map_type,
                key_size,
                value_size,
                max_entries: spec.max_entries,
                ..MapCreate::default()
            }
            .call(system)
        })
        .collect();
    for used in &code.map_uses {
        insns[used.at.index()].imm = maps[used.map] as i32;
    }
    let load =
        Load { program_type: 6, insns: &bytes(&insns), license: b"GPL\0", log_level: 1, ..Load::default() };
    let loaded = load.call(system);
    ensure!(loaded.ret >= 0, "{}: {}", errno_name(loaded.ret), loaded.log);
    Ok(Box::new(move || {
        let test = TestRun { data: Some(packet), repeat: REPEAT, ..TestRun::default() };
        let ran = test.call(system, loaded.ret);
        ensure!(ran.ret == 0, "{}", errno_name(ran.ret));
        Ok(ran.value)
    }))
}

/// Prints the table: medians of `rounds` interleaved measurements.
pub fn table(rounds: usize) -> Result<()> {
    // The same bytes every time.
    let packet: Vec<u8> = (0..256_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 11) as u8).collect();
    let own = |compiles: bool| -> Result<Fresh> {
        let system = Fresh::new(1)?;
        system.configure(|kernel| kernel.set_compiler(if compiles { engine::compiler() } else { None }));
        Ok(system)
    };
    let (jit, interpreter) = (own(true)?, own(false)?);
    let systems: [(&str, &dyn Bpf); 3] =
        [("kernel JIT", &Side::Kernel), ("glasshive JIT", &jit), ("glasshive interpreter", &interpreter)];
    println!(
        "ns of processor time per run of verified programs, {REPEAT} runs in a test run, medians of {rounds}\n"
    );
    let names: Vec<&str> = PROGRAMS.iter().map(|program| program.name).collect();
    println!("| engine | {} |\n| --- |{}", names.join(" | "), " --- |".repeat(names.len()));
    let mut rows: Vec<(&str, Vec<String>)> = vec![("native Rust", Vec::new())];
    rows.extend(systems.iter().map(|system| (system.0, Vec::new())));
    for program in PROGRAMS {
        let mut kept = Native { hash: HashMap::new(), array: vec![0; 256] };
        let expected = (program.native)(&mut kept, &packet);
        let native: Runner = Box::new(|| {
            Ok((0..REPEAT).map(|_| (program.native)(&mut kept, black_box(&packet))).last().unwrap_or(0))
        });
        let mut runners = vec![Ok(native)];
        runners.extend(systems.iter().map(|system| loaded(system.1, program, &packet)));
        let mut times: Vec<Vec<Duration>> = vec![Vec::new(); runners.len()];
        for _ in 0..rounds {
            for (runner, times) in runners.iter_mut().zip(&mut times) {
                let Ok(run) = runner else { continue };
                let start = clock::now();
                let value = run()?;
                times.push(clock::now() - start);
                ensure!(value == expected, "{}: {value:#x}, not {expected:#x}", program.name);
            }
        }
        for ((row, runner), times) in rows.iter_mut().zip(&runners).zip(times) {
            row.1.push(match runner {
                Ok(_) => format!("{:.0}", crate::median(times).as_nanos() as f64 / f64::from(REPEAT)),
                Err(error) => format!("none: {}", error.to_string().lines().next().unwrap_or_default()),
            });
        }
    }
    for (name, cells) in rows {
        println!("| {name} | {} |", cells.join(" | "));
    }
    Ok(())
}
