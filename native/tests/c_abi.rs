//! `libglasshive.so` from C: builds the library, compiles `c/abi.c` against it with the host's compiler, runs it.

use std::path::Path;
use std::process::Command;

use glasshive::object::btf::kernel::KernelTypes;

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

    // The kernel's types come from the file that GLASSHIVE_BTF names, and from nowhere else.
    let btf = Path::new("/sys/kernel/btf/vmlinux");
    let Ok(bytes) = std::fs::read(btf) else {
        println!("skipped: calls of kernel functions ({} can't be read)", btf.display());
        return;
    };
    let types = KernelTypes::parse(&bytes).expect("the kernel's BTF");
    let number = |name| types.function(name).expect("a kernel function").0.to_string();
    let numbers = [number("bpf_rcu_read_lock"), number("bpf_rcu_read_unlock")];
    let answer = |file: Option<&Path>| {
        let mut command = Command::new(&program);
        command.env("LD_LIBRARY_PATH", &library).env_remove("GLASSHIVE_BTF").args(&numbers);
        done(command.envs(file.map(|file| ("GLASSHIVE_BTF", file))))
    };
    assert_eq!(answer(Some(btf)), "0\n");
    let refused =
        |answer: String| assert!(answer.starts_with('-'), "loaded without the kernel's types: {answer}");
    refused(answer(None));
    refused(answer(Some(Path::new("/nowhere"))));
    refused(answer(Some(&program)));
}
