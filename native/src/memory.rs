//! The arena's bytes in pages that the operating system reserves and fills in when they are touched.

use glasshive::arena::{Fault, Memory, Rmw};
use glasshive::isa::Size;
use glasshive::jit::x86_64::layout::{HEADER_DISTANCE, REACH};
use std::cell::{OnceCell, RefCell};
use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::os::unix::fs::FileExt;
use std::ptr;
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};

/// Bytes of an arena that holds all that a 32-bit offset reaches.
pub const ARENA_LEN: usize = (1 << 32) - 4096;

/// Bytes of the header page.
const HEADER_LEN: usize = 4096;
/// The header and what lies between, 4 GiB, and how far past them an access can reach.
const RESERVED: usize = HEADER_DISTANCE as usize + (1 << 32) + REACH as usize;

/// One range of anonymous pages, as long as it lives.
pub struct ReservedMemory {
    base: *mut u8,
    len: usize,
    shared: OnceCell<Shared>,
}

/// Pages that a process may map as well: those of a file, at their own addresses.
struct Shared {
    file: File,
    /// The same file, for mappings that may never be written.
    readable: File,
    pages: RefCell<BTreeSet<u32>>,
}

/// Where large pages may begin.
const LARGE_FROM: usize = 4 << 20;

/// Bytes of a page.
const PAGE: usize = 4096;

