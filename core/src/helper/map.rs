//! Helpers over maps.

use super::call::{Call, HelperFault};
use super::error;
use crate::arena::{Fault, Memory, Rmw};
use crate::isa::Size;
use crate::map::MapContext;
use crate::map::types::{DEVMAP, DEVMAP_HASH};

/// `BPF_F_LOCK`
const LOCK: u64 = 4;

/// Bytes that are kept without an allocation.
const INLINE: usize = 64;

/// Calls `then` with bytes that a program gave; those of the sizes that most have are read as numbers.
#[inline(always)]
fn given<M: Memory, T>(
    cx: &mut MapContext<M>,
    address: u64,
    len: u32,
    then: impl FnOnce(&mut MapContext<M>, &[u8]) -> T,
) -> Result<T, HelperFault> {
    let (memory, len) = (cx.arena.memory(), len as usize);
    match len {
        4 => {
            let word = memory.load(address, Size::W)? as u32;
            Ok(then(cx, &word.to_le_bytes()))
        }
        8 => {
            let word = memory.load(address, Size::Dw)?;
            Ok(then(cx, &word.to_le_bytes()))
        }
        _ => other_given(cx, address, len, then),
    }
}

#[inline(never)]
fn other_given<M: Memory, T>(
    cx: &mut MapContext<M>,
    address: u64,
    len: usize,
    then: impl FnOnce(&mut MapContext<M>, &[u8]) -> T,
) -> Result<T, HelperFault> {
    let memory = cx.arena.memory();
    if len <= INLINE {
        let mut bytes = [0; INLINE];
        memory.read(address, &mut bytes[..len])?;
        return Ok(then(cx, &bytes[..len]));
    }
    if address.saturating_add(len as u64) > memory.capacity() {
        return Err(Fault { address, len: len as u64 }.into());
    }
    let mut bytes = alloc::vec![0; len];
    memory.read(address, &mut bytes)?;
    Ok(then(cx, &bytes))
}

/// `void *bpf_map_lookup_elem(map, key)`
pub fn lookup<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    let [at, key, ..] = call.args;
    let (map, sizes, mut cx) = call.resources.map_of_handle(at).ok_or(HelperFault::NoMap(at))?;
    let found = given(&mut cx, key, sizes.key, |cx, key| map.program_lookup(cx, key))?;
    Ok(found.map_or(0, u64::from))
}

/// `void bpf_spin_lock(lock)` and `void bpf_spin_unlock(lock)`: one call runs at a time, so a lock is always
/// free, and neither programs nor the system call can read it.
pub fn lock<M: Memory>(_call: &mut Call<M>) -> Result<u64, HelperFault> {
    Ok(0)
}

/// `long bpf_map_update_elem(map, key, value, flags)`
pub fn update<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    let [at, key, value, flags, _] = call.args;
    let (map, sizes, mut cx) = call.resources.map_of_handle(at).ok_or(HelperFault::NoMap(at))?;
    // One call runs at a time: taking a lock is nothing to do.
    let flags = if sizes.lock { flags & !LOCK } else { flags };
    let done = given(&mut cx, key, sizes.key, |cx, key| {
        given(cx, value, sizes.value, |cx, value| map.program_update(cx, key, value, flags))
    })?;
    Ok(done?.map_or_else(error, |()| 0))
}

/// `long bpf_map_delete_elem(map, key)`
pub fn delete<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    let [at, key, ..] = call.args;
    let (map, sizes, mut cx) = call.resources.map_of_handle(at).ok_or(HelperFault::NoMap(at))?;
    let done = given(&mut cx, key, sizes.key, |cx, key| map.program_delete(cx, key))?;
    Ok(done.map_or_else(error, |()| 0))
}

/// `long bpf_map_push_elem(map, value, flags)`
pub fn push<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    let [at, value, flags, ..] = call.args;
    let (map, sizes, mut cx) = call.resources.map_of_handle(at).ok_or(HelperFault::NoMap(at))?;
    let done = given(&mut cx, value, sizes.value, |cx, value| map.push(cx, value, flags))?;
    Ok(done.map_or_else(error, |()| 0))
}

/// Takes a value to r2's memory, which is zeroed where there is none.
fn take<M: Memory>(call: &mut Call<M>, remove: bool) -> Result<u64, HelperFault> {
    let [at, to, ..] = call.args;
    let (map, sizes, mut cx) = call.resources.map_of_handle(at).ok_or(HelperFault::NoMap(at))?;
    let mut value = alloc::vec![0; sizes.value as usize];
    let done = if remove { map.pop(&mut cx, &mut value) } else { map.peek(&mut cx, &mut value) };
    cx.arena.memory_mut().write(to, &value)?;
    Ok(done.map_or_else(error, |()| 0))
}

/// `long bpf_map_pop_elem(map, value)`
pub fn pop<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    take(call, true)
}

/// `long bpf_map_peek_elem(map, value)`
pub fn peek<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    take(call, false)
}

/// `void *bpf_map_lookup_percpu_elem(map, key, cpu)`
pub fn lookup_on<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    let [at, key, cpu, ..] = call.args;
    let (map, sizes, mut cx) = call.resources.map_of_handle(at).ok_or(HelperFault::NoMap(at))?;
    let found = given(&mut cx, key, sizes.key, |cx, key| map.program_lookup_on(cx, key, cpu as u32))?;
    Ok(found.map_or(0, u64::from))
}

/// `long bpf_redirect_map(map, key, flags)`: the interface is recorded; without one the answer is in the flags.
pub fn redirect<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    /// `XDP_REDIRECT`
    const REDIRECT: u64 = 4;
    /// Actions that the flags may name, and what maps of devices take besides.
    const ACTION: u64 = 3;
    const BROADCASTS: u64 = 3 << 3;
    let id = call.map(0)?;
    let (index, flags) = (call.args[1] as u32, call.args[2]);
    let of_devices = call.resources.maps.spec(id).is_some_and(|s| matches!(s.map_type, DEVMAP | DEVMAP_HASH));
    let known = if of_devices { ACTION | BROADCASTS } else { ACTION };
    if flags & !known != 0 {
        return Ok(0);
    }
    let Some((map, mut cx)) = call.resources.map(id) else { return Ok(0) };
    let Some(at) = map.program_lookup(&mut cx, &index.to_le_bytes()) else { return Ok(flags & ACTION) };
    let target = call.resources.arena.memory().load(at.into(), Size::W)?;
    call.run.redirected = Some(target as u32);
    Ok(REDIRECT)
}

/// `void *bpf_kptr_xchg(place, pointer)`: what was there before.
pub fn exchange<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    let [at, pointer, ..] = call.args;
    Ok(call.resources.arena.memory_mut().atomic(at, Size::Dw, Rmw::Exchange, pointer)?)
}
