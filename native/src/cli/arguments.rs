//! What the user asked for.

use anyhow::{Context, Result, anyhow, bail};
use glasshive::isa::asm::Resolver;
use glasshive::names::{self, Uapi};
use glasshive::syscall::capability;
use lexopt::prelude::*;
use std::ffi::OsString;
use std::path::PathBuf;

/// What `glasshive help` prints.
pub const HELP: &str = "\
glasshive: Linux's bpf(2) in user space. Verify and run eBPF programs with no kernel and no root.

glasshive verify FILE [OPTION]…           verify every program of FILE, or the one that --program names
glasshive run FILE --data PKT [OPTION]…   verify a program, run it on a packet, show the maps that changed
glasshive disasm FILE [--listing]         print a program as text that `verify`, `run` and `asm` read
glasshive asm FILE -o OUT                 assemble a text into an object file
glasshive jit FILE [--dump]               verify a program and compile it; show its machine code
glasshive help, --version

FILE is an object file that clang built for eBPF, or a text in the verifier log's syntax; - is standard input.

Which program, and as what:
  --program NAME        the program of that function name; `run` needs it where FILE has several
  --type TYPE           its program type, as xdp, sched_cls, kprobe; before what FILE says
  --attach-type N       its expected attach type
  --capabilities LIST   of bpf, perfmon, net_admin, sys_admin, separated by commas; all of them by default

verify and run:
  --log-level N         print the verifier's log: 1 the failing path, 2 everything walked, 4 counters, or a sum

run:
  --data PKT            hex digits, or a file: a capture (pcap, pcapng), hex digits as text, or raw bytes
  --packet N            packet N of a capture, from 1; by default each of them in turn
  --context BYTES       the context structure, as hex digits or a file
  --repeat N            how often to run on each packet
  --cpus N              possible CPUs, the machine's by default
  --engine E            jit, or interpreter; by default machine code where the program can be compiled

disasm:
  --listing             slots with opcodes and source lines, for reading

The file that the environment variable GLASSHIVE_BTF names is the kernel's BTF (/sys/kernel/btf/vmlinux).

Exit code: 0 accepted; 1 a program was rejected, can't be loaded or can't be run; 2 bad use: arguments, or a
file that can't be read.
";

/// A command with its options.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    Help,
    Version,
    Verify(VerifyOptions),
    Run(RunOptions),
    Disassemble(DisassembleOptions),
    Assemble { file: PathBuf, output: PathBuf },
    Jit(JitOptions),
}

/// Which program of which file, and what it is loaded as.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Target {
    pub file: PathBuf,
    pub program: Option<String>,
    /// Its type's uapi number.
    pub program_type: Option<u32>,
    pub attach_type: Option<u32>,
    pub capabilities: Option<u64>,
    pub cpus: Option<u32>,
}

/// Options of `verify`.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct VerifyOptions {
    pub target: Target,
    pub log_level: u32,
}

/// Options of `run`.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct RunOptions {
    pub target: Target,
    pub log_level: u32,
    pub data: Option<OsString>,
    /// From 1.
    pub packet: Option<usize>,
    pub context: Option<OsString>,
    pub repeat: u32,
    /// `None` for machine code where it can be had.
    pub engine: Option<Engine>,
}

/// What runs a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// The interpreter.
    Interpreter,
    /// Machine code.
    Jit,
}

/// Options of `jit`.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct JitOptions {
    pub target: Target,
    pub dump: bool,
}

/// Options of `disasm`.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct DisassembleOptions {
    pub file: PathBuf,
    pub program: Option<String>,
    pub listing: bool,
}

/// Everything that any command takes, before it is known whether this one does.
#[derive(Default)]
struct Given {
    files: Vec<PathBuf>,
    names: Vec<&'static str>,
    target: Target,
    log_level: u32,
    data: Option<OsString>,
    packet: Option<usize>,
    context: Option<OsString>,
    repeat: Option<u32>,
    engine: Option<Engine>,
    dump: bool,
    listing: bool,
    output: Option<PathBuf>,
}

