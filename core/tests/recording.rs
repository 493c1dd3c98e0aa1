//! Every point of a run is the same whichever way one comes to it.

use std::hash::{DefaultHasher, Hash, Hasher};

use glasshive::arena::{Memory, VecMemory};
use glasshive::interp::{Machine, Stop};
use glasshive::isa::asm::assemble;
use glasshive::loader::{MapFds, create_maps, from_assembly, request};
use glasshive::names::Uapi;
use glasshive::program::test_run::Input;
use glasshive::syscall::Kernel;
use glasshive::syscall::descriptors::Sequential;
use glasshive::syscall::recorded_run::RecordedRun;

/// Calls, a packet that moves, chance, time, text, and a hash whose elements come and go. The large map
/// makes keyframes few, so that they are thinned within the run.
const BUSY: &str = r#"
.type xdp
.license GPL
.map flows hash 4 16 24
.map large array 4 8 600000

.func busy
    r6 = r1
    r7 = 150
again:
    call bpf_get_prandom_u32
    r0 &= 63
    *(u32 *)(r10 -4) = r0
    call bpf_ktime_get_ns
    *(u64 *)(r10 -24) = r0
    *(u64 *)(r10 -16) = r7
    r1 = map flows
    r2 = r10
    r2 += -4
    r3 = r10
    r3 += -24
    r4 = 0
    call bpf_map_update_elem
    r8 = r0
    r1 = *(u32 *)(r10 -4)
    r2 = r7
    call mix
    r0 &= 63
    *(u32 *)(r10 -4) = r0
    r1 = map flows
    r2 = r10
    r2 += -4
    call bpf_map_delete_elem
    r8 += r0
    r1 = map large
    r2 = r10
    r2 += -4
    call bpf_map_lookup_elem
    if r0 == 0 goto next
    r1 = 3
    lock *(u64 *)(r0 +0) += r1
    *(u8 *)(r0 +7) = 9
next:
    r1 = r7
    r1 &= 31
    if r1 != 1 goto skip
    r1 = r6
    r2 = -4
    call bpf_xdp_adjust_head
    r1 = 0x646c2520
    *(u32 *)(r10 -32) = r1
    r1 = 0
    *(u32 *)(r10 -28) = r1
    r1 = r10
    r1 += -32
    r2 = 5
    r3 = r7
    call bpf_trace_printk
skip:
    r7 += -1
    if r7 != 0 goto again
    r0 = r8
    exit
.func mix
    *(u64 *)(r10 -8) = r1
    r3 = *(u64 *)(r10 -8)
    r3 *= r2
    r0 = r3
    r0 ^= r2
    exit
"#;

fn start() -> (Kernel<VecMemory>, RecordedRun<VecMemory>) {
    let mut kernel = Kernel::new(VecMemory::new(1 << 23), 1, 1, Box::new(Sequential::default()));
    let object = from_assembly(&assemble(BUSY, &Uapi).unwrap());
    let (program, mut fds) = (&object.programs[0], MapFds::new());
    create_maps(&mut kernel, &object, program.code.as_ref().unwrap(), &mut fds).unwrap();
    let request = request(&object, program, None, &fds, 1).unwrap();
    let (fd, outcome) = kernel.load_program(&request);
    let fd = fd.unwrap_or_else(|errno| panic!("{errno}: {}", outcome.log.text()));
    let input = Input { data: Some(&[7; 64]), ..Input::default() };
    let run = kernel.record_run(fd, &input).unwrap();
    (kernel, run)
}

/// All there is at a point; of the large map the first values.
fn state(kernel: &mut Kernel<VecMemory>, run: &RecordedRun<VecMemory>) -> (Machine, u64) {
    let mut hasher = DefaultHasher::new();
    let resources = &mut kernel.resources;
    for object in resources.arena.objects() {
        let mut bytes = vec![0; object.len.min(4096) as usize];
        resources.arena.memory().read(object.address.into(), &mut bytes).unwrap();
        (object.address, object.len, bytes).hash(&mut hasher);
    }
    let ids: Vec<_> = resources.maps.ids().collect();
    for id in ids.into_iter().take(1) {
        let (map, mut cx) = resources.map(id).unwrap();
        let mut key = None;
        let mut next = [0; 4];
        while map.next_key(&mut cx, key.as_ref().map(|k: &[u8; 4]| &k[..]), &mut next).is_ok() {
            (next, map.program_lookup(&mut cx, &next)).hash(&mut hasher);
            key = Some(next);
        }
    }
    let others = format!("{:?} {:?} {:?}", resources.clock, resources.random, run.context());
    (others, &resources.printed).hash(&mut hasher);
    (run.recording().machine().clone(), hasher.finish())
}

#[test]
fn points_are_the_same_both_ways() {
    let (mut kernel, mut run) = start();
    let mut points = vec![state(&mut kernel, &run)];
    while run.step_forward(&mut kernel) {
        points.push(state(&mut kernel, &run));
    }
    let last = points.len() as u64 - 1;
    // More than 16 intervals of 128, then of 256.
    assert!(last > 18 * 256, "{last} points: keyframes were thinned");
    assert!(kernel.resources.printed.len() >= 4);
    assert_eq!((run.recording().length(), run.recording().at_end()), (last, true));
    let Some(Stop::Exit(value)) = run.recording().end() else { panic!("{:?}", run.recording().end()) };

    for at in (0..last).rev() {
        assert!(run.step_back(&mut kernel));
        assert_eq!(run.recording().position(), at);
        assert!(state(&mut kernel, &run) == points[at as usize], "back to {at}");
    }
    assert!(!run.step_back(&mut kernel));
    for at in 1..=last {
        assert!(run.step_forward(&mut kernel));
        assert!(state(&mut kernel, &run) == points[at as usize], "forward to {at}");
    }
    let mut at = 0;
    for step in 1..600 {
        at = (at + step * 2741) % (last + 1);
        assert_eq!(run.seek(&mut kernel, at), at);
        assert!(state(&mut kernel, &run) == points[at as usize], "at {at}");
    }
    assert_eq!(run.seek(&mut kernel, u64::MAX), last);
    assert!(state(&mut kernel, &run) == points[last as usize], "at the end");
    assert_eq!(run.finish(&mut kernel).unwrap().value, value as u32);
}

#[test]
fn going_back_before_the_end_is_known() {
    let (mut kernel, mut run) = start();
    assert_eq!(run.run(&mut kernel, 3000), Stop::Budget);
    let there = state(&mut kernel, &run);
    run.seek(&mut kernel, 1000);
    let before = state(&mut kernel, &run);
    assert_eq!(run.run(&mut kernel, 0), Stop::Budget);
    assert!(state(&mut kernel, &run) == there);
    assert!(matches!(run.run(&mut kernel, u64::MAX), Stop::Exit(_)));
    assert_eq!(run.seek(&mut kernel, 1000), 1000);
    assert!(state(&mut kernel, &run) == before);
    assert!(run.finish(&mut kernel).is_err(), "it was not at its end");
}
