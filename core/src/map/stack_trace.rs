//! `BPF_MAP_TYPE_STACK_TRACE`: stacks by number. No helper here walks a stack, so there is none in it.

use super::array::index;
use super::{Map, MapContext, MapSpec};
use crate::arena::{Arena, Memory};
use crate::errno::Errno;

/// An empty map of stacks.
#[derive(Clone)]
pub struct StackTrace {
    spec: MapSpec,
}

impl StackTrace {
    /// A map.
    pub fn new(spec: MapSpec) -> StackTrace {
        StackTrace { spec }
    }

    /// Stack numbers there can be: a power of two.
    fn buckets(&self) -> u32 {
        self.spec.max_entries.checked_next_power_of_two().unwrap_or(u32::MAX)
    }
}

impl<M: Memory> Map<M> for StackTrace {
    fn spec(&self) -> &MapSpec {
        &self.spec
    }
    fn lookup(&mut self, _: &mut MapContext<M>, _: &[u8], _: &mut [u8], _: u64) -> Result<(), Errno> {
        Err(Errno::ENOENT)
    }
    fn update(&mut self, _: &mut MapContext<M>, _: &[u8], _: &[u8], _: u64) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }
    fn delete(&mut self, _cx: &mut MapContext<M>, key: &[u8]) -> Result<(), Errno> {
        Err(if index(key) >= self.buckets() { Errno::E2BIG } else { Errno::ENOENT })
    }
    fn next_key(&mut self, _: &mut MapContext<M>, _: Option<&[u8]>, _: &mut [u8]) -> Result<(), Errno> {
        Err(Errno::ENOENT)
    }
    fn lookup_and_delete(
        &mut self,
        _cx: &mut MapContext<M>,
        _key: &[u8],
        _out: &mut [u8],
        _flags: u64,
    ) -> Result<(), Errno> {
        Err(Errno::ENOENT)
    }
    fn destroy(&mut self, _arena: &mut Arena<M>) {}
}
