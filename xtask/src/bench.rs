//! `cargo xtask bench run`: every engine on the benchmark programs, side by side.

use anyhow::{Context, Result, bail};

use crate::{root, stage};

/// Generates the programs, times them, prints the table and keeps it.
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
    let table = stage::output(stage::command(&bench, &[]).arg(&folder).args(arguments))?;
    print!("{table}");
    let path = folder.join("table.md");
    std::fs::write(&path, table).with_context(|| path.display().to_string())?;
    println!("\nwritten to {}", path.display());
    Ok(())
}
