//! What the verifier did, kept compactly and readable at any step.
//!
//! [`view`] has the plain data that hosts show.

pub mod view;
