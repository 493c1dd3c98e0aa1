//! The system that a command loads programs into.

use anyhow::{Context, Result, anyhow};
use glasshive::loader::{self, LoadError, MapFds};
use glasshive::object::{Object, ObjectProgram, ProgramKind};
use glasshive::syscall::Kernel;
use glasshive::syscall::descriptors::Sequential;
use glasshive::syscall::programs::LoadRequest;
use glasshive_native::engine;
use glasshive_native::memory::{ARENA_LEN, ReservedMemory};
use glasshive_native::process::possible_cpus;

use super::arguments::Target;

/// The system of a command.
pub type System = Kernel<ReservedMemory>;

/// An empty system with the capabilities and CPUs that were asked for.
///
/// # Errors
/// Where the machine has no address space for the arena.
pub fn system(target: &Target) -> Result<System> {
    let memory = ReservedMemory::new(ARENA_LEN).context("reserving memory for programs")?;
    let cpus = target.cpus.unwrap_or_else(possible_cpus);
    let mut kernel = Kernel::new(memory, cpus, 0, Box::new(Sequential::default()));
    kernel.set_compiler(engine::compiler());
    if let Some(file) = std::env::var_os("GLASSHIVE_BTF") {
        let name = || format!("GLASSHIVE_BTF: {}", file.display());
        let bytes = std::fs::read(&file).with_context(name)?;
        kernel.set_kernel_btf(&bytes).map_err(|error| anyhow!("{}: {error}", name()))?;
    }
    if let Some(mask) = target.capabilities {
        kernel.set_capabilities(mask);
    }
    Ok(kernel)
}

/// Creates the program's maps, and gives back what is to be loaded.
///
/// # Errors
/// Why it can't be.
pub fn prepare(
    kernel: &mut System,
    object: &Object,
    program: &ObjectProgram,
    target: &Target,
    log_level: u32,
    maps: &mut MapFds,
) -> Result<LoadRequest, LoadError> {
    let code = program.code.as_ref().map_err(|error| LoadError::Code(error.clone()))?;
    loader::create_maps(kernel, object, code, maps)?;
    loader::request(object, program, kind(program, target), maps, log_level)
}

/// What the program is loaded as, where the command line says so.
fn kind(program: &ObjectProgram, target: &Target) -> Option<ProgramKind> {
    let said = program.kind;
    let program_type = target.program_type.or(said.map(|kind| kind.program_type))?;
    // What the file says of attach type and flags is about the type that it says.
    let same = said.filter(|kind| kind.program_type == program_type);
    Some(ProgramKind {
        program_type,
        attach_type: target.attach_type.unwrap_or(same.map_or(0, |kind| kind.attach_type)),
        flags: same.map_or(0, |kind| kind.flags),
    })
}
