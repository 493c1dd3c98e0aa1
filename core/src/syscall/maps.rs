//! Commands on one element of a map, and the operations behind them.

use alloc::vec;
use alloc::vec::Vec;

use super::Kernel;
use super::attr::{Attr, UserMemory, read_bytes};
use super::descriptors::Access;
use crate::arena::Memory;
use crate::errno::Errno;
use crate::map::redirect::MOST_QUEUED;
use crate::map::types::{self, ForeignKind, Keys, MapType, Values, flag};
use crate::map::{MapId, MapSpec, Reference};
use crate::program::ProgramId;

/// `BPF_F_LOCK`, which a look-up or update may carry for values with a spin lock.
pub(super) const LOCK: u64 = 4;

const READ: Access = Access { read: true, write: false };
const WRITE: Access = Access { read: false, write: true };

/// A map that a command acts on.
#[derive(Clone)]
pub(super) struct Target {
    pub id: MapId,
    pub spec: MapSpec,
    pub row: &'static MapType,
    /// Bytes of a value as the system call sees it.
    pub value_size: usize,
}

impl<M: Memory + 'static> Kernel<M> {
    /// What a map was created with.
    ///
    /// # Errors
    /// `EBADF`, `EINVAL`.
    pub fn map_spec(&self, fd: i32) -> Result<&MapSpec, Errno> {
        let (id, _) = self.table.map(fd)?;
        self.resources.maps.spec(id).ok_or(Errno::EBADF)
    }

    /// Bytes of a value as the system call sees it: of a per-CPU type, all CPUs' together.
    ///
    /// # Errors
    /// `EBADF`, `EINVAL`.
    pub fn map_value_size(&mut self, fd: i32) -> Result<usize, Errno> {
        self.target(fd, Access { read: false, write: false }).map(|target| target.value_size)
    }

    /// The map of a descriptor, for reading or writing.
    pub(super) fn target(&mut self, fd: i32, wants: Access) -> Result<Target, Errno> {
        let (id, has) = self.table.map(fd)?;
        let writes = has.write && !self.resources.maps.is_frozen(id);
        if (wants.read && !has.read) || (wants.write && !writes) {
            return Err(Errno::EPERM);
        }
        let cpus = self.resources.cpus;
        let (map, _) = self.resources.map(id).ok_or(Errno::EBADF)?;
        let (spec, value_size) = (map.spec().clone(), map.user_value_size(cpus) as usize);
        let row = MapType::by_number(spec.map_type).ok_or(Errno::EBADF)?;
        Ok(Target { id, spec, row, value_size })
    }

    /// The key that the map has for what the system call names: itself, or the identity of an object.
    fn key(&self, target: &Target, key: &[u8]) -> Result<Vec<u8>, Errno> {
        if key.len() != target.spec.key_size as usize {
            return Err(Errno::EINVAL);
        }
        match target.row.keys {
            Keys::Bytes => Ok(key.to_vec()),
            Keys::Foreign(kind) => {
                let fd = key.first_chunk().map_or(-1, |bytes| i32::from_le_bytes(*bytes));
                // Every descriptor of ours has an inode as well.
                let own = kind == ForeignKind::Inode && self.table.get(fd).is_ok();
                let identity = if own { u64::MAX - fd as u64 } else { self.table.foreign(fd, kind)? };
                Ok(identity.to_le_bytes().to_vec())
            }
        }
    }

    pub(super) fn look_up(&mut self, target: &Target, key: &[u8], out: &mut [u8]) -> Result<(), Errno> {
        let key = self.key(target, key)?;
        let (map, mut cx) = self.resources.map(target.id).ok_or(Errno::EBADF)?;
        map.lookup(&mut cx, &key, out, 0)
    }

    pub(super) fn put(&mut self, target: &Target, key: &[u8], value: &[u8], flags: u64) -> Result<(), Errno> {
        if key.len() != target.spec.key_size as usize || value.len() != target.value_size {
            return Err(Errno::EINVAL);
        }
        match target.row.values {
            Values::Bytes | Values::Sought => {
                let key = self.key(target, key)?;
                let mut value = alloc::borrow::Cow::Borrowed(value);
                if self.map_types.contains_key(&target.id) {
                    self.keep_fields(target, &key, value.to_mut());
                }
                let (map, mut cx) = self.resources.map(target.id).ok_or(Errno::EBADF)?;
                map.update(&mut cx, &key, &value, flags)
            }
            Values::Map | Values::Program | Values::Foreign(_) => {
                self.put_reference(target, key, value, flags)
            }
            Values::Interface | Values::Queue => self.put_destination(target, key, value, flags),
        }
    }

    /// An update whose value is a descriptor.
    fn put_reference(&mut self, target: &Target, key: &[u8], value: &[u8], flags: u64) -> Result<(), Errno> {
        let fd = value.first_chunk().map_or(-1, |bytes| i32::from_le_bytes(*bytes));
        // A descriptor of 8 bytes that is none, where the map's type looks at that before anything else.
        let wide =
            value.first_chunk().is_some_and(|bytes| i32::try_from(u64::from_le_bytes(*bytes)).is_err());
        let checks_descriptor = matches!(target.row.number, types::SOCKMAP | types::SOCKHASH);
        if checks_descriptor && (wide || fd < 0) {
            return Err(Errno::EINVAL);
        }
        let (map, _) = self.resources.map(target.id).ok_or(Errno::EBADF)?;
        map.check_set(key, flags)?;
        if wide {
            return Err(Errno::EINVAL);
        }
        let reference = match target.row.values {
            Values::Map => {
                let (id, _) = self.table.map(fd)?;
                self.check_inner(target, id)?;
                let handle = self.resources.maps.handle(id).ok_or(Errno::EBADF)?;
                self.resources.hold_map(id);
                Reference::Map { id, handle }
            }
            Values::Program => {
                let id = self.table.program(fd)?;
                self.check_tail_call(target.id, id)?;
                self.hold_program(id);
                Reference::Program(id)
            }
            Values::Foreign(kind) => Reference::Foreign(self.table.foreign(fd, kind)?),
            _ => return Err(Errno::EINVAL),
        };
        let (map, mut cx) = self.resources.map(target.id).ok_or(Errno::EBADF)?;
        map.set(&mut cx, key, reference, flags).inspect_err(|_| self.resources.released.push(reference))
    }

    /// Whether a map is like those that a map of maps takes.
    fn check_inner(&self, target: &Target, id: MapId) -> Result<(), Errno> {
        let like = self.resources.maps.inner(target.id).ok_or(Errno::EINVAL)?;
        let spec = self.resources.maps.spec(id).ok_or(Errno::EBADF)?;
        let row = MapType::by_number(spec.map_type).ok_or(Errno::EINVAL)?;
        // Code that was compiled for an array of one size knows it, unless the array was made for another.
        let any_length = row.number != types::ARRAY || spec.flags & flag::INNER_MAP != 0;
        let same = spec.map_type == like.map_type
            && spec.key_size == like.key_size
            && spec.value_size == like.value_size
            && spec.flags == like.flags
            && (any_length || spec.max_entries == like.max_entries);
        if same { Ok(()) } else { Err(Errno::EINVAL) }
    }

    /// An update whose value is an interface or a queue, and perhaps a program's descriptor.
    fn put_destination(
        &mut self,
        target: &Target,
        key: &[u8],
        value: &[u8],
        flags: u64,
    ) -> Result<(), Errno> {
        let (map, _) = self.resources.map(target.id).ok_or(Errno::EBADF)?;
        map.check_set(key, flags)?;
        let number = value.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
        let fd = value.get(4..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| i32::from_le_bytes(*bytes));
        let queue = target.row.values == Values::Queue;
        if target.row.number == types::DEVMAP_HASH && flags == 1 && number != 0 {
            let mut value = vec![0; target.value_size];
            if self.look_up(target, key, &mut value).is_ok() {
                return Err(Errno::EEXIST);
            }
        }
        let is_there = if queue {
            number <= MOST_QUEUED
        } else {
            let clears = number == 0 && target.row.number == types::DEVMAP && fd <= 0;
            clears || self.resources.interfaces.contains(&number)
        };
        if !is_there {
            return Err(if queue { Errno::EOVERFLOW } else { Errno::EINVAL });
        }
        let program = if fd > 0 && number != 0 {
            let wrong = if queue { Errno::ENOMEM } else { Errno::EINVAL };
            Some(self.destination_program(fd, queue).ok_or(wrong)?)
        } else {
            None
        };
        let mut value = value.to_vec();
        if let Some(place) = value.get_mut(4..8) {
            place.copy_from_slice(&program.map_or(0, |id| id.0).to_le_bytes());
        }
        if let Some(id) = program {
            self.hold_program(id);
        }
        let (map, mut cx) = self.resources.map(target.id).ok_or(Errno::EBADF)?;
        map.update(&mut cx, key, &value, flags)
            .inspect_err(|_| self.resources.released.extend(program.map(Reference::Program)))
    }

    /// The program of a descriptor, if it is one that may run where a packet is sent.
    fn destination_program(&self, fd: i32, queue: bool) -> Option<ProgramId> {
        // `enum bpf_attach_type`
        const XDP_DEVMAP: u32 = 35;
        const XDP_CPUMAP: u32 = 37;
        let id = self.table.program(fd).ok()?;
        let program = self.programs.get(&id)?;
        let wanted = if queue { XDP_CPUMAP } else { XDP_DEVMAP };
        (program.program_type.name == "xdp" && program.expected_attach_type == wanted).then_some(id)
    }

    /// Copies a value out. `key` has to have the map's key size.
    ///
    /// # Errors
    /// `ENOENT` where the key is not there, `EPERM` for a write-only descriptor, `EINVAL` for unknown flags.
    pub fn map_lookup(&mut self, fd: i32, key: &[u8], flags: u64) -> Result<Vec<u8>, Errno> {
        let target = self.target(fd, READ)?;
        if flags & !LOCK != 0 {
            return Err(Errno::EINVAL);
        }
        self.check_lock(target.id, flags)?;
        let mut value = vec![0; target.value_size];
        self.look_up(&target, key, &mut value)?;
        self.hide_fields(target.id, &mut value);
        Ok(value)
    }

    /// Writes a value. Key and value have to have the map's sizes; a value that refers to an object is its
    /// descriptor.
    ///
    /// # Errors
    /// `EEXIST`, `ENOENT`, `E2BIG`, `ENOMEM`, and `EPERM` for a read-only descriptor or a frozen map.
    pub fn map_update(&mut self, fd: i32, key: &[u8], value: &[u8], flags: u64) -> Result<(), Errno> {
        let target = self.target(fd, WRITE)?;
        self.check_lock(target.id, flags)?;
        let done = self.put(&target, key, value, flags & !LOCK);
        self.settle();
        done
    }

    /// Deletes an element.
    ///
    /// # Errors
    /// `ENOENT` where the key is not there; as the type answers otherwise.
    pub fn map_delete(&mut self, fd: i32, key: &[u8]) -> Result<(), Errno> {
        let target = self.target(fd, WRITE)?;
        let done = self.remove(&target, key);
        self.settle();
        done
    }

    pub(super) fn remove(&mut self, target: &Target, key: &[u8]) -> Result<(), Errno> {
        let key = self.key(target, key)?;
        let (map, mut cx) = self.resources.map(target.id).ok_or(Errno::EBADF)?;
        map.delete(&mut cx, &key)
    }

    /// The key after another, or the first one.
    ///
    /// # Errors
    /// `ENOENT` after the last.
    pub fn map_next_key(&mut self, fd: i32, key: Option<&[u8]>) -> Result<Vec<u8>, Errno> {
        let target = self.target(fd, READ)?;
        self.key_after(&target, key)
    }

    pub(super) fn key_after(&mut self, target: &Target, key: Option<&[u8]>) -> Result<Vec<u8>, Errno> {
        let size = target.spec.key_size as usize;
        if key.is_some_and(|key| key.len() != size) {
            return Err(Errno::EINVAL);
        }
        let mut next = vec![0; size];
        let (map, mut cx) = self.resources.map(target.id).ok_or(Errno::EBADF)?;
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
    /// `EPERM` for a read-only descriptor, and where it is frozen already.
    pub fn map_freeze(&mut self, fd: i32) -> Result<(), Errno> {
        let (id, has) = self.table.map(fd)?;
        if !has.write {
            return Err(Errno::EPERM);
        }
        if self.resources.maps.writers(id) > 0 {
            return Err(Errno::EBUSY);
        }
        if self.resources.maps.is_frozen(id) {
            return Err(Errno::EPERM);
        }
        self.resources.maps.freeze(id);
        Ok(())
    }

    /// The records of a ring buffer that were not consumed yet, oldest first; they are then.
    ///
    /// # Errors
    /// `EINVAL` for a map of another type.
    pub fn ring_records(&mut self, fd: i32) -> Result<Vec<Vec<u8>>, Errno> {
        let (id, _) = self.table.map(fd)?;
        let (map, cx) = self.resources.map(id).ok_or(Errno::EBADF)?;
        Ok(map.ring().ok_or(Errno::EINVAL)?.consume(cx.arena))
    }

    /// Gives back what maps let go of.
    pub(super) fn settle(&mut self) {
        while let Some(reference) = self.resources.released.pop() {
            match reference {
                Reference::Map { id, .. } => self.resources.release_map(id),
                Reference::Program(id) => self.release_program(id),
                Reference::Btf(id) => self.release_btf(id),
                Reference::Foreign(_) => {}
            }
        }
    }
}

