//! The command line, by golden sessions in `cli/`: commands, what they print, their exit code.
//!
//! `TRYCMD=overwrite cargo test -p glasshive-native --test command_line` writes what is printed now.

use std::path::Path;
use std::process::{Command, Output};

#[test]
fn sessions_print_what_they_did() {
    trycmd::TestCases::new().case("tests/cli/*.md");
}

fn glasshive(arguments: &[&str]) -> Output {
    let done = Command::new(env!("CARGO_BIN_EXE_glasshive")).args(arguments).output();
    done.expect("the command line was built")
}

#[test]
fn a_text_becomes_an_object_that_reads_back() {
    let object = Path::new(env!("CARGO_TARGET_TMPDIR")).join("count.o");
    let object = object.to_str().unwrap();
    let made = glasshive(&["asm", "tests/cli/count.gh", "-o", object]);
    assert_eq!(made.status.code(), Some(0), "{made:?}");
    let read = String::from_utf8(glasshive(&["disasm", object]).stdout).unwrap();
    let text = String::from_utf8(glasshive(&["disasm", "tests/cli/count.gh"]).stdout).unwrap();
    // XDP programs that name no attach type have the section's.
    assert_eq!(read.replace(".attach 37\n", ""), text);
    assert_eq!(glasshive(&["verify", object]).status.code(), Some(0));
    let again = glasshive(&["asm", object, "-o", object]);
    assert_eq!(again.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&again.stderr).contains("an object already"), "{again:?}");
}

#[test]
fn help_names_every_option() {
    let help = String::from_utf8(glasshive(&["help"]).stdout).unwrap();
    assert_eq!(help, String::from_utf8(glasshive(&[]).stdout).unwrap());
    for word in
        ["verify", "run", "disasm", "asm", "--program", "--log-level", "--data", "--repeat", "Exit code"]
    {
        assert!(help.contains(word), "{word}");
    }
}
