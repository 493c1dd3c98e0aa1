//! Storage that hangs on other objects: sockets, inodes, tasks, cgroups.
//!
//! The system call names the object by a descriptor; here its identity is the key. The storage of cgroups
//! by attach type (`cgroup_storage`) is made when a program is attached: there is none.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;

use super::types::Update;
use super::{Map, MapContext, MapSpec};
use crate::arena::{Arena, Memory};
use crate::errno::Errno;

/// `sk_storage`, `inode_storage`, `task_storage`, `cgrp_storage`: a value per object, its identity (8 bytes)
/// the key. No program here reaches such an object, so the values live here.
#[derive(Clone)]
pub struct ObjectStorage {
    spec: MapSpec,
    values: BTreeMap<Box<[u8]>, Box<[u8]>>,
}

impl ObjectStorage {
    /// An empty storage.
    pub fn new(spec: MapSpec) -> ObjectStorage {
        ObjectStorage { spec, values: BTreeMap::new() }
    }
}

impl<M: Memory> Map<M> for ObjectStorage {
    fn spec(&self) -> &MapSpec {
        &self.spec
    }
    fn lookup(&mut self, _: &mut MapContext<M>, key: &[u8], out: &mut [u8], _: u64) -> Result<(), Errno> {
        out.copy_from_slice(self.values.get(key).ok_or(Errno::ENOENT)?);
        Ok(())
    }
    fn update(&mut self, _: &mut MapContext<M>, key: &[u8], value: &[u8], flags: u64) -> Result<(), Errno> {
        match (self.values.contains_key(key), Update::from_flags(flags)?) {
            (true, Update::NoExist) => return Err(Errno::EEXIST),
            (false, Update::Exist) => return Err(Errno::ENOENT),
            _ => {}
        }
        self.values.insert(key.into(), value.into());
        Ok(())
    }
    fn delete(&mut self, _cx: &mut MapContext<M>, key: &[u8]) -> Result<(), Errno> {
        self.values.remove(key).map(|_| ()).ok_or(Errno::ENOENT)
    }
    fn destroy(&mut self, _arena: &mut Arena<M>) {}
}

/// `cgroup_storage` and its per-CPU sibling: always empty.
#[derive(Clone)]
pub struct CgroupStorage {
    spec: MapSpec,
    per_cpu: bool,
}

impl CgroupStorage {
    /// A map.
    pub fn new(spec: MapSpec, per_cpu: bool) -> CgroupStorage {
        CgroupStorage { spec, per_cpu }
    }
}

impl<M: Memory> Map<M> for CgroupStorage {
    fn spec(&self) -> &MapSpec {
        &self.spec
    }
    fn user_value_size(&self, cpus: u32) -> u32 {
        if self.per_cpu { self.spec.value_size.next_multiple_of(8) * cpus } else { self.spec.value_size }
    }
    fn lookup(&mut self, _: &mut MapContext<M>, _: &[u8], _: &mut [u8], _: u64) -> Result<(), Errno> {
        Err(Errno::ENOENT)
    }
    fn update(&mut self, _: &mut MapContext<M>, _: &[u8], _: &[u8], flags: u64) -> Result<(), Errno> {
        Err(if matches!(flags, 0 | 2) { Errno::ENOENT } else { Errno::EINVAL })
    }
    fn delete(&mut self, _cx: &mut MapContext<M>, _key: &[u8]) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }
    fn next_key(&mut self, _: &mut MapContext<M>, _: Option<&[u8]>, _: &mut [u8]) -> Result<(), Errno> {
        Err(Errno::ENOENT)
    }
    fn destroy(&mut self, _arena: &mut Arena<M>) {}
}
