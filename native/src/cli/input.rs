//! FILE: an object or a text.

use anyhow::{Context, Result, bail};
use glasshive::isa::Pc;
use glasshive::isa::asm::{AsmError, Assembly, assemble};
use glasshive::loader;
use glasshive::names::Uapi;
use glasshive::object::{Object, ObjectProgram};
use std::fmt::Write;
use std::io::Read;
use std::path::Path;

/// What a file holds.
pub struct Input {
    /// The file's name, as given.
    pub name: String,
    /// Its programs and maps.
    pub object: Object,
    /// Where it is a text: what the text says.
    pub assembly: Option<Assembly>,
    /// The text's lines.
    lines: Vec<String>,
}

/// A place in what the user wrote.
pub struct Place {
    /// `file:line`, or `file:line:column`.
    pub at: String,
    /// The line's text.
    pub text: String,
}

/// Bytes of a file, or of standard input.
///
/// # Errors
/// What the system says, and the file's name.
pub fn read_bytes(file: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if file == Path::new("-") {
        std::io::stdin().read_to_end(&mut bytes).context("standard input")?;
    } else {
        bytes = std::fs::read(file).with_context(|| file.display().to_string())?;
    }
    Ok(bytes)
}

impl Input {
    /// Reads a file.
    ///
    /// # Errors
    /// What is wrong, and where: by section and byte of an object, by line and column of a text.
    pub fn read(file: &Path) -> Result<Input> {
        let bytes = read_bytes(file)?;
        let name = if file == Path::new("-") { "standard input".into() } else { file.display().to_string() };
        if bytes.starts_with(b"\x7fELF") {
            let object = Object::parse(&bytes).with_context(|| name.clone())?;
            return Ok(Input { name, object, assembly: None, lines: Vec::new() });
        }
        let Ok(text) = std::str::from_utf8(&bytes) else {
            bail!("{name}: neither an ELF object nor a text");
        };
        let assembly = match assemble(text, &Uapi) {
            Ok(assembly) => assembly,
            Err(errors) => bail!(listed(&name, text, &errors)),
        };
        if assembly.insns.is_empty() {
            bail!("{name}: no instructions");
        }
        let lines = text.lines().map(String::from).collect();
        Ok(Input { object: loader::from_assembly(&assembly), name, assembly: Some(assembly), lines })
    }

    /// The programs that a name selects: all of them without one.
    ///
    /// # Errors
    /// Where there is no such program.
    pub fn programs(&self, name: Option<&str>) -> Result<Vec<&ObjectProgram>> {
        let all = &self.object.programs;
        if all.is_empty() {
            bail!("{}: no programs", self.name);
        }
        let Some(name) = name else { return Ok(all.iter().collect()) };
        match self.object.program(name) {
            Some(program) => Ok(vec![program]),
            None => bail!("{}: no program '{name}'; there is {}", self.name, self.program_names()),
        }
    }

    /// The program of that name, or the only one.
    ///
    /// # Errors
    /// Where there is no such program, or several.
    pub fn one(&self, name: Option<&str>) -> Result<&ObjectProgram> {
        match self.programs(name)?.as_slice() {
            [program] => Ok(program),
            _ => bail!("{}: name one of its programs with --program: {}", self.name, self.program_names()),
        }
    }

    /// The programs' names, for a sentence.
    pub fn program_names(&self) -> String {
        let names: Vec<&str> = self.object.programs.iter().map(|p| p.name.as_str()).collect();
        names.join(", ")
    }

    /// What the user wrote for a slot: the text's line, or the source line that clang noted.
    pub fn place(&self, program: &ObjectProgram, pc: Pc) -> Option<Place> {
        if let Some(assembly) = &self.assembly {
            let line = *assembly.lines.get(pc.index())?;
            let text = self.lines.get(line as usize - 1)?.trim().to_string();
            return Some(Place { at: format!("{}:{line}", self.name), text });
        }
        let (btf, code) = (self.object.btf.as_ref()?, program.code.as_ref().ok()?);
        // Line 0 is what the compiler made by itself.
        let line = code.line_at(pc).filter(|line| line.line != 0)?;
        let file = btf.text(line.file);
        let file = file.rsplit('/').next().unwrap_or(file);
        let at = match line.column {
            0 => format!("{file}:{}", line.line),
            column => format!("{file}:{}:{column}", line.line),
        };
        Some(Place { at, text: btf.text(line.text).trim().to_string() })
    }
}

/// A text's errors, each with the line and a mark under the column.
fn listed(name: &str, text: &str, errors: &[AsmError]) -> String {
    let mut out = String::new();
    for error in errors {
        let AsmError { line, column, expected, found } = error;
        if !out.is_empty() {
            out.push('\n');
        }
        let source = text.lines().nth(*line as usize - 1).unwrap_or_default();
        // Tabs before the column stay tabs, so that the mark stands under it.
        let indent: String = source
            .chars()
            .take((*column).saturating_sub(1) as usize)
            .map(|c| if c == '\t' { '\t' } else { ' ' })
            .collect();
        let _ = write!(
            out,
            "{name}:{line}:{column}: expected {expected}, found {found}\n    {source}\n    {indent}^"
        );
    }
    out
}
