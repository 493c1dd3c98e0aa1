//! The verifier: explores every path of a program as Linux 6.18 does, and says yes or no.
//!
//! The passes, in order ([`Verifier::new`] and [`Verifier::step`] read as this list):
//!
//! 1. [`mod@cfg`]: functions, and where their jumps lead;
//! 2. `resolve`: maps by descriptor, opcodes that don't exist;
//! 3. [`mod@cfg`] again: reachability, loops, live registers (which stack slots are live, [`live_stack`] finds on
//!    the way);
//! 4. `walk`: every path, with states compared and pruned (`prune`, `compare`) and values found to matter
//!    traced back (`precision`);
//! 5. `finish`: the stack of the call chains, and the image that engines run.
//!
//! What is known at a point is a [`State`] of [`Register`]s, whose
//! numbers are sets of the [`domain`]. [`log`] and [`print`] word it as the kernel's log does, an
//! [`Observer`] is told of it as it happens.

/// What the log names registers by: fields of the verifier, so that its log can be written meanwhile.
macro_rules! print_names {
    ($verifier:expr) => {
        $crate::verifier::print::Names {
            maps: &$verifier.maps,
            kernel: $verifier.input.kernel_types.as_deref().map(|k| &k.btf),
            program: $verifier.input.types.as_deref(),
        }
    };
}

mod alu;
mod arena;
mod arguments;
mod branch;
mod call;
mod callback;
pub mod cfg;
mod compare;
mod deferred;
pub mod domain;
mod dynptrs;
mod exceptions;
mod fast_calls;
mod finish;
mod frames;
pub mod function_types;
mod global;
mod graph;
mod iterators;
mod kernel_arguments;
mod kernel_call;
mod kernel_pointers;
mod kernel_results;
mod kernel_sites;
mod kernel_types;
pub mod live_stack;
mod locks;
pub mod log;
mod loops;
mod map_call;
mod map_fields;
mod memory;
pub mod observer;
pub mod policy;
mod precision;
pub mod print;
mod privilege;
mod prune;
mod references;
pub mod register;
mod resolve;
pub mod sections;
mod speculation;
mod stack;
pub mod state;
mod tracing;
pub mod typed;
mod typed_memory;
mod walk;

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt::{self, Write};

use crate::errno::Errno;
use crate::image::Image;
use crate::isa::{DecodeError, Insn, Pc, RawInsn, Reg, Size, decode_program};
use crate::map::{MapId, MapSpec};
use crate::object::btf::kernel::KernelTypes;
use crate::object::btf::{Btf, TypeId};
use crate::program::ProgramType;

use cfg::{Code, Function, Marks};
use fast_calls::FastCalls;
use function_types::{FunctionFacts, FunctionType};
use live_stack::LiveStack;
use log::Log;
use loops::Loop;
use observer::{Observer, Prepared};
use precision::LinkedSet;
use print::Changed;
use prune::Kept;
use register::{MapInfo, Register};
use state::State;

/// What the verifier asks of the system that a program is loaded into.
pub trait Environment {
    /// The map behind a descriptor.
    ///
    /// # Errors
    /// `EBADF` where it is no descriptor, `EINVAL` where it is not a map's.
    fn map_by_fd(&mut self, fd: i32) -> Result<MapId, Errno>;
    /// The map at an index of the loader's `fd_array`.
    ///
    /// # Errors
    /// As [`Environment::map_by_fd`]; `EFAULT` where there is no such entry.
    fn map_by_index(&mut self, index: i32) -> Result<MapId, Errno>;
    /// What a descriptor that the program holds is: a map, or `None` for BTF.
    ///
    /// # Errors
    /// `EBADF` where it is no descriptor, `EINVAL` where it is of another kind.
    fn held(&mut self, fd: i32) -> Result<Option<MapId>, Errno>;
    /// What a map is.
    fn map(&self, id: MapId) -> MapFacts<'_>;
    /// The value of a map that neither side can write any more (read-only to programs, frozen, of one
    /// element); `None` for any other.
    fn constant_value(&self, id: MapId) -> Option<Vec<u8>>;
    /// Number of possible CPUs.
    fn cpus(&self) -> u32;
}

