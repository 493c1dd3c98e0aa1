//! The engines in Node and in Chromium, by `web/tests/bench.rs`.

use anyhow::Result;
use std::path::Path;

use crate::{stage, tools};

/// Where it runs, and the variable that makes the test runner run it there.
const PLACES: &[(&str, &str)] =
    &[("Node", "WASM_BINDGEN_USE_NODE_EXPERIMENTAL"), ("Chromium", "WASM_BINDGEN_USE_DEDICATED_WORKER")];

/// A line of the test's output.
enum Line<'a> {
    Bench { engine: &'a str, program: &'a str, time: &'a str },
    Compile { program: &'a str, speed: &'a str },
    Instance { time: &'a str },
}

fn line(text: &str) -> Option<Line<'_>> {
    let words: Vec<&str> = text.split_whitespace().collect();
    Some(match *words.as_slice() {
        ["bench", engine, program, time] => Line::Bench { engine, program, time },
        ["compile", program, speed] => Line::Compile { program, speed },
        ["instance", _, time] => Line::Instance { time },
        _ => return None,
    })
}

/// Two tables: the programs, and what compiling takes.
pub fn table(folder: &Path) -> Result<String> {
    tools::install()?;
    let browser = tools::browser()?;
    let mut rows: Vec<(String, Vec<(String, String)>)> = Vec::new();
    let mut costs = String::new();
    for (place, variable) in PLACES {
        let mut test = stage::command("cargo", &["test", "--locked", "--release", "-p", "glasshive-web"]);
        test.args(["--target", "wasm32-unknown-unknown", "--features", "bench", "--test", "bench"]);
        test.args(["--", "--nocapture"]).env("GLASSHIVE_BENCH", folder).env(variable, "1");
        test.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", "wasm-bindgen-test-runner");
        test.env("CHROMEDRIVER", &browser.driver).env("WASM_BINDGEN_TEST_TIMEOUT", "300");
        let said = stage::output(&mut test)?;
        let mut speeds = Vec::new();
        for line in said.lines().filter_map(line) {
            match line {
                Line::Bench { engine, program, time } => {
                    let name = format!("{} in {place}", engine.replace('_', " "));
                    let cell = (program.into(), time.into());
                    match rows.iter_mut().find(|row| row.0 == name) {
                        Some(row) => row.1.push(cell),
                        None => rows.push((name, vec![cell])),
                    }
                }
                Line::Compile { program, speed } => speeds.push(format!("{speed} ({program})")),
                Line::Instance { time } => {
                    costs += &format!("| {place} | {} | {time} |\n", speeds.join(", "));
                }
            }
        }
    }
    let programs: Vec<&str> =
        rows.first().map_or(Vec::new(), |row| row.1.iter().map(|cell| cell.0.as_str()).collect());
    let mut text = String::from("ns by the clock per eBPF instruction, the least of 25 measurements\n\n");
    text += &format!("| engine | {} |\n| --- |{}\n", programs.join(" | "), " --- |".repeat(programs.len()));
    for (name, cells) in &rows {
        let cells: Vec<&str> = cells.iter().map(|cell| cell.1.as_str()).collect();
        text += &format!("| {name} | {} |\n", cells.join(" | "));
    }
    text += "\n| compiling in | M instructions/s | µs of a small program's module and instance |\n";
    text += "| --- | --- | --- |\n";
    Ok(text + &costs)
}
