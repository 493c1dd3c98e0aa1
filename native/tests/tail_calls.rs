//! Tail calls, on this system and on the running kernel.

use glasshive::isa::asm::assemble;
use glasshive::isa::bytes;
use glasshive::loader::from_assembly;
use glasshive::names::Uapi;
use glasshive_native::oracle::calls::{Load, MapCreate, TestRun, command, element, update};
use glasshive_native::oracle::{Bpf, Fresh, Side, usable};

/// Counts, then calls itself until it may not any more.
const AGAIN: &str = "
.map counter array 4 8 1
.map programs prog_array 4 4 2
    r6 = r1
    r1 = 0
    *(u32 *)(r10 -4) = r1
    r2 = r10
    r2 += -4
    r1 = map counter
    call bpf_map_lookup_elem
    if r0 == 0 goto out
    r1 = 1
    lock *(u64 *)(r0 +0) += r1
    r1 = r6
    r2 = map programs
    r3 = 0
    call bpf_tail_call
out:
    r0 = 42
    exit
";

/// A slot with nothing in it, and one that is not there.
const NOWHERE: &str = "
.map counter array 4 8 1
.map programs prog_array 4 4 2
    r6 = r1
    r7 = 142
    r1 = r6
    r2 = map programs
    r3 = 1
    call bpf_tail_call
    r1 = r6
    r2 = map programs
    r3 = 2
    call bpf_tail_call
    r0 = r7
    exit
";

struct Maps {
    counter: i64,
    programs: i64,
}

fn load(side: &dyn Bpf, text: &str, maps: &Maps) -> i64 {
    let object = from_assembly(&assemble(text, &Uapi).unwrap());
    let code = object.programs[0].code.as_ref().unwrap();
    let mut insns = code.insns.clone();
    for used in &code.map_uses {
        insns[used.at.index()].imm = [maps.counter, maps.programs][used.map] as i32;
    }
    let load =
        Load { program_type: 6, insns: &bytes(&insns), license: b"GPL\0", log_level: 1, ..Load::default() };
    let loaded = load.call(side);
    assert!(loaded.ret >= 0, "{}", loaded.log);
    loaded.ret
}

/// The results of both programs, and what was counted.
fn answers(side: &dyn Bpf) -> (u32, u32, u64) {
    let map = |map_type, value_size, max_entries| {
        MapCreate { map_type, key_size: 4, value_size, max_entries, ..MapCreate::default() }.call(side)
    };
    let maps = Maps { counter: map(2, 8, 1), programs: map(3, 4, 2) };
    let again = load(side, AGAIN, &maps);
    let nowhere = load(side, NOWHERE, &maps);
    assert_eq!(update(side, maps.programs, Some(&[0; 4]), &(again as u32).to_le_bytes(), 0), 0);
    let run = |fd| {
        let ran = TestRun { data: Some(&[0; 64]), repeat: 1, ..TestRun::default() }.call(side, fd);
        assert_eq!(ran.ret, 0);
        ran.value
    };
    let results = (run(again), run(nowhere));
    let (key, mut counted) = ([0_u8; 4], [0_u8; 8]);
    let (key, value) = (key.as_ptr() as u64, counted.as_mut_ptr() as u64);
    assert_eq!(element(side, command::MAP_LOOKUP_ELEM, maps.counter, key, value, 0), 0);
    [again, nowhere, maps.counter, maps.programs].into_iter().for_each(|fd| side.close(fd));
    (results.0, results.1, u64::from_le_bytes(counted))
}

#[test]
fn tail_calls_are_the_kernels() {
    let own = answers(&Fresh::new(1).unwrap());
    // 34 runs of the first program by itself.
    assert_eq!((own.0, own.1), (42, 142));
    match usable() {
        Ok(()) => assert_eq!(own, answers(&Side::Kernel)),
        Err(why) => println!("skipped: the running kernel: {why}"),
    }
}
