//! Descriptors of the process: each of ours is an empty file in memory, known by its inode however often it
//! was duplicated.

use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicU64, Ordering};

use glasshive::errno::Errno;
use glasshive::map::types::ForeignKind;
use glasshive::syscall::descriptors::{Descriptors, Object};

use crate::foreign;

/// The device of files in memory; 0 until there is one of ours.
static DEVICE: AtomicU64 = AtomicU64::new(0);

pub(super) struct ProcessDescriptors;

/// Device and inode of a descriptor.
fn status(fd: i32) -> Option<(u64, u64)> {
    let mut stat = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: `stat` has room for what the call writes.
    if unsafe { libc::fstat(fd, stat.as_mut_ptr()) } != 0 {
        return None;
    }
    // SAFETY: the call succeeded, so it is written.
    let stat = unsafe { stat.assume_init() };
    Some((stat.st_dev, stat.st_ino))
}

/// The inode of a file in memory, which may be one of ours.
pub(super) fn inode(fd: i32) -> Option<u64> {
    let ours = DEVICE.load(Ordering::Relaxed);
    if ours == 0 {
        return None;
    }
    status(fd).filter(|(device, _)| *device == ours).map(|(_, inode)| inode)
}

impl Descriptors for ProcessDescriptors {
    fn open(&mut self, object: Object) -> Result<i32, Errno> {
        // What `/proc/self/fd` shows of the kernel's own.
        let name = match object {
            Object::Map(_) => c"bpf-map",
            Object::Program(_) => c"bpf-prog",
            Object::Btf(_) => c"btf",
        };
        // SAFETY: the name is a string that ends in a zero.
        let fd = unsafe { libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC) };
        match fd {
            0 => {
                // A process that closed its standard input: 0 is never one of ours.
                let next = self.open(object);
                self.close(0);
                next
            }
            fd if fd > 0 => {
                if let Some((device, _)) = status(fd) {
                    DEVICE.store(device, Ordering::Relaxed);
                }
                Ok(fd)
            }
            _ => Err(Errno::EMFILE),
        }
    }
    fn identity(&self, fd: i32) -> Option<u64> {
        inode(fd)
    }
    fn close(&mut self, fd: i32) {
        // SAFETY: the descriptor is ours.
        unsafe { libc::close(fd) };
    }
    fn foreign(&self, fd: i32, kind: ForeignKind) -> Result<u64, Errno> {
        foreign::identity(fd, kind)
    }
    fn path_error(&self, path: &str, create: bool) -> Errno {
        foreign::path_error(path, create)
    }
    fn process(&self) -> u32 {
        std::process::id()
    }
    fn is_foreign(&self, fd: i32) -> bool {
        // SAFETY: asks about a number, whatever it is.
        unsafe { libc::fcntl(fd, libc::F_GETFD) >= 0 }
    }
}
