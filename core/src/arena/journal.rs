//! Old bytes of what is written, so that writes can be taken back.

use core::mem;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::{Fault, Memory, Rmw};
use crate::isa::Size;

/// What memory held at some time, where it was written since: by aligned words of 8 bytes.
///
/// A word is kept once, however often it is written, so a journal is never longer than the memory that a
/// program touches.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    words: HashMap<u32, u64, FixedState>,
}

impl Journal {
    /// Number of words in it.
    pub fn len(&self) -> usize {
        self.words.len()
    }
    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    fn record<M: Memory>(&mut self, memory: &M, address: u64, len: u64) {
        let end = match address.checked_add(len) {
            Some(end) if end <= memory.capacity() && len > 0 => end,
            // The write will fault.
            _ => return,
        };
        for word in address / 8..=(end - 1) / 8 {
            // A capacity is at most 2^32.
            self.words.entry(word as u32).or_insert_with(|| word_at(memory, word as u32));
        }
    }

    /// Exchanges what the journal and the memory hold: takes the writes back, or, the second time, makes
    /// them again.
    pub fn swap<M: Memory>(&mut self, memory: &mut M) {
        for (&word, kept) in &mut self.words {
            let now = word_at(memory, word);
            set_word(memory, word, mem::replace(kept, now));
        }
    }

    /// Adds what was written after this journal's end.
    pub fn extend(&mut self, later: Journal) {
        for (word, old) in later.words {
            self.words.entry(word).or_insert(old);
        }
    }
}

/// Bytes of a word that lie in the memory; all but the last word has 8.
fn word_len<M: Memory>(memory: &M, word: u32) -> usize {
    memory.capacity().saturating_sub(u64::from(word) * 8).min(8) as usize
}

fn word_at<M: Memory>(memory: &M, word: u32) -> u64 {
    let (mut bytes, len) = ([0; 8], word_len(memory, word));
    // A word in the memory: it can't fault.
    let _ = memory.read(u64::from(word) * 8, &mut bytes[..len]);
    u64::from_le_bytes(bytes)
}

fn set_word<M: Memory>(memory: &mut M, word: u32, value: u64) {
    let len = word_len(memory, word);
    // As above.
    let _ = memory.write(u64::from(word) * 8, &value.to_le_bytes()[..len]);
}

/// A memory whose writes go into a [`Journal`] while there is one.
#[derive(Clone)]
pub struct Journaled<M> {
    bare: M,
    journal: Option<Journal>,
}

impl<M: Memory> Journaled<M> {
    /// Without a journal.
    pub fn new(bare: M) -> Journaled<M> {
        Journaled { bare, journal: None }
    }
    /// The host's memory, for reading.
    #[inline(always)]
    pub fn bare(&self) -> &M {
        &self.bare
    }
    /// The host's memory, where no journal is kept.
    pub fn unrecorded(&mut self) -> Option<&mut M> {
        self.journal.is_none().then_some(&mut self.bare)
    }
    /// The host's memory, past the journal: for engines that made sure that there is none.
    #[inline(always)]
    pub(crate) fn bare_mut(&mut self) -> &mut M {
        &mut self.bare
    }
    /// Keeps this journal from now on, or none; answers the one that was kept.
    pub fn keep(&mut self, journal: Option<Journal>) -> Option<Journal> {
        mem::replace(&mut self.journal, journal)
    }
    /// Exchanges memory and journal, unrecorded.
    pub fn swap(&mut self, journal: &mut Journal) {
        journal.swap(&mut self.bare);
    }

    #[inline(always)]
    fn record(&mut self, address: u64, len: u64) {
        if let Some(journal) = &mut self.journal {
            journal.record(&self.bare, address, len);
        }
    }
}

impl<M: Memory> Memory for Journaled<M> {
    fn capacity(&self) -> u64 {
        self.bare.capacity()
    }
    #[inline(always)]
    fn load(&self, address: u64, size: Size) -> Result<u64, Fault> {
        self.bare.load(address, size)
    }
    #[inline(always)]
    fn store(&mut self, address: u64, size: Size, value: u64) -> Result<(), Fault> {
        self.record(address, size.bytes().into());
        self.bare.store(address, size, value)
    }
    fn read(&self, address: u64, out: &mut [u8]) -> Result<(), Fault> {
        self.bare.read(address, out)
    }
    fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), Fault> {
        self.record(address, bytes.len() as u64);
        self.bare.write(address, bytes)
    }
    fn copy(&mut self, to: u64, from: u64, len: u64) -> Result<(), Fault> {
        self.record(to, len);
        self.bare.copy(to, from, len)
    }
    fn fill(&mut self, address: u64, byte: u8, len: u64) -> Result<(), Fault> {
        self.record(address, len);
        self.bare.fill(address, byte, len)
    }
    fn atomic(&mut self, address: u64, size: Size, op: Rmw, operand: u64) -> Result<u64, Fault> {
        self.record(address, size.bytes().into());
        self.bare.atomic(address, size, op, operand)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arena::VecMemory;

    #[test]
    fn writes_are_taken_back_and_made_again() {
        let mut memory = Journaled::new(VecMemory::new(44));
        memory.write(0, &[1; 44]).unwrap();
        memory.keep(Some(Journal::default()));
        memory.store(6, Size::W, u64::MAX).unwrap();
        memory.store(8, Size::B, 7).unwrap();
        memory.fill(39, 9, 5).unwrap();
        memory.copy(16, 37, 4).unwrap();
        assert_eq!(memory.atomic(24, Size::Dw, Rmw::Xor, 1), Ok(0x0101_0101_0101_0101));
        assert!(memory.write(40, &[0; 5]).is_err());
        let after: [u8; 44] = read(&memory);
        let mut journal = memory.keep(None).unwrap();
        memory.swap(&mut journal);
        assert_eq!(read(&memory), [1; 44]);
        memory.swap(&mut journal);
        assert_eq!(read(&memory), after);
    }

    fn read(memory: &Journaled<VecMemory>) -> [u8; 44] {
        let mut bytes = [0; 44];
        memory.read(0, &mut bytes).unwrap();
        bytes
    }
}
