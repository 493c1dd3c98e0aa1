//! Which of a map's pages a process may map: the rules of `mmap(2)` on a map's descriptor.
//!
//! The host does the mapping; what it needs to know is here. `native/probes/mappings.py` asks the running
//! kernel for the rules.

use alloc::vec::Vec;

use super::Kernel;
use crate::arena::Memory;
use crate::errno::Errno;
use crate::map::ring::PAGE;
use crate::map::types::{Family, MapType, flag};
use crate::map::{MapId, Mappable};

/// What a process asks for: the arguments of `mmap(2)`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Request {
    /// Bytes from the first page of the map, a multiple of the page's size.
    pub offset: u64,
    /// Bytes.
    pub len: u64,
    /// `PROT_WRITE`
    pub write: bool,
    /// `PROT_EXEC`
    pub execute: bool,
    /// `MAP_SHARED`
    pub shared: bool,
}

/// Pages that follow each other in the process and in the arena.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Part {
    /// Bytes from the mapping's start.
    pub at: u64,
    /// Address in the arena.
    pub address: u32,
    /// Bytes.
    pub len: u32,
}

/// A mapping that the rules allow. It holds the map until it is given back with [`Kernel::unmap`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mapping {
    /// The map.
    pub id: MapId,
    /// Whether it may be written.
    pub writable: bool,
    /// The pages, in order, without gaps.
    pub parts: Vec<Part>,
}

impl<M: Memory + 'static> Kernel<M> {
    /// Pages of a map for a process to map.
    ///
    /// # Errors
    /// As `mmap(2)` on a descriptor of the running kernel's: `EBADF`, `EACCES`, `EPERM`, `EINVAL`, `ENOTSUPP`
    /// for a type that has none, `ENODEV` for an object that is no map.
    pub fn map_pages(&mut self, fd: i32, request: Request) -> Result<Mapping, Errno> {
        self.table.get(fd)?;
        let Ok((id, access)) = self.table.map(fd) else { return Err(Errno::ENODEV) };
        if !access.read || request.write && request.shared && !access.write {
            return Err(Errno::EACCES);
        }
        if request.execute {
            return Err(Errno::EPERM);
        }
        let spec = self.resources.maps.spec(id).ok_or(Errno::EBADF)?;
        let row = MapType::by_number(spec.map_type).ok_or(Errno::EBADF)?;
        match row.family {
            Family::Array { per_cpu: false } | Family::Ring => {}
            Family::Pages => return Err(Errno::EOPNOTSUPP),
            _ => return Err(Errno::ENOTSUPP),
        }
        // A descriptor that can't write has no shared mappings.
        if !request.shared || !access.write {
            return Err(Errno::EINVAL);
        }
        if request.write && self.resources.maps.is_frozen(id) {
            return Err(Errno::EPERM);
        }
        if request.write && spec.flags & flag::RDONLY_PROG != 0 {
            return Err(Errno::EACCES);
        }
        let mappable = self.resources.maps.mappable(id).ok_or(Errno::EINVAL)?;
        let first = request.offset / u64::from(PAGE);
        let count = request.len.div_ceil(u64::from(PAGE));
        let end = first.saturating_add(count);
        let write_end = u64::from(mappable.writable.end);
        // An array's whole extent is looked at, a ring's sides come first.
        if request.write
            && row.family == Family::Ring
            && (first < mappable.writable.start.into() || first >= write_end || end > write_end && first == 0)
        {
            return Err(Errno::EPERM);
        }
        if count == 0 || end > mappable.shown.into() || !request.offset.is_multiple_of(PAGE.into()) {
            return Err(Errno::EINVAL);
        }
        let parts = parts(&mappable, first as u32, count as u32);
        self.resources.hold_map(id);
        if request.write {
            self.resources.maps.add_writers(id, 1);
        }
        Ok(Mapping { id, writable: request.write, parts })
    }

    /// A process gave a mapping of [`Kernel::map_pages`] up.
    pub fn unmap(&mut self, mapping: &Mapping) {
        if mapping.writable {
            self.resources.maps.add_writers(mapping.id, -1);
        }
        self.resources.release_map(mapping.id);
        self.settle();
    }

    /// Whether a ring buffer has something that its consumer has not seen; `None` for a map of another type.
    pub fn ring_is_ready(&mut self, id: MapId) -> Option<bool> {
        let (map, cx) = self.resources.map(id)?;
        Some(map.ring()?.query(cx.arena, crate::map::ring::Query::Available) != 0)
    }
}

/// Runs of pages that follow each other in the arena.
fn parts(mappable: &Mappable, first: u32, count: u32) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for page in first..first + count {
        let again = if page >= mappable.pages { mappable.pages - mappable.repeats } else { 0 };
        let address = mappable.base + (page - again) * PAGE;
        match parts.last_mut() {
            Some(last) if last.address + last.len == address => last.len += PAGE,
            _ => parts.push(Part { at: u64::from(page - first) * u64::from(PAGE), address, len: PAGE }),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_shows_its_data_twice() {
        let mappable = Mappable { base: 0x10000, pages: 4, shown: 6, repeats: 2, writable: 0..1 };
        let part = |at, address, pages| Part { at, address, len: pages * PAGE };
        assert_eq!(parts(&mappable, 0, 1), [part(0, 0x10000, 1)]);
        assert_eq!(parts(&mappable, 1, 5), [part(0, 0x11000, 3), part(3 * 4096, 0x12000, 2)]);
        assert_eq!(parts(&mappable, 5, 1), [part(0, 0x13000, 1)]);
    }
}
