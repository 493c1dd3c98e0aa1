//! Rejected programs and their explanations: `rejected/*.txt`, each a program, and behind `---` the
//! explanation. Where the explanation has an edit, the edited program is accepted.
//!
//! `GOLDEN=write cargo test -p glasshive --test rejected` writes the explanations anew.

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
use glasshive::trace::{Recorder, Trace, explains};
use glasshive::verifier::Outcome;

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

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rejected");
    let mut cases: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases
}

#[test]
fn rejections_are_explained() {
    let write = std::env::var("GOLDEN").is_ok_and(|value| value == "write");
    let mut failed = Vec::new();
    for path in cases() {
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
