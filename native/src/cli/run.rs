//! `glasshive run`.

use anyhow::Result;
use glasshive::errno::Errno;
use glasshive::loader::MapFds;
use glasshive::names;
use glasshive::program::ProgramType;
use glasshive::program::test_run::Input as TestInput;
use glasshive::syscall::test_run::Ran;
use glasshive_native::engine;
use std::io::Write;
use std::time::{Duration, Instant};

use super::Verdict;
use super::arguments::{Engine, RunOptions};
use super::input::Input;
use super::packets::{self, Packet};
use super::system::{System, system};
use super::{maps, verify};

/// Verifies a program and runs it on each packet, the maps kept from one to the next.
///
/// # Errors
/// Where a file can't be read, or no program or packet is chosen.
pub fn run(options: &RunOptions, out: &mut dyn Write) -> Result<Verdict> {
    let input = Input::read(&options.target.file)?;
    let program = input.one(options.target.program.as_deref())?;
    let context = options.context.as_deref().map(packets::bytes).transpose()?;
    let given = match &options.data {
        Some(data) => packets::packets(data, options.packet)?.into_iter().map(Some).collect(),
        None => vec![None],
    };
    let mut kernel = system(&options.target)?;
    let mut fds = MapFds::new();
    let loaded =
        verify::load(&mut kernel, &input, program, &options.target, options.log_level, &mut fds, out)?;
    let Some(fd) = loaded else { return Ok(Verdict::Rejected) };
    if options.engine == Some(Engine::Interpreter) {
        kernel.set_compiler(None);
    }
    if options.engine == Some(Engine::Jit)
        && let Err(error) = engine::check(&kernel.program(fd)?.image)
    {
        writeln!(out, "{}: not compiled: {error}", program.name)?;
        return Ok(Verdict::Rejected);
    }
    let before = maps::snapshot(&mut kernel, &fds);
    let mut verdict = Verdict::Accepted;
    for packet in &given {
        if !one(&mut kernel, fd, packet.as_ref(), context.as_deref(), options.repeat, out)? {
            verdict = Verdict::Rejected;
            break;
        }
    }
    let after = maps::snapshot(&mut kernel, &fds);
    maps::show_changes(&input.object, &before, &after, out)?;
    Ok(verdict)
}

/// Runs on one packet, and says what came out; whether it ran.
fn one(
    kernel: &mut System,
    fd: i32,
    packet: Option<&Packet>,
    context: Option<&[u8]>,
    repeat: u32,
    out: &mut dyn Write,
) -> Result<bool> {
    let (program_type, expected_attach_type) = {
        let program = kernel.program(fd)?;
        (program.program_type, program.expected_attach_type)
    };
    let data = packet.map(|packet| packet.data.as_slice());
    let test = TestInput {
        data,
        context,
        data_out: data.is_some(),
        context_out: context.is_some(),
        repeat,
        expected_attach_type,
        ..TestInput::default()
    };
    let printed = kernel.resources.printed.len();
    let start = Instant::now();
    let ran = kernel.test_run(fd, &test);
    let took = start.elapsed();
    if let Some(packet) = packet.filter(|packet| !packet.name.is_empty()) {
        write!(out, "{}, {} bytes: ", packet.name, packet.data.len())?;
    }
    match ran {
        Ok(ran) => show(program_type, data, &ran, repeat, took, out)?,
        Err(errno) => {
            writeln!(out, "not run: {errno}{}", hint(program_type, errno, data.is_some()))?;
            return Ok(false);
        }
    }
    for line in &kernel.resources.printed[printed..] {
        writeln!(out, "  printed: {}", line.trim_end())?;
    }
    Ok(true)
}

/// What is usually wrong where a run is refused with this.
fn hint(program_type: &ProgramType, errno: Errno, has_data: bool) -> String {
    match errno {
        Errno::ENOTSUPP => format!("; {} programs can't be test-run", program_type.name),
        Errno::EINVAL if !has_data => "; it may want a packet: --data".into(),
        Errno::EINVAL => "; packets have at least the 14 bytes of an Ethernet header".into(),
        _ => String::new(),
    }
}

fn show(
    program_type: &ProgramType,
    data: Option<&[u8]>,
    ran: &Ran,
    repeat: u32,
    took: Duration,
    out: &mut dyn Write,
) -> Result<()> {
    write!(out, "returned {}", ran.value)?;
    if let Some(name) = names::return_value(program_type.number, ran.value) {
        write!(out, " ({name})")?;
    }
    if repeat > 1 {
        write!(out, "; {repeat} runs, {:.0} ns each", took.as_nanos() as f64 / f64::from(repeat))?;
    }
    writeln!(out)?;
    if let Some(data) = data {
        if ran.output.data == data {
            writeln!(out, "  packet: unchanged")?;
        } else {
            writeln!(out, "  packet: {} bytes before, {} after", data.len(), ran.output.data.len())?;
            dump(&ran.output.data, Some(data), out)?;
        }
    }
    if let Some(context) = ran.output.context.as_ref().or(ran.output.context_in.as_ref()) {
        writeln!(out, "  context: {} bytes", context.len())?;
        dump(context, None, out)?;
    }
    Ok(())
}

/// Bytes by 16; a `*` before a line in which a byte is not what it was.
fn dump(bytes: &[u8], before: Option<&[u8]>, out: &mut dyn Write) -> Result<()> {
    for (row, line) in bytes.chunks(16).enumerate() {
        let at = row * 16;
        let changed = before.is_some_and(|before| before.get(at..at + line.len()) != Some(line));
        let text: Vec<String> = line.iter().map(|byte| format!("{byte:02x}")).collect();
        writeln!(out, "  {} {at:04x}  {}", if changed { '*' } else { ' ' }, text.join(" "))?;
    }
    Ok(())
}
