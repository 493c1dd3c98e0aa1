//! Text as `bpf_trace_printk` and `bpf_snprintf` make it of a format and 64-bit arguments.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::call::Call;
use crate::arena::Memory;
use crate::errno::Errno;

/// Longest string that `%s` reads.
const LONGEST: u64 = 512;
/// Widest field.
const WIDEST: usize = 4096;

/// One conversion of a format.
#[derive(Default)]
struct Conversion {
    left: bool,
    plus: bool,
    space: bool,
    zeros: bool,
    width: usize,
}

impl Conversion {
    /// Puts a number's digits behind its sign, and both into the field.
    fn number(&self, negative: bool, signed: bool, digits: &str) -> String {
        let sign = match (negative, signed && self.plus, signed && self.space) {
            (true, ..) => "-",
            (_, true, _) => "+",
            (_, _, true) => " ",
            _ => "",
        };
        let fill = self.width.saturating_sub(sign.len() + digits.len());
        match (self.left, self.zeros) {
            (true, _) => format!("{sign}{digits}{}", " ".repeat(fill)),
            (_, true) => format!("{sign}{}{digits}", "0".repeat(fill)),
            _ => format!("{}{sign}{digits}", " ".repeat(fill)),
        }
    }

    /// Puts text into the field.
    fn text(&self, text: &str) -> String {
        Conversion { zeros: false, ..*self }.number(false, false, text)
    }
}

/// Formats: `%d %i %u %x %X` with `l` and `ll`, `%c %s %p %px %pK %pi4 %pI4 %pi6 %pI6 %ps %pS %pB %%`, with a
/// width and the flags `-`, `+`, space and `0`. Bytes of the format count one each, whatever they are.
///
/// # Errors
/// `EINVAL` for another conversion, for one without its argument, and for a format that is not printable.
pub fn format<M: Memory>(call: &Call<M>, format: &[u8], args: &[u64]) -> Result<Vec<u8>, Errno> {
    let mut out = Vec::new();
    let mut args = args.iter().copied();
    let mut rest = format.iter().copied().peekable();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            if !(byte.is_ascii_graphic() || byte.is_ascii_whitespace() || byte >= 0x80) {
                return Err(Errno::EINVAL);
            }
            out.push(byte);
            continue;
        }
        if rest.next_if_eq(&b'%').is_some() {
            out.push(b'%');
            continue;
        }
        let mut field = Conversion::default();
        while let Some(flag) = rest.next_if(|b| b"-+ 0".contains(b)) {
            match flag {
                b'-' => field.left = true,
                b'+' => field.plus = true,
                b' ' => field.space = true,
                _ => field.zeros = true,
            }
        }
        while let Some(digit) = rest.next_if(u8::is_ascii_digit) {
            field.width = (field.width * 10 + usize::from(digit - b'0')).min(WIDEST);
        }
        let mut long = 0;
        while rest.next_if_eq(&b'l').is_some() {
            long += 1;
        }
        let conversion = rest.next().ok_or(Errno::EINVAL)?;
        let known = if long > 0 { &b"diuxX"[..] } else { &b"diuxXcsp"[..] };
        if !known.contains(&conversion) || long > 2 {
            return Err(Errno::EINVAL);
        }
        let value = args.next().ok_or(Errno::EINVAL)?;
        let wide = long > 0;
        let unsigned = if wide { value } else { u64::from(value as u32) };
        let signed = if wide { value as i64 } else { i64::from(value as i32) };
        let text = match conversion {
            b'd' | b'i' => field.number(signed < 0, true, &format!("{}", signed.unsigned_abs())),
            b'u' => field.number(false, false, &format!("{unsigned}")),
            b'x' => field.number(false, false, &format!("{unsigned:x}")),
            b'X' => field.number(false, false, &format!("{unsigned:X}")),
            b'c' => {
                let fill = b" ".repeat(field.width.saturating_sub(1));
                let (before, after) = if field.left { (&[][..], &fill[..]) } else { (&fill[..], &[][..]) };
                out.extend_from_slice(before);
                out.push(value as u8);
                out.extend_from_slice(after);
                continue;
            }
            b's' => {
                let text = string(call, value);
                out.extend_from_slice(&b" ".repeat(if field.left {
                    0
                } else {
                    field.width.saturating_sub(text.len())
                }));
                out.extend_from_slice(&text);
                if field.left {
                    out.extend_from_slice(&b" ".repeat(field.width.saturating_sub(text.len())));
                }
                continue;
            }
            _ => field.text(&pointer(call, &mut rest, value)),
        };
        out.extend_from_slice(text.as_bytes());
    }
    Ok(out)
}

/// What follows `%p`: nothing or `K` or `x` for the address, `i4` and its like for what it points to.
fn pointer<M: Memory>(
    call: &Call<M>,
    rest: &mut core::iter::Peekable<impl Iterator<Item = u8>>,
    value: u64,
) -> String {
    match rest.next_if(|b| b"KxsSBiI".contains(b)) {
        Some(b's' | b'S' | b'B') => format!("{value:#x}"),
        Some(kind @ (b'i' | b'I')) => {
            let six = rest.next_if(|b| b"46".contains(b)) == Some(b'6');
            let bytes = call.peek(value, if six { 16 } else { 4 }).unwrap_or(alloc::vec![0; 16]);
            let part = |i: usize| match (six, kind) {
                (true, _) => format!("{:02x}{:02x}", bytes[2 * i], bytes[2 * i + 1]),
                (false, b'i') => format!("{:03}", bytes[i]),
                (false, _) => format!("{}", bytes[i]),
            };
            let parts: Vec<String> = (0..if six { 8 } else { 4 }).map(part).collect();
            parts.join(match (six, kind) {
                (false, _) => ".",
                (true, b'I') => ":",
                (true, _) => "",
            })
        }
        _ => format!("{value:016x}"),
    }
}

/// The string at an address; empty where nothing can be read.
fn string<M: Memory>(call: &Call<M>, address: u64) -> Vec<u8> {
    let mut bytes = call.peek_up_to(address, LONGEST).unwrap_or_default();
    if let Some(end) = bytes.iter().position(|&b| b == 0) {
        bytes.truncate(end);
    }
    bytes
}