/// A map, as the verifier is told of it.
#[derive(Clone, Debug)]
pub struct MapFacts<'a> {
    /// What it was created with.
    pub spec: &'a MapSpec,
    /// The address of its handle.
    pub handle: u32,
    /// The address of its first value, where the type allows direct access.
    pub direct_value: Option<u32>,
    /// What the maps in it are like, where it holds maps.
    pub inner: Option<&'a MapSpec>,
    /// The BTF of its value's type.
    pub types: Option<Arc<Btf>>,
    /// The same of the maps in it.
    pub inner_types: Option<Arc<Btf>>,
}

/// Flags of a load (`prog_flags`).
#[allow(missing_docs)]
pub mod flag {
    pub const STRICT_ALIGNMENT: u32 = 1 << 0;
    pub const ANY_ALIGNMENT: u32 = 1 << 1;
    pub const TEST_RND_HI32: u32 = 1 << 2;
    pub const TEST_STATE_FREQ: u32 = 1 << 3;
    pub const SLEEPABLE: u32 = 1 << 4;
    pub const XDP_HAS_FRAGS: u32 = 1 << 5;
    pub const XDP_DEV_BOUND_ONLY: u32 = 1 << 6;
    pub const TEST_REG_INVARIANTS: u32 = 1 << 7;
}

/// Program types that may be loaded with [`flag::SLEEPABLE`]: kprobe (for uprobes), tracing, struct_ops, lsm,
/// syscall.
const MAY_SLEEP: &[u32] = &[2, 26, 27, 29, 31];

/// `BPF_PROG_TYPE_SYSCALL`
const SYSCALL: u32 = 31;

/// A source line, by the first instruction that comes from it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SourceLine {
    /// The slot.
    pub pc: u32,
    /// The line's text.
    pub text: String,
    /// The file's name, without its folders.
    pub file: String,
    /// Line number.
    pub line: u32,
}

/// A program to be verified.
#[derive(Clone, Debug)]
pub struct Input {
    /// Its type.
    pub program_type: &'static ProgramType,
    /// `expected_attach_type`
    pub expected_attach_type: u32,
    /// `prog_flags`
    pub flags: u32,
    /// Its licence is compatible with the GPL.
    pub gpl_compatible: bool,
    /// The loader may see the kernel's addresses (`CAP_PERFMON`).
    pub perfmon: bool,
    /// Its instructions.
    pub code: Vec<RawInsn>,
    /// Source lines by slot, in order; empty where none were given.
    pub lines: Vec<SourceLine>,
    /// Descriptors of maps and BTF that the program holds, whether it names them or not.
    pub held: Vec<i32>,
    /// The program's BTF, where it came with one.
    pub types: Option<Arc<Btf>>,
    /// The kernel's BTF, where the caller gave one.
    pub kernel_types: Option<Arc<KernelTypes>>,
    /// The kernel type that it attaches to (`attach_btf_id`), or 0.
    pub attach_type: TypeId,
    /// Its functions' types (`func_info`), in order.
    pub functions: Vec<FunctionType>,
    /// The first source line whose names are not in the BTF.
    pub nameless_line: Option<u32>,
    /// `log_level`
    pub log_level: u32,
}

/// Why a program is rejected.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rejection {
    /// What the system call answers.
    pub errno: Errno,
    /// The kernel's line; empty where it says nothing.
    pub message: String,
    /// The register at fault, where one is.
    pub register: Option<Reg>,
    /// The message is in the log already, with more behind it.
    pub logged: bool,
}

impl Rejection {
    /// Names the register at fault.
    pub fn of(self, register: Reg) -> Rejection {
        Rejection { register: Some(register), ..self }
    }
}

