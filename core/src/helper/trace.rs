//! Helpers of tracing programs.

use alloc::format;
use alloc::string::String;

use super::call::{Call, HelperFault};
use super::error;
use crate::arena::Memory;
use crate::errno::Errno;

/// Most lines that are kept of what programs print.
const MOST_LINES: usize = 10_000;

/// `long bpf_probe_read(dst, size, unsafe_ptr)` and its siblings: there is no kernel to read, so the buffer
/// is zeroed and the answer is `-EFAULT`, as for an address that is not mapped.
pub fn probe_read<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    let size = u64::from(call.args[1] as u32);
    call.zero(0, size)?;
    Ok(if size == 0 { 0 } else { error(Errno::EFAULT) })
}

/// `long bpf_probe_read_str(dst, size, unsafe_ptr)` and its siblings.
pub fn probe_read_str<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    probe_read(call)
}

/// `long bpf_trace_printk(fmt, fmt_size, ...)`: the text is kept for the host; the answer is its length.
pub fn printk<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    let size = u64::from(call.args[1] as u32);
    let format = call.bytes(0, size)?;
    if format.last() != Some(&0) {
        return Ok(error(Errno::EINVAL));
    }
    let text = match printf(&format[..format.len() - 1], &call.args[2..]) {
        Ok(text) => text,
        Err(errno) => return Ok(error(errno)),
    };
    let len = text.len() as u64;
    if call.resources.printed.len() < MOST_LINES {
        call.resources.printed.push(text);
    }
    Ok(len)
}

/// Formats as `bpf_trace_printk` does: `%d %i %u %x %X %c %p %%`, with `l` and `ll`, and field widths.
///
/// # Errors
/// `EINVAL` for a conversion that is not among them, or for one without its argument.
fn printf(format: &[u8], args: &[u64]) -> Result<String, Errno> {
    let mut out = String::new();
    let mut args = args.iter().copied();
    let mut rest = format.iter().copied().peekable();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            out.push(char::from(byte));
            continue;
        }
        if rest.next_if_eq(&b'%').is_some() {
            out.push('%');
            continue;
        }
        let zeros = rest.next_if_eq(&b'0').is_some();
        let mut width = 0usize;
        while let Some(digit) = rest.next_if(u8::is_ascii_digit) {
            width = (width * 10 + usize::from(digit - b'0')).min(1000);
        }
        let mut long = 0;
        while rest.next_if_eq(&b'l').is_some() {
            long += 1;
        }
        let conversion = rest.next().ok_or(Errno::EINVAL)?;
        let value = args.next().ok_or(Errno::EINVAL)?;
        let (signed, unsigned) =
            if long > 0 { (value as i64, value) } else { (i64::from(value as i32), u64::from(value as u32)) };
        let text = match conversion {
            b'd' | b'i' => format!("{signed}"),
            b'u' => format!("{unsigned}"),
            b'x' => format!("{unsigned:x}"),
            b'X' => format!("{unsigned:X}"),
            b'c' => String::from(char::from(value as u8)),
            b'p' => format!("{value:016x}"),
            _ => return Err(Errno::EINVAL),
        };
        let fill = if zeros { '0' } else { ' ' };
        out.extend(core::iter::repeat_n(fill, width.saturating_sub(text.len())));
        out.push_str(&text);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversions() {
        let args = [5, u64::MAX, 0x1_0000_0041];
        assert_eq!(printf(b"a=%d b=%lld c=%c %%", &args), Ok("a=5 b=-1 c=A %".into()));
        assert_eq!(printf(b"%04x|%3u|%llx", &[0xab, 7, 1 << 40]), Ok("00ab|  7|10000000000".into()));
        assert_eq!(printf(b"%s", &args), Err(Errno::EINVAL));
        assert_eq!(printf(b"%d %d %d %d", &args), Err(Errno::EINVAL));
        assert_eq!(printf(b"%", &args), Err(Errno::EINVAL));
    }
}
