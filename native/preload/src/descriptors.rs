//! Numbers of descriptors: closed, duplicated, overwritten.

use std::ffi::{c_int, c_long};

use glasshive_native::process;

use crate::next::{self, answer, enter};
use crate::polling;

/// Closes a descriptor, if it is one of ours; what `close(2)` would return.
fn close_ours(fd: c_int) -> Option<c_int> {
    process::object(fd)?;
    polling::closed(fd);
    Some(process::close(fd))
}

/// See `close(2)`.
///
/// # Safety
/// None: a bad number is an error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn close(fd: c_int) -> c_int {
    if let Some(inside) = enter()
        && let Some(result) = close_ours(fd)
    {
        drop(inside);
        return answer(result.into()) as c_int;
    }
    // SAFETY: asks about a number, whatever it is.
    unsafe { next::close(fd) }
}

/// A descriptor was duplicated; one of ours has one number more.
fn duplicated(result: c_int) -> c_int {
    if result >= 0
        && let Some(_inside) = enter()
        && process::object(result).is_some()
    {
        process::duplicated(result);
    }
    result
}

/// A number is about to be taken for something else.
fn overwritten(from: c_int, to: c_int) {
    if from != to
        && let Some(_inside) = enter()
        && (process::object(from).is_some() || open(from))
    {
        close_ours(to);
    }
}

fn open(fd: c_int) -> bool {
    // SAFETY: asks about a number, whatever it is.
    unsafe { next::fcntl(fd, libc::F_GETFD, 0) >= 0 }
}

/// See `dup(2)`.
///
/// # Safety
/// None: a bad number is an error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dup(fd: c_int) -> c_int {
    // SAFETY: asks about a number, whatever it is.
    duplicated(unsafe { next::dup(fd) })
}

/// See `dup2(2)`.
///
/// # Safety
/// None: a bad number is an error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dup2(fd: c_int, to: c_int) -> c_int {
    overwritten(fd, to);
    // SAFETY: asks about numbers, whatever they are.
    let result = unsafe { next::dup2(fd, to) };
    if fd == to { result } else { duplicated(result) }
}

/// See `dup3(2)`.
///
/// # Safety
/// None: a bad number is an error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dup3(fd: c_int, to: c_int, flags: c_int) -> c_int {
    overwritten(fd, to);
    // SAFETY: asks about numbers, whatever they are.
    duplicated(unsafe { next::dup3(fd, to, flags) })
}

/// See `fcntl(2)`. It is declared with the argument that most commands have: one that has none does not look
/// at it.
///
/// # Safety
/// As the command's description says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fcntl(fd: c_int, command: c_int, argument: c_long) -> c_int {
    // SAFETY: the caller's promise.
    let result = unsafe { next::fcntl(fd, command, argument) };
    match command {
        libc::F_DUPFD | libc::F_DUPFD_CLOEXEC => duplicated(result),
        _ => result,
    }
}

/// The name that programs for large files call it by.
///
/// # Safety
/// As [`fcntl`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fcntl64(fd: c_int, command: c_int, argument: c_long) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { fcntl(fd, command, argument) }
}
