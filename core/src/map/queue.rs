//! `BPF_MAP_TYPE_QUEUE` and `BPF_MAP_TYPE_STACK`: values without keys, oldest or newest first.

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use super::types::Update;
use super::{Map, MapContext, MapSpec};
use crate::arena::{Arena, Memory};
use crate::errno::Errno;

/// A queue or a stack. No program holds the address of a value, so they live here.
#[derive(Clone)]
pub struct Queue {
    spec: MapSpec,
    newest_first: bool,
    values: VecDeque<Box<[u8]>>,
}

impl Queue {
    /// An empty one.
    pub fn new(spec: MapSpec, newest_first: bool) -> Queue {
        Queue { spec, newest_first, values: VecDeque::new() }
    }

    fn next(&self, out: &mut [u8]) -> Result<(), Errno> {
        let value = if self.newest_first { self.values.back() } else { self.values.front() };
        match value {
            Some(value) => {
                out.copy_from_slice(value);
                Ok(())
            }
            None => {
                out.fill(0);
                Err(Errno::ENOENT)
            }
        }
    }

    fn take(&mut self, out: &mut [u8]) -> Result<(), Errno> {
        self.next(out)?;
        if self.newest_first {
            self.values.pop_back()
        } else {
            self.values.pop_front()
        };
        Ok(())
    }

    fn add(&mut self, value: &[u8], flags: u64) -> Result<(), Errno> {
        // `BPF_EXIST` makes room in a full one by dropping the oldest value.
        let drops = match Update::from_flags(flags)? {
            Update::Any => false,
            Update::Exist => true,
            Update::NoExist => return Err(Errno::EINVAL),
        };
        if self.values.len() >= self.spec.max_entries as usize {
            if !drops {
                return Err(Errno::E2BIG);
            }
            self.values.pop_front();
        }
        self.values.push_back(value.into());
        Ok(())
    }
}

impl<M: Memory> Map<M> for Queue {
    fn spec(&self) -> &MapSpec {
        &self.spec
    }
    fn lookup(&mut self, _: &mut MapContext<M>, _: &[u8], out: &mut [u8], _: u64) -> Result<(), Errno> {
        self.next(out)
    }
    fn update(&mut self, _: &mut MapContext<M>, _: &[u8], value: &[u8], flags: u64) -> Result<(), Errno> {
        self.add(value, flags)
    }
    fn delete(&mut self, _: &mut MapContext<M>, _: &[u8]) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }
    fn next_key(&mut self, _: &mut MapContext<M>, _: Option<&[u8]>, _: &mut [u8]) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }
    fn lookup_and_delete(
        &mut self,
        _cx: &mut MapContext<M>,
        _key: &[u8],
        out: &mut [u8],
        _flags: u64,
    ) -> Result<(), Errno> {
        self.take(out)
    }
    fn push(&mut self, _cx: &mut MapContext<M>, value: &[u8], flags: u64) -> Result<(), Errno> {
        self.add(value, flags)
    }
    fn pop(&mut self, _cx: &mut MapContext<M>, out: &mut [u8]) -> Result<(), Errno> {
        self.take(out)
    }
    fn peek(&mut self, _cx: &mut MapContext<M>, out: &mut [u8]) -> Result<(), Errno> {
        self.next(out)
    }
    fn destroy(&mut self, _arena: &mut Arena<M>) {}
}
