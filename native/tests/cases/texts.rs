//! The texts of `programs/`, which the running kernel accepts, at least one for each area of the verifier.

use std::path::Path;

use glasshive::isa::asm::{Assembly, assemble};
use glasshive::names::Uapi;

/// The programs by name, in order.
pub fn programs() -> Vec<(String, Assembly)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs");
    let entries = std::fs::read_dir(folder).expect("readable");
    let mut programs: Vec<(String, Assembly)> = entries
        .map(|entry| {
            let path = entry.expect("readable").path();
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            let text = std::fs::read_to_string(&path).expect("a text");
            let assembly = assemble(&text, &Uapi).unwrap_or_else(|errors| panic!("{name}: {}", errors[0]));
            (name, assembly)
        })
        .collect();
    programs.sort_by(|a, b| a.0.cmp(&b.0));
    programs
}
