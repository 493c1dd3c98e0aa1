//! `cargo xtask play`: the page, built and served on loopback.

use crate::{page, serve, tools};
use anyhow::Result;

/// Builds the page and serves it until it is stopped. Port 0 takes any free one.
pub fn run(port: u16) -> Result<()> {
    tools::install()?;
    println!("building the page (3 to 6 minutes the first time, then under one)");
    let folder = page::build()?;
    serve::run(&folder, port)
}
