//! The commands that build, serve and test glasshive. `cargo xtask` alone lists them.
//!
//! `tools` installs what is missing, `stage` runs and times commands, and each command has a file.

mod bench;
mod package;
mod page;
mod play;
mod serve;
mod stage;
mod test;
mod tools;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask COMMAND

  play [--port N]        install what is missing, build the page, serve it on loopback
  serve [--port N]       serve the page as it was built last
  test [--only STAGE]…   install what is missing, run every test there is (stages: see `test --list`)
  oracle verify …        ask the running kernel and glasshive the same, and say where they differ (`oracle` lists)
  oracle syscall …       put random sequences of calls to both, and compare every result and every byte
  oracle sound …         run accepted programs, and hold every value against what the verifier claimed
  bench run [--rounds N] time every engine on the benchmark programs, beside other projects' and the kernel's
  bench maps [--only T]  time look-up, update, delete and iteration of map types, beside the kernel's and hashbrown
  bench verify [--rounds N] [--only TEXT]
                         time this verifier, with and without a trace, beside the kernel's, by turns
  bench page             measure the built page: bytes and time to the verdict, frames over a large exploration
  package                build the npm package into target/npm, as a folder and a tarball
  tools                  install what is missing, and say where it is
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["play", rest @ ..] => port(rest).and_then(play::run),
        ["serve", rest @ ..] => port(rest).and_then(|port| serve::run(&root().join("dist"), port)),
        ["test", rest @ ..] => test::run(rest),
        ["oracle", rest @ ..] => oracle(rest),
        ["bench", "page"] => bench::page(),
        ["bench", "run", rest @ ..] => bench::run(rest),
        ["bench", "maps", rest @ ..] => bench::maps(rest),
        ["bench", "verify", rest @ ..] => bench::verify(rest),
        ["package"] => package::run().map(|tarball| println!("packed {}", tarball.display())),
        ["tools"] => tools::install_all(),
        [] | ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            Ok(())
        }
        other => Err(anyhow::anyhow!("no command '{}'\n\n{USAGE}", other.join(" "))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The port that `--port N` names; 0 takes any free one.
fn port(arguments: &[&str]) -> anyhow::Result<u16> {
    match arguments {
        [] => Ok(8617),
        ["--port", port] => {
            port.parse().map_err(|_| anyhow::anyhow!("--port takes a number from 0 to 65535, not '{port}'"))
        }
        other => Err(anyhow::anyhow!("only --port N is known here, not '{}'", other.join(" "))),
    }
}

/// Runs the oracle, built in release mode.
fn oracle(arguments: &[&str]) -> anyhow::Result<()> {
    let run = ["run", "--locked", "--quiet", "--release", "-p", "glasshive-oracle", "--"];
    stage::run(stage::command("cargo", &run).args(arguments))
}

/// The workspace's folder.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace").to_path_buf()
}
