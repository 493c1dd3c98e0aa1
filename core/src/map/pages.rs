//! `BPF_MAP_TYPE_ARENA`: pages that a program and a process share. It has no elements.

use super::{Map, MapContext, MapSpec};
use crate::arena::{Arena, Memory};
use crate::errno::Errno;

/// An arena map.
#[derive(Clone)]
pub struct Pages {
    spec: MapSpec,
}

impl Pages {
    /// A map of `max_entries` pages, none of them there yet.
    pub fn new(spec: MapSpec) -> Pages {
        Pages { spec }
    }
}

impl<M: Memory> Map<M> for Pages {
    fn spec(&self) -> &MapSpec {
        &self.spec
    }
    fn lookup(&mut self, _: &mut MapContext<M>, _: &[u8], _: &mut [u8], _: u64) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }
    fn update(&mut self, _: &mut MapContext<M>, _: &[u8], _: &[u8], _: u64) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }
    fn delete(&mut self, _cx: &mut MapContext<M>, _key: &[u8]) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }
    fn next_key(&mut self, _: &mut MapContext<M>, _: Option<&[u8]>, _: &mut [u8]) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }
    fn destroy(&mut self, _arena: &mut Arena<M>) {}
}
