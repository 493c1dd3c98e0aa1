//! `syscall(2)`: programs call `bpf` by its number, and may call others so as well.

use std::ffi::{c_int, c_long, c_void};

use glasshive_native::process;

use crate::next::{self, answer, enter};
use crate::{descriptors, memory, polling};

/// See `syscall(2)`. It is declared with all arguments that a call can have: those that the caller did not
/// give are not looked at.
///
/// # Safety
/// As the system call's own man page says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syscall(
    number: c_long,
    a: c_long,
    b: c_long,
    c: c_long,
    d: c_long,
    e: c_long,
    f: c_long,
) -> c_long {
    let place = |address: c_long| std::ptr::with_exposed_provenance_mut::<c_void>(address as usize);
    // SAFETY: each goes on with the arguments that the system call has, under its caller's promise.
    unsafe {
        match number {
            libc::SYS_bpf => {
                let Some(inside) = enter() else { return next::syscall(number, a, b, c, d, e, f) };
                let result = process::bpf(a as c_int, b as u64, c as u32);
                polling::refresh();
                drop(inside);
                answer(result)
            }
            libc::SYS_close => descriptors::close(a as c_int).into(),
            libc::SYS_dup => descriptors::dup(a as c_int).into(),
            libc::SYS_dup3 => descriptors::dup3(a as c_int, b as c_int, c as c_int).into(),
            libc::SYS_fcntl => descriptors::fcntl(a as c_int, b as c_int, c).into(),
            libc::SYS_mmap => memory::mmap(place(a), b as usize, c as c_int, d as c_int, e as c_int, f)
                .expose_provenance() as c_long,
            libc::SYS_munmap => memory::munmap(place(a), b as usize).into(),
            libc::SYS_epoll_ctl => {
                polling::epoll_ctl(a as c_int, b as c_int, c as c_int, place(d).cast()).into()
            }
            _ => next::syscall(number, a, b, c, d, e, f),
        }
    }
}
