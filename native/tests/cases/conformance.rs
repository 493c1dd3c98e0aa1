//! The public conformance cases (`../shared/conformance`), and what of them can't apply here.

use glasshive::isa::{DecodeError, Insn, RawInsn, decode_program, slots};
use serde::Deserialize;
use std::path::Path;

/// A case that has to give a result.
#[derive(Deserialize)]
pub struct Case {
    pub name: String,
    code: String,
    mem: String,
    result: String,
    /// Where an expected failure stands in for the result: none of today's cases.
    #[serde(default)]
    pub min_cpu: String,
}

impl Case {
    pub fn insns(&self) -> Vec<Result<Insn, DecodeError>> {
        decode_program(&slots(&from_hex(&self.code)).expect("whole slots"))
    }
    /// The instructions, an entry per slot. The second one of a wide instruction is none, and is never run.
    pub fn slots(&self) -> Vec<Insn> {
        let decoded = self.insns();
        let first = |slot: usize| decoded[slot].or_else(|_| decoded[slot - 1]);
        (0..decoded.len()).map(|slot| first(slot).expect("decodes")).collect()
    }
    pub fn memory(&self) -> Vec<u8> {
        from_hex(&self.mem)
    }
    pub fn result(&self) -> u64 {
        let digits = self.result.trim_start_matches("0x");
        u64::from_str_radix(digits, 16).expect("a hexadecimal result")
    }
}

/// Cases that can't apply, and why.
pub const NOT_APPLICABLE: &[(&str, &str)] =
    &[("callx", "calls its host's helper 5 through a register: here callx takes an instruction's index")];

/// Reads the cases.
pub fn cases(file: &Path) -> Vec<Case> {
    parse(&std::fs::read_to_string(file).expect("readable"))
}

/// The cases of a file's text.
pub fn parse(text: &str) -> Vec<Case> {
    serde_json::from_str(text).expect("cases in JSON")
}

/// A text or encoding that has to be refused.
pub struct Negative {
    pub name: String,
    /// Raw slots, where the file has them.
    pub raw: Option<Vec<RawInsn>>,
}

/// Reads the negative cases of a folder, by name.
pub fn negative(folder: &Path) -> Vec<Negative> {
    let mut cases: Vec<Negative> = std::fs::read_dir(folder)
        .expect("readable")
        .map(|entry| {
            let path = entry.expect("readable").path();
            let text = std::fs::read_to_string(&path).expect("a text");
            let raw = text.split_once("-- raw").map(|(_, rest)| {
                let hex: String = rest.lines().take_while(|line| !line.starts_with("--")).collect();
                slots(&from_hex(&hex)).expect("whole slots")
            });
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            Negative { name, raw }
        })
        .collect();
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    cases
}

pub fn from_hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_digit(16).expect("hexadecimal digits") as u8)
        .collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}
