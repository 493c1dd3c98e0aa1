//! Building the page into `dist`.

use crate::{root, stage};
use anyhow::Result;
use std::path::PathBuf;

/// Installs the page's npm packages, as the lock file has them.
pub fn npm_packages() -> Result<()> {
    let mut npm = stage::command("npm", &["ci", "--no-fund", "--no-audit", "--prefer-offline"]);
    stage::run(npm.current_dir(root().join("www")))
}

/// Builds the page in release mode; gives back its folder.
pub fn build() -> Result<PathBuf> {
    // trunk is told to stay offline, so that it takes the pinned tools: crates come first.
    stage::run(&mut stage::command("cargo", &["fetch", "--locked", "--quiet"]))?;
    stage::run(&mut stage::command("trunk", &["build", "--release"]))?;
    Ok(root().join("dist"))
}
