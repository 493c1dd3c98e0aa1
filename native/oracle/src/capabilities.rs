//! What the loader may do, in both systems.

use anyhow::anyhow;
use glasshive::syscall::capability;
use glasshive_native::process;
use std::io;

/// The capabilities of `capabilities(7)` that `bpf(2)` looks at, by name.
const NAMES: [(&str, u64); 4] = [
    ("bpf", capability::BPF),
    ("perfmon", capability::PERFMON),
    ("net_admin", capability::NET_ADMIN),
    ("sys_admin", capability::SYS_ADMIN),
];

/// Reads names with commas between them; `none` is none.
///
/// # Errors
/// A name that is none of a capability.
pub fn parse(list: &str) -> anyhow::Result<u64> {
    let mut mask = 0;
    for name in list.split(',').filter(|name| *name != "none") {
        let row = NAMES.iter().find(|row| row.0 == name);
        mask |= row.ok_or_else(|| anyhow!("no capability '{name}'; one is bpf"))?.1;
    }
    Ok(mask)
}

/// Leaves this thread and glasshive with these capabilities, as far as the process has them.
///
/// # Errors
/// What the kernel answers.
pub fn limit(mask: u64) -> io::Result<()> {
    // struct __user_cap_header_struct, _LINUX_CAPABILITY_VERSION_3 of this thread.
    let mut head = [0x2008_0522_u32, 0];
    // struct __user_cap_data_struct, twice: effective, permitted, inheritable.
    let mut data = [0_u32; 6];
    // SAFETY: both arrays are of the sizes that version 3 reads and writes.
    let got = unsafe { libc::syscall(libc::SYS_capget, head.as_mut_ptr(), data.as_mut_ptr()) };
    if got != 0 {
        return Err(io::Error::last_os_error());
    }
    data[0] = data[1] & mask as u32;
    data[3] = data[4] & (mask >> 32) as u32;
    // SAFETY: as above.
    let set = unsafe { libc::syscall(libc::SYS_capset, head.as_ptr(), data.as_ptr()) };
    if set != 0 {
        return Err(io::Error::last_os_error());
    }
    process::set_capabilities(mask);
    Ok(())
}
