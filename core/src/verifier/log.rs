//! The log that a program loader gets: `union bpf_attr`'s level, buffer and their rules.

use alloc::string::String;
use core::fmt::{self, Write};

/// Bits of `log_level`.
pub mod level {
    /// Each path's instructions, forgotten when the path ends well.
    pub const PATH: u32 = 1;
    /// All instructions, with what changed.
    pub const ALL: u32 = 2;
    /// Counters at the end.
    pub const STATISTICS: u32 = 4;
    /// A buffer that is too small keeps the log's beginning, not its end.
    pub const FIXED: u32 = 8;
}

/// A log that is being written.
#[derive(Clone, Debug, Default)]
pub struct Log {
    level: u32,
    text: String,
    /// Most bytes that were in the log at any time: what a buffer would have had to hold.
    longest: usize,
    /// Bytes of the buffer that it is for, where that is known.
    size: Option<usize>,
    /// The first byte that a rotating buffer still has.
    start: usize,
}

impl Log {
    /// An empty log of that level; 0 keeps nothing.
    pub fn new(level: u32) -> Log {
        Log { level, ..Log::default() }
    }
    /// The log is for a buffer of that many bytes.
    pub(super) fn set_size(&mut self, size: usize) {
        self.size = Some(size);
    }
    /// Whether anything is kept.
    pub fn is_on(&self) -> bool {
        self.level != 0
    }
    /// Whether instructions are shown.
    #[inline]
    pub fn shows_instructions(&self) -> bool {
        self.level & (level::PATH | level::ALL) != 0
    }
    /// Whether everything is shown.
    #[inline]
    pub fn shows_all(&self) -> bool {
        self.level & level::ALL != 0
    }
    /// Whether counters are shown.
    pub fn shows_statistics(&self) -> bool {
        self.level & level::STATISTICS != 0
    }
    /// Bytes so far.
    #[inline]
    pub fn position(&self) -> usize {
        self.text.len()
    }
    /// Forgets what came after a position.
    pub fn reset(&mut self, position: usize) {
        self.longest = self.longest.max(self.text.len());
        self.start = self.first().min(position);
        self.text.truncate(position);
    }
    /// The first byte that the buffer has: a rotating one holds the end and a zero, and gets nothing back that
    /// it lost.
    fn first(&self) -> usize {
        match self.size {
            Some(size) if self.level & level::FIXED == 0 => {
                self.start.max((self.text.len() + 1).saturating_sub(size))
            }
            _ => 0,
        }
    }
    /// What the buffer has in the end, without the terminating zero. Needs not be whole characters.
    pub fn kept(&self) -> &[u8] {
        let kept = self.text.as_bytes().get(self.first()..).unwrap_or_default();
        let len = self.size.map_or(kept.len(), |size| kept.len().min(size.saturating_sub(1)));
        &kept[..len]
    }
    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }
    /// Bytes that a buffer has to have to hold all of it, its terminating zero included.
    pub fn true_size(&self) -> usize {
        self.longest.max(self.text.len()) + 1
    }
}

impl Write for Log {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        if self.level != 0 {
            self.text.push_str(s);
        }
        Ok(())
    }
}
