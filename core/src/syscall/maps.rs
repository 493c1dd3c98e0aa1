//! Commands on maps, and the operations behind them.

use alloc::vec;
use alloc::vec::Vec;

use super::Kernel;
use super::attr::{Attr, UserMemory, read_bytes};
use super::descriptors::{Access, Object};
use crate::arena::Memory;
use crate::errno::Errno;
use crate::map::types::{self, flag};
use crate::map::{MapContext, MapId, MapSpec};

/// `BPF_F_LOCK`, which a look-up or update may carry for values with a spin lock.
const LOCK: u64 = 4;

impl<M: Memory + 'static> Kernel<M> {
    /// Makes a map; gives back its descriptor.
    ///
    /// # Errors
    /// As [`types::create`]; `EMFILE` where the host has no descriptor left.
    pub fn create_map(&mut self, spec: MapSpec) -> Result<i32, Errno> {
        let access = Access { read: spec.flags & flag::WRONLY == 0, write: spec.flags & flag::RDONLY == 0 };
        let (cpus, cpu) = (self.resources.cpus, self.resources.cpu);
        let mut cx = MapContext { arena: &mut self.resources.arena, cpus, cpu };
        let map = types::create(&mut cx, spec)?;
        let id = self.resources.add_map(map)?;
        self.table.insert(Object::Map(id), access).inspect_err(|_| self.resources.release_map(id))
    }

    /// What a map was created with.
    ///
    /// # Errors
    /// `EBADF`, `EINVAL`.
    pub fn map_spec(&self, fd: i32) -> Result<&MapSpec, Errno> {
        let (id, _) = self.table.map(fd)?;
        self.resources.maps.spec(id).ok_or(Errno::EBADF)
    }

    /// The map of a descriptor, for reading or writing.
    fn map_for(&self, fd: i32, wants: Access) -> Result<(MapId, MapSpec), Errno> {
        let (id, has) = self.table.map(fd)?;
        let writes = has.write && !self.resources.maps.is_frozen(id);
        if (wants.read && !has.read) || (wants.write && !writes) {
            return Err(Errno::EPERM);
        }
        let spec = self.resources.maps.spec(id).ok_or(Errno::EBADF)?;
        Ok((id, spec.clone()))
    }

    fn value_size(&mut self, id: MapId) -> usize {
        let cpus = self.resources.cpus;
        self.resources.map(id).map_or(0, |(map, _)| map.user_value_size(cpus) as usize)
    }

    /// Copies a value out. `key` has to have the map's key size.
    ///
    /// # Errors
    /// `ENOENT` where the key is not there, `EPERM` for a write-only descriptor.
    pub fn map_lookup(&mut self, fd: i32, key: &[u8], flags: u64) -> Result<Vec<u8>, Errno> {
        let (id, spec) = self.map_for(fd, Access { read: true, write: false })?;
        if key.len() != spec.key_size as usize {
            return Err(Errno::EINVAL);
        }
        let mut value = vec![0; self.value_size(id)];
        let (map, mut cx) = self.resources.map(id).ok_or(Errno::EBADF)?;
        map.lookup(&mut cx, key, &mut value, flags)?;
        Ok(value)
    }

    /// Writes a value. Key and value have to have the map's sizes.
    ///
    /// # Errors
    /// `EEXIST`, `ENOENT`, `E2BIG`, `ENOMEM`, and `EPERM` for a read-only descriptor or a frozen map.
    pub fn map_update(&mut self, fd: i32, key: &[u8], value: &[u8], flags: u64) -> Result<(), Errno> {
        let (id, spec) = self.map_for(fd, Access { read: false, write: true })?;
        if key.len() != spec.key_size as usize || value.len() != self.value_size(id) {
            return Err(Errno::EINVAL);
        }
        let (map, mut cx) = self.resources.map(id).ok_or(Errno::EBADF)?;
        map.update(&mut cx, key, value, flags)
    }

    /// Deletes an element.
    ///
    /// # Errors
    /// `ENOENT` where the key is not there; as the type answers otherwise.
    pub fn map_delete(&mut self, fd: i32, key: &[u8]) -> Result<(), Errno> {
        let (id, spec) = self.map_for(fd, Access { read: false, write: true })?;
        if key.len() != spec.key_size as usize {
            return Err(Errno::EINVAL);
        }
        let (map, mut cx) = self.resources.map(id).ok_or(Errno::EBADF)?;
        map.delete(&mut cx, key)
    }

    /// The key after another, or the first one.
    ///
    /// # Errors
    /// `ENOENT` after the last.
    pub fn map_next_key(&mut self, fd: i32, key: Option<&[u8]>) -> Result<Vec<u8>, Errno> {
        let (id, spec) = self.map_for(fd, Access { read: true, write: false })?;
        if key.is_some_and(|key| key.len() != spec.key_size as usize) {
            return Err(Errno::EINVAL);
        }
        let mut next = vec![0; spec.key_size as usize];
        let (map, mut cx) = self.resources.map(id).ok_or(Errno::EBADF)?;
        map.next_key(&mut cx, key, &mut next)?;
        Ok(next)
    }

    /// All keys, in the map's order.
    ///
    /// # Errors
    /// As [`Kernel::map_next_key`], but for `ENOENT`.
    pub fn map_keys(&mut self, fd: i32) -> Result<Vec<Vec<u8>>, Errno> {
        let mut keys: Vec<Vec<u8>> = Vec::new();
        loop {
            match self.map_next_key(fd, keys.last().map(Vec::as_slice)) {
                Ok(key) => keys.push(key),
                Err(Errno::ENOENT) => return Ok(keys),
                Err(errno) => return Err(errno),
            }
        }
    }

    /// Freezes a map: the system call can't write it any more.
    ///
    /// # Errors
    /// `EPERM` where it is frozen already.
    pub fn map_freeze(&mut self, fd: i32) -> Result<(), Errno> {
        let (id, _) = self.table.map(fd)?;
        if self.resources.maps.is_frozen(id) {
            return Err(Errno::EPERM);
        }
        self.resources.maps.freeze(id);
        Ok(())
    }
}

