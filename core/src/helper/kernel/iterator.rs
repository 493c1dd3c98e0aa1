//! `bpf_iter_num`: numbers from one to before another. Its eight bytes hold the number and the end.

use super::Site;
use crate::arena::Memory;
use crate::errno::Errno;
use crate::helper::call::{Call, HelperFault};
use crate::helper::error;
use crate::isa::Size;

/// Most numbers of one iterator.
const MOST: i64 = 1 << 23;

fn set<M: Memory>(call: &mut Call<M>, current: i32, end: i32) -> Result<(), HelperFault> {
    let word = u64::from(current as u32) | u64::from(end as u32) << 32;
    call.write(0, &word.to_le_bytes())
}

/// `int bpf_iter_num_new(it, start, end)`
pub fn new<M: Memory>(call: &mut Call<M>, _: &Site) -> Result<u64, HelperFault> {
    let (start, end) = (call.args[1] as i32, call.args[2] as i32);
    let refused = match i64::from(end) - i64::from(start) {
        len if len < 0 => Some(Errno::EINVAL),
        len if len > MOST => Some(Errno::E2BIG),
        _ => None,
    };
    if let Some(errno) = refused {
        set(call, 0, 0)?;
        return Ok(u64::from(error(errno) as u32));
    }
    set(call, start.wrapping_sub(1), end)?;
    Ok(0)
}

/// `int *bpf_iter_num_next(it)`: the number lies in the iterator; null after the last.
pub fn next<M: Memory>(call: &mut Call<M>, _: &Site) -> Result<u64, HelperFault> {
    let word = call.resources.arena.memory().load(call.args[0], Size::Dw)?;
    let (next, end) = (i64::from(word as i32) + 1, i64::from((word >> 32) as i32));
    if next as i32 >= end as i32 {
        set(call, 0, 0)?;
        return Ok(0);
    }
    set(call, next as i32, end as i32)?;
    Ok(call.args[0])
}

/// `void bpf_iter_num_destroy(it)`
pub fn destroy<M: Memory>(call: &mut Call<M>, _: &Site) -> Result<u64, HelperFault> {
    set(call, 0, 0)?;
    Ok(0)
}
