//! The verifier: explores every path of a program as Linux 6.18 does, and says yes or no.

pub mod domain;

use crate::errno::Errno;
use crate::isa::Size;
use crate::map::{MapId, MapSpec};

/// What the verifier asks of the system that a program is loaded into.
pub trait Environment {
    /// The map behind a descriptor.
    ///
    /// # Errors
    /// `EBADF` where it is no descriptor, `EINVAL` where it is not a map's.
    fn map_by_fd(&mut self, fd: i32) -> Result<MapId, Errno>;
    /// What a map is.
    fn map(&self, id: MapId) -> MapFacts<'_>;
    /// Reads a constant from a map that neither side can write any more (read-only to programs, frozen).
    fn read_constant(&self, id: MapId, offset: u32, size: Size) -> Option<u64>;
}

/// A map, as the verifier sees it.
#[derive(Clone, Copy, Debug)]
pub struct MapFacts<'a> {
    /// What it was created with.
    pub spec: &'a MapSpec,
    /// The address of its handle.
    pub handle: u32,
    /// The address of its first value, where the type allows direct access.
    pub direct_value: Option<u32>,
}