/// The key that a command's second field points to.
fn read_key(target: &Target, address: u64, user: &dyn UserMemory) -> Result<Vec<u8>, Errno> {
    if target.spec.key_size == 0 && address != 0 {
        return Err(Errno::EINVAL);
    }
    read_bytes(user, address, target.spec.key_size as usize)
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
    let target = kernel.target(attr.i32(0), READ)?;
    kernel.check_lock(target.id, flags)?;
    let key = read_key(&target, attr.u64(8), user)?;
    let mut value = if target.row.values == Values::Sought {
        read_bytes(user, attr.u64(16), target.value_size)?
    } else {
        vec![0; target.value_size]
    };
    kernel.look_up(&target, &key, &mut value)?;
    kernel.hide_fields(target.id, &mut value);
    user.write(attr.u64(16), &value)?;
    Ok(0)
}

pub(super) fn update<M: Memory + 'static>(
    kernel: &mut Kernel<M>,
    attr: &mut Attr,
    user: &mut dyn UserMemory,
) -> Result<i64, Errno> {
    let flags = attr.u64(24);
    let target = kernel.target(attr.i32(0), WRITE)?;
    kernel.check_lock(target.id, flags)?;
    let key = read_key(&target, attr.u64(8), user)?;
    let value = read_bytes(user, attr.u64(16), target.value_size)?;
    kernel.put(&target, &key, &value, flags & !LOCK).map(|()| 0)
}

