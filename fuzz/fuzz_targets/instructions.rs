//! Any bytes as instructions: they decode or are refused, encode back, and print to text that is read back.
#![no_main]

use glasshive::isa::asm::{Assembly, assemble, print};
use glasshive::isa::{Imm64, Insn, decode, encode, slots};
use glasshive::names::{self, Uapi};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some(insns) = slots(bytes) else { return };
    for at in 0..insns.len() {
        let Ok(insn) = decode(&insns[at..]) else { continue };
        let (first, second) = encode(insn);
        assert_eq!(first, insns[at]);
        // A function's address ignores its second constant.
        if !matches!(insn, Insn::LoadImm64 { value: Imm64::Function { .. }, .. }) {
            assert!(second.is_none_or(|second| second == insns[at + 1]));
        }
    }
    let assembly = Assembly { insns, ..Assembly::default() };
    let text = print(&assembly, &Uapi, &names::map_type);
    assert_eq!(assemble(&text, &Uapi).map(|a| a.insns).as_ref(), Ok(&assembly.insns), "{text}");
});
