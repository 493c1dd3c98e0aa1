//! `libglasshive_preload.so`: `bpf(2)` and what a program does with its descriptors, put before the C library.
//!
//! With it in `LD_PRELOAD`, a program that was written against `<linux/bpf.h>` or libbpf runs on glasshive
//! instead of the kernel. A descriptor is an empty file in memory; [`descriptors`] keeps count of its
//! duplicates, [`memory`] maps what it stands for, [`polling`] lets it be waited for, [`paths`] answers for
//! the file system of pinned objects. Calls that have nothing to do with such descriptors go on to the C
//! library ([`next`]), and so does all that is called from within glasshive itself.

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod descriptors;
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod memory;
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod next;
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod paths;
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod polling;
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod system_call;
