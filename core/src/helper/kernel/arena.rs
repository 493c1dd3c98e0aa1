//! Kernel functions over arena maps.

use super::Site;
use crate::arena::Memory;
use crate::errno::Errno;
use crate::helper::call::{Call, HelperFault};

/// What a function that gives an `int` returns for an error.
fn int(errno: Errno) -> u64 {
    (errno.negative() as u32).into()
}

/// `void *bpf_arena_alloc_pages(map, address, count, node, flags)`: the process's address, or 0. There is one node.
pub fn allocate<M: Memory>(call: &mut Call<M>, _: &Site) -> Result<u64, HelperFault> {
    let id = call.map(0)?;
    let [_, address, count, node, flags] = call.args;
    if flags != 0 || !matches!(node as i32, -1 | 0) {
        return Ok(0);
    }
    let Some((map, mut cx)) = call.resources.map(id) else { return Ok(0) };
    Ok(map.pages().map_or(0, |pages| pages.allocate(&mut cx, address, count as u32)))
}

/// `void bpf_arena_free_pages(map, address, count)`
pub fn free<M: Memory>(call: &mut Call<M>, _: &Site) -> Result<u64, HelperFault> {
    let id = call.map(0)?;
    let [_, address, count, ..] = call.args;
    if let Some((map, mut cx)) = call.resources.map(id)
        && let Some(pages) = map.pages()
    {
        pages.release(&mut cx, address, count as u32);
    }
    Ok(0)
}

/// `int bpf_arena_reserve_pages(map, address, count)`
pub fn reserve<M: Memory>(call: &mut Call<M>, _: &Site) -> Result<u64, HelperFault> {
    let id = call.map(0)?;
    let [_, address, count, ..] = call.args;
    let pages = call.resources.map(id).and_then(|(map, _)| map.pages());
    let done = pages.map_or(Err(Errno::EINVAL), |pages| pages.reserve(address, count as u32));
    Ok(done.map_or_else(int, |()| 0))
}
