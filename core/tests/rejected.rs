//! Rejected programs and their explanations: `rejected/*.txt`, each a program, and behind `---` the
//! explanation. Where the explanation has an edit, the edited program is accepted.
//!
//! `rejected_lines/*.txt` are for kinds whose programs need more than a text can say (the kernel's types, a
//! program of another's): each a rejected program, and behind `---` what would be said of its last
//! instruction, had the kernel put each of these lines there.
//!
//! Each kind of rejection has a golden text in one of the two.
//!
//! `GOLDEN=write cargo test -p glasshive --test rejected` writes the explanations anew.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use glasshive::arena::VecMemory;
use glasshive::isa::Pc;
use glasshive::isa::asm::assemble;
use glasshive::loader::{MapFds, create_maps, from_assembly, insert, request, to_assembly};
use glasshive::names::Uapi;
use glasshive::object::Object;
use glasshive::syscall::descriptors::Sequential;
use glasshive::syscall::{Kernel, capability};
use glasshive::trace::{Recorder, Trace, explains, kind, kinds};
use glasshive::verifier::observer::Observer;
use glasshive::verifier::{Outcome, Rejection};

fn object(text: &str) -> Object {
    from_assembly(&assemble(text, &Uapi).unwrap_or_else(|errors| panic!("{errors:?} in\n{text}")))
}

fn verify(text: &str) -> Outcome<Recorder> {
    let object = object(text);
    let mut kernel = Kernel::new(VecMemory::new(1 << 24), 1, 1, Box::new(Sequential::default()));
    if text.starts_with("; without CAP_PERFMON") {
        kernel.set_capabilities(capability::BPF | capability::NET_ADMIN);
    }
    let mut fds = MapFds::new();
    let program = &object.programs[0];
    create_maps(&mut kernel, &object, program.code.as_ref().unwrap(), &mut fds).unwrap();
    let request = request(&object, program, None, &fds, 2).unwrap();
    kernel.verifier(&request, Recorder::new()).finish()
}

fn writes() -> bool {
    std::env::var("GOLDEN").is_ok_and(|value| value == "write")
}

/// The files of a folder beside this one, in order.
fn cases(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let mut cases: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases
}

#[test]
fn rejections_are_explained() {
    let write = writes();
    let mut failed = Vec::new();
    for path in cases("rejected") {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).unwrap();
        let (program, golden) = text.split_once("\n---\n").unwrap_or((text.trim_end(), ""));
        let outcome = verify(program);
        let Err(rejection) = &outcome.result else {
            failed.push(format!("{name}: accepted"));
            continue;
        };
        let message = rejection.message.clone();
        if !explains(&message) {
            failed.push(format!("{name}: no row for {message:?}"));
            continue;
        }
        let trace: Trace = outcome.observer.finish();
        let diagnostic = trace.diagnostic().unwrap();
        let mut shown = diagnostic.to_string();
        if let Some(edit) = diagnostic.suggestion.as_ref().filter(|s| !s.insert.is_empty()) {
            let object = object(program);
            let labelled = to_assembly(&object, &object.programs[0]).unwrap();
            let edited = insert(&labelled, Pc(edit.at), &edit.insert).unwrap();
            let outcome = verify(&edited);
            shown += "Then: ";
            match &outcome.result {
                Ok(_) => shown += "accepted\n",
                Err(rejection) => {
                    failed.push(format!(
                        "{name}: edited, still {}\n{}",
                        rejection.message,
                        outcome.log.text()
                    ));
                }
            }
        }
        if write {
            fs::write(&path, format!("{program}\n---\n{shown}")).unwrap();
        } else if shown != golden {
            failed.push(format!("{name}: got\n{shown}instead of\n{golden}"));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// What each explanation has of the kernel's.
const LINE: &str = "Kernel's line: ";

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| line.strip_prefix(LINE))
}

/// What would be said of a rejected program, had the kernel put this line at its end.
fn explained(program: &str, line: &str) -> String {
    let rejected = verify(program);
    let rejection = rejected.result.expect_err("the program is rejected");
    let pc = rejected.observer.finish().diagnostic().and_then(|diagnostic| diagnostic.pc).map(Pc);
    assert!(pc.is_some(), "{program} is not rejected at an instruction: {}", rejection.message);
    let mut recorder = verify(program).observer;
    recorder.rejected(&Rejection { message: line.into(), register: None, ..rejection }, pc);
    recorder.finish().diagnostic().expect("it was rejected").to_string()
}

#[test]
fn lines_are_explained() {
    let mut failed = Vec::new();
    for path in cases("rejected_lines") {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).unwrap();
        let (program, golden) = text.split_once("\n---\n").expect("a program, and lines");
        let shown: Vec<String> = lines(golden).map(|line| explained(program, line)).collect();
        let unknown = lines(golden).filter(|line| !explains(line));
        failed.extend(unknown.map(|line| format!("{name}: no row for {line:?}")));
        let shown = shown.join("\n");
        if writes() {
            fs::write(&path, format!("{program}\n---\n{shown}")).unwrap();
        } else if shown != golden {
            failed.push(format!("{name}: got\n{shown}instead of\n{golden}"));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn every_kind_has_a_golden_text() {
    let files = ["rejected", "rejected_lines"].map(cases).concat();
    let texts: Vec<String> = files.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let golden: BTreeSet<&str> = texts.iter().flat_map(|text| lines(text)).filter_map(kind).collect();
    let missing: Vec<&str> = kinds().filter(|kind| !golden.contains(kind)).collect();
    assert!(missing.is_empty(), "no golden text:\n{}", missing.join("\n"));
}