pub(super) fn create<M: Memory + 'static>(
    kernel: &mut Kernel<M>,
    attr: &mut Attr,
    _user: &mut dyn UserMemory,
) -> Result<i64, Errno> {
    let spec = MapSpec {
        map_type: attr.u32(0),
        key_size: attr.u32(4),
        value_size: attr.u32(8),
        max_entries: attr.u32(12),
        flags: attr.u32(16),
        name: alloc::string::String::new(),
        extra: attr.u64(64),
        btf_key_type_id: attr.u32(52),
        btf_value_type_id: attr.u32(56),
    };
    let (numa_node, ifindex, btf_fd) = (attr.u32(24), attr.u32(44), attr.i32(48));
    if spec.flags & flag::NUMA_NODE != 0 && numa_node != 0 {
        return Err(Errno::EINVAL);
    }
    let name = attr.name(28)?;
    if spec.btf_key_type_id != 0 || spec.btf_value_type_id != 0 {
        let btf = match kernel.table.get(btf_fd) {
            Ok(Object::Btf(id)) => id,
            Ok(_) => return Err(Errno::EINVAL),
            // 0 is never one of ours.
            Err(_) if btf_fd == 0 => return Err(Errno::EINVAL),
            Err(errno) => return Err(errno),
        };
        let btf = kernel.btfs.get(&btf).ok_or(Errno::EBADF)?;
        let size = |id: u32| btf.btf.size_of(crate::object::btf::TypeId(id));
        let key_fits = spec.btf_key_type_id == 0 || size(spec.btf_key_type_id) == Some(spec.key_size);
        if !key_fits || size(spec.btf_value_type_id) != Some(spec.value_size) {
            return Err(Errno::EINVAL);
        }
        let value = crate::object::btf::TypeId(spec.btf_value_type_id);
        if crate::map::record::has_special_field(&btf.btf, value) {
            // Not built yet: such a value may not be read and written as plain bytes.
            return Err(Errno::EOPNOTSUPP);
        }
    }
    if ifindex != 0 {
        return Err(Errno::EOPNOTSUPP);
    }
    kernel.create_map(MapSpec { name, ..spec }).map(i64::from)
}

