//! Building the page into `dist`.

use crate::{root, stage};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};

/// Installs the page's npm packages, as the lock file has them.
pub fn npm_packages() -> Result<()> {
    let mut npm = stage::command("npm", &["ci", "--no-fund", "--no-audit", "--prefer-offline"]);
    stage::run(npm.current_dir(root().join("www")))
}

/// Builds the page in release mode; gives back its folder.
pub fn build() -> Result<PathBuf> {
    npm_packages()?;
    // trunk is told to stay offline, so that it takes the pinned tools: crates come first.
    stage::run(&mut stage::command("cargo", &["fetch", "--locked", "--quiet"]))?;
    stage::run(&mut stage::command("trunk", &["build", "--release"]))?;
    let folder = root().join("dist");
    name_by_content(&folder)?;
    add_bundle(&folder, "www/editor/bundle.js", "editor.js")?;
    add_bundle(&folder, "www/clang/bundle.js", "clang/compiler.js")?;
    list_for_offline(&folder)?;
    Ok(folder)
}

/// Puts the list of the page's files into its service worker.
fn list_for_offline(folder: &Path) -> Result<()> {
    let mut files = vec![String::new()];
    let mut folders = vec![folder.to_path_buf()];
    while let Some(at) = folders.pop() {
        for entry in fs::read_dir(at)? {
            let path = entry?.path();
            let name = path.strip_prefix(folder)?.to_string_lossy().into_owned();
            // The compilers are megabytes, which their own worker keeps once they are asked for.
            let own = name == "offline.js" || name == "index.html" || name.ends_with(".gz");
            match path.is_dir() {
                true => folders.push(path),
                false if own => {}
                false => files.push(name),
            }
        }
    }
    // The empty name is the page itself.
    files.sort();
    let mut all = Vec::new();
    for name in &files {
        all.extend(fs::read(folder.join(if name.is_empty() { "index.html" } else { name }))?);
    }
    let files: Vec<String> = files.iter().map(|name| format!("./{name}")).collect();
    let path = folder.join("offline.js");
    let text = fs::read_to_string(&path)?;
    let list = format!("const FILES = {files:?};");
    ensure!(text.contains("const FILES = [];"), "offline.js has no place for the list");
    let text = text.replace("const FILES = [];", &list).replace("VERSION", &format!("{:016x}", fnv1a(&all)));
    fs::write(&path, text)?;
    Ok(())
}

/// Puts a bundle beside the page (the editor, the C compilers), and its name, which changes with its content, in
/// the place of the one that the page has.
fn add_bundle(folder: &Path, script: &str, place: &str) -> Result<()> {
    let script = root().join(script);
    let mut node = stage::command("node", &[]);
    let output = node.arg(&script).arg(folder).stderr(std::process::Stdio::inherit()).output()?;
    ensure!(output.status.success(), "{}: is `npm ci` done in www?", script.display());
    let name = String::from_utf8(output.stdout)?;
    let path = folder.join("index.html");
    let text = fs::read_to_string(&path)?;
    ensure!(text.contains(place), "index.html names no {place}");
    fs::write(&path, replace_name(&text, place, name.trim()))?;
    Ok(())
}

/// Files that trunk names without a hash, each before those that speak of it.
const UNHASHED: &[&str] = &["worker_bg.wasm", "worker.js", "worker_loader.js", "boot.js"];

/// Puts a hash of the content into the names of [`UNHASHED`], so that no build meets another's files.
fn name_by_content(folder: &Path) -> Result<()> {
    for (at, name) in UNHASHED.iter().enumerate() {
        let from = folder.join(name);
        let content = fs::read(&from).with_context(|| format!("trunk built no {name}"))?;
        let (stem, ending) = name.rsplit_once('.').context("a file's name has an ending")?;
        let hashed = format!("{stem}-{:016x}.{ending}", fnv1a(&content));
        fs::rename(&from, folder.join(&hashed))?;
        for speaks in UNHASHED[at + 1..].iter().copied().chain(["index.html"]) {
            let path = folder.join(speaks);
            if !speaks.ends_with("wasm") {
                let text = fs::read_to_string(&path).with_context(|| format!("trunk built no {speaks}"))?;
                fs::write(&path, replace_name(&text, name, &hashed))?;
            }
        }
    }
    Ok(())
}

/// Replaces a file's name where it stands alone: `worker.js` is no part of `other-worker.js`.
fn replace_name(text: &str, name: &str, by: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(name) {
        let (before, found) = rest.split_at(at);
        let alone = !before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '-');
        out.push_str(before);
        out.push_str(if alone { by } else { name });
        rest = &found[name.len()..];
    }
    out + rest
}

/// The 64-bit FNV-1a hash: the same on every machine.
fn fnv1a(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_replaced_where_it_stands_alone() {
        let text = "a('./worker.js'); b('./my_worker.js'); c(worker.js)";
        let after = "a('./worker-1.js'); b('./my_worker.js'); c(worker-1.js)";
        assert_eq!(replace_name(text, "worker.js", "worker-1.js"), after);
    }

    #[test]
    fn the_hash_is_fnv1a() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
    }
}
