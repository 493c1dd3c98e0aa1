//! Program types: what a program of each is given, may do with it and may return, as tables.
//!
//! [`types`] has a row per type; `access` what the running kernel takes of each context; [`returns`] what
//! returned numbers are called; [`test_run`] makes contexts.

mod access;
pub mod attach;
pub mod returns;
mod socket_access;
pub mod test_run;
pub mod tracing;
mod tracing_facts;
pub mod types;

/// A program's number, from 1 up, never reused: the id that `BPF_PROG_GET_NEXT_ID` shows.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ProgramId(pub u32);

/// A program type: one row of [`types::TYPES`].
#[derive(Debug)]
pub struct ProgramType {
    /// `BPF_PROG_TYPE_*`.
    pub number: u32,
    /// Its uapi name in lower case, as `.type` and the page have it: `xdp`.
    pub name: &'static str,
    /// The uapi structure that r1 points to: `xdp_md`.
    pub context: &'static str,
    /// Which accesses to the context are allowed, but for attach types with accesses of their own; empty for a
    /// type that is not built yet.
    pub accesses: &'static [Access],
    /// What it may do with the packet.
    pub packet: PacketAccess,
    /// What r0 may be at exit, by expected attach type: the first row that fits, `None` fits every type.
    pub returns: &'static [(Option<u32>, Returns)],
    /// How `BPF_PROG_TEST_RUN` runs it.
    pub test_run: TestRun,
}

/// How `BPF_PROG_TEST_RUN` makes a program's context; [`test_run`] does it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TestRun {
    /// It can't be run: `ENOTSUPP`.
    No,
    /// `struct __sk_buff` around a packet.
    Skb {
        /// Whether the program sees the packet from its link header on, or from behind it.
        link_layer: bool,
    },
    /// `struct xdp_md` around a packet.
    Xdp,
    /// `struct __sk_buff` around a packet, for its flow keys.
    FlowDissector,
    /// The arguments given.
    RawTracepoint,
    /// The context given, which the program may change.
    Syscall,
    /// `struct bpf_sk_lookup`.
    SkLookup,
}

/// What a program type may do with the packet through its context's pointers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PacketAccess {
    /// It has none.
    None,
    /// It may read it.
    Read,
    /// It may read and write it.
    Write,
}

/// What r0 may be when a program exits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Returns {
    /// Anything; a pointer too, for a privileged program.
    Any,
    /// A number from the first to the second.
    Between(i64, i64),
}

/// An access to a context that is allowed: at `first`, and every `step` bytes up to `last`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Access {
    /// A store, not a load.
    pub write: bool,
    /// Bytes.
    pub size: u32,
    /// First offset.
    pub first: u32,
    /// Last offset.
    pub last: u32,
    /// Bytes between two offsets.
    pub step: u32,
    /// What a load gives.
    pub gives: FieldKind,
}

/// The kinds of socket pointer, by what of a socket they show (`struct bpf_sock` and its siblings).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum SocketKind {
    Common,
    Full,
    Tcp,
    Xdp,
}

/// What a load from a context gives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FieldKind {
    /// A number.
    Scalar,
    /// The packet's start.
    PacketData,
    /// The start of the metadata before the packet.
    PacketMeta,
    /// The packet's end.
    PacketEnd,
    /// A socket of the common kind, or null.
    SocketCommonOrNull,
    /// A full socket, or null.
    SocketOrNull,
    /// A full socket.
    Socket,
    /// Flow keys.
    FlowKeys,
    /// The buffer of a writable tracepoint.
    TracepointBuffer,
    /// A kernel object by the name of its BTF type.
    KernelType(&'static str),
}

fn find(accesses: &'static [Access], offset: u32, size: u32, write: bool) -> Option<&'static Access> {
    accesses.iter().find(|a| {
        a.write == write
            && a.size == size
            && (a.first..=a.last).contains(&offset)
            && (offset - a.first).is_multiple_of(a.step)
    })
}

/// Whether a load from a socket pointer of that kind is allowed.
pub fn socket_allows(kind: SocketKind, offset: i64, size: u32) -> bool {
    let accesses = match kind {
        SocketKind::Common => socket_access::COMMON,
        SocketKind::Full => socket_access::FULL,
        SocketKind::Tcp => socket_access::TCP,
        SocketKind::Xdp => socket_access::XDP,
    };
    u32::try_from(offset).is_ok_and(|offset| find(accesses, offset, size, false).is_some())
}

impl ProgramType {
    /// The type with that uapi number.
    pub fn by_number(number: u32) -> Option<&'static ProgramType> {
        types::TYPES.iter().find(|t| t.number == number)
    }

    /// The type with that name.
    pub fn by_name(name: &str) -> Option<&'static ProgramType> {
        types::TYPES.iter().find(|t| t.name == name)
    }

    /// What an access to the context gives a program with that expected attach type, or `None` where it is not
    /// allowed.
    pub fn access(&self, attach_type: u32, offset: i64, size: u32, write: bool) -> Option<FieldKind> {
        let offset = u32::try_from(offset).ok()?;
        let mut own = access::BY_ATTACH_TYPE.iter();
        let own = own.find(|(of_type, of, _)| *of_type == self.number && of.contains(&attach_type));
        find(own.map_or(self.accesses, |row| row.2), offset, size, write).map(|a| a.gives)
    }

    /// What r0 may be at exit.
    pub fn returns(&self, expected_attach_type: u32) -> Returns {
        let fits = |row: &&(Option<u32>, Returns)| row.0.is_none_or(|t| t == expected_attach_type);
        self.returns.iter().find(fits).map_or(Returns::Any, |row| row.1)
    }
}
