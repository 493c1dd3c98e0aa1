//! The file system of pinned objects, as far as tools look at it by other calls than `bpf(2)`.

use std::ffi::{CStr, c_char, c_int};

use glasshive::syscall::pins::ROOT;
use glasshive_native::process;

use crate::next::{self, answer, enter};

/// `f_type` of the file system of pinned objects (`statfs(2)`).
const BPF_FS_MAGIC: i64 = 0xcafe_4a11;

/// A path that a program gave, if it lies where objects are pinned.
///
/// # Safety
/// As the call's man page says: a string that ends in a zero, or null.
unsafe fn pinned<'a>(path: *const c_char) -> Option<&'a str> {
    if path.is_null() {
        return None;
    }
    // SAFETY: the caller's promise.
    let path = unsafe { CStr::from_ptr(path) }.to_str().ok()?;
    (path.starts_with(ROOT) || path == ROOT.trim_end_matches('/')).then_some(path)
}

/// See `statfs(2)`.
///
/// # Safety
/// As its man page says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn statfs(path: *const c_char, out: *mut libc::statfs) -> c_int {
    // SAFETY: the caller's promise.
    let Some(name) = (unsafe { pinned(path) }) else {
        // SAFETY: the caller's promise.
        return unsafe { next::statfs(path, out) };
    };
    let directory = name.trim_end_matches('/') == ROOT.trim_end_matches('/');
    if !directory && !is_pinned(name) {
        return answer(-i64::from(libc::ENOENT)) as c_int;
    }
    if out.is_null() {
        return answer(-i64::from(libc::EFAULT)) as c_int;
    }
    // SAFETY: the caller gives room for one; all zeros is a valid one.
    unsafe {
        *out = std::mem::zeroed();
        (*out).f_type = BPF_FS_MAGIC;
        (*out).f_bsize = 4096;
        (*out).f_namelen = 255;
    }
    0
}

/// The name that programs for large files call it by.
///
/// # Safety
/// As [`statfs`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn statfs64(path: *const c_char, out: *mut libc::statfs) -> c_int {
    // SAFETY: the caller's promise; on 64-bit Linux both structures are one.
    unsafe { statfs(path, out) }
}

fn is_pinned(path: &str) -> bool {
    let Some(_inside) = enter() else { return false };
    process::is_pinned(path)
}

/// See `unlink(2)`.
///
/// # Safety
/// As its man page says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn unlink(path: *const c_char) -> c_int {
    // SAFETY: the caller's promise.
    if let Some(name) = unsafe { pinned(path) }
        && let Some(inside) = enter()
    {
        let result = process::unpin(name);
        drop(inside);
        return answer(result.into()) as c_int;
    }
    // SAFETY: the caller's promise.
    unsafe { next::unlink(path) }
}

/// See `access(2)`.
///
/// # Safety
/// As its man page says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn access(path: *const c_char, mode: c_int) -> c_int {
    // SAFETY: the caller's promise.
    if let Some(name) = unsafe { pinned(path) }
        && is_pinned(name)
    {
        return 0;
    }
    // SAFETY: the caller's promise.
    unsafe { next::access(path, mode) }
}
