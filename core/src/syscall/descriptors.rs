//! Descriptors: numbers that the host gives, and what they stand for.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;

use super::programs::ProgramId;
use crate::errno::Errno;
use crate::map::MapId;
use crate::map::types::ForeignKind;

/// The host's descriptor numbers.
pub trait Descriptors {
    /// A number that is not in use, for a descriptor of an object: never 0, never negative.
    ///
    /// # Errors
    /// `EMFILE` where there is none left.
    fn open(&mut self, object: Object) -> Result<i32, Errno>;
    /// What is the same of all numbers of one open descriptor and different of any other's; `None` for a
    /// number that is none of ours. A host without `dup(2)` has one number for each.
    fn identity(&self, fd: i32) -> Option<u64> {
        u64::try_from(fd).ok()
    }
    /// Gives a number back.
    fn close(&mut self, fd: i32);
    /// Whether the number is a descriptor of the host's own, of another kind.
    fn is_foreign(&self, _fd: i32) -> bool {
        false
    }
    /// What the host's file system answers for a path that no pinned object can have: to make one there, or
    /// to open it.
    fn path_error(&self, _path: &str, _create: bool) -> Errno {
        Errno::ENOENT
    }
    /// The number of the process that calls.
    fn process(&self) -> u32 {
        1
    }
    /// The identity of the host's object of that kind that a descriptor stands for: the same for every
    /// descriptor of the object.
    ///
    /// # Errors
    /// `EBADF` where it is no descriptor, or as the kernel answers for one of another kind.
    fn foreign(&self, _fd: i32, _kind: ForeignKind) -> Result<u64, Errno> {
        Err(Errno::EBADF)
    }
}

/// Numbers from 3 up, the lowest free one first, as in a process with nothing else open.
#[derive(Clone, Debug, Default)]
pub struct Sequential {
    used: alloc::collections::BTreeSet<i32>,
}

impl Descriptors for Sequential {
    fn open(&mut self, _: Object) -> Result<i32, Errno> {
        const MOST: i32 = 1 << 20;
        let mut fd = 3;
        for used in &self.used {
            if *used != fd {
                break;
            }
            fd += 1;
        }
        if fd >= MOST {
            return Err(Errno::EMFILE);
        }
        self.used.insert(fd);
        Ok(fd)
    }
    fn close(&mut self, fd: i32) {
        self.used.remove(&fd);
    }
    /// The three that a process begins with.
    fn is_foreign(&self, fd: i32) -> bool {
        (0..3).contains(&fd)
    }
}

/// What a descriptor stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Object {
    /// A map.
    Map(MapId),
    /// A program.
    Program(ProgramId),
    /// BTF, by id.
    Btf(u32),
}

/// The open descriptors.
pub struct Table {
    host: Box<dyn Descriptors + Send>,
    /// By [`Descriptors::identity`].
    open: BTreeMap<u64, Entry>,
}

#[derive(Clone, Copy)]
struct Entry {
    object: Object,
    /// `BPF_F_RDONLY` and `BPF_F_WRONLY` of a map's creation.
    access: Access,
    /// The number that it was opened as.
    fd: i32,
    /// Numbers that it has (`dup(2)`).
    numbers: u32,
}

/// What a map's descriptor lets its holder do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Access {
    /// Look-ups and iteration.
    pub read: bool,
    /// Updates and deletions.
    pub write: bool,
}

impl Access {
    /// Everything.
    pub const ALL: Access = Access { read: true, write: true };
}

impl Table {
    pub(super) fn new(host: Box<dyn Descriptors + Send>) -> Table {
        Table { host, open: BTreeMap::new() }
    }

    pub(super) fn insert(&mut self, object: Object, access: Access) -> Result<i32, Errno> {
        let fd = self.host.open(object)?;
        let Some(identity) = self.host.identity(fd) else {
            self.host.close(fd);
            return Err(Errno::EMFILE);
        };
        self.open.insert(identity, Entry { object, access, fd, numbers: 1 });
        Ok(fd)
    }

    /// Closes a number; the object, where it was the descriptor's last.
    pub(super) fn remove(&mut self, fd: i32) -> Result<Option<Object>, Errno> {
        let identity = self.host.identity(fd).ok_or(Errno::EBADF)?;
        let entry = self.open.get_mut(&identity).ok_or(Errno::EBADF)?;
        let object = entry.object;
        entry.numbers -= 1;
        let last = entry.numbers == 0;
        if last {
            self.open.remove(&identity);
        }
        self.host.close(fd);
        Ok(last.then_some(object))
    }

    /// One more number of a descriptor is open.
    pub(super) fn duplicated(&mut self, fd: i32) -> Result<(), Errno> {
        let identity = self.host.identity(fd).ok_or(Errno::EBADF)?;
        self.open.get_mut(&identity).ok_or(Errno::EBADF)?.numbers += 1;
        Ok(())
    }

    fn entry(&self, fd: i32) -> Option<&Entry> {
        self.open.get(&self.host.identity(fd)?)
    }

    /// What a descriptor stands for.
    ///
    /// # Errors
    /// `EBADF` where it is none; `EINVAL` where it is the host's own.
    pub(super) fn get(&self, fd: i32) -> Result<Object, Errno> {
        match self.entry(fd) {
            Some(entry) => Ok(entry.object),
            None if self.host.is_foreign(fd) => Err(Errno::EINVAL),
            None => Err(Errno::EBADF),
        }
    }

    /// The map of a descriptor.
    ///
    /// # Errors
    /// `EBADF` where it is none, `EINVAL` where it is of another kind.
    pub(super) fn map(&self, fd: i32) -> Result<(MapId, Access), Errno> {
        match (self.get(fd)?, self.entry(fd)) {
            (Object::Map(id), Some(entry)) => Ok((id, entry.access)),
            _ => Err(Errno::EINVAL),
        }
    }

    /// As [`Descriptors::path_error`].
    pub(super) fn path_error(&self, path: &str, create: bool) -> Errno {
        self.host.path_error(path, create)
    }

    /// As [`Descriptors::process`].
    pub(super) fn process(&self) -> u32 {
        self.host.process()
    }

    /// The host's object of a descriptor.
    ///
    /// # Errors
    /// As [`Descriptors::foreign`].
    pub(super) fn foreign(&self, fd: i32, kind: ForeignKind) -> Result<u64, Errno> {
        self.host.foreign(fd, kind)
    }

    /// The program of a descriptor.
    ///
    /// # Errors
    /// As [`Table::map`].
    pub(super) fn program(&self, fd: i32) -> Result<ProgramId, Errno> {
        match self.get(fd)? {
            Object::Program(id) => Ok(id),
            _ => Err(Errno::EINVAL),
        }
    }

    /// The open descriptors, by the numbers that they were opened as.
    pub fn iter(&self) -> impl Iterator<Item = (i32, Object)> {
        self.open.values().map(|entry| (entry.fd, entry.object))
    }
}
