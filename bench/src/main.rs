//! `glasshive-bench maps …`: operations on maps; see [`maps`].
//! `glasshive-bench FOLDER [--rounds N]`: times the programs that `gen.py` wrote into the folder on every
//! engine, interleaved, and prints tables: nanoseconds per eBPF instruction, per run of verified programs with maps,
//! and how fast the compiler is.

mod clock;
mod engines;
mod maps;
mod native;
mod program;
mod verified;
mod verify;

use anyhow::{Context, Result, bail, ensure};
use engines::{ENGINES, Loaded, Runner, Target, compile_times};
use glasshive::interp::Mode;
use program::Program;
use std::path::Path;
use std::time::Duration;

const PROGRAMS: &[&str] = &["a_alu", "b_mem", "c_parse", "d_call", "e_div", "f_helper"];
const COMPILED: &[&str] = &["jit_4096", "jit_100000"];

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(("maps", rest)) = arguments.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        return map_tables(rest);
    }
    if arguments.first().is_some_and(|first| first == "verify") {
        return verify(&arguments[1..]);
    }
    let (folder, rounds) = match arguments.as_slice() {
        [folder] => (folder, 31),
        [folder, option, rounds] if option == "--rounds" => (folder, rounds.parse().context("--rounds")?),
        _ => bail!("glasshive-bench FOLDER [--rounds N]"),
    };
    ensure!(rounds > 0, "--rounds takes a number from 1");
    let folder = Path::new(folder);
    // First: rbpf gives the heap pages back with other rights than they had, which the system's reads of this
    // process's memory then meet.
    verified::table(rounds)?;
    let columns: Vec<Vec<Cell>> =
        PROGRAMS.iter().map(|name| column(&Program::read(folder, name)?, rounds)).collect::<Result<_>>()?;
    println!("\nns of processor time per eBPF instruction, medians of {rounds} interleaved runs\n");
    println!("| engine | {} |", PROGRAMS.join(" | "));
    println!("| --- |{}", " --- |".repeat(PROGRAMS.len()));
    for (row, engine) in ENGINES.iter().enumerate() {
        let cells: Vec<&str> = columns.iter().map(|column| column[row].text.as_str()).collect();
        println!("| {} | {} |", engine.name, cells.join(" | "));
    }
    for column in &columns {
        for cell in column {
            if let Some(note) = &cell.note {
                println!("\n{note}");
            }
        }
    }
    println!("\nM instructions per second of processor time, compiling\n");
    println!("| compiler | {} |\n| --- |{}", COMPILED.join(" | "), " --- |".repeat(COMPILED.len()));
    for (compiler, target) in [("x86-64", Target::X86_64), ("WebAssembly", Target::WebAssembly)] {
        let mut row = format!("| {compiler} |");
        for name in COMPILED {
            let program = Program::read(folder, name)?;
            let took = median(compile_times(&program, target, rounds)?).as_secs_f64();
            row += &format!(" {:.0} |", program.code.len() as f64 / 8.0 / took / 1e6);
        }
        println!("{row}");
    }
    Ok(())
}

/// `maps [--rounds N] [--only TYPE]`
fn map_tables(arguments: &[String]) -> Result<()> {
    let (mut rounds, mut only) = (9, None);
    for option in arguments.chunks(2) {
        match option {
            [name, count] if name == "--rounds" => rounds = count.parse().context("--rounds")?,
            [name, kind] if name == "--only" => only = Some(kind.as_str()),
            _ => bail!("glasshive-bench maps [--rounds N] [--only TYPE]"),
        }
    }
    ensure!(rounds > 0, "--rounds takes a number from 1");
    maps::tables(rounds, only)
}

/// `verify CASES FOLDER [--rounds N] [--only TEXT]`.
fn verify(arguments: &[String]) -> Result<()> {
    let [cases, into, rest @ ..] = arguments else {
        bail!("glasshive-bench verify CASES FOLDER [--rounds N] [--only TEXT]");
    };
    let (cases, into) = (Path::new(cases), Path::new(into));
    let mut options = verify::Options { cases, into, rounds: 5, only: "" };
    for pair in rest.chunks(2) {
        match pair {
            [name, value] if name == "--rounds" => options.rounds = value.parse().context("--rounds")?,
            [name, value] if name == "--only" => options.only = value,
            other => bail!("only --rounds N and --only TEXT are known here, not '{}'", other.join(" ")),
        }
    }
    ensure!(options.rounds > 0, "--rounds takes a number from 1");
    verify::run(&options)
}

struct Cell {
    text: String,
    note: Option<String>,
}

/// Times one program on all engines, in turns.
fn column(program: &Program, rounds: usize) -> Result<Vec<Cell>> {
    let (expected, count) = Loaded::new(program)?.interpret(Mode::Plain)?;
    let mut runners: Vec<Result<Runner>> = ENGINES.iter().map(|engine| (engine.prepare)(program)).collect();
    for (engine, runner) in ENGINES.iter().zip(&mut runners) {
        let result = runner.as_mut().map(|run| run());
        match result {
            // The kernel's results have 32 bits.
            Ok(Ok(value)) if value == expected || value == expected & 0xffff_ffff => {}
            Ok(Ok(value)) => bail!("{}: {}: {value:#x}, not {expected:#x}", program.name, engine.name),
            Ok(Err(error)) => *runner = Err(error),
            Err(_) => {}
        }
    }
    let mut times: Vec<Vec<Duration>> = vec![Vec::new(); runners.len()];
    for _ in 0..rounds {
        for (runner, times) in runners.iter_mut().zip(&mut times) {
            if let Ok(run) = runner {
                let start = clock::now();
                run()?;
                times.push(clock::now() - start);
            }
        }
    }
    let cells = ENGINES.iter().zip(runners).zip(times).map(|((engine, runner), times)| match runner {
        Ok(_) => {
            let each = median(times).as_nanos() as f64 / count as f64;
            Cell { text: format!("{each:.3}"), note: None }
        }
        Err(error) => Cell {
            text: "none".into(),
            note: Some(format!("{} does not run {}: {error}", engine.name, program.name)),
        },
    });
    Ok(cells.collect())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