/// A rejection with the kernel's line.
pub(crate) fn reject(errno: Errno, message: impl fmt::Display) -> Rejection {
    Rejection { errno, message: message.to_string(), register: None, logged: false }
}

/// A rejection of what is not built yet, by its name.
pub(crate) fn not_built(what: impl fmt::Display) -> Rejection {
    reject(Errno::EOPNOTSUPP, format_args!("glasshive: {what} is not built yet"))
}

/// What the verifier counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Stats {
    /// Instructions walked, each as often as it was.
    pub processed: u32,
    /// Most states kept at one instruction when one was looked for.
    pub max_states_per_insn: u32,
    /// States kept.
    pub total_states: u32,
    /// Most states kept at a time.
    pub peak_states: u32,
}

/// A program that was accepted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verified {
    /// What engines run.
    pub image: Image,
    /// The maps that it refers to, each once.
    pub maps: Vec<MapId>,
}

/// How far the verifier is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// Not done: call [`Verifier::step`] again.
    Running,
    /// Done: call [`Verifier::finish`].
    Done,
}

/// What came of it.
pub struct Outcome<O> {
    /// The program, or why not.
    pub result: Result<Verified, Rejection>,
    /// The instruction at which it was rejected, where it was being walked.
    pub pc: Option<Pc>,
    /// What was counted.
    pub stats: Stats,
    /// The log.
    pub log: Log,
    /// Who watched.
    pub observer: O,
    /// The maps that the program refers to, in the order of its first references.
    pub maps: Vec<MapInfo>,
}

/// A side of a branch that waits to be walked.
struct Pending {
    state: State,
    pc: Pc,
    previous: Pc,
    log_position: usize,
    token: u32,
}

/// What the walk keeps of an instruction.
#[derive(Clone, Copy, Default)]
struct Seen {
    /// The kind of pointer it accessed memory through.
    pointer: Option<register::Kind>,
    /// It was walked at least once.
    walked: bool,
    /// It computed with a pointer into the arena.
    arena_arithmetic: bool,
    /// What paths that are taken by guess meet here.
    barriers: speculation::Barriers,
    /// The map that a 64-bit immediate names, and the offset into its value.
    map: Option<(u16, u32, bool)>,
}

/// A verification in progress.
pub struct Verifier<O> {
    input: Input,
    insns: Vec<Result<Insn, DecodeError>>,
    marks: Vec<Marks>,
    seen: Vec<Seen>,
    functions: Vec<Function>,
    /// What a tracing program attaches to.
    target: Option<tracing::Target>,
    /// The function of each `bpf_loop` that may be made one of instructions, by the call.
    inlined: BTreeMap<u32, Option<u32>>,
    /// The calls of kernel functions that were walked, by slot.
    kernel_sites: BTreeMap<u32, crate::helper::kernel::Site>,
    /// Functions that are called back, and whether later.
    called_back: BTreeMap<usize, bool>,
    /// The function that is called when an exception was thrown.
    exception_callback: Option<usize>,
    /// What BTF says of each function, by index; empty without `func_info`.
    function_facts: Vec<FunctionFacts>,
    /// The function that is being verified by itself: 0 is the program's own.
    verifying: usize,
    live_stack: LiveStack,
    fast_calls: FastCalls,
    /// Every path was walked, and all ended well.
    walked: bool,
    /// Slots, by frame, that the instruction being walked overwrites.
    overwritten: [u64; state::MAX_FRAMES],
    maps: Vec<MapInfo>,
    cpus: u32,
    state: State,
    pending: Vec<Pending>,
    /// States of ended paths: room for copies.
    spare: Vec<State>,
    kept: Vec<Option<Kept>>,
    /// The states kept, by [`Verifier::bucket`], the newest last.
    kept_at: Vec<Vec<state::StateId>>,
    linked: Vec<LinkedSet>,
    /// The loops that are being walked, by the chain of calls that each is in and its number.
    entered: BTreeMap<Loop, loops::LoopVisit>,
    pc: Pc,
    previous: Option<Pc>,
    /// The history entry of the instruction being walked, once it has one.
    history_entry: bool,
    show_state: bool,
    changed: Changed,
    last_line: Option<usize>,
    /// Where the log stood after the last instruction line, and how long that line was.
    line_end: Option<(usize, usize)>,
    next_id: u32,
    /// A walk back marked something that was not marked before.
    newly_precise: bool,
    /// A guarded sum was met: numbers are compared as if all of them mattered.
    explores_sums: bool,
    counters: Counters,
    stats: Stats,
    log: Log,
    observer: O,
    done: Option<Result<(), Rejection>>,
}

