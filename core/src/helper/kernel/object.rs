//! Objects that programs allocate, and the lists that own them.
//!
//! A list's head and its nodes hold the addresses of the next and the previous node, the ends the head's; a node
//! also whose it is. An empty head may be all zeros.

use super::{Layout, Site};
use crate::arena::{Memory, ObjectKind};
use crate::errno::Errno;
use crate::helper::call::{Call, HelperFault};
use crate::helper::error;
use crate::isa::Size;

const NEXT: u64 = 0;
const PREVIOUS: u64 = 8;
const OWNER: u64 = 16;

fn load<M: Memory>(call: &Call<M>, at: u64) -> Result<u64, HelperFault> {
    Ok(call.resources.arena.memory().load(at, Size::Dw)?)
}

fn store<M: Memory>(call: &mut Call<M>, at: u64, value: u64) -> Result<(), HelperFault> {
    Ok(call.resources.arena.memory_mut().store(at, Size::Dw, value)?)
}

/// Adds to an object's reference count: what it is then; 0 for one that has none.
fn count<M: Memory>(call: &mut Call<M>, object: u64, layout: &Layout, by: i32) -> Result<u32, HelperFault> {
    let Some(offset) = layout.count else { return Ok(0) };
    let at = object + u64::from(offset);
    let memory = call.resources.arena.memory_mut();
    let now = (memory.load(at, Size::W)? as u32).wrapping_add_signed(by);
    memory.store(at, Size::W, now.into())?;
    Ok(now)
}

/// Gives one reference to an object back; with the last one it goes.
pub(super) fn give_back<M: Memory>(
    call: &mut Call<M>,
    object: u64,
    layout: &Layout,
) -> Result<(), HelperFault> {
    if count(call, object, layout, -1)? == 0 {
        call.resources.arena.release(object as u32);
    }
    Ok(())
}

/// `void *bpf_obj_new_impl(type, meta)`: zeroed, or null.
pub fn new<M: Memory>(call: &mut Call<M>, site: &Site) -> Result<u64, HelperFault> {
    let made = call.resources.arena.allocate(site.object.size, 8, ObjectKind::Buffer, true);
    let Ok(object) = made else { return Ok(0) };
    count(call, object.address.into(), &site.object, 1)?;
    Ok(object.address.into())
}

/// `void bpf_obj_drop_impl(object, meta)`
pub fn drop<M: Memory>(call: &mut Call<M>, site: &Site) -> Result<u64, HelperFault> {
    give_back(call, call.args[0], &site.object)?;
    Ok(0)
}

/// `void *bpf_refcount_acquire_impl(object, meta)`
pub fn acquire<M: Memory>(call: &mut Call<M>, site: &Site) -> Result<u64, HelperFault> {
    count(call, call.args[0], &site.object, 1)?;
    Ok(call.args[0])
}

/// A list's first and last node: itself where it is empty.
fn ends<M: Memory>(call: &mut Call<M>, head: u64) -> Result<(u64, u64), HelperFault> {
    if load(call, head + NEXT)? == 0 {
        store(call, head + NEXT, head)?;
        store(call, head + PREVIOUS, head)?;
    }
    Ok((load(call, head + NEXT)?, load(call, head + PREVIOUS)?))
}

fn push<M: Memory>(call: &mut Call<M>, site: &Site, front: bool) -> Result<u64, HelperFault> {
    let [head, node, ..] = call.args;
    let (first, last) = ends(call, head)?;
    if load(call, node + OWNER)? != 0 {
        // It is in a list already: the reference that was given goes.
        give_back(call, node - u64::from(site.object.node), &site.object)?;
        return Ok(u64::from(error(Errno::EINVAL) as u32));
    }
    let (before, after) = if front { (head, first) } else { (last, head) };
    store(call, node + NEXT, after)?;
    store(call, node + PREVIOUS, before)?;
    store(call, node + OWNER, head)?;
    store(call, before + NEXT, node)?;
    store(call, after + PREVIOUS, node)?;
    Ok(0)
}

/// `int bpf_list_push_front_impl(head, node, meta, off)`
pub fn push_front<M: Memory>(call: &mut Call<M>, site: &Site) -> Result<u64, HelperFault> {
    push(call, site, true)
}

/// `int bpf_list_push_back_impl(head, node, meta, off)`
pub fn push_back<M: Memory>(call: &mut Call<M>, site: &Site) -> Result<u64, HelperFault> {
    push(call, site, false)
}

fn end<M: Memory>(call: &mut Call<M>, front: bool, take: bool) -> Result<u64, HelperFault> {
    let head = call.args[0];
    let (first, last) = ends(call, head)?;
    let node = if front { first } else { last };
    if node == head {
        return Ok(0);
    }
    if take {
        let (after, before) = (load(call, node + NEXT)?, load(call, node + PREVIOUS)?);
        store(call, before + NEXT, after)?;
        store(call, after + PREVIOUS, before)?;
        for field in [NEXT, PREVIOUS, OWNER] {
            store(call, node + field, 0)?;
        }
    }
    Ok(node)
}

/// `struct bpf_list_node *bpf_list_pop_front(head)`
pub fn pop_front<M: Memory>(call: &mut Call<M>, _: &Site) -> Result<u64, HelperFault> {
    end(call, true, true)
}

/// `struct bpf_list_node *bpf_list_pop_back(head)`
pub fn pop_back<M: Memory>(call: &mut Call<M>, _: &Site) -> Result<u64, HelperFault> {
    end(call, false, true)
}

/// `struct bpf_list_node *bpf_list_front(head)`
pub fn front<M: Memory>(call: &mut Call<M>, _: &Site) -> Result<u64, HelperFault> {
    end(call, true, false)
}

/// `struct bpf_list_node *bpf_list_back(head)`
pub fn back<M: Memory>(call: &mut Call<M>, _: &Site) -> Result<u64, HelperFault> {
    end(call, false, false)
}
