//! Other projects' object files: each opens or is refused with a reason, and each of its programs gets the
//! running kernel's verdict.

mod cases;

use cases::{objects, say};
use glasshive_native::oracle::calls::errno_name;
use glasshive_native::oracle::log::{last_message, stats};
use glasshive_native::oracle::{Fresh, Side, usable};
use glasshive_native::process::possible_cpus;
use std::collections::BTreeMap;
use std::panic::catch_unwind;

#[test]
fn objects_open_or_say_what_is_wrong() {
    let Some(files) = objects::files("objects") else { return };
    let (mut opened, mut refused, mut programs, mut without) = (0, 0, 0, Vec::new());
    for file in &files {
        let read = catch_unwind(|| objects::open(file));
        let read = read.unwrap_or_else(|_| panic!("{}: reading it panics", file.display()));
        // A file that is wrong in a program alone opens, and says so in that program's place.
        let prepared = read.as_ref().is_ok_and(|o| o.programs.iter().all(|program| program.code.is_ok()));
        if objects::is_invalid(file) {
            assert!(!prepared, "{}: not refused", file.display());
        } else if let Err(error) = &read {
            panic!("{}: {error}", file.display());
        }
        match read {
            Ok(object) => {
                opened += 1;
                programs += object.programs.len();
                for program in &object.programs {
                    if let Err(error) = &program.code {
                        without.push(format!("{}: {}: {error}", objects::name(file), program.name));
                    }
                }
            }
            Err(error) => {
                refused += 1;
                assert!(!error.to_string().is_empty());
            }
        }
    }
    for line in &without {
        say(&format!("objects: not prepared: {line}"));
    }
    say(&format!(
        "objects: {opened} open with {programs} programs, {} of them not prepared; {refused} refused",
        without.len()
    ));
}

#[test]
fn programs_get_the_kernels_verdict() {
    let Some(files) = objects::files("objects, verdicts") else { return };
    if let Err(why) = usable() {
        return say(&format!("skipped: objects, verdicts: {why}"));
    }
    let mut rows: BTreeMap<String, [u32; 6]> = BTreeMap::new();
    let (mut differ, mut unsafe_, mut missing) = (Vec::new(), Vec::new(), Vec::new());
    for file in &files {
        let Ok(object) = objects::open(file) else { continue };
        for program in &object.programs {
            let Ok(code) = &program.code else { continue };
            let folder = objects::name(file).split('/').next().unwrap_or_default().to_string();
            let name = format!("{} {}", objects::name(file), program.name);
            let kernel = match objects::load(&Side::Kernel, &object, program, code) {
                Ok(loaded) => loaded,
                // What the kernel does not create can't be compared.
                Err(why) => {
                    say(&format!("objects: not loadable by the kernel: {name}: {why}"));
                    continue;
                }
            };
            let fresh = Fresh::new(possible_cpus()).expect("address space");
            let here = objects::load(&fresh, &object, program, code);
            let row = rows.entry(folder).or_default();
            row[0] += 1;
            let (ret, log) = match &here {
                Ok(loaded) => (loaded.ret, loaded.log.as_str()),
                Err(why) => (-1, why.as_str()),
            };
            let same = [
                (ret >= 0) == (kernel.ret >= 0),
                ret.min(0) == kernel.ret.min(0),
                last_message(log) == last_message(&kernel.log),
                stats(log).map(|s| s.processed) == stats(&kernel.log).map(|s| s.processed),
                stats(log) == stats(&kernel.log),
            ];
            for (sum, same) in row[1..].iter_mut().zip(same) {
                *sum += u32::from(same);
            }
            if !same[0] {
                let what = format!(
                    "{name}: kernel {} {:?}, glasshive {} {:?}",
                    errno_name(kernel.ret),
                    last_message(&kernel.log),
                    errno_name(ret),
                    if here.is_ok() { last_message(log) } else { log.to_string() }
                );
                match () {
                    () if ret >= 0 => unsafe_.push(what),
                    () if log.contains("is not built yet") => missing.push(what),
                    () => differ.push(what),
                }
            }
        }
    }
    say("objects             programs  verdict  errno  message  processed  counters");
    let mut total = [0; 6];
    for (folder, row) in &rows {
        total.iter_mut().zip(row).for_each(|(sum, n)| *sum += n);
        let [programs, verdict, errno, message, processed, counters] = row;
        say(&format!("{folder:20}{programs:8}{verdict:9}{errno:7}{message:9}{processed:11}{counters:10}"));
    }
    let [programs, verdict, errno, message, processed, counters] = total;
    say(&format!("{:20}{programs:8}{verdict:9}{errno:7}{message:9}{processed:11}{counters:10}", "total"));
    assert!(unsafe_.is_empty(), "accepted, and the kernel rejects:\n{}", unsafe_.join("\n"));
    for line in &missing {
        say(&format!("objects: refused by name: {line}"));
    }
    assert!(differ.is_empty(), "rejected, and the kernel accepts:\n{}", differ.join("\n"));
}
