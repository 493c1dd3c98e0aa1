//! Maps of sockets: `sockmap`, `sockhash`, `reuseport_sockarray`, `xskmap`. There are no sockets to put in.
//!
//! Arrays of them iterate over every index, as the kernel's do; a hash has no key.

use super::array::{index, next_index};
use super::{Map, MapContext, MapSpec, Reference, types};
use crate::arena::{Arena, Memory};
use crate::errno::Errno;

/// A map of sockets, empty.
#[derive(Clone)]
pub struct Sockets {
    spec: MapSpec,
}

impl Sockets {
    /// A map.
    pub fn new(spec: MapSpec) -> Sockets {
        Sockets { spec }
    }

    fn is_past_end(&self, key: &[u8]) -> bool {
        index(key) >= self.spec.max_entries
    }
}

impl<M: Memory> Map<M> for Sockets {
    fn spec(&self) -> &MapSpec {
        &self.spec
    }
    fn lookup(&mut self, _: &mut MapContext<M>, _: &[u8], _: &mut [u8], _: u64) -> Result<(), Errno> {
        // What the system call reads of a socket is a cookie of 8 bytes.
        let small = self.spec.value_size != 8;
        Err(match self.spec.map_type {
            types::XSKMAP => Errno::EOPNOTSUPP,
            _ if small => Errno::ENOSPC,
            _ => Errno::ENOENT,
        })
    }
    fn check_set(&self, key: &[u8], flags: u64) -> Result<(), Errno> {
        match self.spec.map_type {
            types::XSKMAP | types::REUSEPORT_SOCKARRAY if flags > 2 => Err(Errno::EINVAL),
            types::XSKMAP | types::REUSEPORT_SOCKARRAY if self.is_past_end(key) => Err(Errno::E2BIG),
            _ => Ok(()),
        }
    }
    fn set(&mut self, _: &mut MapContext<M>, _: &[u8], _: Reference, _: u64) -> Result<(), Errno> {
        // No socket is of a kind that could be in it.
        let reuseport = self.spec.map_type == types::REUSEPORT_SOCKARRAY;
        Err(if reuseport { Errno::EINVAL } else { Errno::EOPNOTSUPP })
    }
    fn delete(&mut self, _cx: &mut MapContext<M>, key: &[u8]) -> Result<(), Errno> {
        match self.spec.map_type {
            types::SOCKHASH => Err(Errno::ENOENT),
            types::SOCKMAP => Err(Errno::EINVAL),
            types::XSKMAP if self.is_past_end(key) => Err(Errno::EINVAL),
            types::XSKMAP => Ok(()),
            _ if self.is_past_end(key) => Err(Errno::E2BIG),
            _ => Err(Errno::ENOENT),
        }
    }
    fn next_key(&mut self, _: &mut MapContext<M>, key: Option<&[u8]>, out: &mut [u8]) -> Result<(), Errno> {
        match self.spec.map_type {
            types::SOCKHASH => Err(Errno::ENOENT),
            _ => next_index(key, self.spec.max_entries, out),
        }
    }
    fn destroy(&mut self, _arena: &mut Arena<M>) {}
}
