//! Compilers: from an [`Image`] to bytes of machine code. Nothing is mapped or run here; that is the host's,
//! who gives a [`Compiler`] to the system.

pub mod wasm;
pub mod x86_64;

use alloc::boxed::Box;

use crate::arena::OutOfArena;
use crate::helper::RunContext;
use crate::image::Image;
use crate::interp::Stop;
use crate::resources::Resources;

/// What a host makes of images, so that test runs need no interpreter.
pub trait Compiler<M> {
    /// Machine code that runs as the interpreter does; `None` where it can't be had, and the interpreter
    /// runs the image.
    fn compile(&self, image: &Image) -> Option<Box<dyn Compiled<M> + Send>>;
}

/// What runs programs, as results name it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum EngineName {
    /// The interpreter.
    #[default]
    Interpreter,
    /// x86-64 machine code.
    X86_64,
    /// A WebAssembly module.
    WebAssembly,
}

impl EngineName {
    /// In words.
    pub const fn text(self) -> &'static str {
        match self {
            EngineName::Interpreter => "interpreter",
            EngineName::X86_64 => "x86-64 machine code",
            EngineName::WebAssembly => "WebAssembly",
        }
    }
}

/// A compiled image.
pub trait Compiled<M> {
    /// Runs it with `run`'s context in r1. [`Stop::Budget`] ends the run: the budget is about the number of
    /// slots passed in loops.
    ///
    /// # Errors
    /// [`OutOfArena`] where there is no room for its stack.
    fn run(
        &self,
        image: &Image,
        resources: &mut Resources<M>,
        run: &mut RunContext,
        budget: u64,
    ) -> Result<Stop, OutOfArena>;

    /// What the last run ended in: a host may interpret short runs.
    fn engine(&self) -> EngineName;
}
