//! The interpreter: runs an [`Image`](crate::image::Image) over the arena, checking every access.
//!
//! A [`Machine`] is a run in progress. It stops when its budget is used up and goes on from there; what it
//! did to maps and packet stays. With [`Mode::Strict`] each access also has to stay within one live object,
//! which is what the verifier promised. A [`Recording`] is a run that can also be stepped back.

mod callback;
mod dispatch;
mod machine;
pub mod operations;
mod recording;

pub use machine::{Frame, Machine, Mode, Stop, Trap, TrapKind};
pub use recording::Recording;
