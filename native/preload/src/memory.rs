//! Maps in the program's memory.

use std::ffi::{c_int, c_void};
use std::ptr;

use glasshive_native::process::{self, mappings};

use crate::next::{self, enter, set_errno};

/// See `mmap(2)`.
///
/// # Safety
/// As its man page says: what lay at a fixed address is gone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmap(
    at: *mut c_void,
    len: usize,
    protection: c_int,
    flags: c_int,
    fd: c_int,
    offset: i64,
) -> *mut c_void {
    if let Some(inside) = enter() {
        if flags & libc::MAP_FIXED != 0 && mappings::any() {
            mappings::gone(at.addr() as u64, len as u64);
        }
        if fd > 0 && flags & libc::MAP_ANONYMOUS == 0 && process::object(fd).is_some() {
            let (address, len, offset) = (at.expose_provenance() as u64, len as u64, offset as u64);
            let asked = mappings::Arguments { address, len, protection, flags, fd, offset };
            let mapped = mappings::map(asked);
            drop(inside);
            return match mapped {
                Ok(start) => ptr::with_exposed_provenance_mut(start as usize),
                Err(errno) => {
                    set_errno(errno.number());
                    libc::MAP_FAILED
                }
            };
        }
    }
    // SAFETY: the caller's promise.
    unsafe { next::mmap(at, len, protection, flags, fd, offset) }
}

/// The name that programs for large files call it by.
///
/// # Safety
/// As [`mmap`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmap64(
    at: *mut c_void,
    len: usize,
    protection: c_int,
    flags: c_int,
    fd: c_int,
    offset: i64,
) -> *mut c_void {
    // SAFETY: the caller's promise.
    unsafe { mmap(at, len, protection, flags, fd, offset) }
}

/// See `munmap(2)`.
///
/// # Safety
/// As its man page says: nothing may use the memory any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn munmap(at: *mut c_void, len: usize) -> c_int {
    // SAFETY: the caller's promise.
    let result = unsafe { next::munmap(at, len) };
    if result == 0
        && let Some(_inside) = enter()
        && mappings::any()
    {
        mappings::gone(at.addr() as u64, len as u64);
    }
    result
}
