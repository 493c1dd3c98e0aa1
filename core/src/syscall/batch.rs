//! Commands on several elements: `BPF_MAP_LOOKUP_BATCH` and its siblings.
//!
//! Hashes go by a cursor of 4 bytes, which only they can read; other types by the last key.

use alloc::vec;
use alloc::vec::Vec;

use super::Kernel;
use super::attr::{Attr, UserMemory, read_bytes};
use super::descriptors::Access;
use super::maps::{LOCK, Target};
use crate::arena::Memory;
use crate::errno::Errno;
use crate::map::types::Batch;

/// Offsets of the commands' fields in `union bpf_attr`.
mod field {
    pub const IN_BATCH: usize = 0;
    pub const OUT_BATCH: usize = 8;
    pub const KEYS: usize = 16;
    pub const VALUES: usize = 24;
    pub const COUNT: usize = 32;
    pub const FD: usize = 36;
    pub const ELEMENT_FLAGS: usize = 40;
    pub const FLAGS: usize = 48;
}

/// A batch in progress: where it is, what it acts on.
struct Elements {
    target: Target,
    keys: u64,
    values: u64,
    count: u32,
    flags: u64,
}

impl Elements {
    fn begin<M: Memory + 'static>(
        kernel: &mut Kernel<M>,
        attr: &Attr,
        command: Batch,
        wants: Access,
    ) -> Result<Elements, Errno> {
        let target = kernel.target(attr.i32(field::FD), wants)?;
        if !target.row.batch.has(command) {
            return Err(Errno::ENOTSUPP);
        }
        Ok(Elements {
            target,
            keys: attr.u64(field::KEYS),
            values: attr.u64(field::VALUES),
            count: attr.u32(field::COUNT),
            flags: attr.u64(field::ELEMENT_FLAGS),
        })
    }

    fn key_at(&self, at: u32) -> u64 {
        self.keys.wrapping_add(u64::from(at) * u64::from(self.target.spec.key_size))
    }
    fn value_at(&self, at: u32) -> u64 {
        self.values.wrapping_add(u64::from(at) * self.target.value_size as u64)
    }
    fn read_key(&self, at: u32, user: &dyn UserMemory) -> Result<Vec<u8>, Errno> {
        read_bytes(user, self.key_at(at), self.target.spec.key_size as usize)
    }
}

/// Runs `one` for every element, and writes how many it was done for.
fn each(
    attr: &Attr,
    elements: &Elements,
    user: &mut dyn UserMemory,
    mut one: impl FnMut(u32, &mut dyn UserMemory) -> Result<(), Errno>,
) -> Result<i64, Errno> {
    let mut done = 0;
    let mut result = Ok(0);
    while done < elements.count {
        if let Err(errno) = one(done, user) {
            result = Err(errno);
            break;
        }
        done += 1;
    }
    attr.write_back(field::COUNT, &done.to_le_bytes(), user)?;
    result
}

const WRITE: Access = Access { read: false, write: true };

pub(super) fn update<M: Memory + 'static>(
    kernel: &mut Kernel<M>,
    attr: &mut Attr,
    user: &mut dyn UserMemory,
) -> Result<i64, Errno> {
    let elements = Elements::begin(kernel, attr, Batch::UPDATE, WRITE)?;
    kernel.check_lock(elements.target.id, elements.flags)?;
    if elements.flags & !LOCK != 0 {
        return Err(Errno::EINVAL);
    }
    if elements.count == 0 {
        return Ok(0);
    }
    each(attr, &elements, user, |at, user| {
        let key = elements.read_key(at, user)?;
        let value = read_bytes(user, elements.value_at(at), elements.target.value_size)?;
        kernel.put(&elements.target, &key, &value, elements.flags & !LOCK)
    })
}

pub(super) fn delete<M: Memory + 'static>(
    kernel: &mut Kernel<M>,
    attr: &mut Attr,
    user: &mut dyn UserMemory,
) -> Result<i64, Errno> {
    let elements = Elements::begin(kernel, attr, Batch::DELETE, WRITE)?;
    if elements.flags != 0 {
        return Err(Errno::EINVAL);
    }
    if elements.count == 0 {
        return Ok(0);
    }
    each(attr, &elements, user, |at, user| {
        let key = elements.read_key(at, user)?;
        kernel.remove(&elements.target, &key)
    })
}

