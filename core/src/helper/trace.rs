//! Helpers of tracing programs.

use alloc::string::String;

use super::call::{Call, HelperFault};
use super::error;
use super::format::format;
use crate::arena::Memory;
use crate::errno::Errno;

/// Most lines that are kept of what programs print.
const MOST_LINES: usize = 10_000;

/// `long bpf_probe_read_kernel(dst, size, unsafe_ptr)`, `bpf_probe_read`: of this kernel's memory there is
/// what programs hold; elsewhere the buffer is zeroed and the answer is `-EFAULT`.
pub fn probe_read_kernel<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    let size = u64::from(call.args[1] as u32);
    match call.peek(call.args[2], size) {
        Some(bytes) => {
            call.write(0, &bytes)?;
            Ok(0)
        }
        None => probe_read_user(call),
    }
}

/// `long bpf_probe_read_user(dst, size, unsafe_ptr)`: there is no user's memory.
pub fn probe_read_user<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    let size = u64::from(call.args[1] as u32);
    call.zero(0, size)?;
    Ok(if size == 0 { 0 } else { error(Errno::EFAULT) })
}

/// `long bpf_probe_read_kernel_str(dst, size, unsafe_ptr)`, `bpf_probe_read_str`: the answer is the length
/// with the null byte.
pub fn probe_read_kernel_str<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    let size = u64::from(call.args[1] as u32);
    let Some(mut bytes) = call.peek_up_to(call.args[2], size).filter(|_| size > 0) else {
        return probe_read_user(call);
    };
    match bytes.iter().position(|&b| b == 0) {
        Some(end) => bytes.truncate(end + 1),
        // The string is longer than the buffer, or than the memory it lies in.
        None if bytes.len() as u64 == size => {
            if let Some(last) = bytes.last_mut() {
                *last = 0;
            }
        }
        None => return probe_read_user(call),
    }
    call.write(0, &bytes)?;
    Ok(bytes.len() as u64)
}

/// Keeps a line for the host; the answer is its length.
fn print<M: Memory>(call: &mut Call<M>, text: &[u8], args: &[u64]) -> Result<u64, HelperFault> {
    let Some((0, text)) = text.split_last() else { return Ok(error(Errno::EINVAL)) };
    match format(call, text, args) {
        Err(errno) => Ok(error(errno)),
        Ok(line) => {
            if call.resources.printed.len() < MOST_LINES {
                call.resources.printed.push(String::from_utf8_lossy(&line).into_owned());
            }
            Ok(line.len() as u64)
        }
    }
}

/// `long bpf_trace_printk(fmt, fmt_size, ...)`
pub fn printk<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    let text = call.bytes(0, u64::from(call.args[1] as u32))?;
    let [.., first, second, third] = call.args;
    print(call, &text, &[first, second, third])
}

/// `long bpf_trace_vprintk(fmt, fmt_size, data, data_len)`
pub fn vprintk<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    let len = u64::from(call.args[3] as u32);
    if len % 8 != 0 || len > 96 {
        return Ok(error(Errno::EINVAL));
    }
    let text = call.bytes(0, u64::from(call.args[1] as u32))?;
    let args = call.words(2, len / 8)?;
    print(call, &text, &args)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arena::{ObjectKind, VecMemory};
    use crate::helper::RunContext;
    use crate::resources::Resources;

    /// What the running kernel made of the same.
    #[test]
    fn conversions() {
        let mut resources = Resources::new(VecMemory::new(1 << 16), 1, 1);
        let object = resources.arena.allocate(16, 8, ObjectKind::Buffer, true).unwrap();
        resources.arena.memory_mut().write(object.address.into(), b"bees\0").unwrap();
        let mut run = RunContext::default();
        let call = Call { args: [0; 5], resources: &mut resources, run: &mut run };
        let at = u64::from(object.address);
        let text = |fmt: &str, args: &[u64]| {
            format(&call, fmt.as_bytes(), args).map(|t| String::from_utf8_lossy(&t).into_owned())
        };
        let ok = |text: &str| Ok(String::from(text));
        assert_eq!(text("a=%d b=%lld c=%c %%", &[5, u64::MAX, 65]), ok("a=5 b=-1 c=A %"));
        assert_eq!(text("%d", &[1 << 40]), ok("0"));
        assert_eq!(text("%u", &[-5i64 as u64]), ok("4294967291"));
        assert_eq!(text("%04x|%3u|%llx", &[0xab, 7, 1 << 40]), ok("00ab|  7|10000000000"));
        assert_eq!(text("%-5d|%+d|% d|%5c|", &[7, 7, 5, 65]), ok("7    |+7| 5|    A|"));
        assert_eq!(text("%px %pi4 %pB", &[0x1234, 0, 0]), ok("0000000000001234 000.000.000.000 0x0"));
        assert_eq!(text("[%s] [%3s]", &[at, 0]), ok("[bees] [   ]"));
        for wrong in ["%#x", "%hd", "%q", "%", "%.3d", "%ls", "%llc", "\u{1}"] {
            assert_eq!(text(wrong, &[1]), Err(Errno::EINVAL), "{wrong}");
        }
        assert_eq!(text("%d %d", &[1]), Err(Errno::EINVAL));
    }
}