/// Key, value and flags of an element command.
fn element<M: Memory + 'static>(
    kernel: &mut Kernel<M>,
    attr: &Attr,
    user: &dyn UserMemory,
    wants: Access,
) -> Result<(i32, MapId, Vec<u8>), Errno> {
    let fd = attr.i32(0);
    let (id, spec) = kernel.map_for(fd, wants)?;
    let key = read_bytes(user, attr.u64(8), spec.key_size as usize)?;
    Ok((fd, id, key))
}

pub(super) fn lookup<M: Memory + 'static>(
    kernel: &mut Kernel<M>,
    attr: &mut Attr,
    user: &mut dyn UserMemory,
) -> Result<i64, Errno> {
    let flags = attr.u64(24);
    if flags & !LOCK != 0 {
        return Err(Errno::EINVAL);
    }
    let fd = attr.i32(0);
    kernel.map_for(fd, Access { read: true, write: false })?;
    if flags & LOCK != 0 {
        return Err(Errno::EINVAL);
    }
    let (fd, _, key) = element(kernel, attr, user, Access { read: true, write: false })?;
    let value = kernel.map_lookup(fd, &key, flags)?;
    user.write(attr.u64(16), &value)?;
    Ok(0)
}

pub(super) fn update<M: Memory + 'static>(
    kernel: &mut Kernel<M>,
    attr: &mut Attr,
    user: &mut dyn UserMemory,
) -> Result<i64, Errno> {
    let flags = attr.u64(24);
    let fd = attr.i32(0);
    let (id, _) = kernel.map_for(fd, Access { read: false, write: true })?;
    if flags & LOCK != 0 {
        return Err(Errno::EINVAL);
    }
    let (fd, _, key) = element(kernel, attr, user, Access { read: false, write: true })?;
    let size = kernel.value_size(id);
    let value = read_bytes(user, attr.u64(16), size)?;
    kernel.map_update(fd, &key, &value, flags).map(|()| 0)
}

pub(super) fn delete<M: Memory + 'static>(
    kernel: &mut Kernel<M>,
    attr: &mut Attr,
    user: &mut dyn UserMemory,
) -> Result<i64, Errno> {
    let (fd, _, key) = element(kernel, attr, user, Access { read: false, write: true })?;
    kernel.map_delete(fd, &key).map(|()| 0)
}

pub(super) fn next_key<M: Memory + 'static>(
    kernel: &mut Kernel<M>,
    attr: &mut Attr,
    user: &mut dyn UserMemory,
) -> Result<i64, Errno> {
    let fd = attr.i32(0);
    kernel.map_for(fd, Access { read: true, write: false })?;
    let next = if attr.u64(8) == 0 {
        kernel.map_next_key(fd, None)?
    } else {
        let (fd, _, key) = element(kernel, attr, user, Access { read: true, write: false })?;
        kernel.map_next_key(fd, Some(&key))?
    };
    user.write(attr.u64(16), &next)?;
    Ok(0)
}

pub(super) fn lookup_and_delete<M: Memory + 'static>(
    kernel: &mut Kernel<M>,
    attr: &mut Attr,
    user: &mut dyn UserMemory,
) -> Result<i64, Errno> {
    let flags = attr.u64(24);
    if flags & !LOCK != 0 {
        return Err(Errno::EINVAL);
    }
    let (_, id, key) = element(kernel, attr, user, Access::ALL)?;
    let mut value = vec![0; kernel.value_size(id)];
    let (map, mut cx) = kernel.resources.map(id).ok_or(Errno::EBADF)?;
    map.lookup_and_delete(&mut cx, &key, &mut value, flags)?;
    user.write(attr.u64(16), &value)?;
    Ok(0)
}

pub(super) fn freeze<M: Memory + 'static>(
    kernel: &mut Kernel<M>,
    attr: &mut Attr,
    _user: &mut dyn UserMemory,
) -> Result<i64, Errno> {
    kernel.map_freeze(attr.i32(0)).map(|()| 0)
}
