//! `glasshive asm`.

use anyhow::{Context, Result, bail};
use glasshive::object::write;
use std::path::Path;

use super::input::Input;

/// Assembles a text into an object file.
///
/// # Errors
/// Where the text is wrong, or says what an object can't hold.
pub fn assemble(file: &Path, output: &Path) -> Result<()> {
    let input = Input::read(file)?;
    if input.assembly.is_none() {
        bail!("{}: an object already; `glasshive asm` takes a text", input.name);
    }
    let bytes = write::write(&input.object).with_context(|| input.name.clone())?;
    std::fs::write(output, bytes).with_context(|| output.display().to_string())
}