const TARGET: &[&str] = &["--program", "--type", "--attach-type", "--capabilities", "--cpus"];

/// Reads the arguments, the program's own name not among them.
///
/// # Errors
/// What is wrong with them, and what would be right.
pub fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Command> {
    let mut parser = lexopt::Parser::from_args(arguments);
    let command = match parser.next()? {
        None | Some(Short('h') | Long("help")) => return Ok(Command::Help),
        Some(Short('V') | Long("version")) => return Ok(Command::Version),
        Some(Value(command)) => command.to_string_lossy().into_owned(),
        Some(other) => return Err(other.unexpected()).context("`glasshive help` lists the commands"),
    };
    let allowed: &[&[&str]] = match command.as_str() {
        "help" => return Ok(Command::Help),
        "verify" => &[TARGET, &["--log-level"]],
        "run" => &[TARGET, &["--log-level", "--data", "--packet", "--context", "--repeat", "--engine"]],
        "jit" => &[TARGET, &["--dump"]],
        "disasm" => &[&["--program", "--listing"]],
        "asm" => &[&["-o"]],
        other => bail!("no command '{other}'; `glasshive help` lists them"),
    };
    let Some(mut given) = read(&mut parser)? else { return Ok(Command::Help) };
    if let Some(name) = given.names.iter().find(|name| !allowed.concat().contains(name)) {
        bail!("`glasshive {command}` takes no {name}; `glasshive help` lists what it takes");
    }
    let file = match given.files.len() {
        1 => given.files.remove(0),
        0 => bail!("`glasshive {command}` takes a FILE: an object, a text, or - for standard input"),
        _ => bail!("`glasshive {command}` takes one FILE, not '{}' too", given.files[1].display()),
    };
    let target = Target { file, ..given.target };
    Ok(match command.as_str() {
        "verify" => Command::Verify(VerifyOptions { target, log_level: given.log_level }),
        "run" => Command::Run(RunOptions {
            target,
            log_level: given.log_level,
            data: given.data,
            packet: given.packet,
            context: given.context,
            repeat: given.repeat.unwrap_or(1),
            engine: given.engine,
        }),
        "jit" => Command::Jit(JitOptions { target, dump: given.dump }),
        "disasm" => Command::Disassemble(DisassembleOptions {
            file: target.file,
            program: target.program,
            listing: given.listing,
        }),
        _ => {
            let output = given.output.ok_or_else(|| anyhow!("`glasshive asm` takes -o OUT"))?;
            Command::Assemble { file: target.file, output }
        }
    })
}

/// Reads what follows the command; `None` where help is asked for.
fn read(parser: &mut lexopt::Parser) -> Result<Option<Given>> {
    let mut given = Given::default();
    while let Some(argument) = parser.next()? {
        let name = match argument {
            Short('h') | Long("help") => return Ok(None),
            Short('o') | Long("output") => {
                given.output = Some(parser.value()?.into());
                "-o"
            }
            Long("program") => {
                given.target.program = Some(text(parser)?);
                "--program"
            }
            Long("type") => {
                let name = text(parser)?.to_ascii_lowercase();
                let number = names::program_type(&name).filter(|_| Uapi.is_program_type(&name));
                let number = number.ok_or_else(|| anyhow!("no program type '{name}'; one is xdp"))?;
                given.target.program_type = Some(number);
                "--type"
            }
            Long("attach-type") => {
                given.target.attach_type = Some(number(parser, "--attach-type")?);
                "--attach-type"
            }
            Long("capabilities") => {
                given.target.capabilities = Some(capabilities(&text(parser)?)?);
                "--capabilities"
            }
            Long("cpus") => {
                let cpus = number(parser, "--cpus")?;
                if !(1..=8192).contains(&cpus) {
                    bail!("--cpus takes a number from 1 to 8192, not {cpus}");
                }
                given.target.cpus = Some(cpus);
                "--cpus"
            }
            Long("log-level") => {
                given.log_level = number(parser, "--log-level")?;
                if given.log_level > 7 {
                    bail!("--log-level takes a number from 0 to 7, not {}", given.log_level);
                }
                "--log-level"
            }
            Long("data") => {
                given.data = Some(parser.value()?);
                "--data"
            }
            Long("packet") => {
                given.packet = Some(number(parser, "--packet")? as usize);
                "--packet"
            }
            Long("context") => {
                given.context = Some(parser.value()?);
                "--context"
            }
            Long("repeat") => {
                given.repeat = Some(number(parser, "--repeat")?);
                "--repeat"
            }
            Long("engine") => {
                given.engine = Some(match text(parser)?.as_str() {
                    "jit" => Engine::Jit,
                    "interpreter" => Engine::Interpreter,
                    other => bail!("--engine takes jit or interpreter, not '{other}'"),
                });
                "--engine"
            }
            Long("dump") => {
                given.dump = true;
                "--dump"
            }
            Long("listing") => {
                given.listing = true;
                "--listing"
            }
            Value(file) => {
                given.files.push(file.into());
                continue;
            }
            other => return Err(other.unexpected()).context("`glasshive help` lists the options"),
        };
        given.names.push(name);
    }
    Ok(Some(given))
}

