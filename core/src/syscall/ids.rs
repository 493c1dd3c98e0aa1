//! Objects by number: `BPF_*_GET_NEXT_ID` and `BPF_*_GET_FD_BY_ID`.

use super::Kernel;
use super::attr::{Attr, UserMemory};
use super::descriptors::{Access, Object};
use super::programs::ProgramId;
use crate::arena::Memory;
use crate::errno::Errno;
use crate::map::MapId;
use crate::map::types::flag;

/// Offset of the number that is found.
const NEXT: usize = 4;
/// Offset of the flags of a descriptor by number.
const FLAGS: usize = 8;
/// The largest number that an object may have.
const LAST: u32 = i32::MAX as u32;

/// Writes the lowest of `ids` that is past the attribute's number.
fn next(attr: &Attr, user: &mut dyn UserMemory, mut ids: impl Iterator<Item = u32>) -> Result<i64, Errno> {
    let start = attr.u32(0);
    if start >= LAST {
        return Err(Errno::EINVAL);
    }
    let id = ids.find(|id| *id > start).ok_or(Errno::ENOENT)?;
    attr.write_back(NEXT, &id.to_le_bytes(), user)?;
    Ok(0)
}

pub(super) fn next_program<M: Memory + 'static>(
    kernel: &mut Kernel<M>,
    attr: &mut Attr,
    user: &mut dyn UserMemory,
) -> Result<i64, Errno> {
    next(attr, user, kernel.programs.keys().map(|id| id.0))
}

pub(super) fn next_map<M: Memory + 'static>(
    kernel: &mut Kernel<M>,
    attr: &mut Attr,
    user: &mut dyn UserMemory,
) -> Result<i64, Errno> {
    next(attr, user, kernel.resources.maps.ids().map(|id| id.0))
}

pub(super) fn next_btf<M: Memory + 'static>(
    kernel: &mut Kernel<M>,
    attr: &mut Attr,
    user: &mut dyn UserMemory,
) -> Result<i64, Errno> {
    next(attr, user, kernel.btfs.keys().copied())
}

/// There are no links.
pub(super) fn next_link<M: Memory + 'static>(
    _kernel: &mut Kernel<M>,
    attr: &mut Attr,
    user: &mut dyn UserMemory,
) -> Result<i64, Errno> {
    next(attr, user, core::iter::empty())
}

pub(super) fn program<M: Memory + 'static>(
    kernel: &mut Kernel<M>,
    attr: &mut Attr,
    _user: &mut dyn UserMemory,
) -> Result<i64, Errno> {
    let id = ProgramId(attr.u32(0));
    if !kernel.programs.contains_key(&id) {
        return Err(Errno::ENOENT);
    }
    let fd = kernel.table.insert(Object::Program(id), Access::ALL)?;
    kernel.hold_program(id);
    Ok(fd.into())
}

pub(super) fn map<M: Memory + 'static>(
    kernel: &mut Kernel<M>,
    attr: &mut Attr,
    _user: &mut dyn UserMemory,
) -> Result<i64, Errno> {
    let access = access_of(attr.u32(FLAGS))?;
    let id = MapId(attr.u32(0));
    if kernel.resources.maps.spec(id).is_none() {
        return Err(Errno::ENOENT);
    }
    kernel.insert_map(id, access).map(i64::from)
}

/// What the `BPF_F_RDONLY` and `BPF_F_WRONLY` of a request for a descriptor allow.
///
/// # Errors
/// `EINVAL` for both, or for any other flag.
pub(super) fn access_of(flags: u32) -> Result<Access, Errno> {
    if flags & !flag::SYSTEM_ACCESS != 0 || flags == flag::SYSTEM_ACCESS {
        return Err(Errno::EINVAL);
    }
    Ok(Access { read: flags & flag::WRONLY == 0, write: flags & flag::RDONLY == 0 })
}

pub(super) fn btf<M: Memory + 'static>(
    kernel: &mut Kernel<M>,
    attr: &mut Attr,
    _user: &mut dyn UserMemory,
) -> Result<i64, Errno> {
    let id = attr.u32(0);
    if !kernel.btfs.contains_key(&id) {
        return Err(Errno::ENOENT);
    }
    let fd = kernel.table.insert(Object::Btf(id), Access::ALL)?;
    if let Some(btf) = kernel.btfs.get_mut(&id) {
        btf.references += 1;
    }
    Ok(fd.into())
}

/// There are no links.
pub(super) fn link<M: Memory + 'static>(
    _kernel: &mut Kernel<M>,
    _attr: &mut Attr,
    _user: &mut dyn UserMemory,
) -> Result<i64, Errno> {
    Err(Errno::ENOENT)
}
