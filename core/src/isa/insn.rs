//! Typed instructions: what a slot, or a pair of them, means.

use core::fmt;

/// The index of an instruction slot in a program.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Pc(pub u32);

impl Pc {
    /// As an index into a slice of slots.
    #[inline]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for Pc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A general register, r0 to r10; r10 is the read-only frame pointer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Reg(u8);

impl Reg {
    /// Number of general registers, r10 included.
    pub const COUNT: usize = 11;
    /// Return value.
    pub const R0: Reg = Reg(0);
    /// First argument.
    pub const R1: Reg = Reg(1);
    /// Second argument.
    pub const R2: Reg = Reg(2);
    /// Third argument.
    pub const R3: Reg = Reg(3);
    /// Fourth argument.
    pub const R4: Reg = Reg(4);
    /// Fifth argument.
    pub const R5: Reg = Reg(5);
    /// First register a callee preserves.
    pub const R6: Reg = Reg(6);
    /// Frame pointer.
    pub const FP: Reg = Reg(10);

    /// The register with that number, or `None` past r10.
    pub const fn new(number: u8) -> Option<Reg> {
        if number <= 10 { Some(Reg(number)) } else { None }
    }
    /// 0 to 10.
    #[inline]
    pub const fn number(self) -> u8 {
        self.0
    }
    /// As an index into an array of [`Reg::COUNT`].
    #[inline]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
    /// r0 to r10 in order.
    pub fn all() -> impl DoubleEndedIterator<Item = Reg> {
        (0..=10).map(Reg)
    }
}

impl fmt::Debug for Reg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r{}", self.0)
    }
}
impl fmt::Display for Reg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r{}", self.0)
    }
}

/// Width of an arithmetic or jump instruction's operands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Width {
    /// 32 bits: the result's upper half is zero.
    W32,
    /// 64 bits.
    W64,
}

/// Size of a memory access.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Size {
    /// 1 byte.
    B,
    /// 2 bytes.
    H,
    /// 4 bytes.
    W,
    /// 8 bytes.
    Dw,
}

impl Size {
    /// 1, 2, 4 or 8.
    #[inline]
    pub const fn bytes(self) -> u32 {
        match self {
            Size::B => 1,
            Size::H => 2,
            Size::W => 4,
            Size::Dw => 8,
        }
    }
    /// 8, 16, 32 or 64.
    #[inline]
    pub const fn bits(self) -> u32 {
        self.bytes() * 8
    }
    /// The size with that many bytes.
    pub const fn from_bytes(bytes: u32) -> Option<Size> {
        match bytes {
            1 => Some(Size::B),
            2 => Some(Size::H),
            4 => Some(Size::W),
            8 => Some(Size::Dw),
            _ => None,
        }
    }
}

/// Second operand: a register or a sign-extended 32-bit constant.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Operand {
    /// A register.
    Reg(Reg),
    /// A constant, sign-extended to the operation's width.
    Imm(i32),
}

/// Two-operand arithmetic (RFC 9669 section 4.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[allow(missing_docs)]
pub enum AluOp {
    Add,
    Sub,
    Mul,
    /// Unsigned division; by zero gives 0.
    Div,
    /// Signed division; by zero gives 0.
    Sdiv,
    Or,
    And,
    Lsh,
    Rsh,
    /// Unsigned remainder; by zero leaves the destination.
    Mod,
    /// Signed remainder; by zero leaves the destination.
    Smod,
    Xor,
    Mov,
    Arsh,
}

/// What [`Insn::ByteSwap`] converts to (RFC 9669 section 4.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum ByteOrder {
    /// `le16` and so on: truncates on this little-endian machine.
    Little,
    /// `be16` and so on: swaps and truncates.
    Big,
    /// `bswap16` and so on: swaps and truncates whatever the machine.
    Swap,
}

/// A comparison (RFC 9669 section 4.3).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[allow(missing_docs)]
pub enum JumpOp {
    Eq,
    Gt,
    Ge,
    /// `dst & src` is not zero.
    Set,
    Ne,
    Sgt,
    Sge,
    Lt,
    Le,
    Slt,
    Sle,
}

/// An atomic operation on memory (RFC 9669 section 5.3, and Linux's acquire and release).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum AtomicOp {
    /// `+=`; with `fetch`, `src` receives the old value.
    Add {
        /// Whether `src` receives the old value.
        fetch: bool,
    },
    /// `|=`.
    Or {
        /// Whether `src` receives the old value.
        fetch: bool,
    },
    /// `&=`.
    And {
        /// Whether `src` receives the old value.
        fetch: bool,
    },
    /// `^=`.
    Xor {
        /// Whether `src` receives the old value.
        fetch: bool,
    },
    /// Exchange: `src` receives the old value.
    Xchg,
    /// Compare with r0 and exchange: r0 receives the old value.
    Cmpxchg,
    /// Load-acquire: the instruction's `src` is the base, `dst` the target.
    LoadAcquire,
    /// Store-release.
    StoreRelease,
}

