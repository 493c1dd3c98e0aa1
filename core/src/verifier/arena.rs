//! Arenas: a program has one at most, its pages are reached by the low half of an address, and nothing is tracked
//! of where in it a pointer points. Facts of the running kernel (`native/probes/arena.py`).

use super::observer::Observer;
use super::register::{Kind, MapInfo, Register};
use super::{MapFacts, Rejection, Verifier, reject};
use crate::errno::Errno;
use crate::image::ArenaMap;
use crate::isa::{AtomicOp, Reg};
use crate::map::pages::PAGE;
use crate::map::types::{ARENA, flag};

impl<O: Observer> Verifier<O> {
    /// Whether the program may use such an arena.
    pub(super) fn check_arena(&self, facts: &MapFacts) -> Result<(), Rejection> {
        if self.arena().is_some() {
            return Err(reject(Errno::EBUSY, "Only one arena per program"));
        }
        if !self.input.perfmon {
            return Err(reject(Errno::EPERM, "CAP_BPF and CAP_PERFMON are required to use arena"));
        }
        if facts.spec.extra == 0 {
            let message = "arena's user address must be set via map_extra or mmap()";
            return Err(reject(Errno::EINVAL, message));
        }
        Ok(())
    }

    /// The program's arena.
    pub(super) fn arena(&self) -> Option<&MapInfo> {
        self.maps.iter().find(|map| map.spec.map_type == ARENA && !map.is_inner)
    }

    /// What engines need of the program's arena.
    pub(super) fn arena_of_image(&self) -> Option<ArenaMap> {
        let map = self.arena()?;
        Some(ArenaMap { map: map.id, start: map.spec.extra })
    }

    /// `addr_space_cast`: to address space 0 it gives a pointer into the arena, to 1 the process's address.
    pub(super) fn walk_cast(&mut self, dst: Reg, src: Reg, to: u16) -> Result<(), Rejection> {
        self.read(src)?;
        self.may_write(dst)?;
        if self.arena().is_none() {
            let message = "addr_space_cast insn can only be used in a program that has an associated arena";
            return Err(reject(Errno::EINVAL, message));
        }
        let result = if to == 0 { Register::pointer(Kind::Arena) } else { Register::UNKNOWN };
        self.write(dst, result);
        Ok(())
    }

    /// Arithmetic with a pointer into the arena on either side gives one, whatever it does: in 32 bits.
    pub(super) fn walk_arena_arithmetic(&mut self, dst: Reg) {
        self.seen[self.pc.index()].arena_arithmetic = true;
        self.write(dst, Register::pointer(Kind::Arena));
    }

    /// Whether the casts to the process's addresses leave the upper half 0.
    pub(super) fn keeps_low_half(&self) -> bool {
        self.arena().is_some_and(|map| map.spec.flags & flag::NO_USER_CONV != 0)
    }
}

/// Whether a place in an arena may be named by a 64-bit immediate: up to a page past its end.
pub(super) fn holds_offset(map: &MapInfo, offset: u32) -> bool {
    offset / PAGE <= map.spec.max_entries
}

/// Whether an atomic operation works on an arena's memory.
pub(super) fn allows_atomic(op: AtomicOp) -> bool {
    !matches!(
        op,
        AtomicOp::And { fetch: true } | AtomicOp::Or { fetch: true } | AtomicOp::Xor { fetch: true }
    )
}
