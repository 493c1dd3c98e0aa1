//! What the process's own descriptors and paths are to a map whose elements are such objects.

use std::fs;
use std::mem::MaybeUninit;

use glasshive::errno::Errno;
use glasshive::map::types::ForeignKind;

/// `f_type` of the file systems of cgroups.
const CGROUP: [i64; 2] = [0x0027_e0eb, 0x6367_7270];

/// The identity of an object that a descriptor stands for.
pub(crate) fn identity(fd: i32, kind: ForeignKind) -> Result<u64, Errno> {
    let mut stat = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: `stat` has room for what the call writes.
    if unsafe { libc::fstat(fd, stat.as_mut_ptr()) } != 0 {
        return Err(Errno::EBADF);
    }
    // SAFETY: the call succeeded, so it is written.
    let stat = unsafe { stat.assume_init() };
    let inode = stat.st_dev.rotate_left(40) ^ stat.st_ino;
    match kind {
        ForeignKind::Inode => Ok(inode),
        ForeignKind::Socket if stat.st_mode & libc::S_IFMT == libc::S_IFSOCK => Ok(inode),
        ForeignKind::Socket => Err(Errno::ENOTSOCK),
        ForeignKind::Process => process(fd).ok_or(Errno::EBADF),
        ForeignKind::Cgroup if is_cgroup(fd) => Ok(inode),
        // Each descriptor of `perf_event_open(2)` is an event of its own; they share one inode.
        ForeignKind::PerfEvent if link(fd).contains("[perf_event]") => Ok(fd as u64),
        ForeignKind::Cgroup | ForeignKind::PerfEvent => Err(Errno::EBADF),
    }
}

/// What a descriptor is called in `/proc`.
fn link(fd: i32) -> String {
    let target = fs::read_link(format!("/proc/self/fd/{fd}")).unwrap_or_default();
    target.to_string_lossy().into_owned()
}

/// The process of a descriptor of `pidfd_open(2)`.
fn process(fd: i32) -> Option<u64> {
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).ok()?;
    info.lines().find_map(|line| line.strip_prefix("Pid:")?.trim().parse().ok())
}

fn is_cgroup(fd: i32) -> bool {
    let mut stat = MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: `stat` has room for what the call writes.
    if unsafe { libc::fstatfs(fd, stat.as_mut_ptr()) } != 0 {
        return false;
    }
    // SAFETY: the call succeeded, so it is written.
    CGROUP.contains(&unsafe { stat.assume_init() }.f_type)
}

/// What there is for a path outside of the pin name space: it is there and is no pinned object, or it is not.
pub(crate) fn path_error(path: &str, create: bool) -> Errno {
    let there = fs::symlink_metadata(path);
    match (create, there) {
        (true, Ok(_)) => Errno::EEXIST,
        (true, Err(_)) => {
            let directory = path.rsplit_once('/').map_or(".", |(directory, _)| directory);
            let is_directory = fs::metadata(if directory.is_empty() { "/" } else { directory });
            if is_directory.is_ok_and(|d| d.is_dir()) { Errno::EPERM } else { Errno::ENOENT }
        }
        (false, Ok(_)) => Errno::EACCES,
        (false, Err(_)) => Errno::ENOENT,
    }
}

/// Numbers of the machine's network interfaces.
pub(crate) fn interfaces() -> impl Iterator<Item = u32> {
    let directory = fs::read_dir("/sys/class/net").into_iter().flatten().flatten();
    directory.filter_map(|entry| fs::read_to_string(entry.path().join("ifindex")).ok()?.trim().parse().ok())
}