#[derive(Clone, Copy, Default)]
struct Counters {
    jumps: u32,
    jumps_when_kept: u32,
    processed_when_kept: u32,
    kept_now: u32,
    dropped_now: u32,
    ways_back_now: u32,
}

impl<O: Observer> Verifier<O> {
    /// Takes a program and does what comes before the walk. The environment is asked now and not again.
    pub fn new(input: Input, environment: &mut dyn Environment, observer: O) -> Verifier<O> {
        let len = input.code.len();
        let mut verifier = Verifier {
            insns: decode_program(&input.code),
            marks: vec![Marks::default(); len],
            seen: vec![Seen::default(); len],
            functions: Vec::new(),
            target: None,
            inlined: BTreeMap::new(),
            kernel_sites: BTreeMap::new(),
            called_back: BTreeMap::new(),
            exception_callback: None,
            function_facts: Vec::new(),
            verifying: 0,
            live_stack: LiveStack::default(),
            fast_calls: FastCalls::default(),
            walked: false,
            overwritten: [0; state::MAX_FRAMES],
            maps: Vec::new(),
            cpus: environment.cpus(),
            state: State::entry(),
            pending: Vec::new(),
            spare: Vec::new(),
            kept: Vec::new(),
            kept_at: vec![Vec::new(); len],
            linked: Vec::new(),
            entered: BTreeMap::new(),
            pc: Pc(0),
            previous: None,
            history_entry: false,
            show_state: false,
            changed: Changed::ALL,
            last_line: None,
            line_end: None,
            next_id: 0,
            newly_precise: false,
            explores_sums: false,
            counters: Counters::default(),
            stats: Stats::default(),
            log: Log::new(input.log_level),
            observer,
            done: None,
            input,
        };
        let prepared = verifier.prepare(environment);
        verifier.observer.prepared(&Prepared {
            input: &verifier.input,
            insns: &verifier.insns,
            marks: &verifier.marks,
            maps: &verifier.maps,
        });
        if let Err(rejection) = prepared {
            verifier.end(Err(rejection));
        }
        verifier
    }

