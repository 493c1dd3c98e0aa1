//! `libglasshive.so` from C: builds the library, compiles `c/abi.c` against it with the host's compiler, runs it.

use std::path::Path;
use std::process::Command;

fn done(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{text}", output.status);
    text
}

#[test]
fn a_c_program_uses_the_library() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let out = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let target = out.parent().expect("the target folder");
    done(
        Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--locked", "-p", "glasshive-c-abi", "--target-dir"])
            .arg(target)
            .current_dir(folder),
    );
    let library = target.join("debug");
    let program = out.join("abi");
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    done(
        Command::new(compiler)
            .args(["-Wall", "-Wextra", "-Werror", "-Wno-sign-compare", "-O1", "-o"])
            .arg(&program)
            .arg(folder.join("tests/c/abi.c"))
            .arg("-I")
            .arg(folder.join("include"))
            .arg("-L")
            .arg(&library)
            .arg("-lglasshive"),
    );
    let printed = done(Command::new(&program).env("LD_LIBRARY_PATH", &library));
    assert_eq!(printed, "every check passed\n");
}
