//! Helpers over text.

use super::call::{Call, HelperFault};
use super::error;
use super::format::format;
use crate::arena::Memory;
use crate::errno::Errno;
use crate::isa::Size;

/// A number's text: sign, digits' value and the bytes they took, or the error.
fn parse(bytes: &[u8], flags: u64, signed: bool) -> Result<(bool, u64, usize), Errno> {
    let mut base = match flags {
        0 | 8 | 10 | 16 => flags,
        _ => return Err(Errno::EINVAL),
    };
    let at = |i: usize| bytes.get(i).copied().unwrap_or(0);
    let mut i = 0;
    while at(i).is_ascii_whitespace() || at(i) == 0x0b {
        i += 1;
    }
    let negative = at(i) == b'-';
    if negative {
        if !signed {
            return Err(Errno::EINVAL);
        }
        i += 1;
    }
    let prefixed = at(i) == b'0' && at(i + 1).eq_ignore_ascii_case(&b'x');
    if base == 0 {
        base = match at(i) {
            b'0' if prefixed && at(i + 2).is_ascii_hexdigit() => 16,
            b'0' => 8,
            _ => 10,
        };
    }
    if base == 16 && prefixed {
        i += 2;
    }
    let first = i;
    let mut value = 0u64;
    while let Some(digit) = char::from(at(i)).to_digit(base as u32) {
        let next = value.checked_mul(base).and_then(|v| v.checked_add(digit.into()));
        value = next.ok_or(Errno::ERANGE)?;
        i += 1;
    }
    if i == first { Err(Errno::EINVAL) } else { Ok((negative, value, i)) }
}

/// Reads a number from text into r4's memory; the answer is how many bytes it took.
fn number<M: Memory>(call: &mut Call<M>, signed: bool) -> Result<u64, HelperFault> {
    let bytes = call.bytes(0, u64::from(call.args[1] as u32))?;
    let parsed = parse(&bytes, call.args[2], signed).and_then(|(negative, value, len)| {
        let fits = !signed || value <= i64::MAX as u64 + u64::from(negative);
        let value = if negative { value.wrapping_neg() } else { value };
        if fits { Ok((value, len)) } else { Err(Errno::ERANGE) }
    });
    let (value, answer) = match parsed {
        Ok((value, len)) => (value, len as u64),
        Err(errno) => (0, error(errno)),
    };
    call.resources.arena.memory_mut().store(call.args[3], Size::Dw, value)?;
    Ok(answer)
}

/// `long bpf_strtol(buf, buf_len, flags, res)`
pub fn strtol<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    number(call, true)
}

/// `long bpf_strtoul(buf, buf_len, flags, res)`
pub fn strtoul<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    number(call, false)
}

/// `long bpf_strncmp(s1, s1_sz, s2)`
pub fn strncmp<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    let left = call.bytes(0, u64::from(call.args[1] as u32))?;
    for (i, l) in (0u64..).zip(left) {
        let r = call.resources.arena.memory().load(call.args[2].wrapping_add(i), Size::B)? as u8;
        if l != r {
            return Ok(if l < r { -1i64 as u64 } else { 1 });
        }
        if l == 0 {
            break;
        }
    }
    Ok(0)
}

/// `long bpf_snprintf(str, str_size, fmt, data, data_len)`: the answer is the length that the whole text
/// has, its null byte included.
pub fn snprintf<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    let size = u64::from(call.args[1] as u32);
    let len = u64::from(call.args[4] as u32);
    if len % 8 != 0 || len > 96 {
        return Ok(error(Errno::EINVAL));
    }
    let fmt = call.text(2)?;
    let args = call.words(3, len / 8)?;
    match format(call, &fmt, &args) {
        Err(errno) => Ok(error(errno)),
        Ok(mut text) => {
            text.push(0);
            let whole = text.len() as u64;
            if size > 0 {
                text.truncate(size as usize);
                if let Some(last) = text.last_mut() {
                    *last = 0;
                }
                call.write(0, &text)?;
            }
            Ok(whole)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the running kernel answered.
    #[test]
    fn numbers() {
        let signed = |text: &str, flags| {
            parse(text.as_bytes(), flags, true)
                .map(|(n, v, len)| (if n { -(v as i64) } else { v as i64 }, len))
        };
        assert_eq!(signed("12", 0), Ok((12, 2)));
        assert_eq!(signed("12", 16), Ok((18, 2)));
        assert_eq!(signed("12", 8), Ok((10, 2)));
        assert_eq!(signed("  -8", 10), Ok((-8, 4)));
        assert_eq!(signed("  -8", 8), Err(Errno::EINVAL));
        assert_eq!(signed("+5", 0), Err(Errno::EINVAL));
        assert_eq!(signed("0x1f", 0), Ok((31, 4)));
        assert_eq!(signed("0x1f", 10), Ok((0, 1)));
        assert_eq!(signed("017", 0), Ok((15, 3)));
        assert_eq!(signed("1a", 16), Ok((26, 2)));
        assert_eq!(signed("0x", 0), Ok((0, 1)));
        assert_eq!(signed("0x", 16), Err(Errno::EINVAL));
        assert_eq!(signed("-", 0), Err(Errno::EINVAL));
        assert_eq!(signed("12", 11), Err(Errno::EINVAL));
        assert_eq!(parse(b"-5", 0, false), Err(Errno::EINVAL));
    }
}
