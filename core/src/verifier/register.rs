//! What the verifier knows of one register, or of one spilled to the stack.

use super::domain::{Scalar, Tnum};
use super::typed::{self, Trust, TypeRef};
use crate::map::MapId;

pub use crate::program::SocketKind;

/// A number that ties values together: the same non-zero id means the same unknown value, or the same
/// may-be-null decision. 0 is none.
pub type ValueId = u32;

/// What a register holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Nothing that may be read.
    Uninitialised,
    /// A number.
    Scalar,
    /// The program's context.
    Context,
    /// A place in a frame's stack.
    Stack {
        /// The frame.
        frame: u8,
    },
    /// A map itself.
    Map(MapRef),
    /// A value of a map.
    MapValue(MapRef),
    /// A place in the packet.
    Packet,
    /// A place in the metadata before the packet.
    PacketMeta,
    /// The packet's end.
    PacketEnd,
    /// A socket.
    Socket(SocketKind),
    /// Memory that a helper handed out.
    Memory {
        /// Which kind of it.
        kind: MemoryKind,
        /// Bytes.
        size: u32,
    },
    /// The flow dissector's keys.
    FlowKeys,
    /// The buffer of a writable tracepoint.
    TracepointBuffer,
    /// Memory that an iterator hands out, as long as its target says.
    Buffer {
        /// It is to be read alone.
        read_only: bool,
    },
    /// A local function's address, by its first slot.
    Function(u32),
    /// An object whose layout BTF tells.
    Typed {
        /// Its type.
        of: TypeRef,
        /// How far it can be relied on.
        trust: Trust,
    },
    /// An address in an arena.
    Arena,
    /// A key of a map.
    MapKey(MapRef),
    /// A slot of a dynptr on the stack.
    Dynptr {
        /// What it is over.
        kind: DynptrKind,
        /// The slot with the lower address.
        first: bool,
    },
    /// A slot of an iterator on the stack.
    Iterator {
        /// Its type, of the kernel's.
        of: crate::object::btf::TypeId,
        /// It has no more elements.
        drained: bool,
        /// Elements that it gave on this path.
        depth: u32,
        /// The slot with the lowest address: the others are shown with it.
        first: bool,
        /// Whether RCU keeps its elements valid.
        rcu: Protection,
    },
    /// A slot that holds a saved interrupt flag.
    Interrupts {
        /// A resilient spin lock saved it.
        resilient: bool,
    },
    /// A dynptr that a function or callback was given.
    DynptrPointer(DynptrKind),
}

/// How an iterator's elements are kept valid.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Protection {
    /// Not by RCU.
    Own,
    /// By the RCU section that it was made in.
    Rcu,
    /// By no section any more.
    Over,
}

/// A map that a program refers to: an index into the program's list of maps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MapRef(pub u16);

/// What a dynptr is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum DynptrKind {
    Local,
    Ringbuf,
    Skb,
    Xdp,
    SkbMeta,
    File,
}

impl DynptrKind {
    /// The kernel log's word.
    pub fn name(self) -> &'static str {
        match self {
            DynptrKind::Local => "local",
            DynptrKind::Ringbuf => "ringbuf",
            DynptrKind::Skb => "skb",
            DynptrKind::Xdp => "xdp",
            DynptrKind::SkbMeta => "skb_meta",
            DynptrKind::File => "file",
        }
    }
}

/// The kinds of memory that helpers hand out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MemoryKind {
    /// To read and write.
    Plain,
    /// To read.
    ReadOnly,
    /// The kernel's, to read, which may not be there: loads are probed.
    UntrustedReadOnly,
    /// A ring buffer's record.
    RingBuffer,
}

