//! solana-sbpf: both its engines translate and check every access, and count instructions.

use anyhow::{Result, anyhow, bail};
use solana_sbpf::aligned_memory::AlignedMemory;
use solana_sbpf::ebpf;
use solana_sbpf::elf::Executable;
use solana_sbpf::error::{EbpfError, ProgramResult};
use solana_sbpf::memory_region::{MemoryMapping, MemoryRegion};
use solana_sbpf::program::{BuiltinProgram, FunctionRegistry, SBPFVersion};
use solana_sbpf::vm::{CallFrame, Config, ContextObject, EbpfVm, ExecutionMode};
use std::ptr::NonNull;
use std::sync::Arc;

use super::Runner;
use crate::program::Program;

/// What its machine asks for: a meter, and the memory.
struct Context {
    left: u64,
    mapping: MemoryMapping,
}

impl ContextObject for Context {
    fn consume(&mut self, amount: u64) {
        self.left = self.left.saturating_sub(amount);
    }
    fn get_remaining(&self) -> u64 {
        self.left
    }
    fn active_mapping_ptr(&mut self) -> NonNull<MemoryMapping> {
        NonNull::from_mut(&mut self.mapping)
    }
}

solana_sbpf::declare_builtin_function!(
    /// The helper of the benchmark programs.
    Helper,
    fn rust(
        _vm: &mut Context,
        _a: u64,
        _b: u64,
        _c: u64,
        _d: u64,
        _e: u64,
    ) -> Result<u64, EbpfError> {
        Ok(0)
    }
);

const NAME: &str = "helper";
/// Relative calls, as in eBPF.
const VERSION: SBPFVersion = SBPFVersion::V3;

fn runner(program: &Program, jit: bool) -> Result<Runner> {
    let config = Config {
        enable_stack_frame_gaps: false,
        noop_instruction_rate: 0,
        sanitize_user_provided_values: false,
        ..Config::default()
    };
    let mut loader = BuiltinProgram::<Context>::new_loader(config);
    loader.register_definition::<Helper>(NAME).map_err(|error| anyhow!("{error}"))?;
    let loader = Arc::new(loader);
    // It calls its functions by the hash of their names.
    let mut code = program.code.clone();
    for slot in code.as_chunks_mut::<8>().0 {
        if slot[0] == 0x85 && slot[1] == 0 {
            slot[4..].copy_from_slice(&ebpf::hash_symbol_name(NAME.as_bytes()).to_le_bytes());
        }
    }
    let executable =
        Executable::new_from_text_bytes(&code, loader.clone(), VERSION, FunctionRegistry::default());
    let executable = executable.map_err(|error| anyhow!("{error}"))?;
    if jit {
        executable.jit_compile().map_err(|error| anyhow!("{error}"))?;
    }
    let config = executable.get_config();
    let mut stack = AlignedMemory::<{ ebpf::HOST_ALIGN }>::zero_filled(config.stack_size());
    let mut memory = program.memory.clone().into_boxed_slice();
    let regions = vec![
        executable.get_ro_region(),
        MemoryRegion::new(&mut stack, ebpf::MM_STACK_START),
        MemoryRegion::new(&raw mut *memory, ebpf::MM_INPUT_START),
    ];
    // SAFETY: what the regions point to moves into the runner below and stays where it is.
    let mapping = unsafe { MemoryMapping::new(regions, config, VERSION) };
    let mapping = mapping.map_err(|error| anyhow!("{error}"))?;
    let mut context = Context { left: 0, mapping };
    let mut frames = vec![CallFrame::default(); config.max_call_depth];
    let stack_len = stack.len();
    Ok(Box::new(move || {
        let _kept = (&stack, &memory);
        context.left = 1 << 40;
        let mut machine = EbpfVm::new(loader.clone(), VERSION, &mut context, stack_len);
        machine.registers[1] = ebpf::MM_INPUT_START;
        let mut mode = if jit { ExecutionMode::Jit } else { ExecutionMode::Interpreted };
        match machine.execute_program(&executable, &mut mode, &mut frames).1 {
            ProgramResult::Ok(value) => Ok(value),
            ProgramResult::Err(error) => bail!("{error}"),
        }
    }))
}

/// Its interpreter.
pub fn interpreter(program: &Program) -> Result<Runner> {
    runner(program, false)
}

/// Its JIT.
pub fn jit(program: &Program) -> Result<Runner> {
    runner(program, true)
}
