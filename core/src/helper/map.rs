//! Helpers over maps.

use super::call::{Call, HelperFault};
use super::error;
use crate::arena::{Memory, Rmw};
use crate::isa::Size;
use crate::map::MapId;
use crate::map::types::{DEVMAP, DEVMAP_HASH};

/// The key that the second argument points to.
fn key<M: Memory>(call: &Call<M>, map: MapId) -> Result<alloc::vec::Vec<u8>, HelperFault> {
    let size = call.resources.maps.spec(map).map_or(0, |s| s.key_size);
    call.bytes(1, size.into())
}

/// `void *bpf_map_lookup_elem(map, key)`
pub fn lookup<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    let id = call.map(0)?;
    let key = key(call, id)?;
    let Some((map, mut cx)) = call.resources.map(id) else { return Ok(0) };
    Ok(map.program_lookup(&mut cx, &key).map_or(0, u64::from))
}

/// `void bpf_spin_lock(lock)` and `void bpf_spin_unlock(lock)`: one call runs at a time, so a lock is always
/// free, and neither programs nor the system call can read it.
pub fn lock<M: Memory>(_call: &mut Call<M>) -> Result<u64, HelperFault> {
    Ok(0)
}

/// `long bpf_map_update_elem(map, key, value, flags)`
pub fn update<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    let id = call.map(0)?;
    let key = key(call, id)?;
    let size = call.resources.maps.spec(id).map_or(0, |s| s.value_size);
    let (value, flags) = (call.bytes(2, size.into())?, call.args[3]);
    let Some((map, mut cx)) = call.resources.map(id) else { return Ok(0) };
    Ok(map.program_update(&mut cx, &key, &value, flags).map_or_else(error, |()| 0))
}

/// `long bpf_map_delete_elem(map, key)`
pub fn delete<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    let id = call.map(0)?;
    let key = key(call, id)?;
    let Some((map, mut cx)) = call.resources.map(id) else { return Ok(0) };
    Ok(map.program_delete(&mut cx, &key).map_or_else(error, |()| 0))
}

/// `long bpf_map_push_elem(map, value, flags)`
pub fn push<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    let id = call.map(0)?;
    let size = call.resources.maps.spec(id).map_or(0, |s| s.value_size);
    let (value, flags) = (call.bytes(1, size.into())?, call.args[2]);
    let Some((map, mut cx)) = call.resources.map(id) else { return Ok(0) };
    Ok(map.push(&mut cx, &value, flags).map_or_else(error, |()| 0))
}

/// Takes a value to r2's memory, which is zeroed where there is none.
fn take<M: Memory>(call: &mut Call<M>, remove: bool) -> Result<u64, HelperFault> {
    let id = call.map(0)?;
    let size = call.resources.maps.spec(id).map_or(0, |s| s.value_size);
    let Some((map, mut cx)) = call.resources.map(id) else { return Ok(0) };
    let mut value = alloc::vec![0; size as usize];
    let done = if remove { map.pop(&mut cx, &mut value) } else { map.peek(&mut cx, &mut value) };
    call.write(1, &value)?;
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
    let id = call.map(0)?;
    let (key, cpu) = (key(call, id)?, call.args[2] as u32);
    let Some((map, mut cx)) = call.resources.map(id) else { return Ok(0) };
    Ok(map.program_lookup_on(&mut cx, &key, cpu).map_or(0, u64::from))
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
