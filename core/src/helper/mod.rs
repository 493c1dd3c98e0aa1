//! Helper functions.
//!
//! [`rows`] has a row per helper that is built: what the verifier checks and what an engine runs, in one
//! place, the functions in a file per family. [`Facts`] are the kernel's own of every helper, built or not: a
//! program that calls one that is not is refused by its name.

mod argument_counts;
pub mod call;
mod checksum;
mod event;
mod facts;
mod format;
pub mod kernel;
mod kernel_facts;
pub mod kernel_functions;
mod map;
mod net;
mod prototypes;
mod ring;
pub mod rows;
mod skb;
mod string;
mod task;
mod time;
mod trace;
mod xdp;

pub use call::{Call, HelperFault, Packet, RunContext};
pub use rows::{callback, constant, dispatch, needs_target, prototype, prototype_in, unsupported};

use crate::errno::Errno;

/// What the running kernel says of a helper by itself: a row of `facts`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Facts {
    /// Its uapi number (`BPF_FUNC_*`).
    pub number: i32,
    /// Its name: `bpf_map_lookup_elem`.
    pub name: &'static str,
    /// Only programs with a GPL-compatible licence may call it.
    pub gpl_only: bool,
    /// Which program types may call it: bit N is type N.
    pub programs: u64,
}

impl Facts {
    /// The facts of a helper, or `None` for an unknown number.
    pub fn of(number: i32) -> Option<&'static Facts> {
        let row = facts::FACTS.get(usize::try_from(number).ok()?.checked_sub(1)?)?;
        (row.number == number).then_some(row)
    }

    /// How many arguments it has in most program types.
    pub fn argument_count(&self) -> usize {
        argument_counts::ARGUMENT_COUNTS.get(self.number as usize - 1).copied().unwrap_or(5).into()
    }

    /// The helper with that name, with or without `bpf_`.
    pub fn by_name(name: &str) -> Option<&'static Facts> {
        let name = name.strip_prefix("bpf_").unwrap_or(name);
        facts::FACTS.iter().find(|f| &f.name[4..] == name)
    }

    /// Whether programs of the type and with the expected attach type may call it.
    pub fn allows(&self, program_type: u32, attach_type: u32) -> bool {
        let by_type = program_type < 64 && self.programs >> program_type & 1 == 1;
        let other = facts::BY_ATTACH_TYPE.iter().any(|(of_type, attach_types, helpers)| {
            *of_type == program_type && attach_types.contains(&attach_type) && helpers.contains(&self.number)
        });
        by_type != other
    }

    /// Whether programs that stand for a member of a table of operations may call it.
    pub fn allows_operation(&self, table: &str, member: &str) -> bool {
        facts::BY_OPERATION
            .iter()
            .any(|row| row.0 == table && row.1.contains(&member) && row.2.contains(&self.number))
    }
}

/// What a helper takes and gives (bpf-helpers(7)).
#[derive(Clone, Copy, Debug)]
pub struct Prototype {
    /// Its uapi number.
    pub number: i32,
    /// What its arguments have to be, r1 first.
    pub args: &'static [Arg],
    /// What it returns.
    pub ret: Ret,
    /// What else it does.
    pub effects: Effects,
}

/// What a helper does besides returning.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Effects {
    /// It may move the packet: pointers into it are void afterwards.
    pub moves_packet: bool,
    /// Its result has to be given back.
    pub acquires: bool,
    /// Arguments may point into the packet.
    pub takes_packet: bool,
    /// The result is the first argument seen as another type: it belongs to the same reference.
    pub casts: bool,
    /// It may sleep: only programs that may too can call it.
    pub sleeps: bool,
}

/// What an argument has to be.
///
/// The verifier reads these; the names say what the kernel checks, the source is bpf-helpers(7) and
/// what the running kernel answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arg {
    /// Any initialised value.
    Anything,
    /// A map's address, known when verified.
    ConstMap,
    /// Memory of the map's key size, to read.
    MapKey,
    /// Memory of the map's value size, to read.
    MapValue,
    /// Memory of the map's value size, to write.
    UninitMapValue,
    /// The context.
    Context,
    /// Memory; the next argument is its size.
    Memory(MemoryAccess),
    /// Memory of this many bytes.
    FixedMemory {
        /// Bytes.
        size: u32,
        /// Alignment in bytes that the kernel asks for, or 1.
        align: u32,
        /// What the helper does with it.
        access: MemoryAccess,
    },
    /// Size of the memory before; 0 is refused.
    Size,
    /// Size of the memory before; 0 is allowed.
    SizeOrZero,
    /// A constant size of memory to be allocated.
    AllocationSize,
    /// A spin lock in a map value.
    SpinLock,
    /// A timer in a map value.
    Timer,
    /// A local function to call back.
    Function(Callback),
    /// A pointer to the stack, handed to a callback.
    Stack,
    /// A constant, null-terminated string in a read-only map.
    ConstString,
    /// A ring buffer's record, acquired before.
    RingBufferRecord,
    /// Any kind of socket pointer that a context or a helper gives.
    SocketCommon,
    /// As [`Arg::SocketCommon`], or the kernel's own type of it.
    AnySocket,
    /// A full socket.
    Socket,
    /// A kernel object by the name of its BTF type.
    KernelType(&'static str),
    /// A per-CPU kernel variable.
    PerCpuVariable,
    /// Where a kernel pointer is kept in a map value.
    KernelPointerSlot,
    /// A dynptr on the stack.
    Dynptr(DynptrUse),
    /// This argument, or null.
    OrNull(&'static Arg),
    /// This argument, whose reference the call gives back.
    Release(&'static Arg),
}

/// What a helper does with memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MemoryAccess {
    /// Reads it: it has to be initialised.
    Read,
    /// Writes all of it: it need not be initialised.
    Uninit,
    /// Reads and writes it.
    ReadWrite,
}

/// The kinds of callback, by what they are called with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Callback {
    ForEachMapElem,
    Loop,
    Timer,
    FindVma,
    UserRingBuffer,
}

/// What a call does with a dynptr.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum DynptrUse {
    /// Any initialised kind.
    Any,
    /// An initialised one of that kind.
    Ringbuf,
    /// Makes one over memory.
    InitLocal,
    /// Makes one over a ring buffer's record.
    InitRingbuf,
}

/// What a helper returns in r0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Ret {
    /// A number.
    Integer,
    /// Nothing: r0 is unreadable after the call.
    Void,
    /// A map value or null.
    MapValueOrNull,
    /// A map value.
    MapValue,
    /// A socket or null, acquired where the table says so.
    SocketOrNull,
    TcpSocketOrNull,
    SocketCommonOrNull,
    /// Memory whose size an [`Arg::AllocationSize`] gave, or null.
    AllocatedMemoryOrNull,
    /// A kernel object by BTF type name.
    KernelType(&'static str),
    KernelTypeOrNull(&'static str),
    /// Memory of a per-CPU kernel variable, or null / never null.
    PerCpuVariableOrNull,
    PerCpuVariable,
    /// A dynptr's data or null, of constant size.
    DynptrDataOrNull,
}

/// The error that a helper returns in r0 as a negative number.
pub fn error(errno: Errno) -> u64 {
    errno.negative() as u64
}
