//! What the verifier knows about a number.
//!
//! *Idea.* A register's 64 bits are a set of numbers, kept as a product of simple sets: known bits
//! ([`Tnum`]), and an interval in each of four readings (unsigned and signed, of all 64 bits and of the
//! low 32).
//!
//! *Definition.* A [`Scalar`] stands for the set of all `x` with `x & !mask == value`,
//! `umin <= x <= umax`, `smin <= x as i64 <= smax`, and the same of `x as u32`. Every transfer function
//! answers a scalar that contains each outcome of each pair of members (tested exhaustively at small
//! widths); how much more it contains is a fact of the running kernel, whose log shows it.
//!
//! * [`tnum`]: known bits. * [`bounds`]: what one reading says of the others. * [`alu`]: arithmetic.
//! * [`branch`]: what a comparison says. * [`text`]: the log's notation.

pub mod alu;
pub mod bounds;
pub mod branch;
pub mod scalar;
pub mod text;
pub mod tnum;

#[cfg(test)]
mod tests;

pub use scalar::Scalar;
pub use tnum::Tnum;
