//! Waiting for ring buffers: a file in memory can't be waited for, so an event descriptor stands in for each
//! descriptor that is. It is readable while its ring has something to read.

use std::collections::BTreeMap;
use std::ffi::c_int;
use std::sync::{Mutex, MutexGuard};

use glasshive::map::MapId;
use glasshive::syscall::descriptors::Object;
use glasshive_native::process;

use crate::next::{self, enter, set_errno};

/// What stands in for a descriptor.
struct StandIn {
    event: c_int,
    map: MapId,
    raised: bool,
}

static STAND_INS: Mutex<BTreeMap<c_int, StandIn>> = Mutex::new(BTreeMap::new());

fn stand_ins() -> MutexGuard<'static, BTreeMap<c_int, StandIn>> {
    STAND_INS.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Makes the event descriptors say what the rings have. Called where a ring may have changed: after a call,
/// and before waiting, as the consumer reads through its own mapping.
pub fn refresh() {
    for stand_in in stand_ins().values_mut() {
        let ready = process::ring_is_ready(stand_in.map).unwrap_or(false);
        if ready == stand_in.raised {
            continue;
        }
        let mut value = 1_u64;
        let place = (&raw mut value).cast();
        // SAFETY: the descriptor is ours and does not block, the place has the 8 bytes that it reads or writes.
        let done = unsafe {
            if ready { libc::write(stand_in.event, place, 8) } else { libc::read(stand_in.event, place, 8) }
        };
        if done == 8 {
            stand_in.raised = ready;
        }
    }
}

/// A number of ours was closed: what stood in for it leaves every set that it was in.
pub fn closed(fd: c_int) {
    if let Some(stand_in) = stand_ins().remove(&fd) {
        // SAFETY: the descriptor is ours.
        unsafe { next::close(stand_in.event) };
    }
}

/// What to wait for instead of a descriptor: itself, where it is none of ours.
///
/// # Errors
/// `EPERM` for one of ours that can't be waited for.
fn instead_of(fd: c_int) -> Result<c_int, c_int> {
    let Some(object) = process::object(fd) else { return Ok(fd) };
    let mut stand_ins = stand_ins();
    if let Some(stand_in) = stand_ins.get(&fd) {
        return Ok(stand_in.event);
    }
    let Object::Map(map) = object else { return Err(libc::EPERM) };
    process::ring_is_ready(map).ok_or(libc::EPERM)?;
    // SAFETY: makes a descriptor.
    let event = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
    if event < 0 {
        return Err(libc::EMFILE);
    }
    stand_ins.insert(fd, StandIn { event, map, raised: false });
    Ok(event)
}

/// See `epoll_ctl(2)`.
///
/// # Safety
/// As its man page says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn epoll_ctl(
    epoll: c_int,
    operation: c_int,
    fd: c_int,
    event: *mut libc::epoll_event,
) -> c_int {
    let mut target = fd;
    if let Some(_inside) = enter() {
        match instead_of(fd) {
            Ok(instead) => target = instead,
            Err(errno) => {
                set_errno(errno);
                return -1;
            }
        }
        refresh();
    }
    // SAFETY: the caller's promise.
    unsafe { next::epoll_ctl(epoll, operation, target, event) }
}

fn before_waiting() {
    if let Some(_inside) = enter() {
        refresh();
    }
}

/// See `epoll_wait(2)`.
///
/// # Safety
/// As its man page says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn epoll_wait(
    epoll: c_int,
    events: *mut libc::epoll_event,
    most: c_int,
    timeout: c_int,
) -> c_int {
    before_waiting();
    // SAFETY: the caller's promise.
    unsafe { next::epoll_wait(epoll, events, most, timeout) }
}

/// See `epoll_pwait(2)`.
///
/// # Safety
/// As its man page says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn epoll_pwait(
    epoll: c_int,
    events: *mut libc::epoll_event,
    most: c_int,
    timeout: c_int,
    mask: *const libc::sigset_t,
) -> c_int {
    before_waiting();
    // SAFETY: the caller's promise.
    unsafe { next::epoll_pwait(epoll, events, most, timeout, mask) }
}

/// See `poll(2)`.
///
/// # Safety
/// As its man page says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn poll(fds: *mut libc::pollfd, count: libc::nfds_t, timeout: c_int) -> c_int {
    let mut changed = Vec::new();
    if let Some(_inside) = enter()
        && !fds.is_null()
    {
        for at in 0..count as usize {
            // SAFETY: the caller gives that many.
            let entry = unsafe { &mut *fds.add(at) };
            if entry.fd >= 0
                && let Ok(instead) = instead_of(entry.fd)
                && instead != entry.fd
            {
                changed.push((at, entry.fd));
                entry.fd = instead;
            }
        }
        if !changed.is_empty() {
            refresh();
        }
    }
    // SAFETY: the caller's promise.
    let result = unsafe { next::poll(fds, count, timeout) };
    for (at, fd) in changed {
        // SAFETY: as above.
        unsafe { (*fds.add(at)).fd = fd };
    }
    result
}
