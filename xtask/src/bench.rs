//! `cargo xtask bench run`: every engine on the benchmark programs, side by side; `cargo xtask bench maps`:
//! operations on maps; `cargo xtask bench verify`: this verifier beside the kernel's.

mod browser;
mod plot;

use anyhow::{Context, Result, bail};

use crate::{page, root, stage, tools};

/// Generates the programs, times them natively, in Node and in Chromium, prints the tables, keeps them, and draws the
/// times per instruction.
pub fn run(arguments: &[&str]) -> Result<()> {
    let generator = root().join("../shared/bench/gen.py");
    if !generator.is_file() {
        bail!("the programs' generator is absent: {}", generator.display());
    }
    let folder = root().join("target/bench");
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    stage::output(stage::command("python3", &[]).arg(&generator).arg(&folder))?;
    stage::run(&mut stage::command("cargo", &["build", "--locked", "--release", "-p", "glasshive-bench"]))?;
    let bench = root().join("target/release/glasshive-bench");
    let native = stage::output(stage::command(&bench, &[]).arg(&folder).args(arguments))?;
    let browsers = browser::table(&folder)?;
    let tables = format!("{native}\n{browsers}");
    print!("{tables}");
    for (name, text) in [("table.md", &tables), ("plot.svg", &plot::svg(&tables))] {
        let path = folder.join(name);
        std::fs::write(&path, text).with_context(|| path.display().to_string())?;
        println!("\nwritten to {}", path.display());
    }
    Ok(())
}

/// Times operations on maps, beside the kernel's and `hashbrown`.
pub fn maps(arguments: &[&str]) -> Result<()> {
    stage::run(&mut stage::command("cargo", &["build", "--locked", "--release", "-p", "glasshive-bench"]))?;
    let bench = root().join("target/release/glasshive-bench");
    stage::run(stage::command(&bench, &["maps"]).args(arguments))
}

/// Times this verifier beside the kernel's, prints the table, and keeps the figures as `verify.json`.
pub fn verify(arguments: &[&str]) -> Result<()> {
    let folder = root().join("target/bench");
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    stage::run(&mut stage::command("cargo", &["build", "--locked", "--release", "-p", "glasshive-bench"]))?;
    let bench = root().join("target/release/glasshive-bench");
    let cases = root().join("../shared/verifier/cases.jsonl.xz");
    let mut run = stage::command(&bench, &["verify"]);
    let table = stage::output(run.arg(&cases).arg(&folder).args(arguments))?;
    print!("{table}");
    let path = folder.join("verify.md");
    std::fs::write(&path, table).with_context(|| path.display().to_string())?;
    println!("\nwritten to {} and verify.json beside it", path.display());
    Ok(())
}

/// Builds the page, and measures its weight, how soon it answers, and how smoothly it draws.
pub fn page() -> Result<()> {
    let browser = tools::browser()?;
    page::build()?;
    let mut bench = stage::command("node", &["bench/page.js"]);
    stage::run(bench.current_dir(root().join("www")).env("CHROMIUM", &browser.chromium))
}
