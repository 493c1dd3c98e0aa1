//! What tests share: the data beside the clone, engines behind one trait, and the tables of cases.
//!
//! A new engine is one more [`engine::Engine`] in [`engine::engines`]: every test over them then runs it too.

// Each test binary uses its part of this.
#![allow(dead_code)]

pub mod both;
pub mod conformance;
pub mod corpus;
pub mod engine;
pub mod objects;
pub mod texts;

use std::io::Write;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A file of `../shared`, beside the clone. Says `skipped: …` and gives `None` where it is not there.
pub fn shared(test: &str, file: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared").join(file);
    if path.exists() {
        return Some(path);
    }
    say(&format!("skipped: {test}: ../shared/{file} is absent"));
    None
}

/// Prints a line past the test harness, which keeps what passing tests print to itself.
pub fn say(text: &str) {
    // Nobody reads a closed standard error.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// FNV-1a.
pub fn hash(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// What a function gives for each item, in order; made on as many threads as there are CPUs.
pub fn on_all_cpus<T: Sync, R: Send>(items: &[T], make: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let (next, made) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(at) else { break };
                    let result = make(item);
                    made.lock().expect("no thread panics").push((at, result));
                }
            });
        }
    });
    let mut made = made.into_inner().expect("no thread panics");
    made.sort_by_key(|(at, _)| *at);
    made.into_iter().map(|(_, result)| result).collect()
}

/// Calls with `CAP_BPF` and `CAP_NET_ADMIN` alone in effect for this thread.
pub fn few_capabilities<R>(call: impl FnOnce() -> R) -> R {
    const VERSION_3: u32 = 0x2008_0522;
    let head = [VERSION_3, 0];
    // Effective, permitted and inheritable, of the low and of the high 32.
    let mut held = [0_u32; 6];
    // SAFETY: both arguments are as large as the call takes them to be.
    let got = unsafe { libc::syscall(libc::SYS_capget, head.as_ptr(), held.as_mut_ptr()) };
    assert_eq!(got, 0, "this thread's capabilities");
    let mut few = held;
    (few[0], few[3]) = (held[0] & 1 << 12, held[3] & 1 << (39 - 32));
    // SAFETY: as above; dropping and taking back what is permitted is this thread's own affair.
    let set = |data: &[u32; 6]| unsafe { libc::syscall(libc::SYS_capset, head.as_ptr(), data.as_ptr()) };
    assert_eq!(set(&few), 0, "to drop capabilities");
    let result = call();
    assert_eq!(set(&held), 0, "to take capabilities back");
    result
}