    fn prepare(&mut self, environment: &mut dyn Environment) -> Result<(), Rejection> {
        self.hold_descriptors(environment)?;
        if self.input.flags & flag::SLEEPABLE != 0 && !MAY_SLEEP.contains(&self.input.program_type.number) {
            let message =
                "Only fentry/fexit/fmod_ret, lsm, iter, uprobe, and struct_ops programs can be sleepable";
            return Err(reject(Errno::EINVAL, message));
        }
        if self.input.flags & flag::SLEEPABLE == 0 && self.input.program_type.number == SYSCALL {
            return Err(reject(Errno::EINVAL, "Syscall programs can only be sleepable"));
        }
        let tracing = matches!(self.input.program_type.number, tracing::TRACING | tracing::STRUCT_OPS);
        if self.input.program_type.accesses.is_empty() && !tracing {
            return Err(not_built(format_args!("program type {}", self.input.program_type.name)));
        }
        self.check_kernel_functions()?;
        let exception = self.find_exception_callback();
        let start = exception.as_ref().ok().copied().flatten();
        let code = Code { raw: &self.input.code, insns: &self.insns };
        cfg::functions(&code, exception, &mut self.log, &mut self.functions)?;
        cfg::check_jumps(&code, &self.functions)?;
        self.check_function_types()?;
        self.take_exception_callback(start);
        self.check_source_lines()?;
        self.resolve(environment)?;
        let code = Code { raw: &self.input.code, insns: &self.insns };
        let postorder = cfg::check_graph(&code, &self.functions, true, &mut self.marks)?;
        if tracing {
            self.find_target()?;
        }
        let code = Code { raw: &self.input.code, insns: &self.insns };
        cfg::components(&code, &self.functions, &mut self.marks);
        let counts = self.argument_counts();
        cfg::live_registers(&code, &postorder, &counts, &mut self.marks);
        self.mark_kernel_calls();
        self.mark_callbacks();
        let code = Code { raw: &self.input.code, insns: &self.insns };
        self.live_stack = LiveStack::new(&code, &self.functions, &self.marks);
        self.find_fast_calls();
        self.find_function_effects();
        self.log_live_registers();
        self.check_program_prototype();
        *self.state.register_mut(Reg::R1) = Register::pointer(register::Kind::Context);
        Ok(())
    }

    /// Says how many bytes the log's buffer has: a rotating one keeps less of a log that was taken back.
    pub fn with_log_size(mut self, size: usize) -> Verifier<O> {
        self.log.set_size(size);
        self
    }

    /// Walks at most `budget` instructions.
    pub fn step(&mut self, budget: u32) -> Progress {
        for _ in 0..budget {
            if self.done.is_some() {
                break;
            }
            match self.walk_one() {
                Ok(true) => {}
                Ok(false) => match self.next_global_function() {
                    Ok(true) => {}
                    Ok(false) => {
                        self.walked = true;
                        let checked = self.check_stack_depth().and_then(|()| self.check_pointed_functions());
                        self.end(checked);
                    }
                    Err(rejection) => self.end(Err(rejection)),
                },
                Err(rejection) => self.end(Err(rejection)),
            }
        }
        if self.done.is_some() { Progress::Done } else { Progress::Running }
    }

    /// What was counted so far.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// Who watches.
    pub fn observer(&self) -> &O {
        &self.observer
    }

    /// The log so far.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Gives up where it is: who watched, the log and the counters so far. What is known of the program is
    /// no verdict.
    pub fn abandon(self) -> (O, Log, Stats) {
        (self.observer, self.log, self.stats)
    }

    /// Walks to the end, and answers.
    pub fn finish(mut self) -> Outcome<O> {
        while self.step(u32::MAX) == Progress::Running {}
        let maps = self.maps.iter().filter(|m| !m.is_inner).map(|m| m.id).collect();
        let pc = (self.stats.processed > 0).then_some(self.pc);
        let result = match self.done.take() {
            Some(Err(rejection)) => Err(rejection),
            _ => Ok(Verified { image: self.image(), maps }),
        };
        Outcome {
            pc: pc.filter(|_| result.is_err()),
            result,
            stats: self.stats,
            log: self.log,
            observer: self.observer,
            maps: self.maps,
        }
    }

    fn end(&mut self, result: Result<(), Rejection>) {
        if let Err(rejection) = &result {
            if !rejection.message.is_empty() && !rejection.logged {
                let _ = writeln!(self.log, "{}", rejection.message);
            }
            let pc = (self.stats.processed > 0).then_some(self.pc);
            self.observer.rejected(rejection, pc);
        }
        self.log_statistics(result.is_ok());
        self.done = Some(result);
    }
}

/// Reads bytes of a constant as a number, little-endian.
fn constant_at(bytes: &[u8], offset: i64, size: Size) -> Option<u64> {
    let start = usize::try_from(offset).ok()?;
    let part = bytes.get(start..start.checked_add(size.bytes() as usize)?)?;
    Some(part.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}
