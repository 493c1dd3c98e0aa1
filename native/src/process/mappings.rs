//! Maps in the process's own memory: `mmap(2)` of a descriptor of ours.
//!
//! The rules are the system's ([`Kernel::map_pages`](glasshive::syscall::Kernel::map_pages)); the pages are
//! those of a file that the arena's pages are moved to when they are first shared.

use std::ffi::c_void;
use std::ptr;
use std::sync::{Mutex, MutexGuard};

use glasshive::errno::Errno;
use glasshive::syscall::mapping::{Mapping, Request};

/// Bytes of a page.
const PAGE: u64 = 4096;

/// A mapping that is live, and which of its addresses still are.
struct Live {
    mapping: Mapping,
    ranges: Vec<(u64, u64)>,
}

static LIVE: Mutex<Vec<Live>> = Mutex::new(Vec::new());

fn live() -> MutexGuard<'static, Vec<Live>> {
    LIVE.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// The arguments of `mmap(2)`, as it takes them.
#[derive(Clone, Copy, Debug)]
pub struct Arguments {
    /// Where, or 0 for anywhere.
    pub address: u64,
    /// Bytes.
    pub len: u64,
    /// `PROT_*`
    pub protection: i32,
    /// `MAP_*`
    pub flags: i32,
    /// A descriptor of ours.
    pub fd: i32,
    /// Bytes from the map's first page.
    pub offset: u64,
}

/// Maps a map's pages; the address.
///
/// # Errors
/// As [`Kernel::map_pages`](glasshive::syscall::Kernel::map_pages), and as `mmap(2)`.
pub fn map(asked: Arguments) -> Result<u64, Errno> {
    let request = Request {
        offset: asked.offset,
        len: asked.len,
        write: asked.protection & libc::PROT_WRITE != 0,
        execute: asked.protection & libc::PROT_EXEC != 0,
        shared: asked.flags & libc::MAP_TYPE == libc::MAP_SHARED
            || asked.flags & libc::MAP_TYPE == libc::MAP_SHARED_VALIDATE,
    };
    super::on(|kernel| {
        let mapping = kernel.map_pages(asked.fd, request)?;
        let placed = place(kernel.resources.arena.memory(), &mapping, &asked);
        match placed {
            Ok(start) => {
                let len = asked.len.next_multiple_of(PAGE);
                live().push(Live { mapping, ranges: vec![(start, start + len)] });
            }
            Err(_) => kernel.unmap(&mapping),
        }
        placed
    })
}

/// Puts the parts at one place of the process.
fn place(memory: &crate::memory::ReservedMemory, mapping: &Mapping, asked: &Arguments) -> Result<u64, Errno> {
    let last = || Errno::from_number(std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::ENOMEM));
    for part in &mapping.parts {
        memory.share(part.address, part.len).map_err(|_| Errno::ENOMEM)?;
    }
    let file = memory.file(mapping.writable).map_err(|_| Errno::ENOMEM)?;
    let fixed = libc::MAP_FIXED | libc::MAP_FIXED_NOREPLACE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | asked.flags & fixed;
    let at = ptr::without_provenance_mut::<c_void>(asked.address as usize);
    // SAFETY: the caller of mmap(2) asks for pages there; without a fixed address the system chooses free ones.
    let start = unsafe { libc::mmap(at, asked.len as usize, libc::PROT_NONE, flags, -1, 0) };
    if start == libc::MAP_FAILED {
        return Err(last());
    }
    for part in &mapping.parts {
        let flags = libc::MAP_SHARED | libc::MAP_FIXED | asked.flags & libc::MAP_POPULATE;
        // SAFETY: the part lies within the range that was just made for it.
        let done = unsafe {
            let at = start.byte_add(part.at as usize);
            libc::mmap(at, part.len as usize, asked.protection, flags, file, i64::from(part.address))
        };
        if done == libc::MAP_FAILED {
            let errno = last();
            // SAFETY: the range was made above, and nobody knows of it yet.
            unsafe { libc::munmap(start, asked.len as usize) };
            return Err(errno);
        }
    }
    Ok(start.addr() as u64)
}

/// The process took addresses away, by `munmap(2)` or by mapping something else there: mappings of which
/// nothing is left let go of their maps.
pub fn gone(address: u64, len: u64) {
    let end = address.saturating_add(len).checked_next_multiple_of(PAGE).unwrap_or(u64::MAX);
    let mut over = Vec::new();
    live().retain_mut(|live| {
        let rest = live.ranges.drain(..).flat_map(|(start, stop)| {
            [(start, stop.min(address)), (start.max(end), stop)].into_iter().filter(|(a, b)| a < b)
        });
        live.ranges = rest.collect();
        if live.ranges.is_empty() {
            over.push(live.mapping.clone());
        }
        !live.ranges.is_empty()
    });
    if !over.is_empty() {
        let _ = super::on(|kernel| {
            over.iter().for_each(|mapping| kernel.unmap(mapping));
            Ok(())
        });
    }
}

/// Whether any map of ours is mapped: without one, [`gone`] has nothing to do.
pub fn any() -> bool {
    !live().is_empty()
}