pub(super) fn delete<M: Memory + 'static>(
    kernel: &mut Kernel<M>,
    attr: &mut Attr,
    user: &mut dyn UserMemory,
) -> Result<i64, Errno> {
    let target = kernel.target(attr.i32(0), WRITE)?;
    let key = read_key(&target, attr.u64(8), user)?;
    kernel.remove(&target, &key).map(|()| 0)
}

pub(super) fn next_key<M: Memory + 'static>(
    kernel: &mut Kernel<M>,
    attr: &mut Attr,
    user: &mut dyn UserMemory,
) -> Result<i64, Errno> {
    let target = kernel.target(attr.i32(0), READ)?;
    let key = match attr.u64(8) {
        0 => None,
        address => Some(read_key(&target, address, user)?),
    };
    let next = kernel.key_after(&target, key.as_deref())?;
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
    let target = kernel.target(attr.i32(0), Access::ALL)?;
    kernel.check_lock(target.id, flags)?;
    let key = read_key(&target, attr.u64(8), user)?;
    let mut value = vec![0; target.value_size];
    let (map, mut cx) = kernel.resources.map(target.id).ok_or(Errno::EBADF)?;
    map.lookup_and_delete(&mut cx, &key, &mut value, flags & !LOCK)?;
    kernel.hide_fields(target.id, &mut value);
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
