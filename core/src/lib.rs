//! glasshive: the system behind Linux's `bpf(2)` without a kernel.
//!
//! The way through is one way, and each layer knows only the ones before it:
//!
//! 1. [`isa`] turns bytes into typed instructions and back, as text and as RFC 9669's encoding;
//! 2. [`object`] reads clang's ELF objects into programs and maps;
//! 3. [`arena`] is the one memory that programs can touch, [`map`] the maps that live in it;
//! 4. [`program`] and [`helper`] are tables: what a program type's context looks like, what a helper takes;
//! 5. [`verifier`] explores a program and says yes or no, [`trace`] keeps what it did;
//! 6. [`image`] is what was verified, [`interp`] runs it, [`jit`] makes machine code of it;
//! 7. [`syscall`] is `bpf(2)` itself: the [`Kernel`](syscall::Kernel) that owns all of the above.
//! 8. [`loader`] turns a text or an object into calls of the system, [`names`] joins the tables' names to the
//!    assembler.
//!
//! Nothing here knows who hosts it: no threads, no clock, no globals, no `unsafe`.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod arena;
pub mod errno;
pub mod helper;
pub mod image;
pub mod interp;
pub mod isa;
pub mod jit;
pub mod loader;
pub mod map;
pub mod names;
pub mod object;
pub mod program;
pub mod resources;
pub mod syscall;
pub mod trace;
pub mod verifier;
