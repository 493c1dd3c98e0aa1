//! Traces of whole programs.

mod random;
mod sound;
mod states;

use std::boxed::Box;
use std::fs;
use std::path::Path;
use std::string::{String, ToString};
use std::vec::Vec;

use super::view::{Begin, Cover, End, KeptState, Place, Segment, SegmentId, StateId, Step, ValueKind};
use super::{LogIndex, Recorder, Trace};
use crate::arena::VecMemory;
use crate::isa::Pc;
use crate::isa::asm::assemble;
use crate::loader::{MapFds, create_maps, from_assembly, request};
use crate::names::Uapi;
use crate::object::Object;
use crate::syscall::descriptors::Sequential;
use crate::syscall::{Kernel, capability};

use crate::verifier::observer::Observer;
use crate::verifier::{Outcome, Verifier};

/// Verifies a text; what came of it is with the recorder.
fn verify(text: &str) -> Outcome<Recorder> {
    watch(&object(text), 0, 2, Recorder::new())
}

fn object(text: &str) -> Object {
    from_assembly(&assemble(text, &Uapi).unwrap_or_else(|errors| panic!("{errors:?} in\n{text}")))
}

/// Verifies a program of an object, watched by anything.
fn watch<O: Observer>(object: &Object, program: usize, log_level: u32, observer: O) -> Outcome<O> {
    begin(object, program, log_level, observer).finish()
}

/// A verification to be stepped.
fn begin<O: Observer>(object: &Object, program: usize, log_level: u32, observer: O) -> Verifier<O> {
    let mut kernel = Kernel::new(VecMemory::new(1 << 24), 1, 1, Box::new(Sequential::default()));
    let mut fds = MapFds::new();
    let program = &object.programs[program];
    create_maps(&mut kernel, object, program.code.as_ref().unwrap(), &mut fds).unwrap();
    let request = request(object, program, None, &fds, log_level).unwrap();
    kernel.verifier(&request, observer)
}

/// The files of a folder of the repository, by name; the path is from `core`.
fn folder(path: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().to_string();
    files.iter().filter(|path| path.is_file()).map(|path| (name(path), fs::read(path).unwrap())).collect()
}

const COUNTER: &str = "
.type xdp
.license GPL
.map counts hash 4 8 16
    r6 = *(u32 *)(r1 +0)
    r0 = 0
    *(u32 *)(r10 -4) = r0
    r2 = r10
    r2 += -4
    r1 = map counts
    call bpf_map_lookup_elem
    if r0 == 0 goto out
    r1 = 1
    lock *(u64 *)(r0 +0) += r1
out:
    r0 = 2
    exit
";

fn shape(trace: &Trace) -> Vec<(Option<u32>, u32, u32, Begin, End)> {
    let row = |s: &Segment| (s.parent.map(|p| p.0), s.pc, s.len, s.begin, s.end);
    trace.segments().iter().map(row).collect()
}

#[test]
fn a_guessed_path_is_one_of_its_own() {
    let object = object(
        ".type socket_filter\n r0 = 0\n if r0 == 0 goto out\n r0 = *(u64 *)(r9 +0)\nout:\n r0 = 2\n exit\n",
    );
    let mut kernel = Kernel::new(VecMemory::new(1 << 20), 1, 1, Box::new(Sequential::default()));
    kernel.set_capabilities(capability::BPF);
    let request = request(&object, &object.programs[0], None, &MapFds::new(), 2).unwrap();
    let outcome = kernel.verifier(&request, Recorder::new()).finish();
    assert!(outcome.result.is_ok(), "{}", outcome.log.text());
    let trace = outcome.observer.finish();
    let expected = [
        (None, 0, 2, Begin::Entry, End::Fork),
        (Some(0), 3, 2, Begin::Follow, End::Exit),
        (Some(0), 2, 1, Begin::Resume, End::Barrier),
    ];
    assert_eq!(shape(&trace), expected);
    let guessed: Vec<bool> = trace.segments().iter().map(|segment| segment.guessed).collect();
    assert_eq!(guessed, [false, false, true]);
    assert_eq!(trace.barrier(SegmentId(2)), Some("R9 !read_ok"));
    assert_eq!(trace.barrier(SegmentId(1)), None);
}

