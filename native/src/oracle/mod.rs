//! Asking the running kernel and this system the same, byte for byte.
//!
//! [`Bpf`] is who is asked: a [`Side`], or a system of one's own ([`Fresh`]). [`calls`] builds attributes from
//! typed arguments; [`log`] reads what verifiers write. The tests against the running kernel and
//! `cargo xtask oracle` are made of these.

pub mod calls;
pub mod log;
pub mod syscall;
pub mod texts;

use std::cell::RefCell;
use std::sync::Arc;
use std::{fmt, io};

use glasshive::errno::Errno;
use glasshive::object::btf::kernel::KernelTypes;
use glasshive::syscall::Kernel;
use glasshive::syscall::descriptors::Sequential;

use crate::memory::{ARENA_LEN, ReservedMemory};
use crate::process::{self, ProcessMemory};

/// A `bpf(2)`.
pub trait Bpf {
    /// `bpf(command, attr, size)` with an attribute at any address; what it returns, or `-errno`.
    fn bpf_at(&self, command: i32, attr: u64, size: u32) -> i64;

    /// Closes a descriptor that a call gave out; any other answer of one is passed over.
    fn close(&self, fd: i64);

    /// `bpf(command, attr, size)`; what it returns, or `-errno`.
    fn bpf(&self, command: i32, attr: &mut [u8], size: u32) -> i64 {
        self.bpf_at(command, attr.as_mut_ptr() as u64, size)
    }
}

/// One of the two that are compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// The running kernel.
    Kernel,
    /// The system of this process.
    Glasshive,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Side::Kernel => "kernel",
            Side::Glasshive => "glasshive",
        })
    }
}

impl Side {
    /// Both, the judge first.
    pub const BOTH: [Side; 2] = [Side::Kernel, Side::Glasshive];
}

impl Bpf for Side {
    fn bpf_at(&self, command: i32, attr: u64, size: u32) -> i64 {
        match self {
            Side::Glasshive => process::bpf(command, attr, size),
            Side::Kernel => {
                // SAFETY: the system call reads and writes what its arguments name; addresses that are wrong are
                // answered with EFAULT, and the callers' buffers outlive the call.
                let answer = unsafe { libc::syscall(libc::SYS_bpf, command, attr, size) };
                if answer >= 0 {
                    return answer;
                }
                let error = io::Error::last_os_error().raw_os_error();
                -i64::from(error.unwrap_or(libc::EINVAL))
            }
        }
    }

    fn close(&self, fd: i64) {
        let Ok(fd @ 0..) = i32::try_from(fd) else { return };
        match self {
            Side::Glasshive => drop(process::close(fd)),
            // SAFETY: the descriptor is the caller's.
            Side::Kernel => drop(unsafe { libc::close(fd) }),
        }
    }
}

/// An empty system apart from the process's, with descriptors of its own.
pub struct Fresh(RefCell<Kernel<ReservedMemory>>);

impl Fresh {
    /// A system with `cpus` possible CPUs.
    ///
    /// # Errors
    /// Where there is no address space for the arena.
    pub fn new(cpus: u32) -> io::Result<Fresh> {
        let memory = ReservedMemory::new(ARENA_LEN)?;
        Ok(Fresh(RefCell::new(Kernel::new(memory, cpus, 0, Box::new(Sequential::default())))))
    }

    /// The system with its kernel's types.
    pub fn with_kernel_types(self, types: Arc<KernelTypes>) -> Fresh {
        self.0.borrow_mut().share_kernel_types(types);
        self
    }
}

impl Fresh {
    /// Sets what a system call can't: the compiler, how closely test runs are watched.
    pub fn configure(&self, change: impl FnOnce(&mut Kernel<ReservedMemory>)) {
        change(&mut self.0.borrow_mut());
    }
}

impl Bpf for Fresh {
    fn bpf_at(&self, command: i32, attr: u64, size: u32) -> i64 {
        let answer = self.0.borrow_mut().bpf(command, attr, size, &mut ProcessMemory);
        answer.unwrap_or_else(Errno::negative)
    }

    fn close(&self, fd: i64) {
        let Ok(fd) = i32::try_from(fd) else { return };
        // A number that is no descriptor is passed over.
        let _ = self.0.borrow_mut().close(fd);
    }
}

/// Whether the running kernel's `bpf(2)` can be asked: it loads and runs a program.
///
/// # Errors
/// Why not, for a test to say.
pub fn usable() -> Result<(), String> {
    // r0 = 0; exit
    let insns = [0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0];
    let load = calls::Load { program_type: 1, insns: &insns, ..calls::Load::default() };
    let loaded = load.call(&Side::Kernel);
    if loaded.ret < 0 {
        return Err(format!("no usable bpf(2): loading a program gave {}", calls::errno_name(loaded.ret)));
    }
    Side::Kernel.close(loaded.ret);
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    if release.starts_with("6.18.") {
        return Ok(());
    }
    Err(format!("the running kernel is {}, and the answers compared with are those of 6.18", release.trim()))
}
