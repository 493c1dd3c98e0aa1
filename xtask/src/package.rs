//! `cargo xtask package`: the npm package, and the test that installs it from its tarball.

use crate::{page, root, stage, tools};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// Builds the package into `target/npm/package` and packs it; gives back the tarball.
pub fn run() -> Result<PathBuf> {
    tools::install()?;
    let target = root().join("target/npm");
    let folder = target.join("package");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;

    let build =
        ["build", "--locked", "--profile", "small", "--lib", "-p", "glasshive-web", "--features", "npm"];
    let mut cargo = stage::command("cargo", &build);
    stage::run(cargo.args(["--target", "wasm32-unknown-unknown"]))?;
    let wasm = root().join("target/wasm32-unknown-unknown/small/glasshive_web.wasm");
    let mut bindgen =
        stage::command("wasm-bindgen", &["--target", "web", "--no-typescript", "--out-name", "engine"]);
    stage::run(bindgen.arg("--out-dir").arg(&folder).arg(&wasm))?;
    let module = folder.join("engine_bg.wasm");
    stage::run(stage::command("wasm-opt", &["-Oz"]).arg(&module).arg("-o").arg(&module))?;

    copy_files(&root().join("www/npm"), &folder)?;
    for licence in ["LICENSE-MIT", "LICENSE-APACHE"] {
        fs::copy(root().join(licence), folder.join(licence))?;
    }
    let mut pack = stage::command("npm", &["pack", "--silent", "--pack-destination"]);
    let name = stage::output(pack.arg(&target).current_dir(&folder))?;
    Ok(target.join(name.trim()))
}

/// Packs, type-checks a strict program against the declarations, installs the tarball into an empty
/// folder, and runs the package's own test there from Node.
pub fn test() -> Result<()> {
    let tarball = run()?;
    let empty = root().join("target/npm/installed");
    let _ = fs::remove_dir_all(&empty);
    fs::create_dir_all(&empty)?;
    fs::write(empty.join("package.json"), "{ \"private\": true, \"type\": \"module\" }\n")?;
    let mut install = stage::command("npm", &["install", "--no-fund", "--no-audit", "--offline"]);
    stage::run(install.arg(&tarball).current_dir(&empty))?;
    copy_files(&root().join("www/npm-test"), &empty)?;
    fs::copy(root().join("www/examples/protocols.o"), empty.join("protocols.o"))?;
    stage::run(stage::command("node", &["--test"]).current_dir(&empty))?;

    page::npm_packages()?;
    let tsc = root().join("www/node_modules/.bin/tsc");
    let strict =
        ["--strict", "--noEmit", "--module", "nodenext", "--target", "es2022", "--skipLibCheck", "false"];
    stage::run(stage::command(tsc, &strict).arg("types.ts").current_dir(&empty))
}

fn copy_files(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from).with_context(|| format!("{} can't be read", from.display()))? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}