#[test]
fn the_tree_of_a_fork() {
    let outcome = verify(COUNTER);
    assert!(outcome.result.is_ok(), "{}", outcome.log.text());
    let log = outcome.log.text().to_string();
    let trace = outcome.observer.finish();
    assert_eq!(trace.steps(), 12);
    let pruned = End::Pruned { by: StateId(0), looping: false };
    assert_eq!(
        shape(&trace),
        [
            (None, 0, 8, Begin::Entry, End::Fork),
            (Some(0), 9, 2, Begin::Follow, End::Checkpoint),
            (Some(1), 11, 2, Begin::Checkpoint, End::Exit),
            (Some(0), 11, 0, Begin::Resume, pruned),
        ]
    );
    let kept = KeptState { pc: 11, step: Step(10), segment: SegmentId(2), hits: 1 };
    assert_eq!(trace.kept_states(), [kept]);
    let covering = trace.covering(SegmentId(3)).unwrap();
    assert_eq!((covering.by, covering.step, covering.pc), (StateId(0), Step(10), 11));
    let how = |number: u8| {
        let row = covering.rows.iter().find(|row| row.place == Place::Register { frame: 0, number });
        row.map(|row| (row.how, row.kept.words.as_str(), row.path.words.as_str()))
    };
    let r0 = how(0).unwrap();
    assert_eq!((r0.0, r0.1), (Cover::Unread, "a value of map counts (8 bytes)"), "{r0:?}");
    assert_eq!(how(10).unwrap().0, Cover::Same);
    assert_eq!(trace.covering(SegmentId(2)), None);
    let history = trace.history(Step(8), Place::Register { frame: 0, number: 0 });
    assert!(history.iter().any(|cause| cause.pc == 7), "{history:?}");
    assert_eq!(trace.diagnostic(), None);
    assert_eq!(trace.previous(Step(10)), Some(Step(9)));
    assert_eq!(trace.segment(Step(10)), SegmentId(2));
    assert_eq!(trace.find(Pc(11), Step(0)), Some(Step(10)));
    assert_eq!(trace.find(Pc(0), Step(10)), Some(Step(0)));
    assert_eq!(trace.find(Pc(6), Step(10)), None, "the second slot of a wide instruction");
    assert_eq!(trace.visits().iter().sum::<u32>(), 12);

    let view = trace.state(Step(8)).unwrap();
    let r0 = &view.frames[0].registers[0];
    assert_eq!((r0.value.kind, r0.changed), (ValueKind::Map, true));
    assert_eq!(r0.value.words, "a value of map counts (8 bytes)");
    let slot = &view.frames[0].slots[0];
    assert_eq!((slot.offset, slot.bytes.as_str()), (-8, "????0000").clone());

    let index = LogIndex::new(&log);
    for step in 0..trace.steps() {
        let line = index.line_of(&trace, Step(step)).unwrap();
        let text = index.line(&log, line).unwrap();
        let number = std::format!("{}: (", trace.pc(Step(step)));
        assert!(text.starts_with(&number), "step {step}: {text}");
        assert_eq!(index.step_of(&trace, &log, line), Some(Step(step)));
    }
    let safe = (0..index.lines()).find(|at| index.line(&log, *at).unwrap().ends_with("safe"));
    assert_eq!(index.step_of(&trace, &log, safe.unwrap()), None, "behind the last step");
    let texts: Vec<String> = log.lines().map(String::from).collect();
    assert_eq!(texts.len() as u32, index.lines());
}

#[test]
fn a_rejection_ends_the_tree() {
    let outcome = verify(&COUNTER.replace("if r0 == 0 goto out", "if r6 == 0 goto out"));
    let trace = outcome.observer.finish();
    assert_eq!(trace.segments().last().unwrap().end, End::Error);
    let diagnostic = trace.diagnostic().unwrap();
    assert_eq!((diagnostic.pc, diagnostic.register), (Some(10), Some(0)));
    assert_eq!(diagnostic.step, Some(Step(trace.steps() - 1)));
}

#[test]
fn a_program_that_is_not_walked_has_no_steps() {
    let trace = verify(".type xdp\nr0 = 0\ngoto pc+5\nexit\n").observer.finish();
    assert_eq!((trace.steps(), trace.segments().len()), (0, 0));
    assert_eq!(trace.diagnostic().unwrap().step, None);
    assert!(trace.state(Step(0)).is_none());
}
