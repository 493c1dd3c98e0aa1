//! Contexts that are given as they are: raw tracepoints, syscall programs, socket look-ups.

use super::{Input, Output, Run, context, read, word};
use crate::arena::{Fault, Memory, ObjectKind};
use crate::errno::Errno;
use crate::resources::Resources;

/// `BPF_F_TEST_RUN_ON_CPU`
const ON_CPU: u32 = 1;
/// Bytes of a raw tracepoint's arguments at most: twelve.
const MOST_ARGUMENTS: usize = 96;
/// Bytes of a syscall program's context at most.
const MOST_SYSCALL: usize = 65535;
/// Bytes of `struct bpf_sk_lookup`.
const LOOKUP: u32 = 72;

/// Makes the context of these bytes, which a program of that reach may touch.
fn lay<M: Memory>(
    run: &mut Run,
    bytes: &[u8],
    reach: u32,
    writable: bool,
    resources: &mut Resources<M>,
) -> Result<(), Errno> {
    let len = (bytes.len() as u32).max(reach).max(8);
    let object = run.allocate(resources, len, ObjectKind::Context, writable)?;
    run.context.context = object.address;
    resources.arena.memory_mut().write(object.address.into(), bytes).map_err(|_| Errno::ENOMEM)
}

/// A raw tracepoint's arguments, 8 bytes each.
pub(super) fn tracepoint<M: Memory>(
    run: &mut Run,
    input: &Input,
    resources: &mut Resources<M>,
) -> Result<(), Errno> {
    let bytes = input.context.unwrap_or_default();
    if input.data.is_some()
        || input.data_out
        || input.context_out
        || input.duration != 0
        || input.repeat != 0
        || input.batch_size != 0
        || bytes.len() > MOST_ARGUMENTS
        || bytes.len() < input.context_used as usize
        || (input.flags & ON_CPU == 0 && input.cpu != 0)
    {
        return Err(Errno::EINVAL);
    }
    if input.flags & ON_CPU != 0 {
        if input.cpu >= resources.cpus {
            return Err(Errno::ENXIO);
        }
        run.cpu = Some(input.cpu);
    }
    lay(run, bytes, 0, false, resources)
}

/// A syscall program's context, which it may write.
pub(super) fn syscall<M: Memory>(
    run: &mut Run,
    input: &Input,
    resources: &mut Resources<M>,
) -> Result<(), Errno> {
    let bytes = input.context.unwrap_or_default();
    if input.data.is_some()
        || input.data_out
        || input.context_out
        || input.duration != 0
        || input.repeat != 0
        || input.flags != 0
        || input.batch_size != 0
        || bytes.len() > MOST_SYSCALL
        || bytes.len() < input.context_used as usize
    {
        return Err(Errno::EINVAL);
    }
    run.given = input.context.map(<[u8]>::to_vec);
    lay(run, bytes, 0, true, resources)
}

/// The context goes back to where it came from.
pub(super) fn finish_syscall<M: Memory>(
    run: &mut Run,
    resources: &mut Resources<M>,
) -> Result<Output, Fault> {
    let Some(given) = run.given.take() else { return Ok(Output::default()) };
    let at = run.context.context;
    let bytes = read(resources, at, at.saturating_add(given.len() as u32))?;
    Ok(Output { context_in: Some(bytes), ..Output::default() })
}

/// A socket look-up's addresses and ports.
pub(super) fn sk_lookup<M: Memory>(
    run: &mut Run,
    input: &Input,
    resources: &mut Resources<M>,
) -> Result<(), Errno> {
    /// Offsets in `struct bpf_sk_lookup`.
    const FAMILY: u32 = 8;
    const LOCAL_PORT: u32 = 60;
    const INGRESS_IFINDEX: u32 = 64;
    if input.flags != 0
        || input.cpu != 0
        || input.batch_size != 0
        || input.data.is_some()
        || input.data_out
        || input.context.is_none()
    {
        return Err(Errno::EINVAL);
    }
    let Some(given) = context(input, LOOKUP)? else { return Err(Errno::EINVAL) };
    // The socket is what the program chooses; the look-up comes from no interface.
    if given[..8] != [0; 8] || word(&given, INGRESS_IFINDEX) != 0 {
        return Err(Errno::EINVAL);
    }
    if word(&given, LOCAL_PORT) > 65535 {
        return Err(Errno::ERANGE);
    }
    // AF_INET, AF_INET6
    if ![2, 10].contains(&word(&given, FAMILY)) {
        return Err(Errno::EAFNOSUPPORT);
    }
    lay(run, &given, LOOKUP, false, resources)?;
    run.given = Some(given);
    Ok(())
}

/// The context as it was given, with the cookie of the socket that was chosen: none.
pub(super) fn finish_sk_lookup<M: Memory>(
    run: &mut Run,
    _resources: &mut Resources<M>,
) -> Result<Output, Fault> {
    Ok(Output { context: run.given.take(), ..Output::default() })
}
