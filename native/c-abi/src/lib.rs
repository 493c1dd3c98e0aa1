//! The symbols of `libglasshive.so`; `native/include/glasshive.h` documents them.

use core::ffi::{c_int, c_long, c_uint, c_ulonglong, c_void};
use glasshive_native::process;

/// See `glasshive.h`.
#[unsafe(no_mangle)]
pub extern "C" fn glasshive_bpf(command: c_int, attr: *mut c_void, size: c_uint) -> c_long {
    process::bpf(command, attr as u64, size)
}

/// See `glasshive.h`.
#[unsafe(no_mangle)]
pub extern "C" fn glasshive_close(fd: c_int) -> c_int {
    process::close(fd)
}

/// See `glasshive.h`.
#[unsafe(no_mangle)]
pub extern "C" fn glasshive_caps(mask: c_ulonglong) -> c_int {
    process::set_capabilities(mask)
}
