//! What the verifier did, kept compactly and readable at any step.
//!
//! A [`Recorder`] watches a verification; [`Recorder::finish`] makes a [`Trace`] of it, at the end or
//! whenever the verification is given up ([`Verifier::abandon`](crate::verifier::Verifier::abandon)):
//!
//! ```text
//! let mut verifier = kernel.verifier(&request, Recorder::new());
//! while verifier.step(10_000) == Progress::Running { … }
//! let outcome = verifier.finish();
//! let trace = outcome.observer.finish();
//! trace.segments(), trace.kept_states(), trace.visits(), trace.state(step), trace.diagnostic()
//! ```
//!
//! A *step* is an instruction that was walked; a *segment* is a node of the exploration tree: the steps from
//! an entry, a fork or a checkpoint to the next fork, checkpoint, prune, exit or error. [`view`] has the plain
//! data that hosts show; [`LogIndex`] joins the lines of the log (level 2) to steps; [`diagnose`] says why a
//! program was rejected.

mod claims;
mod covering;
mod describe;
mod diagnostics;
mod follow;
mod index;
mod precision;
mod recorder;
mod reliance;
mod states;
#[cfg(test)]
mod tests;
mod text;
mod tree;
mod values;
pub mod view;

pub use claims::{Broken, Claims};
pub use diagnostics::{diagnose, explains, kind, kinds};
pub use follow::{Followed, Unfollowed, follow};
pub use index::LogIndex;
pub use recorder::{Recorder, Trace};
