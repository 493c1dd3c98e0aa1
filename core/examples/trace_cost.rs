//! What recording a verification costs: `cargo run --release -p glasshive --example trace_cost [FILE.o …]`.
//!
//! For each program: instructions walked, nanoseconds for each without and with a trace, bytes of the trace
//! for each, microseconds to make a step's state again.

use std::hint::black_box;
use std::time::Instant;

use glasshive::arena::VecMemory;
use glasshive::isa::asm::assemble;
use glasshive::loader::{MapFds, create_maps, from_assembly, request};
use glasshive::names::Uapi;
use glasshive::object::Object;
use glasshive::syscall::Kernel;
use glasshive::syscall::descriptors::Sequential;
use glasshive::trace::Recorder;
use glasshive::trace::view::Step;
use glasshive::verifier::observer::Nobody;

/// A counter that is compared with its limit: each round relies on its value.
const COUNTER: &str = ".type xdp
    r0 = 0
again:
    r0 += 1
    if r0 < 300000 goto again
    r0 = 2
    exit
";

/// Rounds that fork, spill, and compute an index that is relied on.
const INDEX: &str = ".type xdp
.map counts hash 4 256 8
    r6 = r1
    *(u64 *)(r10 -8) = 7
    r2 = r10
    r2 += -8
    r1 = map counts
    call bpf_map_lookup_elem
    if r0 == 0 goto out
    r7 = r0
    r8 = 0
again:
    r1 = *(u32 *)(r6 +12)
    r1 &= 127
    r2 = r1
    r2 += r8
    *(u64 *)(r10 -16) = r2
    r3 = *(u64 *)(r10 -16)
    if r3 > 200 goto skip
    r4 = r7
    r4 += r3
    *(u8 *)(r4 +0) = 1
skip:
    r8 += 1
    if r8 < 40000 goto again
out:
    r0 = 2
    exit
";

/// Every path of twelve conditions that leave something behind.
const PATHS: &str = ".type xdp
    r6 = *(u32 *)(r1 +12)
    r7 = 0
    r8 = r10
    r8 += -64
";

fn paths() -> String {
    let mut text = String::from(PATHS);
    for bit in 0..15 {
        text += &format!("    r2 = r6\n    r2 &= {}\n    if r2 == 0 goto skip_{bit}\n", 1 << bit);
        text +=
            &format!("    r7 += {}\n    *(u64 *)(r10 -{}) = r7\nskip_{bit}:\n", 1 << bit, 8 * (bit % 8 + 1));
    }
    text += "    r7 &= 63\n    r8 += r7\n    *(u8 *)(r8 +0) = 1\n    r0 = 2\n    exit\n";
    text
}

fn measure(name: &str, object: &Object, program: usize) {
    let program = &object.programs[program];
    let Ok(code) = &program.code else { return };
    let mut kernel = Kernel::new(VecMemory::new(1 << 26), 1, 1, Box::new(Sequential::default()));
    let mut fds = MapFds::new();
    if create_maps(&mut kernel, object, code, &mut fds).is_err() {
        return;
    }
    let Ok(request) = request(object, program, None, &fds, 0) else { return };
    let mut best = [f64::MAX; 2];
    let mut recorded = None;
    for _ in 0..3 {
        let start = Instant::now();
        black_box(kernel.verifier(&request, Nobody).finish().stats);
        best[0] = best[0].min(start.elapsed().as_secs_f64());
        let start = Instant::now();
        let outcome = kernel.verifier(&request, Recorder::new()).finish();
        best[1] = best[1].min(start.elapsed().as_secs_f64());
        recorded = Some((outcome.stats.processed, outcome.observer.finish()));
    }
    let Some((processed, trace)) = recorded else { return };
    if trace.steps() == 0 {
        return;
    }
    let (lookups, mut at) = (20_000, 1u32);
    let start = Instant::now();
    for _ in 0..lookups {
        at = at.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        black_box(trace.state_at(Step(at % trace.steps())));
    }
    let lookup = start.elapsed().as_secs_f64() / f64::from(lookups);
    let each = |seconds: f64| seconds * 1e9 / f64::from(processed);
    println!(
        "{name:40} {processed:>9} {:>8.0} {:>8.0} {:>6.2}x {:>8.1} {:>8.2}",
        each(best[0]),
        each(best[1]),
        best[1] / best[0],
        trace.size() as f64 / f64::from(trace.steps()),
        lookup * 1e6
    );
}

fn main() {
    println!(
        "{:40} {:>9} {:>8} {:>8} {:>7} {:>8} {:>8}",
        "program", "walked", "ns each", "traced", "slower", "B/step", "us/state"
    );
    let text = |text: &str| from_assembly(&assemble(text, &Uapi).expect("the texts above are programs"));
    measure("counter", &text(COUNTER), 0);
    measure("index", &text(INDEX), 0);
    measure("paths", &text(&paths()), 0);
    for path in std::env::args().skip(1) {
        let read = std::fs::read(&path).map_err(|error| error.to_string());
        match read.and_then(|bytes| Object::parse(&bytes).map_err(|error| format!("{error:?}"))) {
            Ok(object) => {
                for at in 0..object.programs.len() {
                    let file = path.rsplit('/').next().unwrap_or(&path);
                    measure(&format!("{file} {}", object.programs[at].name), &object, at);
                }
            }
            Err(error) => println!("{path}: {error}"),
        }
    }
}
