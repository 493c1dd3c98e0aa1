//! Programs that were written for the kernel, on `libglasshive_preload.so`: what they print is what they print
//! on the running kernel, where that lets them.

mod cases;

use cases::say;
use std::path::{Path, PathBuf};
use std::process::Command;

fn done(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{text}", output.status);
    text
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/c")
}

/// The library, built as users get it.
fn library() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target folder");
    done(
        Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--locked", "-p", "glasshive-preload", "--target-dir"])
            .arg(target)
            .current_dir(env!("CARGO_MANIFEST_DIR")),
    );
    target.join("debug/libglasshive_preload.so")
}

/// Compiles a client; `None` where what it needs is not there.
fn compile(name: &str, libraries: &[&str]) -> Option<PathBuf> {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let mut command = Command::new(compiler);
    command.args(["-Wall", "-Wextra", "-Werror", "-O1", "-o"]).arg(&program);
    command.arg(sources().join(name).with_extension("c")).args(libraries);
    if libraries.is_empty() {
        done(&mut command);
        return Some(program);
    }
    command.output().is_ok_and(|output| output.status.success()).then_some(program)
}

/// Runs a client on glasshive, and on the kernel where there is one: both print the same.
fn same(client: &Path, arguments: &[&Path]) -> String {
    let run = || {
        let mut command = Command::new(client);
        command.args(arguments);
        command
    };
    let printed = done(run().env("LD_PRELOAD", library()));
    if glasshive_native::oracle::usable().is_ok() {
        assert_eq!(printed, done(&mut run()), "glasshive on the left, the kernel on the right");
    } else {
        say(&format!("skipped: no usable bpf(2) to compare {} with", client.display()));
    }
    printed
}

#[test]
fn a_client_of_the_system_call_alone() {
    let client = compile("descriptors", &[]).expect("a C compiler");
    let printed = same(&client, &[]);
    assert!(printed.ends_with("done\n"), "{printed}");
}

#[test]
fn a_client_of_libbpf() {
    let Some(client) = compile("libbpf", &["-lbpf"]) else {
        return say("skipped: libbpf's headers are absent (libbpf-dev)");
    };
    let printed = same(&client, &[&sources().join("hive.bpf.o")]);
    assert!(printed.contains("total 1000\ntotal 5007\n"), "{printed}");
}

/// All in one process, as its objects live in it.
#[test]
fn bpftool_in_one_process() {
    let Ok(version) = Command::new("bpftool").arg("version").output() else {
        return say("skipped: bpftool is absent");
    };
    assert!(version.status.success());
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (batch, packet) = (folder.join("bpftool.batch"), folder.join("bpftool.packet"));
    std::fs::write(&packet, [0; 64]).expect("a file in the target folder");
    let object = sources().join("hive.bpf.o");
    let commands = [
        "map create /sys/fs/bpf/hive type hash key 4 value 8 entries 16 name hive".to_string(),
        "map update pinned /sys/fs/bpf/hive key 1 0 0 0 value 7 0 0 0 0 0 0 0".into(),
        "map update pinned /sys/fs/bpf/hive key 2 0 0 0 value 8 0 0 0 0 0 0 0".into(),
        "map delete pinned /sys/fs/bpf/hive key 1 0 0 0".into(),
        "map dump pinned /sys/fs/bpf/hive".into(),
        format!("prog load {} /sys/fs/bpf/program", object.display()),
        format!("prog run pinned /sys/fs/bpf/program data_in {} data_out - repeat 3", packet.display()),
        "map dump name counts".into(),
        "map show".into(),
        "prog show".into(),
        "prog dump xlated pinned /sys/fs/bpf/program".into(),
        "btf show".into(),
    ];
    std::fs::write(&batch, commands.join("\n") + "\n").expect("a file in the target folder");
    let printed =
        done(Command::new("bpftool").args(["batch", "file"]).arg(&batch).env("LD_PRELOAD", library()));
    for line in [
        "key: 02 00 00 00  value: 08 00 00 00 00 00 00 00\nFound 1 element",
        "Return value: 2, duration",
        "\"key\": 64,\n        \"value\": 3",
        "hash  name hive  flags 0x0",
        "ringbuf  name ring  flags 0x0",
        "xdp  name count  tag",
        "call bpf_ringbuf_reserve",
    ] {
        assert!(printed.contains(line), "{line:?} is not in:\n{printed}");
    }
}
