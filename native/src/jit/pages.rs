//! Memory that is executable and not writable.

use std::io;
use std::ptr;

/// A mapping with code in it.
#[derive(Debug)]
pub struct Pages {
    start: *mut u8,
    len: usize,
}

// SAFETY: the mapping is owned, and nobody writes to it.
unsafe impl Send for Pages {}
// SAFETY: as above.
unsafe impl Sync for Pages {}

impl Pages {
    /// Maps code: written while it is not executable, executable when it is written.
    ///
    /// # Errors
    /// What `mmap(2)` and `mprotect(2)` answer.
    pub fn new(code: &[u8]) -> io::Result<Pages> {
        let len = code.len().max(1);
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping at an address of the system's choice touches no memory of ours.
        let start = unsafe { libc::mmap(ptr::null_mut(), len, protection, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let pages = Pages { start: start.cast(), len };
        // SAFETY: the mapping has that many bytes, and `code` is no part of it.
        unsafe { ptr::copy_nonoverlapping(code.as_ptr(), pages.start, code.len()) };
        // SAFETY: the whole mapping is ours.
        if unsafe { libc::mprotect(start, len, libc::PROT_READ | libc::PROT_EXEC) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(pages)
    }

    /// Its first byte.
    pub fn start(&self) -> *const u8 {
        self.start
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours; whoever runs it holds a reference to it.
        unsafe { libc::munmap(self.start.cast(), self.len) };
    }
}