fn text(parser: &mut lexopt::Parser) -> Result<String> {
    Ok(parser.value()?.string()?)
}

fn number(parser: &mut lexopt::Parser, option: &str) -> Result<u32> {
    let value = text(parser)?;
    value.parse().map_err(|_| anyhow!("{option} takes a number, not '{value}'"))
}

fn capabilities(list: &str) -> Result<u64> {
    const NAMES: [(&str, u64); 4] = [
        ("bpf", capability::BPF),
        ("perfmon", capability::PERFMON),
        ("net_admin", capability::NET_ADMIN),
        ("sys_admin", capability::SYS_ADMIN),
    ];
    let mut mask = 0;
    for name in list.split(',').filter(|name| !name.is_empty() && *name != "none") {
        let row = NAMES.iter().find(|row| row.0 == name.trim());
        let row = row.ok_or_else(|| anyhow!("no capability '{name}'; one is bpf"))?;
        mask |= row.1;
    }
    Ok(mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &str) -> Result<Command> {
        parse(words.split_whitespace().map(OsString::from))
    }

    #[test]
    fn options_go_with_their_command() {
        let Command::Run(run) = read("run a.o --data=00ff --repeat 3 --type XDP").unwrap() else { panic!() };
        assert_eq!((run.repeat, run.target.program_type), (3, Some(6)));
        assert_eq!(run.data, Some(OsString::from("00ff")));
        let Command::Verify(verify) = read("verify --capabilities bpf,net_admin a.o").unwrap() else {
            panic!()
        };
        assert_eq!(verify.target.capabilities, Some(1 << 39 | 1 << 12));
        assert_eq!(read("asm a -o b").unwrap(), Command::Assemble { file: "a".into(), output: "b".into() });
        assert_eq!(read("run --help").unwrap(), Command::Help);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (words, said) in [
            ("verfy a.o", "no command 'verfy'"),
            ("verify", "takes a FILE"),
            ("verify a b", "takes one FILE, not 'b' too"),
            ("verify a --data 00", "takes no --data"),
            ("verify a --log-level x", "--log-level takes a number, not 'x'"),
            ("verify a --log-level 9", "from 0 to 7"),
            ("verify a --type tc", "no program type 'tc'"),
            ("verify a --cpus 0", "from 1 to 8192"),
            ("verify a --capabilities root", "no capability 'root'"),
            ("asm a", "takes -o OUT"),
            ("run a --engine turbo", "--engine takes jit or interpreter"),
            ("verify a --dump", "takes no --dump"),
            ("run a --frob", "`glasshive help` lists the options"),
        ] {
            let error = format!("{:#}", read(words).unwrap_err());
            assert!(error.contains(said), "{words}: {error}");
        }
    }
}
