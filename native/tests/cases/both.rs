//! The same calls to the running kernel and to this system, and what each answered.

use glasshive_native::oracle::{Bpf, Side, usable};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};

use super::say;

/// Held by the comparison that runs.
static ALONE: Mutex<()> = Mutex::new(());

/// What one side answered, call by call: what was asked, and the answer.
#[derive(Default)]
pub struct Transcript(Vec<(String, String)>);

impl Transcript {
    /// Notes an answer.
    pub fn note(&mut self, asked: impl Into<String>, answer: impl std::fmt::Debug) {
        self.0.push((asked.into(), format!("{answer:?}")));
    }

    /// Notes a call's return value, as an errno's name; closes a descriptor that `gives_descriptor` says it is.
    pub fn ret(&mut self, asked: impl Into<String>, ret: i64) {
        self.0.push((asked.into(), glasshive_native::oracle::calls::errno_name(ret)));
    }

    /// Notes a text's lines: each is compared with the one at its place.
    pub fn lines(&mut self, asked: &str, text: &str) {
        self.0.extend(
            text.lines().zip(1..).map(|(line, at)| (format!("{asked}: line {at}"), line.to_string())),
        );
    }

    /// Notes the return value of a call that gives out a descriptor, and closes it.
    pub fn descriptor(&mut self, asked: impl Into<String>, side: Side, fd: i64) {
        self.ret(asked, fd);
        side.close(fd);
    }
}

/// Runs the calls on both sides and compares the transcripts. A difference that `known` names (by a part of
/// what was asked) is counted, printed, and no failure.
///
/// Says `skipped: …` where there is no running kernel to ask.
pub fn compare(test: &str, known: &[(&str, &str)], calls: impl Fn(Side, &mut Transcript)) {
    if let Err(why) = usable() {
        return say(&format!("skipped: {test}: {why}"));
    }
    // Descriptors are the process's: a number that one test closed is not to be another's meanwhile.
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let [kernel, glasshive] = Side::BOTH.map(|side| {
        let mut transcript = Transcript::default();
        calls(side, &mut transcript);
        transcript.0
    });
    let (mut failures, mut count) = (String::new(), 0);
    let mut seen = vec![0_usize; known.len()];
    let by_name: BTreeMap<&str, &str> =
        glasshive.iter().map(|(asked, answer)| (&**asked, &**answer)).collect();
    for k in &kernel {
        // A line that one side does not have is nothing there.
        let g = (&k.0, by_name.get(k.0.as_str()).copied().unwrap_or("nothing"));
        if k.1 == g.1 {
            continue;
        }
        if let Some(at) = known.iter().position(|(part, _)| k.0.contains(part)) {
            seen[at] += 1;
            continue;
        }
        count += 1;
        if count <= 40 {
            let _ = writeln!(failures, "{}: kernel {}, glasshive {}", k.0, k.1, g.1);
        }
    }
    let differing: usize = seen.iter().sum();
    for ((part, why), seen) in known.iter().zip(seen) {
        if seen > 0 {
            say(&format!("{test}: known difference in {seen} calls: {part}: {why}"));
        } else {
            say(&format!("{test}: {part} agrees now: take it from the list of known differences"));
        }
    }
    let agree = kernel.len() - count - differing;
    say(&format!("{test}: {agree} of {} answers agree with the running kernel", kernel.len()));
    assert!(count == 0, "{test}: {count} answers differ:\n{failures}");
}

/// Bytes in short: how many, and a hash.
pub fn digest(bytes: &[u8]) -> (usize, u64) {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    (bytes.len(), bytes.iter().fold(0xcbf2_9ce4_8422_2325, step))
}
