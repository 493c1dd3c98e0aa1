//! Every engine that takes part, each behind [`Engine`].

mod glasshive;
mod kernel;
mod rbpf;
mod sbpf;

use crate::program::Program;
use anyhow::Result;

pub use glasshive::{Loaded, Target, compile_times};

/// Runs a program once: its result.
pub type Runner = Box<dyn FnMut() -> Result<u64>>;

/// An engine.
pub struct Engine {
    /// Its name in the table.
    pub name: &'static str,
    /// Makes a program ready.
    pub prepare: fn(&Program) -> Result<Runner>,
}

/// All of them, in the table's order.
pub const ENGINES: &[Engine] = &[
    Engine { name: "native Rust", prepare: crate::native::prepare },
    Engine { name: "kernel JIT", prepare: kernel::prepare },
    Engine { name: "glasshive JIT", prepare: glasshive::jit },
    Engine { name: "rbpf JIT", prepare: rbpf::jit },
    Engine { name: "sbpf JIT", prepare: sbpf::jit },
    Engine { name: "glasshive interpreter", prepare: glasshive::interpreter },
    Engine { name: "glasshive interpreter, strict", prepare: glasshive::strict },
    Engine { name: "sbpf interpreter", prepare: sbpf::interpreter },
    Engine { name: "rbpf interpreter", prepare: rbpf::interpreter },
];
