//! Documents: a text or an object file becomes an object, and its programs are what can be chosen.

use crate::protocol::{Choice, Document, Problem};
use glasshive::isa::asm::{AsmError, assemble};
use glasshive::loader::{LoadError, from_assembly};
use glasshive::names::Uapi;
use glasshive::object::{Object, ObjectProgram};

/// A document that could be read.
pub struct Source {
    /// What is in it.
    pub object: Object,
    /// The text, where it came from one.
    pub text: Option<Text>,
}

/// A text, and where its instructions stand.
pub struct Text {
    /// As it was typed.
    pub text: String,
    /// The line of each slot, from 1.
    pub lines: Vec<u32>,
}

impl Source {
    /// Reads a document.
    ///
    /// # Errors
    /// What is wrong with it, by line for a text.
    pub fn read(document: Document) -> Result<Source, Vec<Problem>> {
        match document {
            Document::Assembly { text } => {
                let assembly = assemble(&text, &Uapi)
                    .map_err(|errors| errors.iter().map(assembly_problem).collect::<Vec<_>>())?;
                let object = from_assembly(&assembly);
                Ok(Source { object, text: Some(Text { text, lines: assembly.lines }) })
            }
            Document::C { object: None, .. } => Err(vec![problem("the C program is not compiled".into())]),
            Document::C { object: Some(bytes), .. } => {
                Self::read(Document::Object { name: "program.o".into(), bytes })
            }
            Document::Object { name, bytes } => match Object::parse(&bytes) {
                Ok(object) if object.programs.is_empty() => {
                    Err(vec![problem(format!("{name}: no program is in it"))])
                }
                Ok(object) => Ok(Source { object, text: None }),
                Err(error) => Err(vec![problem(format!("{name}: {error}"))]),
            },
        }
    }

    /// The program at an index; the first one where there are fewer.
    pub fn choose(&self, wanted: u32) -> Option<(usize, &ObjectProgram)> {
        let programs = &self.object.programs;
        let index = Some(wanted as usize).filter(|at| *at < programs.len()).unwrap_or(0);
        Some((index, programs.get(index)?))
    }

    /// Every program.
    pub fn choices(&self) -> Vec<Choice> {
        let choice = |p: &ObjectProgram| Choice { name: p.name.clone(), section: p.section.clone() };
        self.object.programs.iter().map(choice).collect()
    }

    /// Why the chosen program can't be loaded, as the user is told.
    pub fn problem(&self, error: &LoadError) -> Problem {
        match (error, &self.text) {
            (LoadError::NoType { .. }, Some(_)) => Problem {
                line: 1,
                column: 1,
                message: "nothing says which type the program has: expected a line such as `.type xdp`"
                    .into(),
            },
            _ => problem(error.to_string()),
        }
    }
}

fn assembly_problem(error: &AsmError) -> Problem {
    Problem {
        line: error.line,
        column: error.column,
        message: format!("expected {}, found {}", error.expected, error.found),
    }
}

fn problem(message: String) -> Problem {
    Problem { line: 0, column: 0, message }
}
