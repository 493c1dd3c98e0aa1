//! The public conformance cases through every engine.

mod cases;

use cases::conformance::{NOT_APPLICABLE, cases as read_cases, negative};
use cases::engine::engines;
use cases::{say, shared};
use glasshive::isa::asm::assemble;
use glasshive::isa::{Insn, RawInsn, bytes, decode_program};
use glasshive::names::Uapi;
use glasshive_native::oracle::calls::{Load, errno_name};
use glasshive_native::oracle::log::last_message;
use glasshive_native::oracle::{Bpf, Side};

#[test]
fn every_engine_gives_the_expected_results() {
    let Some(file) = shared("conformance", "conformance/tests.json") else { return };
    let cases = read_cases(&file);
    let mut failures = Vec::new();
    for mut engine in engines() {
        let (mut passed, mut skipped) = (0, 0);
        for case in &cases {
            if let Some((name, why)) = NOT_APPLICABLE.iter().find(|row| row.0 == case.name) {
                say(&format!("conformance: {name} does not apply: {why}"));
                skipped += 1;
                continue;
            }
            match engine.run(&case.slots(), &case.memory()) {
                Ok(value) if value == case.result() => passed += 1,
                other => failures.push(format!(
                    "{}: {}: expected {:#x}, got {other:x?}",
                    engine.name(),
                    case.name,
                    case.result()
                )),
            }
        }
        say(&format!(
            "conformance: {}: {passed} of {} passed, {skipped} not applicable",
            engine.name(),
            cases.len()
        ));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// What the negative texts say, in the syntax that is read here. Their own is another assembler's, which this
/// one refuses from the first word on.
const TEXTS: &[(&str, &str)] = &[
    ("invalid_imm32_dec_range", "w0 = 4294967296\nexit"),
    ("invalid_imm32_hex_range", "w0 = 0x100000000\nexit"),
    ("invalid_label", "goto NOT_A_LABEL\nexit"),
    ("invalid_lock", "lock *(u64 *)(r10 -8) |=\nexit"),
    ("invalid_lock2", "lock\nexit"),
    ("invalid_mnemonic", "r0 = *(u40 *)(r1 +0)\nexit"),
    ("invalid_offset", "r0 = *(u8 *)r1\nexit"),
    ("invalid_offset_range", "r0 = *(u8 *)(r1 +0x10000)\nexit"),
    ("invalid_operand_count", "r0 =\nexit"),
    ("invalid_register", "r0 |= r50\nexit"),
    ("invalid_unknown_directive", ".unknown directive"),
];

/// Unused fields that Linux ignores where RFC 9669 wants zero: the running kernel loads `r0 = 0; exit` with any offset
/// in the exit. The case is refused all the same, as nothing writes r0.
const READ_BY_LINUX: &[&str] = &["unused-exit-offset"];

/// Programs without instructions: read, and then not loaded.
const EMPTY: &[&str] = &["empty", "empty_instructions"];

#[test]
fn what_has_to_be_refused_is() {
    let Some(folder) = shared("negative conformance", "conformance/negative") else { return };
    let mut accepted = Vec::new();
    let cases = negative(&folder);
    for case in &cases {
        let name = case.name.as_str();
        let refused = if let Some(raw) = &case.raw {
            let read = !decode_program(raw).iter().any(Result::is_err);
            read == READ_BY_LINUX.contains(&name) && loads(raw.clone()).is_err()
        } else if let Some((_, text)) = TEXTS.iter().find(|row| row.0 == name) {
            assemble(text, &Uapi).is_err()
        } else if EMPTY.contains(&name) {
            loads(assemble("", &Uapi).expect("an empty text").insns).is_err()
        } else if name == "error" {
            // r0 was never written: the verifier's to refuse.
            let insns = assemble("r0 |= r10\nexit", &Uapi).expect("assembles").insns;
            let (found, message) = loads(insns).expect_err("an uninitialised register");
            found == "EACCES" && message == "R0 !read_ok"
        } else if name == "incorrect_return_value_high_bits" {
            // Results are compared over 64 bits: the last byte that is read is 0x88, not the wanted 0x89.
            let code = assemble("r0 = *(u64 *)(r1 +2)\nexit", &Uapi).expect("assembles").insns;
            let insns: Vec<Insn> =
                decode_program(&code).into_iter().collect::<Result<_, _>>().expect("decodes");
            let memory = [0xaa, 0xbb, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0xcc, 0xdd];
            let mut all = engines();
            all.iter_mut().all(|e| e.run(&insns, &memory).is_ok_and(|r| r != 0x8977_6655_4433_2211))
        } else {
            panic!("{name}: a case that no table here knows");
        };
        if !refused {
            accepted.push(name);
        }
    }
    say(&format!("conformance: {} of {} negative cases refused", cases.len() - accepted.len(), cases.len()));
    assert!(accepted.is_empty(), "accepted: {accepted:?}");
}

/// Loads a socket filter; the error's name and the message where it is refused.
fn loads(code: Vec<RawInsn>) -> Result<(), (String, String)> {
    let insns = bytes(&code);
    let loaded =
        Load { program_type: 1, insns: &insns, log_level: 1, ..Load::default() }.call(&Side::Glasshive);
    if loaded.ret >= 0 {
        Side::Glasshive.close(loaded.ret);
        return Ok(());
    }
    Err((errno_name(loaded.ret), last_message(&loaded.log)))
}
