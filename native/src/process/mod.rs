//! The one system of a process: its memory is user memory, its descriptors are the numbers.

mod descriptors;
pub mod mappings;

use glasshive::errno::Errno;
use glasshive::map::MapId;
use glasshive::syscall::Kernel;
use glasshive::syscall::attr::UserMemory;
use glasshive::syscall::descriptors::Object;
use std::sync::{Mutex, MutexGuard};

use crate::foreign;
use crate::memory::{ARENA_LEN, ReservedMemory};

static SYSTEM: Mutex<Option<Kernel<ReservedMemory>>> = Mutex::new(None);

/// The process's own memory, read and written so that an address that is not there is an error.
pub struct ProcessMemory;

fn transfer(address: u64, local: *mut u8, len: usize, write: bool) -> Result<(), Errno> {
    if len == 0 {
        return Ok(());
    }
    let local = libc::iovec { iov_base: local.cast(), iov_len: len };
    let remote = libc::iovec { iov_base: address as *mut libc::c_void, iov_len: len };
    // SAFETY: the system checks both ranges, and answers EFAULT or a short count for one that is not there;
    // `local` is a slice of the caller's.
    let done = unsafe {
        let own = libc::getpid();
        match write {
            true => libc::process_vm_writev(own, &local, 1, &remote, 1, 0),
            false => libc::process_vm_readv(own, &local, 1, &remote, 1, 0),
        }
    };
    if done == len as isize { Ok(()) } else { Err(Errno::EFAULT) }
}

impl UserMemory for ProcessMemory {
    fn read(&self, address: u64, out: &mut [u8]) -> Result<(), Errno> {
        transfer(address, out.as_mut_ptr(), out.len(), false)
    }
    fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), Errno> {
        transfer(address, bytes.as_ptr().cast_mut(), bytes.len(), true)
    }
}

/// Number of CPUs that the machine may have: callers size per-CPU buffers by it.
pub fn possible_cpus() -> u32 {
    let text = std::fs::read_to_string("/sys/devices/system/cpu/possible").unwrap_or_default();
    let last = text.trim().rsplit(['-', ',']).next().and_then(|n| n.parse::<u32>().ok());
    last.map_or(1, |n| n + 1)
}

/// The system, made at the first call.
fn system() -> Result<MutexGuard<'static, Option<Kernel<ReservedMemory>>>, Errno> {
    // A panic while it was held left it consistent enough to answer: every operation checks its arguments.
    let mut system = SYSTEM.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if system.is_none() {
        let memory = ReservedMemory::new(ARENA_LEN).map_err(|_| Errno::ENOMEM)?;
        let mut kernel = Kernel::new(memory, possible_cpus(), 0, Box::new(descriptors::ProcessDescriptors));
        kernel.resources.interfaces.extend(foreign::interfaces());
        kernel.set_compiler(crate::engine::compiler());
        // A file that is not there, or no BTF, leaves the system without its kernel's types.
        if let Some(bytes) = std::env::var_os("GLASSHIVE_BTF").and_then(|path| std::fs::read(path).ok()) {
            let _ = kernel.set_kernel_btf(&bytes);
        }
        *system = Some(kernel);
    }
    Ok(system)
}

/// Runs `call` on the system.
fn on<T>(call: impl FnOnce(&mut Kernel<ReservedMemory>) -> Result<T, Errno>) -> Result<T, Errno> {
    system().and_then(|mut system| call(system.as_mut().ok_or(Errno::ENOMEM)?))
}

/// Runs `call` on the system; an error as a negative number.
fn with(call: impl FnOnce(&mut Kernel<ReservedMemory>) -> Result<i64, Errno>) -> i64 {
    on(call).unwrap_or_else(Errno::negative)
}

/// `bpf(2)`: what the system call would return, or `-errno`. `attr` is an address of the process.
pub fn bpf(command: i32, attr: u64, size: u32) -> i64 {
    with(|kernel| kernel.bpf(command, attr, size, &mut ProcessMemory))
}

/// `close(2)` of a descriptor that [`bpf`] gave out: 0, or `-errno`.
pub fn close(fd: i32) -> i32 {
    with(|kernel| kernel.close(fd).map(|()| 0)) as i32
}

/// Sets the capabilities of later calls; 0.
pub fn set_capabilities(mask: u64) -> i32 {
    with(|kernel| {
        kernel.set_capabilities(mask);
        Ok(0)
    }) as i32
}

/// What a descriptor of ours stands for; `None` for any other.
pub fn object(fd: i32) -> Option<Object> {
    descriptors::inode(fd)?;
    on(|kernel| kernel.object(fd)).ok()
}

/// The process made one more number for a descriptor of ours; 0, or `-errno`.
pub fn duplicated(fd: i32) -> i32 {
    with(|kernel| kernel.duplicated(fd).map(|()| 0)) as i32
}

/// Whether a ring buffer has something to read; `None` for a map of another type.
pub fn ring_is_ready(map: MapId) -> Option<bool> {
    on(|kernel| kernel.ring_is_ready(map).ok_or(Errno::EINVAL)).ok()
}

/// `unlink(2)` of a pinned object's path; 0, or `-errno`.
pub fn unpin(path: &str) -> i32 {
    with(|kernel| kernel.unpin(path).map(|()| 0)) as i32
}

/// Whether an object is pinned at a path.
pub fn is_pinned(path: &str) -> bool {
    on(|kernel| Ok(kernel.is_pinned(path))).unwrap_or(false)
}