/// A map, as the verifier keeps it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MapInfo {
    /// Its id in the system.
    pub id: MapId,
    /// What it was created with.
    pub spec: crate::map::MapSpec,
    /// The address of its handle.
    pub handle: u32,
    /// The address of its first value, where the type allows direct access.
    pub direct_value: Option<u32>,
    /// The BTF of its value's type.
    pub types: Option<alloc::sync::Arc<crate::object::btf::Btf>>,
    /// The fields of its value that are more than bytes.
    pub fields: alloc::vec::Vec<crate::object::btf::record::Field>,
    /// The value's bytes, where neither side can write them any more.
    pub constant: Option<alloc::vec::Vec<u8>>,
    /// What the maps in it are like, where it holds maps: an entry of its own.
    pub inner: Option<MapRef>,
    /// It is no map that the program refers to: what maps in another are like.
    pub is_inner: bool,
}

impl MapInfo {
    /// It is an arena: its value is where the process has it.
    pub fn is_arena(&self) -> bool {
        self.spec.map_type == crate::map::types::ARENA
    }

    /// What a 64-bit immediate is that names the map, or a place in its value.
    pub fn immediate(&self, offset: u32, is_value: bool) -> u64 {
        let base = match (is_value, self.is_arena()) {
            (true, true) => self.spec.extra,
            (true, false) => self.direct_value.unwrap_or(0).into(),
            (false, _) => self.handle.into(),
        };
        base + u64::from(offset)
    }
}

/// A packet pointer that is known not to be below the packet's end.
pub const AT_PACKET_END: i32 = -1;
/// A packet pointer that is known to be above the packet's end.
pub const BEYOND_PACKET_END: i32 = -2;

/// One register.
///
/// A pointer is its fixed `offset` plus the numbers of `var`, from the start of what it points to; for a
/// scalar `offset` is 0 and `var` is its value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Register {
    /// What it holds.
    pub kind: Kind,
    /// It may be null instead.
    pub maybe_null: bool,
    /// The verifier relied on its exact value.
    pub precise: bool,
    /// The value is `id`'s plus [`Register::offset`] (scalars alone).
    pub add_const: bool,
    /// … in 32 bits, zero-extended.
    pub add_const32: bool,
    /// Bytes from the pointer's start that are known to lie within the packet, or
    /// [`AT_PACKET_END`], [`BEYOND_PACKET_END`].
    pub range: i32,
    /// Fixed offset.
    pub offset: i32,
    /// Ties it to other values.
    pub id: ValueId,
    /// The reference that it belongs to.
    pub reference: ValueId,
    /// The dynptr that it is a slice of.
    pub slice_of: ValueId,
    /// The variable part.
    pub var: Scalar,
}

impl Register {
    /// Nothing that may be read.
    pub const UNINITIALISED: Register = Register {
        kind: Kind::Uninitialised,
        maybe_null: false,
        precise: false,
        add_const: false,
        add_const32: false,
        range: 0,
        offset: 0,
        id: 0,
        reference: 0,
        slice_of: 0,
        var: Scalar::UNKNOWN,
    };

    /// Any number.
    pub const UNKNOWN: Register = Register { kind: Kind::Scalar, ..Register::UNINITIALISED };

    /// A number of a set.
    pub const fn scalar(var: Scalar) -> Register {
        Register { var, ..Register::UNKNOWN }
    }

    /// One number.
    pub const fn constant(value: u64) -> Register {
        Register::scalar(Scalar::constant(value))
    }

    /// A pointer to the start of something.
    pub const fn pointer(kind: Kind) -> Register {
        Register { kind, var: Scalar::constant(0), ..Register::UNINITIALISED }
    }

    /// Whether it holds a number.
    #[inline]
    pub fn is_scalar(&self) -> bool {
        self.kind == Kind::Scalar
    }

    /// Whether it is the number 0.
    #[inline]
    pub fn is_null(&self) -> bool {
        self.is_scalar() && self.var.var == Tnum::constant(0)
    }

    /// Whether it holds a pointer, null or not.
    #[inline]
    pub fn is_pointer(&self) -> bool {
        !matches!(self.kind, Kind::Scalar | Kind::Uninitialised)
    }

