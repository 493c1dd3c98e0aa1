//! The uapi's names, as the assembler and the disassembler ask for them.

use alloc::borrow::Cow;

use crate::helper::Facts;
use crate::isa::asm::Resolver;
use crate::isa::disasm::Names;
use crate::map::types::TYPES;
use crate::program;

/// The names of the tables of [`helper`](crate::helper) and [`map`](crate::map).
#[derive(Clone, Copy, Debug)]
pub struct Uapi;

impl Resolver for Uapi {
    fn helper(&self, name: &str) -> Option<i32> {
        Facts::by_name(name).map(|facts| facts.number)
    }
    fn is_program_type(&self, name: &str) -> bool {
        program_type(name).is_some()
    }
    fn map_type(&self, name: &str) -> Option<u32> {
        TYPES.iter().find(|row| row.name == name).map(|row| row.number)
    }
}

impl Names for Uapi {
    fn helper(&self, number: i32) -> Option<Cow<'_, str>> {
        // Number 0 has a name, and no function.
        let unspecified = (number == 0).then_some("bpf_unspec");
        unspecified.or_else(|| Facts::of(number).map(|facts| facts.name)).map(Cow::Borrowed)
    }
}

/// A map type's name.
pub fn map_type(number: u32) -> Option<&'static str> {
    TYPES.iter().find(|row| row.number == number).map(|row| row.name)
}

/// A program type's number.
pub fn program_type(name: &str) -> Option<u32> {
    program::types::TYPES.iter().find(|row| row.name == name).map(|row| row.number)
}

/// The uapi's name for what a program returned (`enum xdp_action`, `TC_ACT_*` and their like); `None` where its
/// type has no name for that number.
pub fn return_value(program_type: u32, value: u32) -> Option<&'static str> {
    let of_type = RETURN_VALUES.iter().find(|(types, _)| types.contains(&program_type));
    let row = of_type?.1.iter().find(|(number, _)| *number as u32 == value);
    row.map(|row| row.1)
}

/// A return value and its name.
type Named = (i32, &'static str);

/// Program types, and their return values that have a name.
#[rustfmt::skip]
const RETURN_VALUES: &[(&[u32], &[Named])] = &[
    (&[3, 4], &[
        (-1, "TC_ACT_UNSPEC"), (0, "TC_ACT_OK"), (1, "TC_ACT_RECLASSIFY"), (2, "TC_ACT_SHOT"),
        (3, "TC_ACT_PIPE"), (4, "TC_ACT_STOLEN"), (5, "TC_ACT_QUEUED"), (6, "TC_ACT_REPEAT"),
        (7, "TC_ACT_REDIRECT"), (8, "TC_ACT_TRAP"),
    ]),
    (&[6], &[
        (0, "XDP_ABORTED"), (1, "XDP_DROP"), (2, "XDP_PASS"), (3, "XDP_TX"), (4, "XDP_REDIRECT"),
    ]),
    (&[10, 11, 12, 19], &[(0, "BPF_OK"), (2, "BPF_DROP"), (7, "BPF_REDIRECT"), (128, "BPF_LWT_REROUTE")]),
    (&[14, 16, 21, 30], &[(0, "SK_DROP"), (1, "SK_PASS")]),
    (&[22], &[(0, "BPF_OK"), (2, "BPF_DROP"), (129, "BPF_FLOW_DISSECTOR_CONTINUE")]),
    (&[32], &[(0, "NF_DROP"), (1, "NF_ACCEPT")]),
];
