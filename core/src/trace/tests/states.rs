//! The state that a trace gives back is the state that was.

use std::vec::Vec;
use std::{format, println};

use super::super::view::Step;
use super::super::{Recorder, Trace};
use super::{begin, folder, object, random};
use crate::isa::Pc;
use crate::object::Object;
use crate::verifier::observer::{Linked, Observer, Prepared};
use crate::verifier::state::{Slot, State, StateId};
use crate::verifier::{Rejection, print};

/// Records, and keeps every state whole beside it.
#[derive(Default)]
struct Whole {
    recorder: Recorder,
    states: Vec<State>,
    /// Those that paths were pruned in.
    ends: Vec<State>,
}

impl Observer for Whole {
    fn prepared(&mut self, program: &Prepared<'_>) {
        self.recorder.prepared(program);
    }
    fn entry(&mut self, pc: Pc) {
        self.recorder.entry(pc);
    }
    fn step(&mut self, pc: Pc, state: &State, log: usize) {
        self.recorder.step(pc, state, log);
        self.states.push(State { history: Vec::new(), ..state.clone() });
    }
    fn fork(&mut self) -> u32 {
        self.recorder.fork()
    }
    fn resume(&mut self, token: u32, pc: Pc, guessed: bool) {
        self.recorder.resume(token, pc, guessed);
    }
    fn kept(&mut self, id: StateId, pc: Pc) {
        self.recorder.kept(id, pc);
    }
    fn pruned(&mut self, by: StateId, looping: bool, pc: Pc, state: &State) {
        self.recorder.pruned(by, looping, pc, state);
        self.ends.push(State { history: Vec::new(), ..state.clone() });
    }
    fn exit(&mut self) {
        self.recorder.exit();
    }
    fn relied(&mut self, on: Linked) {
        self.recorder.relied(on);
    }
    fn precise(&mut self, state: StateId, what: Linked) {
        self.recorder.precise(state, what);
    }
    fn rejected(&mut self, rejection: &Rejection, pc: Option<Pc>) {
        self.recorder.rejected(rejection, pc);
    }
}

/// What is compared: all but what matters exactly, and how far down the stack is allocated.
fn plain(mut state: State) -> impl PartialEq + core::fmt::Debug {
    for frame in &mut state.frames {
        frame.registers.iter_mut().for_each(|register| register.precise = false);
        frame.stack.iter_mut().for_each(|slot| slot.spilled.precise = false);
        while frame.stack.last() == Some(&Slot::EMPTY) {
            frame.stack.pop();
        }
    }
    (state.frames, state.references, state.may_goto_depth, state.pc)
}

/// Instructions walked of one program: some never come to an end.
const MOST_STEPS: u32 = 4_000;

/// Compares every step; answers the number of them.
fn compare(name: &str, object: &Object, program: usize) -> u32 {
    let whole = Whole { recorder: Recorder::new(), ..Whole::default() };
    let mut verifier = begin(object, program, 0, whole);
    verifier.step(MOST_STEPS);
    let (Whole { recorder, states, ends }, ..) = verifier.abandon();
    let trace: Trace = recorder.finish();
    assert_eq!(trace.steps() as usize, states.len());
    // Backwards, so that no order of asking is the order of making.
    for (step, state) in states.into_iter().enumerate().rev() {
        let step = Step(step as u32);
        let text = |state: &State| {
            let mut text = std::string::String::new();
            for frame in 0..state.frames.len() {
                let _ = print::write_frame(state, frame, None, &print::Names::of_maps(&[]), &mut text);
            }
            text
        };
        let found = trace.state_at(step).unwrap();
        let texts = (text(&found), text(&state));
        assert!(plain(found) == plain(state), "{name}, step {}:\n{}\n{}", step.0, texts.0, texts.1);
    }
    let pruned = trace.segments().iter().enumerate();
    let pruned = pruned.filter(|(_, s)| matches!(s.end, super::super::view::End::Pruned { .. }));
    let found: Vec<State> =
        pruned.filter_map(|(at, _)| trace.state_at_end(super::SegmentId(at as u32))).collect();
    assert_eq!(found.len(), ends.len(), "{name}");
    for (found, end) in found.into_iter().zip(ends) {
        assert!(plain(found) == plain(end), "{name}: the end of a pruned path");
    }
    assert!(trace.state_at(Step(trace.steps())).is_none());
    trace.steps()
}

#[test]
fn states_of_objects_come_back() {
    let mut steps = 0;
    for (name, bytes) in folder("../www/examples").into_iter().filter(|(name, _)| name.ends_with(".o")) {
        let object = Object::parse(&bytes).unwrap();
        for program in 0..object.programs.len() {
            let usable = object.programs[program].code.is_ok() && object.programs[program].kind.is_some();
            if usable {
                steps += compare(&name, &object, program);
            }
        }
    }
    assert!(steps > 1_000, "{steps}");
}

#[test]
fn states_of_texts_come_back() {
    for (name, bytes) in folder("tests/rejected") {
        let text = std::string::String::from_utf8(bytes).unwrap();
        compare(&name, &object(text.split("\n---\n").next().unwrap()), 0);
    }
}

#[test]
fn states_of_random_programs_come_back() {
    let (mut steps, mut longest) = (0, 0);
    for seed in 0..150 {
        let text = random::program(seed);
        let walked = compare(&format!("seed {seed}:\n{text}"), &object(&text), 0);
        (steps, longest) = (steps + walked, longest.max(walked));
    }
    println!("{steps} steps, {longest} in the longest program");
    assert!(steps > 20_000 && longest > 3_000, "{steps} {longest}");
}

/// With one slot of a dynptr go its other one, and what was made of it.
#[test]
fn what_goes_with_an_overwritten_object_is_told() {
    let text = "
    .type xdp
    .license GPL
    .map values array 4 64 1
        *(u32 *)(r10 -4) = 0
        r2 = r10
        r2 += -4
        r1 = map values
        call bpf_map_lookup_elem
        if r0 == 0 goto end
        r1 = r0
        r2 = 64
        r3 = 0
        r4 = r10
        r4 += -24
        call bpf_dynptr_from_mem
        r1 = r10
        r1 += -24
        r2 = 0
        r3 = 8
        call bpf_dynptr_data
        r7 = r0
        *(u64 *)(r10 -24) = 0
    end:
        r0 = 0
        exit";
    assert_eq!(compare("a dynptr", &object(text), 0), 21);
}