pub(super) fn lookup<M: Memory + 'static>(
    kernel: &mut Kernel<M>,
    attr: &mut Attr,
    user: &mut dyn UserMemory,
) -> Result<i64, Errno> {
    let elements = Elements::begin(kernel, attr, Batch::LOOKUP, Access { read: true, write: false })?;
    read(kernel, attr, user, &elements, false)
}

pub(super) fn lookup_and_delete<M: Memory + 'static>(
    kernel: &mut Kernel<M>,
    attr: &mut Attr,
    user: &mut dyn UserMemory,
) -> Result<i64, Errno> {
    let elements = Elements::begin(kernel, attr, Batch::TAKE, Access::ALL)?;
    read(kernel, attr, user, &elements, true)
}

/// Reads elements from where the last batch stopped; takes them out where `removes` says so.
fn read<M: Memory + 'static>(
    kernel: &mut Kernel<M>,
    attr: &Attr,
    user: &mut dyn UserMemory,
    elements: &Elements,
    removes: bool,
) -> Result<i64, Errno> {
    let target = &elements.target;
    let by_cursor = kernel.resources.map(target.id).is_some_and(|(map, _)| map.has_cursor());
    kernel.check_lock(target.id, elements.flags)?;
    if elements.flags & !LOCK != 0 || by_cursor && attr.u64(field::FLAGS) != 0 {
        return Err(Errno::EINVAL);
    }
    if elements.count == 0 {
        return Ok(0);
    }
    attr.write_back(field::COUNT, &0u32.to_le_bytes(), user)?;
    let (from, to) = (attr.u64(field::IN_BATCH), attr.u64(field::OUT_BATCH));
    let key_size = target.spec.key_size as usize;
    let place_size = if by_cursor { 4 } else { key_size };
    let mut place = if from == 0 { None } else { Some(read_bytes(user, from, place_size)?) };
    let mut done = 0;
    let mut result = Ok(0);
    while done < elements.count {
        let (key, after) = match next(kernel, target, by_cursor, place.as_deref()) {
            Ok(next) => next,
            Err(errno) => {
                result = Err(errno);
                break;
            }
        };
        let mut value = vec![0; target.value_size];
        match kernel.look_up(target, &key, &mut value) {
            Ok(()) => {
                kernel.hide_fields(target.id, &mut value);
                // What is taken out is gone, whether or not the caller's memory takes it.
                if removes {
                    kernel.remove(target, &key)?;
                }
                user.write(elements.key_at(done), &key)?;
                user.write(elements.value_at(done), &value)?;
                done += 1;
            }
            // An empty index of an array of objects.
            Err(Errno::ENOENT) => {}
            Err(errno) => return Err(errno),
        }
        place = Some(after);
    }
    let place = place.unwrap_or_else(|| vec![0; place_size]);
    // A cursor is written before the number of elements, a key after it and only where there is one.
    if by_cursor {
        user.write(to, &place)?;
    }
    attr.write_back(field::COUNT, &done.to_le_bytes(), user)?;
    if !by_cursor && done > 0 {
        user.write(to, &place)?;
    }
    result
}

/// The next key, and the place past it.
fn next<M: Memory + 'static>(
    kernel: &mut Kernel<M>,
    target: &Target,
    by_cursor: bool,
    place: Option<&[u8]>,
) -> Result<(Vec<u8>, Vec<u8>), Errno> {
    if !by_cursor {
        let key = kernel.key_after(target, place)?;
        return Ok((key.clone(), key));
    }
    let cursor = place.and_then(<[u8]>::first_chunk).map_or(0, |bytes| u32::from_le_bytes(*bytes));
    let mut key = vec![0; target.spec.key_size as usize];
    let (map, cx) = kernel.resources.map(target.id).ok_or(Errno::EBADF)?;
    let after = map.key_from(cx.arena, cursor, &mut key).ok_or(Errno::ENOENT)?;
    Ok((key, after.to_le_bytes().to_vec()))
}
