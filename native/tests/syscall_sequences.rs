//! Sequences of calls with what the running kernel answered, put to an empty system.
//!
//! `cargo xtask oracle syscall --record native/tests/data/sequences.jsonl --seed 1 --count 80` makes them.

use glasshive_native::oracle::Fresh;
use glasshive_native::oracle::syscall::Recorded;
use glasshive_native::oracle::syscall::run::run;

#[test]
fn recorded_sequences_are_answered_as_the_kernel_answered() {
    let text = include_str!("data/sequences.jsonl");
    let mut count = 0;
    for (at, line) in text.lines().enumerate() {
        let Recorded { cpus, sequence, answers } = serde_json::from_str(line).expect("a recorded sequence");
        let system = Fresh::new(cpus as u32).expect("address space");
        for (action, (ours, kernel)) in run(&sequence, &system).iter().zip(&answers).enumerate() {
            assert_eq!(ours, kernel, "line {}, action {action} of\n{sequence}", at + 1);
        }
        count += 1;
    }
    assert!(count >= 50, "{count} sequences");
}
