//! A diagnostic as text, in the shape that Linux 7.3 gives its failures.

use core::fmt;

use super::view::Diagnostic;

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Reason: {}", self.reason)?;
        writeln!(f, "Kernel's line: {}", self.message)?;
        match (self.pc, self.step) {
            (Some(pc), Some(step)) => writeln!(f, "At: instruction {pc}, step {}", step.0)?,
            (Some(pc), None) => writeln!(f, "At: instruction {pc}")?,
            (None, _) => {}
        }
        if !self.path.is_empty() {
            writeln!(f, "Causal path:")?;
        }
        for cause in &self.path {
            writeln!(f, "    {}: {}", cause.pc, cause.what)?;
        }
        if !self.required.is_empty() {
            writeln!(f, "Required: {}", self.required)?;
        }
        if let Some(suggestion) = &self.suggestion {
            writeln!(f, "Suggestion: {}", suggestion.text)?;
            if !suggestion.insert.is_empty() {
                writeln!(f, "Insert before instruction {}:", suggestion.at)?;
            }
            for line in &suggestion.insert {
                let indent = if line.ends_with(':') { "" } else { "    " };
                writeln!(f, "    {indent}{line}")?;
            }
        }
        Ok(())
    }
}
