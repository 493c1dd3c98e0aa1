//! What a verifier is free to choose (`glasshive::verifier::policy`): the probe of each row, put to this system
//! and to the running kernel.

mod cases;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use glasshive::verifier::policy;
use glasshive_native::oracle::usable;

use cases::say;

/// Rows that `probes/policy.py` has no probe for, and where they are seen.
const ELSEWHERE: &[(&str, &str)] = &[
    ("MAX_ROUNDS", "in the counters of the recorded loops"),
    ("DEDUCTION_ROUNDS", "in the ranges of the recorded logs"),
];

/// The kernel's types: one of the errors of `ENDS_GUESS` comes from them.
const BTF: &str = "/sys/kernel/btf/vmlinux";

/// Runs the probe; what it printed, by rows' names.
fn probed(library: Option<&Path>) -> BTreeMap<String, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("probes/policy.py");
    let mut command = Command::new("python3");
    command.arg("-B").arg(script).env_remove("GLASSHIVE_LIBRARY").env("GLASSHIVE_BTF", BTF);
    command.envs(library.map(|library| ("GLASSHIVE_LIBRARY", library)));
    let output = command.output().expect("python3");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the probe failed:\n{errors}");
    let text = String::from_utf8(output.stdout).expect("text");
    let row = |line: &str| line.split_once(' ').map(|(name, value)| (name.to_string(), value.to_string()));
    text.lines().filter_map(row).collect()
}

/// The rows that are not what the probe found.
fn differing(found: &BTreeMap<String, String>) -> Vec<String> {
    let row = |(name, value): &(&str, &dyn std::fmt::Debug)| {
        let (wanted, found) = (format!("{value:?}"), found.get(*name).map_or("no probe", String::as_str));
        (found != wanted && !ELSEWHERE.iter().any(|row| row.0 == *name))
            .then(|| format!("{name} is {wanted}, and the probe says {found}"))
    };
    policy::ROWS.iter().filter_map(row).collect()
}

/// Whether there is an interpreter for the probe; says so where there is none.
fn has_python() -> bool {
    let found = Command::new("python3").arg("--version").output().is_ok();
    if !found {
        say("skipped: probes of the policy: python3 is absent");
    }
    found
}

#[test]
fn probes_find_the_rows_here() {
    if !has_python() {
        return;
    }
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target folder");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--locked", "-p", "glasshive-c-abi", "--target-dir"])
        .arg(target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status();
    assert!(built.expect("cargo").success());
    let found = probed(Some(&target.join("debug/libglasshive.so")));
    let mut differing = differing(&found);
    if std::fs::File::open(BTF).is_err() {
        say(&format!("skipped: the probe of ENDS_GUESS: {BTF} can't be read"));
        differing.retain(|row| !row.starts_with("ENDS_GUESS "));
    }
    assert_eq!(differing, Vec::<String>::new());
}

#[test]
fn probes_find_the_rows_in_the_running_kernel() {
    if let Err(why) = usable() {
        return say(&format!("skipped: probes of the policy: {why}"));
    }
    if !has_python() {
        return;
    }
    assert_eq!(differing(&probed(None)), Vec::<String>::new());
}
