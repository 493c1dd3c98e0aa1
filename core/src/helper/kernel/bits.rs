//! `bpf_iter_bits`: the bits that are set in a row of 64-bit words. Its sixteen bytes hold the address of a copy
//! of the words with their number of bits, and the last bit that was given.

use super::Site;
use crate::arena::{Memory, ObjectKind};
use crate::errno::Errno;
use crate::helper::call::{Call, HelperFault};
use crate::helper::error;
use crate::isa::Size;

/// Most words of one iterator.
const MOST: u64 = 511;

fn words<M: Memory>(call: &Call<M>) -> Result<(u64, u64), HelperFault> {
    let word = call.resources.arena.memory().load(call.args[0], Size::Dw)?;
    Ok((word & 0xffff_ffff, word >> 32))
}

fn set<M: Memory>(call: &mut Call<M>, copy: u64, bits: u64) -> Result<(), HelperFault> {
    let memory = call.resources.arena.memory_mut();
    memory.store(call.args[0], Size::Dw, copy | bits << 32)?;
    Ok(memory.store(call.args[0] + 8, Size::Dw, u64::from(u32::MAX))?)
}

/// `int bpf_iter_bits_new(it, words, count)`
pub fn new<M: Memory>(call: &mut Call<M>, _: &Site) -> Result<u64, HelperFault> {
    let (from, count) = (call.args[1], u64::from(call.args[2] as u32));
    set(call, 0, 0)?;
    let refuse = |errno| Ok(u64::from(error(errno) as u32));
    if from == 0 || count == 0 {
        return refuse(Errno::EINVAL);
    }
    if count > MOST {
        return refuse(Errno::E2BIG);
    }
    let Some(bytes) = call.peek(from, 8 * count) else { return refuse(Errno::EFAULT) };
    let arena = &mut call.resources.arena;
    let Ok(copy) = arena.allocate(8 * count as u32, 8, ObjectKind::Buffer, false) else {
        return refuse(Errno::ENOMEM);
    };
    arena.memory_mut().write(copy.address.into(), &bytes)?;
    set(call, copy.address.into(), 64 * count)?;
    Ok(0)
}

/// `int *bpf_iter_bits_next(it)`: the bit's number lies in the iterator; null after the last.
pub fn next<M: Memory>(call: &mut Call<M>, _: &Site) -> Result<u64, HelperFault> {
    let (copy, bits) = words(call)?;
    let at = call.args[0] + 8;
    let memory = call.resources.arena.memory_mut();
    let last = memory.load(at, Size::W)? as u32 as i32;
    for bit in (i64::from(last) + 1) as u64..bits {
        let word = memory.load(copy + bit / 64 * 8, Size::Dw)?;
        if word >> (bit % 64) & 1 == 1 {
            memory.store(at, Size::W, bit)?;
            return Ok(at);
        }
    }
    memory.store(at, Size::W, bits)?;
    Ok(0)
}

/// `void bpf_iter_bits_destroy(it)`
pub fn destroy<M: Memory>(call: &mut Call<M>, _: &Site) -> Result<u64, HelperFault> {
    let (copy, _) = words(call)?;
    call.resources.arena.release(copy as u32);
    set(call, 0, 0)?;
    Ok(0)
}
