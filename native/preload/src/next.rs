//! The C library's own functions, and whether a call comes from within glasshive.

use std::cell::Cell;
use std::ffi::{CStr, c_int, c_long, c_void};
use std::sync::atomic::{AtomicUsize, Ordering};

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// While it lives, calls of this thread go to the C library.
pub struct Inside;

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.set(false);
    }
}

/// Enters glasshive; `None` for a call that it makes itself.
pub fn enter() -> Option<Inside> {
    // A thread that ends has no such variable any more, and no business with glasshive.
    let was = INSIDE.try_with(|inside| inside.replace(true)).unwrap_or(true);
    (!was).then(|| Inside)
}

/// Address of a function of the library after this one, looked up once. A lock could itself call one of these
/// functions: two threads may both look, and find the same.
fn find(name: &CStr, place: &AtomicUsize) -> usize {
    match place.load(Ordering::Relaxed) {
        0 => {
            // SAFETY: the name is a string that ends in a zero.
            let found = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) }.addr();
            place.store(found, Ordering::Relaxed);
            found
        }
        found => found,
    }
}

/// Functions that call the one of the same name in the C library.
macro_rules! next {
    ($($name:ident($($argument:ident: $type:ty),*) -> $result:ty;)*) => {$(
        /// The C library's.
        ///
        /// # Safety
        /// As its man page says.
        pub unsafe fn $name($($argument: $type),*) -> $result {
            static PLACE: AtomicUsize = AtomicUsize::new(0);
            const NAME: &CStr = match CStr::from_bytes_with_nul(concat!(stringify!($name), "\0").as_bytes()) {
                Ok(name) => name,
                Err(_) => panic!("a name has no zero in it"),
            };
            let place = std::ptr::with_exposed_provenance::<c_void>(find(NAME, &PLACE));
            if place.is_null() {
                set_errno(libc::ENOSYS);
                return -1_i8 as _;
            }
            // SAFETY: the C library's function of that name takes these arguments: further ones that it takes
            // as a variadic function travel in the same registers on 64-bit Linux.
            let call: unsafe extern "C" fn($($type),*) -> $result = unsafe { std::mem::transmute(place) };
            // SAFETY: the caller's promise.
            unsafe { call($($argument),*) }
        }
    )*};
}

next! {
    syscall(number: c_long, a: c_long, b: c_long, c: c_long, d: c_long, e: c_long, f: c_long) -> c_long;
    close(fd: c_int) -> c_int;
    dup(fd: c_int) -> c_int;
    dup2(fd: c_int, to: c_int) -> c_int;
    dup3(fd: c_int, to: c_int, flags: c_int) -> c_int;
    fcntl(fd: c_int, command: c_int, argument: c_long) -> c_int;
    mmap(at: *mut c_void, len: usize, protection: c_int, flags: c_int, fd: c_int, offset: i64) -> *mut c_void;
    munmap(at: *mut c_void, len: usize) -> c_int;
    epoll_ctl(epoll: c_int, operation: c_int, fd: c_int, event: *mut libc::epoll_event) -> c_int;
    epoll_wait(epoll: c_int, events: *mut libc::epoll_event, most: c_int, timeout: c_int) -> c_int;
    epoll_pwait(
        epoll: c_int, events: *mut libc::epoll_event, most: c_int, timeout: c_int, mask: *const libc::sigset_t
    ) -> c_int;
    poll(fds: *mut libc::pollfd, count: libc::nfds_t, timeout: c_int) -> c_int;
    statfs(path: *const libc::c_char, out: *mut libc::statfs) -> c_int;
    unlink(path: *const libc::c_char) -> c_int;
    access(path: *const libc::c_char, mode: c_int) -> c_int;
}

/// Sets `errno` of this thread.
pub fn set_errno(number: c_int) {
    // SAFETY: the C library gives the address of this thread's own variable.
    unsafe { *libc::__errno_location() = number };
}

/// A result as the C library gives it: -1 and `errno` for a negative number.
pub fn answer(result: i64) -> i64 {
    if result < 0 {
        set_errno((-result).try_into().unwrap_or(libc::EINVAL));
        return -1;
    }
    result
}
