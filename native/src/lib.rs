//! glasshive on a host with an operating system.
//!
//! [`memory`] keeps the arena in reserved pages, [`jit`] runs machine code over it where [`engine`] says so, [`process`] is the one system
//! of a process, with the process's own memory as user memory and its own descriptors as numbers. [`oracle`]
//! puts the same calls to it and to the running kernel. No logic of eBPF is here.

pub mod engine;
mod foreign;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
pub mod jit;
pub mod memory;
pub mod oracle;
pub mod process;
