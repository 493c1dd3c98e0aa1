//! glasshive in a browser: the page (`app`), the worker that holds the engine (`worker`), and the npm
//! package (`npm`), each behind a feature of its own name, so that none carries another's code.
//!
//! [`protocol`] is all that page and worker share.

pub mod gallery;
pub mod hex;
pub mod layered;
pub mod packets;
pub mod pcap;
pub mod protocol;
pub mod session;
pub mod terms;
pub mod tidy;

#[cfg(feature = "app")]
pub mod app;
#[cfg(all(target_arch = "wasm32", any(feature = "npm", feature = "worker")))]
pub mod jit;
#[cfg(feature = "npm")]
pub mod npm;
#[cfg(feature = "worker")]
pub mod worker;
