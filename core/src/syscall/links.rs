//! Commands that attach programs and ask for what is attached. There are no hooks here: they answer as a
//! kernel does where there is nothing of the kind that was asked for.

use super::Kernel;
use super::attr::{Attr, UserMemory};
use crate::arena::Memory;
use crate::errno::Errno;

/// Most of `enum bpf_attach_type` that the running kernel knows.
const ATTACH_TYPES: u32 = 59;

/// `BPF_PROG_ATTACH`
pub(super) fn attach<M: Memory + 'static>(
    kernel: &mut Kernel<M>,
    attr: &mut Attr,
    _user: &mut dyn UserMemory,
) -> Result<i64, Errno> {
    kernel.table.program(attr.i32(4))?;
    Err(Errno::EINVAL)
}

/// `BPF_PROG_DETACH`
pub(super) fn detach<M: Memory + 'static>(
    _kernel: &mut Kernel<M>,
    attr: &mut Attr,
    _user: &mut dyn UserMemory,
) -> Result<i64, Errno> {
    if attr.u32(8) >= ATTACH_TYPES || attr.u32(12) != 0 || attr.u32(20) != 0 {
        return Err(Errno::EINVAL);
    }
    Err(Errno::EBADF)
}

/// `BPF_PROG_QUERY`
pub(super) fn query<M: Memory + 'static>(
    _kernel: &mut Kernel<M>,
    attr: &mut Attr,
    _user: &mut dyn UserMemory,
) -> Result<i64, Errno> {
    Err(if attr.u32(4) >= ATTACH_TYPES { Errno::EINVAL } else { Errno::EBADF })
}

/// `BPF_RAW_TRACEPOINT_OPEN`
pub(super) fn raw_tracepoint<M: Memory + 'static>(
    kernel: &mut Kernel<M>,
    attr: &mut Attr,
    _user: &mut dyn UserMemory,
) -> Result<i64, Errno> {
    kernel.table.program(attr.i32(8))?;
    Err(Errno::EINVAL)
}

/// `BPF_LINK_CREATE`
pub(super) fn create<M: Memory + 'static>(
    kernel: &mut Kernel<M>,
    attr: &mut Attr,
    _user: &mut dyn UserMemory,
) -> Result<i64, Errno> {
    kernel.table.program(attr.i32(0))?;
    Err(Errno::EINVAL)
}

/// A command on a link, of which there is none: the descriptor at offset 0 is something else, or nothing.
pub(super) fn on_link<M: Memory + 'static>(
    kernel: &mut Kernel<M>,
    attr: &mut Attr,
    _user: &mut dyn UserMemory,
) -> Result<i64, Errno> {
    kernel.table.get(attr.i32(0))?;
    Err(Errno::EINVAL)
}

/// `BPF_ITER_CREATE`
pub(super) fn iterator<M: Memory + 'static>(
    kernel: &mut Kernel<M>,
    attr: &mut Attr,
    _user: &mut dyn UserMemory,
) -> Result<i64, Errno> {
    if attr.u32(4) != 0 {
        return Err(Errno::EINVAL);
    }
    kernel.table.get(attr.i32(0))?;
    Err(Errno::EINVAL)
}

/// `BPF_TASK_FD_QUERY`: the only process is the caller's, and none of its descriptors is an event's.
pub(super) fn task_fd<M: Memory + 'static>(
    kernel: &mut Kernel<M>,
    attr: &mut Attr,
    _user: &mut dyn UserMemory,
) -> Result<i64, Errno> {
    if attr.u32(8) != 0 {
        return Err(Errno::EINVAL);
    }
    if attr.u32(0) != kernel.table.process() {
        return Err(Errno::ENOENT);
    }
    match kernel.table.get(attr.i32(4)) {
        Err(Errno::EBADF) => Err(Errno::EBADF),
        _ => Err(Errno::ENOTSUPP),
    }
}

/// `BPF_TOKEN_CREATE`: a token comes from a mounted file system, of which there is none.
pub(super) fn token<M: Memory + 'static>(
    kernel: &mut Kernel<M>,
    attr: &mut Attr,
    _user: &mut dyn UserMemory,
) -> Result<i64, Errno> {
    if attr.u32(0) != 0 {
        return Err(Errno::EINVAL);
    }
    kernel.table.get(attr.i32(4))?;
    Err(Errno::EINVAL)
}

/// `BPF_PROG_STREAM_READ_BY_FD`: programs write to no stream here.
pub(super) fn stream<M: Memory + 'static>(
    kernel: &mut Kernel<M>,
    attr: &mut Attr,
    _user: &mut dyn UserMemory,
) -> Result<i64, Errno> {
    kernel.table.program(attr.i32(16))?;
    match attr.u32(12) {
        1 | 2 => Ok(0),
        _ => Err(Errno::ENOENT),
    }
}

/// `BPF_PROG_BIND_MAP`: a program keeps one more map alive.
pub(super) fn bind_map<M: Memory + 'static>(
    kernel: &mut Kernel<M>,
    attr: &mut Attr,
    _user: &mut dyn UserMemory,
) -> Result<i64, Errno> {
    if attr.u32(8) != 0 {
        return Err(Errno::EINVAL);
    }
    let program = kernel.table.program(attr.i32(0))?;
    let (map, _) = kernel.table.map(attr.i32(4))?;
    let program = kernel.programs.get_mut(&program).ok_or(Errno::EBADF)?;
    if !program.maps.contains(&map) {
        program.maps.push(map);
        kernel.resources.hold_map(map);
    }
    Ok(0)
}
