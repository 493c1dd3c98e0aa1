//! Program types: what a program of each is given, may call and may return, as tables.

/// A program type: one row of the table.
#[derive(Debug)]
pub struct ProgramType {
    /// `BPF_PROG_TYPE_*`.
    pub number: u32,
    /// Its name in lower case, as `.type` and the page have it: `xdp`.
    pub name: &'static str,
    /// The context that r1 points to.
    pub context: &'static Context,
    /// What it may do with packets.
    pub packet: PacketAccess,
    /// What r0 may be at exit.
    pub returns: Returns,
}

/// What a program type may do with the packet through `data` and `data_end`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PacketAccess {
    /// It has no packet.
    None,
    /// It may read it.
    Read,
    /// It may read and write it.
    Write,
}

/// What r0 may be when a program of the type exits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Returns {
    /// Any value that is not a pointer.
    Any,
    /// An integer from `min` to `max`.
    Between {
        /// Least.
        min: i64,
        /// Greatest.
        max: i64,
    },
}

/// A context's layout (the uapi struct) and rules.
#[derive(Debug)]
pub struct Context {
    /// The uapi struct's name: `xdp_md`.
    pub name: &'static str,
    /// Bytes; no access may end past it.
    pub size: u32,
    /// The fields, by offset.
    pub fields: &'static [Field],
}

/// A field of a context, or an array of like ones.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Field {
    /// Its name in the uapi header.
    pub name: &'static str,
    /// Byte offset.
    pub offset: u32,
    /// Bytes.
    pub size: u32,
    /// What a load from it gives.
    pub kind: FieldKind,
    /// Which loads are allowed.
    pub read: Widths,
    /// Which stores are allowed.
    pub write: Widths,
}

/// Which access widths a field takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Widths {
    /// None.
    No,
    /// The whole field only.
    Whole,
    /// Any aligned part of it (`narrow` accesses).
    Narrow,
    /// Aligned accesses of exactly this many bytes.
    Exactly(u32),
}

/// What a load of a context field gives.
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
    /// A full socket.
    Socket,
    /// Flow keys.
    FlowKeys,
}