impl Shared {
    fn new() -> io::Result<Shared> {
        // SAFETY: the name is a string that ends in a zero.
        let fd = unsafe { libc::memfd_create(c"glasshive-arena".as_ptr(), libc::MFD_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor was just made, and is nobody else's.
        let file = unsafe { File::from_raw_fd(fd) };
        file.set_len(1 << 32)?;
        let readable = File::open(format!("/proc/self/fd/{fd}"))?;
        Ok(Shared { file, readable, pages: RefCell::default() })
    }
}

// SAFETY: the range is owned, and reached through `&self` and `&mut self` alone.
unsafe impl Send for ReservedMemory {}

impl ReservedMemory {
    /// Reserves zeroed memory; pages cost nothing until they are touched. Addresses around it are reserved too,
    /// without pages: all that compiled code could reach from its base, and a page for that code's own
    /// use.
    ///
    /// # Errors
    /// What `mmap(2)` and `mprotect(2)` answer.
    pub fn new(len: usize) -> io::Result<ReservedMemory> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: a new mapping at an address of the system's choice touches no memory of ours.
        let start = unsafe { libc::mmap(ptr::null_mut(), RESERVED, libc::PROT_NONE, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the header's pages are the first of the mapping.
        let base = unsafe { start.cast::<u8>().add(HEADER_DISTANCE as usize) };
        let memory = ReservedMemory { base, len: len.min(ARENA_LEN), shared: OnceCell::new() };
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        for (at, len) in [(start, HEADER_LEN), (base.cast(), memory.len)] {
            // SAFETY: both ranges lie within the mapping, which is ours.
            if unsafe { libc::mprotect(at, len, protection) } != 0 {
                return Err(io::Error::last_os_error());
            }
        }
        // What large maps are looked up in costs fewer walks of page tables in large pages; small systems, which
        // stay below, cost no more than they touch. Where the system refuses, nothing is lost.
        if memory.len > LARGE_FROM {
            // SAFETY: the range lies within the mapping; the advice changes nothing that can be read.
            unsafe {
                libc::madvise(base.add(LARGE_FROM).cast(), memory.len - LARGE_FROM, libc::MADV_HUGEPAGE)
            };
        }
        Ok(memory)
    }

    /// Where address 0 lies; the header page of compiled code lies
    /// [`HEADER_DISTANCE`] below it.
    pub fn base(&self) -> *mut u8 {
        self.base
    }

    fn shared(&self) -> io::Result<&Shared> {
        if self.shared.get().is_none() {
            // Nobody else can have set it: the value is not shared between threads.
            let _ = self.shared.set(Shared::new()?);
        }
        self.shared.get().ok_or_else(|| io::Error::from_raw_os_error(libc::ENOMEM))
    }

    /// The file that shared pages are in, each at its own address; one that can't be written is for mappings
    /// that may never be.
    ///
    /// # Errors
    /// What `memfd_create(2)` answers.
    pub fn file(&self, write: bool) -> io::Result<RawFd> {
        let shared = self.shared()?;
        Ok(if write { shared.file.as_raw_fd() } else { shared.readable.as_raw_fd() })
    }

    /// Moves whole pages to the file, with what is in them, so that a process can map them too. They stay
    /// there as long as the memory lives.
    ///
    /// # Errors
    /// What `memfd_create(2)`, `write(2)` and `mmap(2)` answer; what is not moved yet stays as it was.
    pub fn share(&self, address: u32, len: u32) -> io::Result<()> {
        let shared = self.shared()?;
        let page = PAGE as u32;
        let mut bytes = [0; PAGE];
        for at in (address..address + len).step_by(PAGE) {
            if shared.pages.borrow().contains(&(at / page)) {
                continue;
            }
            self.read(at.into(), &mut bytes).map_err(|_| io::Error::from_raw_os_error(libc::EFAULT))?;
            // What was never written in the file is zero.
            if bytes.iter().any(|byte| *byte != 0) {
                shared.file.write_all_at(&bytes, at.into())?;
            }
            let protection = libc::PROT_READ | libc::PROT_WRITE;
            let flags = libc::MAP_SHARED | libc::MAP_FIXED;
            // SAFETY: the page lies within the mapping, which is ours; what was in it is in the file.
            let done = unsafe {
                let place = self.base.add(at as usize).cast();
                libc::mmap(place, PAGE, protection, flags, shared.file.as_raw_fd(), at.into())
            };
            if done == libc::MAP_FAILED {
                return Err(io::Error::last_os_error());
            }
            shared.pages.borrow_mut().insert(at / page);
        }
        Ok(())
    }

    #[inline(always)]
    fn at(&self, address: u64, len: u64) -> Result<*mut u8, Fault> {
        match address.checked_add(len) {
            // SAFETY: the range from `address` to `end` lies within the mapping.
            Some(end) if end <= self.len as u64 => Ok(unsafe { self.base.add(address as usize) }),
            _ => Err(Fault { address, len }),
        }
    }
}

impl Drop for ReservedMemory {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, begins there, and nothing refers to it any more.
        unsafe { libc::munmap(self.base.sub(HEADER_DISTANCE as usize).cast(), RESERVED) };
    }
}

/// Applies a read-modify-write with an atomic of one width.
macro_rules! rmw {
    ($atomic:ty, $int:ty, $place:expr, $op:expr, $operand:expr) => {{
        // SAFETY: the place lies within the mapping, is aligned, and is reached by atomics or by this thread.
        let place = unsafe { <$atomic>::from_ptr($place.cast()) };
        let step = |old: $int| Some($op.apply(old.into(), $operand as $int as u64) as $int);
        let old = place.fetch_update(Ordering::SeqCst, Ordering::SeqCst, step);
        old.unwrap_or_else(|old| old) as u64
    }};
}

impl Memory for ReservedMemory {
    fn capacity(&self) -> u64 {
        self.len as u64
    }

    #[inline(always)]
    fn load(&self, address: u64, size: Size) -> Result<u64, Fault> {
        let place = self.at(address, size.bytes().into())?;
        // SAFETY: the place lies within the mapping; reads of any alignment and any bytes are numbers.
        Ok(unsafe {
            match size {
                Size::B => place.read_volatile().into(),
                Size::H => place.cast::<u16>().read_unaligned().into(),
                Size::W => place.cast::<u32>().read_unaligned().into(),
                Size::Dw => place.cast::<u64>().read_unaligned(),
            }
        })
    }

    #[inline(always)]
    fn store(&mut self, address: u64, size: Size, value: u64) -> Result<(), Fault> {
        let place = self.at(address, size.bytes().into())?;
        // SAFETY: the place lies within the mapping, which is ours alone.
        unsafe {
            match size {
                Size::B => place.write_volatile(value as u8),
                Size::H => place.cast::<u16>().write_unaligned(value as u16),
                Size::W => place.cast::<u32>().write_unaligned(value as u32),
                Size::Dw => place.cast::<u64>().write_unaligned(value),
            }
        }
        Ok(())
    }

    fn read(&self, address: u64, out: &mut [u8]) -> Result<(), Fault> {
        let place = self.at(address, out.len() as u64)?;
        // SAFETY: the range lies within the mapping, and `out` is no part of it.
        unsafe { ptr::copy_nonoverlapping(place, out.as_mut_ptr(), out.len()) };
        Ok(())
    }

    fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), Fault> {
        let place = self.at(address, bytes.len() as u64)?;
        // SAFETY: the range lies within the mapping, and `bytes` is no part of it.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), place, bytes.len()) };
        Ok(())
    }

    fn copy(&mut self, to: u64, from: u64, len: u64) -> Result<(), Fault> {
        let (from, to) = (self.at(from, len)?, self.at(to, len)?);
        // SAFETY: both ranges lie within the mapping; they may overlap.
        unsafe { ptr::copy(from, to, len as usize) };
        Ok(())
    }

    fn fill(&mut self, address: u64, byte: u8, len: u64) -> Result<(), Fault> {
        let place = self.at(address, len)?;
        // SAFETY: the range lies within the mapping, which is ours alone.
        unsafe { ptr::write_bytes(place, byte, len as usize) };
        Ok(())
    }

    fn atomic(&mut self, address: u64, size: Size, op: Rmw, operand: u64) -> Result<u64, Fault> {
        let place = self.at(address, size.bytes().into())?;
        if !address.is_multiple_of(u64::from(size.bytes())) {
            let old = self.load(address, size)?;
            self.store(address, size, op.apply(old, operand))?;
            return Ok(old);
        }
        Ok(match size {
            Size::B => rmw!(AtomicU8, u8, place, op, operand),
            Size::H => rmw!(AtomicU16, u16, place, op, operand),
            Size::W => rmw!(AtomicU32, u32, place, op, operand),
            Size::Dw => rmw!(AtomicU64, u64, place, op, operand),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accesses_stay_inside() {
        let mut memory = ReservedMemory::new(1 << 16).unwrap();
        assert_eq!(memory.store((1 << 16) - 8, Size::Dw, 7), Ok(()));
        assert_eq!(memory.load((1 << 16) - 8, Size::Dw), Ok(7));
        assert!(memory.load((1 << 16) - 7, Size::Dw).is_err());
        assert!(memory.load(u64::MAX, Size::B).is_err());
        assert!(memory.copy(0, (1 << 16) - 4, 8).is_err());
        assert_eq!(memory.atomic(8, Size::W, Rmw::Add, u64::MAX), Ok(0));
        assert_eq!(memory.atomic(8, Size::W, Rmw::CompareExchange(0xffff_ffff), 5), Ok(0xffff_ffff));
        assert_eq!(memory.atomic(9, Size::B, Rmw::Or, 3), Ok(0));
        assert_eq!(memory.load(8, Size::Dw), Ok(0x305));
    }
}
