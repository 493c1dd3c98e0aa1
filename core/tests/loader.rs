//! Texts and objects, from their first byte to a test run.

use glasshive::arena::VecMemory;
use glasshive::isa::asm::assemble;
use glasshive::loader::{MapFds, create_maps, from_assembly, request};
use glasshive::names::Uapi;
use glasshive::object::Object;
use glasshive::program::test_run::Input;
use glasshive::syscall::Kernel;
use glasshive::syscall::descriptors::Sequential;

fn kernel() -> Kernel<VecMemory> {
    Kernel::new(VecMemory::new(1 << 24), 1, 1, Box::new(Sequential::default()))
}

const COUNTER: &str = r#"
.type xdp
.license GPL
.map counts array 4 8 4
.map names array 4 8 1 0x80
.contents names "0700000000000000"

.func count
    r0 = 0
    *(u32 *)(r10 -4) = r0
    r2 = r10
    r2 += -4
    r1 = map counts
    call bpf_map_lookup_elem
    if r0 == 0 goto out
    r1 = map_value names
    r1 = *(u64 *)(r1 +0)
    lock *(u64 *)(r0 +0) += r1
out:
    r0 = 2
    exit
"#;

#[test]
fn a_text_is_loaded_and_run() {
    let object = from_assembly(&assemble(COUNTER, &Uapi).unwrap());
    let (mut kernel, mut fds) = (kernel(), MapFds::new());
    let program = object.program("count").unwrap();
    create_maps(&mut kernel, &object, program.code.as_ref().unwrap(), &mut fds).unwrap();
    let request = request(&object, program, None, &fds, 1).unwrap();
    let (fd, outcome) = kernel.load_program(&request);
    let fd = fd.unwrap_or_else(|errno| panic!("{errno}: {}", outcome.log.text()));
    for runs in 1..=2 {
        let input = Input { data: Some(&[0; 64]), repeat: 1, ..Input::default() };
        assert_eq!(kernel.test_run(fd, &input).unwrap().value, 2);
        let counted = kernel.map_lookup(fds[&0], &[0; 4], 0).unwrap();
        assert_eq!(counted, (7 * runs as u64).to_le_bytes());
    }
    assert!(kernel.map_update(fds[&1], &[0; 4], &[0; 8], 0).is_err(), "frozen");
}

#[test]
fn an_object_is_loaded_or_says_what_is_missing() {
    let object = Object::parse(include_bytes!("objects/calls.o")).unwrap();
    let (mut kernel, mut fds) = (kernel(), MapFds::new());
    let program = object.program("last").unwrap();
    create_maps(&mut kernel, &object, program.code.as_ref().unwrap(), &mut fds).unwrap();
    let request = request(&object, program, None, &fds, 1).unwrap();
    assert!(request.lines.iter().any(|line| line.file == "calls.c" && line.text.contains("limit = 9")));
    let (fd, outcome) = kernel.load_program(&request);
    let fd = fd.unwrap_or_else(|errno| panic!("{errno}: {}", outcome.log.text()));
    let input = Input { data: Some(&[0; 64]), repeat: 1, ..Input::default() };
    assert_eq!(kernel.test_run(fd, &input).unwrap().value, 2);
    // `limit`, behind `step` in `.data`.
    let data = object.maps.iter().position(|map| map.name == ".data").unwrap();
    assert_eq!(kernel.map_lookup(fds[&data], &[0; 4], 0).unwrap(), [3, 0, 0, 0, 9, 0, 0, 0]);

    let other = object.program("other").unwrap();
    let error = glasshive::loader::request(&object, other, None, &fds, 1).unwrap_err().to_string();
    assert!(
        error.starts_with("program other: the section name \"somewhere\" stands for no program type"),
        "{error}"
    );
}

#[test]
fn maps_come_with_their_types_and_elements() {
    let object = Object::parse(include_bytes!("objects/nested.o")).unwrap();
    let (mut kernel, mut fds) = (kernel(), MapFds::new());
    let program = object.program("nested").unwrap();
    create_maps(&mut kernel, &object, program.code.as_ref().unwrap(), &mut fds).unwrap();
    let of = |name: &str| fds[&object.maps.iter().position(|map| map.name == name).unwrap()];
    kernel.map_update(of("accounts"), &1u32.to_le_bytes(), &[0; 16], 0).unwrap();

    let request = request(&object, program, None, &fds, 1).unwrap();
    let (fd, outcome) = kernel.load_program(&request);
    let fd = fd.unwrap_or_else(|errno| panic!("{errno}: {}", outcome.log.text()));
    let input = Input { data: Some(&[0; 64]), repeat: 1, ..Input::default() };
    assert_eq!(kernel.test_run(fd, &input).unwrap().value, 1);
    assert_eq!(kernel.map_lookup(of("inner"), &2u32.to_le_bytes(), 0).unwrap(), 1u64.to_le_bytes());
    let account = kernel.map_lookup(of("accounts"), &1u32.to_le_bytes(), 0).unwrap();
    assert_eq!(account[8..], 5u64.to_le_bytes());
}