/// Where a legacy packet access (`BPF_ABS`, `BPF_IND`) reads.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum PacketOffset {
    /// At the constant.
    Absolute,
    /// At register plus constant.
    Indirect(Reg),
}

/// What a 64-bit immediate load loads (RFC 9669 section 5.4): the source field tells.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Imm64 {
    /// A constant (source 0).
    Value(u64),
    /// A map by descriptor (source 1).
    MapFd(i32),
    /// An address in the value of a map with one element (source 2).
    MapValue {
        /// The map's descriptor.
        fd: i32,
        /// Byte offset into the value.
        offset: u32,
    },
    /// A kernel variable, by BTF id and the descriptor of the BTF (source 3).
    KernelVariable {
        /// BTF id of the variable.
        btf_id: i32,
        /// Descriptor of a module's BTF, or 0.
        btf_fd: i32,
    },
    /// A local function's address, as the slot it starts at relative to the next slot (source 4).
    Function {
        /// Relative to this instruction's first slot plus one.
        offset: i32,
    },
    /// A map by index into `fd_array` (source 5).
    MapIndex(i32),
    /// As [`Imm64::MapValue`], the map by index into `fd_array` (source 6).
    MapIndexValue {
        /// Index into `fd_array`.
        index: i32,
        /// Byte offset into the value.
        offset: u32,
    },
}

/// What a call instruction calls.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum CallTarget {
    /// A helper function by its uapi number (source 0).
    Helper(i32),
    /// A local function, relative to the next slot (source 1).
    Local(i32),
    /// A kernel function by BTF id (source 2).
    Kernel {
        /// BTF id of the function.
        btf_id: i32,
        /// Index into `fd_array` of the module's BTF, or 0 for the kernel's own.
        fd_index: i16,
    },
}

/// An instruction of one slot, or of two for [`Insn::LoadImm64`].
///
/// Jump offsets are in slots, relative to the next slot.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[allow(missing_docs)]
pub enum Insn {
    /// `dst = dst op src`, or `dst = src` for [`AluOp::Mov`].
    Alu { width: Width, op: AluOp, dst: Reg, src: Operand },
    /// Sign-extending move from the low `from` bits.
    MovSx { width: Width, dst: Reg, src: Reg, from: Size },
    /// `dst = -dst`.
    Neg { width: Width, dst: Reg },
    /// Byte order conversion of the low `size` bytes; never [`Size::B`].
    ByteSwap { order: ByteOrder, size: Size, dst: Reg },
    /// `dst = addr_space_cast(src, to, from)`.
    AddrSpaceCast { dst: Reg, src: Reg, to: u16, from: u16 },
    /// `dst = addr_of_percpu(src)`: Linux's `BPF_ADDR_PERCPU` move.
    AddrPerCpu { dst: Reg, src: Reg },
    /// `dst = *(size *)(base + off)`.
    Load { size: Size, sign_extend: bool, dst: Reg, base: Reg, off: i16 },
    /// `*(size *)(base + off) = src`.
    Store { size: Size, base: Reg, off: i16, src: Operand },
    /// An atomic access to `*(size *)(base + off)`; `src` is the value register (for
    /// [`AtomicOp::LoadAcquire`] the register that receives it).
    Atomic { op: AtomicOp, size: Size, base: Reg, off: i16, src: Reg },
    /// `dst = imm64`; two slots.
    LoadImm64 { dst: Reg, value: Imm64 },
    /// `r0 = ntoh(skb[...])`, legacy packet access.
    LoadPacket { size: Size, at: PacketOffset, imm: i32 },
    /// `goto`; `long` is the form with the 32-bit offset (`gotol`).
    Goto { long: bool, off: i32 },
    /// `may_goto`: taken when the program's loop budget is used up.
    MayGoto { off: i16 },
    /// `if dst op src goto`.
    Branch { width: Width, op: JumpOp, dst: Reg, src: Operand, off: i16 },
    /// A call.
    Call(CallTarget),
    /// An indirect call through a register.
    CallReg { reg: Reg },
    /// Return from the current function.
    Exit,
}

impl Insn {
    /// How many slots the instruction takes: 2 for [`Insn::LoadImm64`], else 1.
    #[inline]
    pub const fn slots(&self) -> u32 {
        match self {
            Insn::LoadImm64 { .. } => 2,
            _ => 1,
        }
    }
}
