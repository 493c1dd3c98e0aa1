//! The programs of `native/tests/programs`, which the kernel accepts: what mutation begins with, an area each.

use anyhow::{Context, anyhow};
use glasshive::isa::asm::{self, Assembly};
use glasshive::names::Uapi;
use std::path::Path;

/// Beginnings of the files' names, and the area that they stand for.
const AREAS: &[(&str, &str)] = &[
    ("atomics", "atomics, ld_abs"),
    ("calls", "calls"),
    ("context", "context"),
    ("flow", "control flow"),
    ("ld_abs", "atomics, ld_abs"),
    ("log", "log"),
    ("map", "map values"),
    ("packet", "packet"),
    ("pruning", "pruning"),
    ("resources", "resources"),
    ("stack", "stack"),
    ("values", "values"),
];

/// Reads the programs, in order of their names.
///
/// # Errors
/// Where one can't be read, or its name begins with no area's.
pub fn programs() -> anyhow::Result<Vec<(Assembly, &'static str)>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/programs");
    let entries = std::fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
    let mut files: Vec<_> = entries.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<_>>()?;
    files.sort();
    let read = |file: &std::path::PathBuf| {
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        let area = AREAS.iter().find(|row| name.starts_with(row.0));
        let area = area.ok_or_else(|| anyhow!("{}: its name begins with no area's", file.display()))?.1;
        let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
        let assembly = asm::assemble(&text, &Uapi).map_err(|errors| {
            let first = errors.first().map(ToString::to_string).unwrap_or_default();
            anyhow!("{}: {first}", file.display())
        })?;
        Ok((assembly, area))
    };
    files.iter().map(read).collect()
}
