//! `BPF_OBJ_PIN` and `BPF_OBJ_GET`: a name space of the system's own, under the path where Linux mounts its
//! file system for this.

use alloc::collections::BTreeMap;
use alloc::string::String;

use super::Kernel;
use super::attr::{Attr, UserMemory, read_text};
use super::descriptors::{Access, Object};
use super::ids::access_of;
use crate::arena::Memory;
use crate::errno::Errno;
use crate::map::types::flag;

/// Where pinned objects are.
pub const ROOT: &str = "/sys/fs/bpf/";
/// Longest path, its end included.
const MOST_PATH: usize = 4096;
/// Longest name in a path.
const MOST_NAME: usize = 255;

/// What is pinned, by path below [`ROOT`].
#[derive(Clone, Debug, Default)]
pub struct Pins {
    by_path: BTreeMap<String, Object>,
}

impl Pins {
    /// The paths and what they stand for, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Object)> {
        self.by_path.iter().map(|(path, object)| (path.as_str(), *object))
    }
}

/// Offsets of the commands' fields in `union bpf_attr`.
mod field {
    pub const PATH: usize = 0;
    pub const FD: usize = 8;
    pub const FLAGS: usize = 12;
    pub const DIRECTORY: usize = 16;
}

/// The name of a path below [`ROOT`].
///
/// # Errors
/// `ENOENT` for a path elsewhere or in a directory that is not there, `EPERM` for a name that can't be.
fn name_of(path: &str) -> Result<&str, Errno> {
    let name = path.strip_prefix(ROOT).ok_or(Errno::ENOENT)?.trim_matches('/');
    if name.is_empty() || name.contains('/') {
        return Err(Errno::ENOENT);
    }
    if name.len() > MOST_NAME {
        return Err(Errno::ENAMETOOLONG);
    }
    // The kernel keeps names with a dot for itself.
    if name.contains('.') { Err(Errno::EPERM) } else { Ok(name) }
}

impl<M: Memory + 'static> Kernel<M> {
    /// Keeps an object alive under a path.
    ///
    /// # Errors
    /// `EEXIST` where there is one already; as the descriptor and the path answer otherwise.
    pub fn pin(&mut self, fd: i32, path: &str) -> Result<(), Errno> {
        let object = self.table.get(fd)?;
        if matches!(object, Object::Btf(_)) {
            return Err(Errno::EINVAL);
        }
        let name = name_of(path)?;
        if self.pins.by_path.contains_key(name) {
            return Err(Errno::EEXIST);
        }
        self.pins.by_path.insert(name.into(), object);
        self.hold(object);
        Ok(())
    }

    /// A descriptor of a pinned object.
    ///
    /// # Errors
    /// `ENOENT` where there is none.
    pub fn open_pinned(&mut self, path: &str, access: Access) -> Result<i32, Errno> {
        let name = name_of(path).map_err(|_| Errno::ENOENT)?;
        let object = *self.pins.by_path.get(name).ok_or(Errno::ENOENT)?;
        if !matches!(object, Object::Map(_)) && access != Access::ALL {
            return Err(Errno::EINVAL);
        }
        let fd = self.table.insert(object, access)?;
        self.hold(object);
        Ok(fd)
    }

    /// Takes a path away (`unlink(2)`); the object goes with its last reference.
    ///
    /// # Errors
    /// `ENOENT` where nothing is pinned there.
    pub fn unpin(&mut self, path: &str) -> Result<(), Errno> {
        let object = self.pins.by_path.remove(name_of(path)?).ok_or(Errno::ENOENT)?;
        self.release(object);
        Ok(())
    }

    /// Whether something is pinned at a path.
    pub fn is_pinned(&self, path: &str) -> bool {
        name_of(path).is_ok_and(|name| self.pins.by_path.contains_key(name))
    }

    /// What is pinned.
    pub fn pins(&self) -> &Pins {
        &self.pins
    }
}

pub(super) fn pin<M: Memory + 'static>(
    kernel: &mut Kernel<M>,
    attr: &mut Attr,
    user: &mut dyn UserMemory,
) -> Result<i64, Errno> {
    check_flags(attr, flag::PATH_FD)?;
    // The object is looked at first.
    let object = kernel.table.get(attr.i32(field::FD)).map_err(|_| Errno::EINVAL)?;
    if matches!(object, Object::Btf(_)) {
        return Err(Errno::EINVAL);
    }
    let path = read_text(user, attr.u64(field::PATH), MOST_PATH)?;
    if !path.starts_with(ROOT) {
        return Err(kernel.table.path_error(&path, true));
    }
    kernel.pin(attr.i32(field::FD), &path).map(|()| 0)
}

pub(super) fn get<M: Memory + 'static>(
    kernel: &mut Kernel<M>,
    attr: &mut Attr,
    user: &mut dyn UserMemory,
) -> Result<i64, Errno> {
    check_flags(attr, flag::PATH_FD | flag::SYSTEM_ACCESS)?;
    if attr.u32(field::FD) != 0 {
        return Err(Errno::EINVAL);
    }
    let access = access_of(attr.u32(field::FLAGS) & flag::SYSTEM_ACCESS)?;
    let path = read_text(user, attr.u64(field::PATH), MOST_PATH)?;
    if !path.starts_with(ROOT) {
        return Err(kernel.table.path_error(&path, false));
    }
    kernel.open_pinned(&path, access).map(i64::from)
}

/// Flags that are known, and a directory only where a flag says so.
fn check_flags(attr: &Attr, known: u32) -> Result<(), Errno> {
    let flags = attr.u32(field::FLAGS);
    if flags & !known != 0 || flags & flag::PATH_FD == 0 && attr.u32(field::DIRECTORY) != 0 {
        return Err(Errno::EINVAL);
    }
    if flags & flag::PATH_FD != 0 {
        // Paths from a directory's descriptor are not built yet.
        return Err(Errno::EOPNOTSUPP);
    }
    Ok(())
}
