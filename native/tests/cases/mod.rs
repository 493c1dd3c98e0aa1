//! What tests share: the data beside the clone, engines behind one trait, and the tables of cases.
//!
//! A new engine is one more [`engine::Engine`] in [`engine::engines`]: every test over them then runs it too.

// Each test binary uses its part of this.
#![allow(dead_code)]

pub mod both;
pub mod conformance;
pub mod corpus;
pub mod engine;
pub mod objects;
pub mod texts;

use std::io::Write;
use std::path::PathBuf;

/// A file of `../shared`, beside the clone. Says `skipped: …` and gives `None` where it is not there.
pub fn shared(test: &str, file: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared").join(file);
    if path.exists() {
        return Some(path);
    }
    say(&format!("skipped: {test}: ../shared/{file} is absent"));
    None
}

/// Prints a line past the test harness, which keeps what passing tests print to itself.
pub fn say(text: &str) {
    // Nobody reads a closed standard error.
    let _ = writeln!(std::io::stderr(), "{text}");
}
