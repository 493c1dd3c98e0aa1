//! Every instruction of the recorded cases and of the shared objects: bytes to instructions and back, text and back.

mod cases;

use cases::{corpus, objects, say, shared};
use glasshive::isa::asm::{Assembly, assemble, print};
use glasshive::isa::{RawInsn, decode, encode, slots};
use glasshive::names::{Uapi, map_type};
use std::collections::HashSet;

/// What went through, and what did not come back.
#[derive(Default)]
struct Trips {
    programs: usize,
    slots: usize,
    instructions: usize,
    distinct: HashSet<[u8; 8]>,
    undecodable: usize,
    failures: Vec<String>,
}

impl Trips {
    fn program(&mut self, name: &str, code: &[RawInsn]) {
        self.programs += 1;
        self.slots += code.len();
        let mut slot = 0;
        while slot < code.len() {
            let raw = code[slot];
            let mut len = 1;
            match decode(&code[slot..]) {
                Ok(insn) => {
                    self.instructions += 1;
                    self.distinct.insert(raw.to_bytes());
                    let (first, second) = encode(insn);
                    len = insn.slots() as usize;
                    if first != raw || second.is_some_and(|second| second != code[slot + 1]) {
                        self.failures
                            .push(format!("{name}: instruction {slot}: {raw:?} encodes as {first:?}"));
                    }
                }
                Err(_) => self.undecodable += 1,
            }
            slot += len;
        }
        let assembly = Assembly { insns: code.to_vec(), ..Assembly::default() };
        let text = print(&assembly, &Uapi, &map_type);
        match assemble(&text, &Uapi) {
            Ok(read) if read.insns == code => {}
            Ok(read) => {
                let at =
                    read.insns.iter().zip(code).position(|(read, raw)| read != raw).unwrap_or(code.len());
                let line = text.lines().nth(at).unwrap_or_default();
                self.failures.push(format!("{name}: instruction {at} reads back as another: {line}"));
            }
            Err(errors) => self.failures.push(format!("{name}: {}", errors[0])),
        }
    }

    fn report(&self, what: &str) {
        say(&format!(
            "round trips, {what}: {} programs, {} slots, {} instructions ({} distinct encodings), {} undecodable slots, {} failures",
            self.programs,
            self.slots,
            self.instructions,
            self.distinct.len(),
            self.undecodable,
            self.failures.len()
        ));
        let first: Vec<&str> = self.failures.iter().take(20).map(String::as_str).collect();
        assert!(first.is_empty(), "{}", first.join("\n"));
    }
}

#[test]
fn recorded_programs_make_the_round_trips() {
    let Some(folder) = shared("round trips", "verifier") else { return };
    let mut trips = Trips::default();
    for case in corpus::read(&folder).0 {
        trips.program(&case.id, &slots(case.prog.code()).expect("whole slots"));
    }
    trips.report("recorded cases");
}

#[test]
fn programs_of_objects_make_the_round_trips() {
    let mut trips = Trips::default();
    let Some(files) = objects::files("round trips") else { return };
    for file in &files {
        let Ok(object) = objects::open(file) else { continue };
        for program in &object.programs {
            if let Ok(code) = &program.code {
                trips.program(&format!("{}: {}", file.display(), program.name), &code.insns);
            }
        }
    }
    trips.report("objects");
}