    /// Whether it points into the packet or the metadata before it.
    #[inline]
    pub fn is_packet(&self) -> bool {
        matches!(self.kind, Kind::Packet | Kind::PacketMeta)
    }

    /// The number, where it is one.
    #[inline]
    pub fn as_constant(&self) -> Option<u64> {
        if self.is_scalar() { self.var.as_constant() } else { None }
    }

    /// Bits that its value needs.
    pub fn width(&self) -> u32 {
        64 - self.var.umax.leading_zeros()
    }

    /// Forgets which other values it is tied to.
    pub fn untie(&mut self) {
        self.id = 0;
        self.add_const = false;
        self.add_const32 = false;
        if self.is_scalar() {
            self.offset = 0;
        }
    }

    /// The kernel log's word for what it holds.
    pub fn type_name(&self) -> &'static str {
        match (self.kind, self.maybe_null) {
            (Kind::Uninitialised, _) => "?",
            (Kind::Scalar, _) => "scalar",
            (Kind::Context, _) => "ctx",
            (Kind::Stack { .. }, _) => "fp",
            (Kind::Map(_), _) => "map_ptr",
            (Kind::MapValue(_), false) => "map_value",
            (Kind::MapValue(_), true) => "map_value_or_null",
            (Kind::Packet, _) => "pkt",
            (Kind::PacketMeta, _) => "pkt_meta",
            (Kind::PacketEnd, _) => "pkt_end",
            (Kind::Socket(SocketKind::Common), false) => "sock_common",
            (Kind::Socket(SocketKind::Common), true) => "sock_common_or_null",
            (Kind::Socket(SocketKind::Full), false) => "sock",
            (Kind::Socket(SocketKind::Full), true) => "sock_or_null",
            (Kind::Socket(SocketKind::Tcp), false) => "tcp_sock",
            (Kind::Socket(SocketKind::Tcp), true) => "tcp_sock_or_null",
            (Kind::Socket(SocketKind::Xdp), false) => "xdp_sock",
            (Kind::Socket(SocketKind::Xdp), true) => "xdp_sock_or_null",
            (Kind::Memory { kind: MemoryKind::Plain, .. }, false) => "mem",
            (Kind::Memory { kind: MemoryKind::Plain, .. }, true) => "mem_or_null",
            (Kind::Memory { kind: MemoryKind::ReadOnly, .. }, false) => "rdonly_mem",
            (Kind::Memory { kind: MemoryKind::ReadOnly, .. }, true) => "rdonly_mem_or_null",
            (Kind::Memory { kind: MemoryKind::RingBuffer, .. }, false) => "ringbuf_mem",
            (Kind::Memory { kind: MemoryKind::RingBuffer, .. }, true) => "ringbuf_mem_or_null",
            (Kind::FlowKeys, false) => "flow_keys",
            (Kind::FlowKeys, true) => "flow_keys_or_null",
            (Kind::TracepointBuffer, _) => "tp_buffer",
            (Kind::Buffer { read_only: true }, false) => "rdonly_buf",
            (Kind::Buffer { read_only: true }, true) => "rdonly_buf_or_null",
            (Kind::Buffer { read_only: false }, false) => "buf",
            (Kind::Buffer { read_only: false }, true) => "buf_or_null",
            (Kind::Memory { kind: MemoryKind::UntrustedReadOnly, .. }, false) => "rdonly_untrusted_mem",
            (Kind::Memory { kind: MemoryKind::UntrustedReadOnly, .. }, true) => {
                "rdonly_untrusted_mem_or_null"
            }
            (Kind::Function(_), _) => "func",
            (Kind::Typed { trust, .. }, maybe_null) => typed::name(trust, maybe_null),
            (Kind::Arena, _) => "arena",
            (Kind::MapKey(_), _) => "map_key",
            (Kind::DynptrPointer(_), _) => "dynptr_ptr",
            (Kind::Dynptr { .. }, _) => "dynptr",
            (Kind::Iterator { .. }, _) => "iter",
            (Kind::Interrupts { .. }, _) => "irq",
        }
    }
}
