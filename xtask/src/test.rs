//! `cargo xtask test`: every test there is, stage by stage, with a table at the end.

use crate::{package, page, root, stage, tools};
use anyhow::{Result, bail};
use std::path::Path;
use std::time::{Duration, Instant};

struct Stage {
    name: &'static str,
    what: &'static str,
    run: fn() -> Result<()>,
}

const STAGES: &[Stage] = &[
    Stage { name: "format", what: "cargo fmt", run: format },
    Stage { name: "no-std", what: "core for bare targets", run: no_std },
    Stage { name: "clippy", what: "clippy, host and wasm", run: clippy },
    Stage { name: "rust", what: "unit, table, corpus and kernel tests", run: rust },
    Stage { name: "docs", what: "rustdoc", run: docs },
    Stage { name: "wasm", what: "wasm-bindgen tests in headless Chromium", run: wasm },
    Stage { name: "page", what: "the built page, end to end in Chromium", run: page_tests },
    Stage { name: "package", what: "the npm package, installed from its tarball", run: package::test },
];

/// Runs all stages, or those named by `--only`.
pub fn run(arguments: &[&str]) -> Result<()> {
    let mut only = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match (*argument, rest.next()) {
            ("--list", None) => {
                for stage in STAGES {
                    println!("{:10} {}", stage.name, stage.what);
                }
                return Ok(());
            }
            ("--only", Some(name)) if STAGES.iter().any(|s| s.name == *name) => only.push(*name),
            ("--only", Some(name)) => bail!("no stage '{name}'; `cargo xtask test --list` names them"),
            (other, _) => bail!("test takes --list, or --only STAGE, not '{other}'"),
        }
    }
    tools::install()?;
    let mut rows: Vec<(&Stage, Duration, Result<()>)> = Vec::new();
    for stage in STAGES.iter().filter(|s| only.is_empty() || only.contains(&s.name)) {
        println!("\n=== {}: {}", stage.name, stage.what);
        let start = Instant::now();
        let done = (stage.run)();
        if let Err(error) = &done {
            eprintln!("{error:#}");
        }
        rows.push((stage, start.elapsed(), done));
    }
    println!();
    for (stage, took, done) in &rows {
        let verdict = if done.is_ok() { "passed" } else { "FAILED" };
        println!("{:10} {verdict} in {:4.0} s", stage.name, took.as_secs_f32());
    }
    let failed = rows.iter().filter(|(_, _, done)| done.is_err()).count();
    println!("stages: {} passed, {failed} failed", rows.len() - failed);
    if failed > 0 {
        bail!("{failed} of {} stages failed", rows.len());
    }
    Ok(())
}

fn cargo(arguments: &[&str]) -> Result<()> {
    stage::run(&mut stage::command("cargo", arguments))
}

fn format() -> Result<()> {
    cargo(&["fmt", "--all", "--check"])
}

fn no_std() -> Result<()> {
    for target in tools::TARGETS {
        cargo(&["build", "--locked", "-p", "glasshive", "--target", target])?;
    }
    Ok(())
}

fn clippy() -> Result<()> {
    cargo(&["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    for features in ["app", "worker", "npm"] {
        let target = ["--target", "wasm32-unknown-unknown", "--features", features];
        let mut clippy = stage::command("cargo", &["clippy", "--locked", "-p", "glasshive-web"]);
        stage::run(clippy.args(target).args(["--", "-D", "warnings"]))?;
    }
    Ok(())
}

fn rust() -> Result<()> {
    // The library that the C test links is the one that users get.
    cargo(&["build", "--locked", "--release", "-p", "glasshive-native", "-p", "glasshive-c-abi"])?;
    cargo(&["test", "--locked", "--workspace"])?;
    // The engine that the page's worker holds is plain code.
    cargo(&["test", "--locked", "-p", "glasshive-web", "--features", "worker"])
}

fn docs() -> Result<()> {
    let mut doc =
        stage::command("cargo", &["doc", "--locked", "--no-deps", "--workspace", "--document-private-items"]);
    // Private items are documented too, so what links to one resolves.
    stage::run(doc.env("RUSTDOCFLAGS", "-D warnings -A rustdoc::private_intra_doc_links"))
}

fn wasm() -> Result<()> {
    let browser = tools::browser()?;
    stage::run(&mut stage::command("cargo", &["fetch", "--locked", "--quiet"]))?;
    let mut test = stage::command("wasm-pack", &["test", "--headless", "--chrome", "--chromedriver"]);
    test.arg(&browser.driver).args(["web", "--locked", "--offline", "--features", "worker"]);
    stage::run(test.env("CHROMEDRIVER", &browser.driver))?;
    engines(&browser.driver)
}

/// The engines' table of cases in Node, and in a browser's worker.
fn engines(driver: &Path) -> Result<()> {
    let cases = root().join("../shared/conformance/tests.json");
    if !cases.is_file() {
        println!(
            "skipped: the engines' table in Node and Chromium: ../shared/conformance/tests.json is absent"
        );
        return Ok(());
    }
    for place in ["WASM_BINDGEN_USE_NODE_EXPERIMENTAL", "WASM_BINDGEN_USE_DEDICATED_WORKER"] {
        let mut test = stage::command("cargo", &["test", "--locked", "--release", "-p", "glasshive-web"]);
        test.args(["--target", "wasm32-unknown-unknown", "--features", "cases"]);
        test.args(["--test", "engines", "--test", "random"]);
        test.env("GLASSHIVE_CASES", &cases).env("CHROMEDRIVER", driver).env(place, "1");
        test.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", "wasm-bindgen-test-runner");
        stage::run(&mut test)?;
    }
    Ok(())
}

fn page_tests() -> Result<()> {
    let browser = tools::browser()?;
    page::build()?;
    let tsc = root().join("www/node_modules/.bin/tsc");
    let modules =
        ["--target", "esnext", "--module", "nodenext", "--lib", "esnext,webworker,webworker.iterable"];
    let mut types = stage::command(tsc, &["--noEmit", "--allowJs", "--checkJs", "--strict"]);
    stage::run(types.args(modules).arg("clang/compiler.js").current_dir(root().join("www")))?;
    let mut test = stage::command("npm", &["test"]);
    stage::run(test.current_dir(root().join("www")).env("CHROMIUM", &browser.chromium))
}
