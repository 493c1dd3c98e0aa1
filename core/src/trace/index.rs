//! Lines of the log, and the steps that they belong to.

use alloc::vec::Vec;

use super::recorder::Trace;
use super::view::Step;

/// Where each line of a log begins, and which step it is of.
#[derive(Debug)]
pub struct LogIndex {
    /// Byte at which each line begins.
    starts: Vec<u32>,
    len: u32,
}

impl LogIndex {
    /// Finds the lines of a log.
    pub fn new(text: &str) -> LogIndex {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let mut starts = alloc::vec![0];
        starts.extend(ends.map(|(at, _)| at as u32 + 1));
        if starts.last() == Some(&(text.len() as u32)) {
            starts.pop();
        }
        LogIndex { starts, len: text.len() as u32 }
    }

    /// Number of lines.
    pub fn lines(&self) -> u32 {
        self.starts.len() as u32
    }

    /// A line of the text that the index was made of, without its end.
    pub fn line<'a>(&self, text: &'a str, line: u32) -> Option<&'a str> {
        let start = *self.starts.get(line as usize)?;
        let end = self.starts.get(line as usize + 1).copied().unwrap_or(self.len);
        Some(text.get(start as usize..end as usize)?.trim_end_matches('\n'))
    }

    /// The line with a step's instruction. `None` where the log does not show every instruction.
    pub fn line_of(&self, trace: &Trace, step: Step) -> Option<u32> {
        let at = trace.log_position(step)?;
        let count = self.starts.partition_point(|start| *start <= at);
        count.checked_sub(1).map(|line| line as u32)
    }

    /// The step that a line belongs to: its instruction, what it did, or the state before it. `None` for
    /// what comes before the first and after the last.
    pub fn step_of(&self, trace: &Trace, text: &str, line: u32) -> Option<Step> {
        let start = *self.starts.get(line as usize)?;
        let before = trace.steps_logged_up_to(start);
        // States, source lines and what follows a path's end belong to the step that comes.
        let line = self.line(text, line)?;
        let next = line.is_empty() || line.starts_with("from ") || line.starts_with("; ");
        let step = if next { Some(before) } else { before.checked_sub(1) };
        step.filter(|step| *step < trace.steps()).map(Step)
    }
}
