//! The gallery of the page: each program has the verdict that its row says, here and in the running kernel.

mod cases;

use cases::{objects, say};
use glasshive_native::oracle::log::{last_message, stats};
use glasshive_native::oracle::{Fresh, Side, usable};
use glasshive_native::process::possible_cpus;
use std::path::Path;

#[test]
fn every_program_has_the_verdict_that_its_row_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../www/examples");
    let table = std::fs::read_to_string(folder.join("gallery.tsv")).expect("the table");
    let kernel = usable();
    if let Err(why) = &kernel {
        say(&format!("skipped: gallery, the kernel's side: {why}"));
    }
    let (mut rows, mut programs, mut wrong) = (0, 0, Vec::new());
    for line in table.lines().filter(|line| !line.starts_with('#')) {
        let mut columns = line.split('\t');
        let (id, says) = (columns.next().unwrap_or_default(), columns.next().unwrap_or_default());
        let object =
            objects::open(&folder.join(format!("{id}.o"))).unwrap_or_else(|error| panic!("{id}: {error}"));
        rows += 1;
        for program in &object.programs {
            programs += 1;
            let code = program.code.as_ref().unwrap_or_else(|error| panic!("{id}: {error}"));
            let fresh = Fresh::new(possible_cpus()).expect("address space");
            let here =
                objects::load(&fresh, &object, program, code).unwrap_or_else(|why| panic!("{id}: {why}"));
            if (here.ret >= 0) != (says == "accepted") {
                wrong.push(format!("{id}: its row says {says}, and here: {}", last_message(&here.log)));
            }
            if kernel.is_ok() {
                let there = objects::load(&Side::Kernel, &object, program, code)
                    .unwrap_or_else(|why| panic!("{id}: {why}"));
                let same = there.ret.min(0) == here.ret.min(0)
                    && last_message(&there.log) == last_message(&here.log)
                    && stats(&there.log) == stats(&here.log);
                if !same {
                    let said = |loaded: &str| format!("{} ({:?})", last_message(loaded), stats(loaded));
                    wrong.push(format!("{id}: here {}; the kernel: {}", said(&here.log), said(&there.log)));
                }
            }
        }
    }
    assert!(rows >= 24);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    say(&format!("gallery: {programs} programs of {rows} rows, each as its row says"));
}
