//! `bpf(2)`: attribute decoding, the descriptor table, one file per group of commands.

/// The whole system.
pub struct Kernel;
