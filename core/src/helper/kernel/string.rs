//! `bpf_strcmp` and its siblings: strings wherever a pointer points, read so that a bad one is an error.

use alloc::vec::Vec;

use super::Site;
use crate::arena::Memory;
use crate::errno::Errno;
use crate::helper::call::{Call, HelperFault};
use crate::helper::error;

/// Most bytes of a string (`XATTR_SIZE_MAX`).
const MOST: u64 = 65_536;
/// Addresses below are a process's.
const PROCESS: u64 = 1 << 47;

type Answer = Result<u64, HelperFault>;

/// A string, up to its null byte or `most` bytes; whether the null byte was there.
fn read<M: Memory>(call: &Call<M>, argument: usize, most: u64) -> Result<(Vec<u8>, bool), Errno> {
    let address = call.args[argument];
    let missing = if address < PROCESS { Errno::ERANGE } else { Errno::EFAULT };
    let mut bytes = call.peek_up_to(address, most).ok_or(missing)?;
    match bytes.iter().position(|byte| *byte == 0) {
        Some(end) => {
            bytes.truncate(end);
            Ok((bytes, true))
        }
        None if bytes.len() as u64 == most => Ok((bytes, false)),
        None => Err(Errno::EFAULT),
    }
}

/// A whole string.
fn text<M: Memory>(call: &Call<M>, argument: usize) -> Result<Vec<u8>, Errno> {
    match read(call, argument, MOST)? {
        (bytes, true) => Ok(bytes),
        _ => Err(Errno::E2BIG),
    }
}

fn answer(result: Result<i64, Errno>) -> Answer {
    // An `int`: the upper half is not part of it.
    Ok(result.map_or_else(|errno| u64::from(error(errno) as u32), |value| u64::from(value as u32)))
}

/// The place of the first byte that fits, or `ENOENT`.
fn place(bytes: &[u8], fits: impl Fn(u8) -> bool) -> Result<i64, Errno> {
    bytes.iter().position(|byte| fits(*byte)).map(|at| at as i64).ok_or(Errno::ENOENT)
}

fn compared<M: Memory>(call: &Call<M>, same: impl Fn(u8) -> u8) -> Answer {
    answer((|| {
        let (a, b) = (text(call, 0)?, text(call, 1)?);
        let (a, b) = (a.iter().map(|c| same(*c)), b.iter().map(|c| same(*c)));
        Ok(a.cmp(b) as i64)
    })())
}

/// `int bpf_strcmp(s1, s2)`
pub fn compare<M: Memory>(call: &mut Call<M>, _: &Site) -> Answer {
    compared(call, |c| c)
}

/// `int bpf_strcasecmp(s1, s2)`
pub fn compare_caseless<M: Memory>(call: &mut Call<M>, _: &Site) -> Answer {
    compared(call, |c| c.to_ascii_lowercase())
}

/// Where a character is; the null byte is at the end.
fn found(bytes: &[u8], ended: bool, c: u8) -> Result<i64, Errno> {
    match c {
        0 if ended => Ok(bytes.len() as i64),
        _ => place(bytes, |byte| byte == c),
    }
}

/// `int bpf_strchr(s, c)`
pub fn find<M: Memory>(call: &mut Call<M>, _: &Site) -> Answer {
    answer(text(call, 0).and_then(|s| found(&s, true, call.args[1] as u8)))
}

/// `int bpf_strchrnul(s, c)`
pub fn find_or_end<M: Memory>(call: &mut Call<M>, _: &Site) -> Answer {
    answer(text(call, 0).map(|s| found(&s, true, call.args[1] as u8).unwrap_or(s.len() as i64)))
}

/// `int bpf_strnchr(s, count, c)`
pub fn find_within<M: Memory>(call: &mut Call<M>, _: &Site) -> Answer {
    let count = call.args[1].min(MOST);
    answer(read(call, 0, count).and_then(|(s, ended)| found(&s, ended, call.args[2] as u8)))
}

/// `int bpf_strrchr(s, c)`
pub fn find_last<M: Memory>(call: &mut Call<M>, _: &Site) -> Answer {
    let c = call.args[1] as u8;
    answer(text(call, 0).and_then(|s| match c {
        0 => Ok(s.len() as i64),
        _ => s.iter().rposition(|byte| *byte == c).map(|at| at as i64).ok_or(Errno::ENOENT),
    }))
}

/// `int bpf_strlen(s)`
pub fn length<M: Memory>(call: &mut Call<M>, _: &Site) -> Answer {
    answer(text(call, 0).map(|s| s.len() as i64))
}

/// `int bpf_strnlen(s, count)`
pub fn length_within<M: Memory>(call: &mut Call<M>, _: &Site) -> Answer {
    let count = call.args[1].min(MOST);
    answer(read(call, 0, count).map(|(s, _)| s.len() as i64))
}

/// `int bpf_strspn(s, accept)`
pub fn span<M: Memory>(call: &mut Call<M>, _: &Site) -> Answer {
    answer((|| {
        let (s, accepted) = (text(call, 0)?, text(call, 1)?);
        Ok(place(&s, |byte| !accepted.contains(&byte)).unwrap_or(s.len() as i64))
    })())
}

/// `int bpf_strcspn(s, reject)`
pub fn span_without<M: Memory>(call: &mut Call<M>, _: &Site) -> Answer {
    answer((|| {
        let (s, rejected) = (text(call, 0)?, text(call, 1)?);
        Ok(place(&s, |byte| rejected.contains(&byte)).unwrap_or(s.len() as i64))
    })())
}

fn search_in(s: &[u8], sought: &[u8]) -> Result<i64, Errno> {
    if sought.is_empty() {
        return Ok(0);
    }
    s.windows(sought.len()).position(|part| part == sought).map(|at| at as i64).ok_or(Errno::ENOENT)
}

/// `int bpf_strstr(s1, s2)`
pub fn search<M: Memory>(call: &mut Call<M>, _: &Site) -> Answer {
    answer((|| search_in(&text(call, 0)?, &text(call, 1)?))())
}

/// `int bpf_strnstr(s1, s2, len)`
pub fn search_within<M: Memory>(call: &mut Call<M>, _: &Site) -> Answer {
    let len = call.args[2].min(MOST);
    answer((|| search_in(&read(call, 0, len)?.0, &text(call, 1)?))())
}
