//! The one system of a process: its memory is user memory, its descriptors are the numbers.

use glasshive::errno::Errno;
use glasshive::map::types::ForeignKind;
use glasshive::syscall::Kernel;
use glasshive::syscall::attr::UserMemory;
use glasshive::syscall::descriptors::Descriptors;
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

/// Descriptors of the process: each of ours holds a place in its table open.
struct ProcessDescriptors;

impl Descriptors for ProcessDescriptors {
    fn open(&mut self) -> Result<i32, Errno> {
        // SAFETY: the name is a string that ends in a zero.
        let fd = unsafe { libc::memfd_create(c"glasshive".as_ptr(), libc::MFD_CLOEXEC) };
        match fd {
            0 => {
                // A process that closed its standard input: 0 is never one of ours.
                let next = self.open();
                self.close(0);
                next
            }
            fd if fd > 0 => Ok(fd),
            _ => Err(Errno::EMFILE),
        }
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
        let mut kernel = Kernel::new(memory, possible_cpus(), 0, Box::new(ProcessDescriptors));
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

/// Runs `call` on the system; an error as a negative number.
fn with(call: impl FnOnce(&mut Kernel<ReservedMemory>) -> Result<i64, Errno>) -> i64 {
    let answer = system().and_then(|mut system| match system.as_mut() {
        Some(kernel) => call(kernel),
        None => Err(Errno::ENOMEM),
    });
    answer.unwrap_or_else(Errno::negative)
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
