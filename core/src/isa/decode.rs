//! From slots to instructions (RFC 9669 sections 3 to 5) and back, byte for byte.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::insn::*;
use super::raw::RawInsn;
use crate::errno::Errno;

/// Instruction classes, the low three bits of an opcode (RFC 9669 section 3.2).
pub(super) mod class {
    pub const LD: u8 = 0;
    pub const LDX: u8 = 1;
    pub const ST: u8 = 2;
    pub const STX: u8 = 3;
    pub const ALU: u8 = 4;
    pub const JMP: u8 = 5;
    pub const JMP32: u8 = 6;
    pub const ALU64: u8 = 7;
}

/// Modes of a load or store, the high three bits (RFC 9669 section 5).
pub(super) mod mode {
    pub const IMM: u8 = 0x00;
    pub const ABS: u8 = 0x20;
    pub const IND: u8 = 0x40;
    pub const MEM: u8 = 0x60;
    pub const MEMSX: u8 = 0x80;
    pub const ATOMIC: u8 = 0xc0;
}

/// The source bit: the second operand is a register.
pub(super) const SRC_REG: u8 = 8;

/// Two-operand arithmetic: high four bits, offset field, operation, operator.
pub(super) const ALU_OPS: &[(u8, i16, AluOp, &str)] = &[
    (0x00, 0, AluOp::Add, "+="),
    (0x10, 0, AluOp::Sub, "-="),
    (0x20, 0, AluOp::Mul, "*="),
    (0x30, 0, AluOp::Div, "/="),
    (0x30, 1, AluOp::Sdiv, "s/="),
    (0x40, 0, AluOp::Or, "|="),
    (0x50, 0, AluOp::And, "&="),
    (0x60, 0, AluOp::Lsh, "<<="),
    (0x70, 0, AluOp::Rsh, ">>="),
    (0x90, 0, AluOp::Mod, "%="),
    (0x90, 1, AluOp::Smod, "s%="),
    (0xa0, 0, AluOp::Xor, "^="),
    (0xb0, 0, AluOp::Mov, "="),
    (0xc0, 0, AluOp::Arsh, "s>>="),
];

/// Comparisons: high four bits, operation, operator.
pub(super) const JUMP_OPS: &[(u8, JumpOp, &str)] = &[
    (0x10, JumpOp::Eq, "=="),
    (0x20, JumpOp::Gt, ">"),
    (0x30, JumpOp::Ge, ">="),
    (0x40, JumpOp::Set, "&"),
    (0x50, JumpOp::Ne, "!="),
    (0x60, JumpOp::Sgt, "s>"),
    (0x70, JumpOp::Sge, "s>="),
    (0xa0, JumpOp::Lt, "<"),
    (0xb0, JumpOp::Le, "<="),
    (0xc0, JumpOp::Slt, "s<"),
    (0xd0, JumpOp::Sle, "s<="),
];

/// Atomic operations: immediate, operation, the operator or the function's name.
pub(super) const ATOMIC_OPS: &[(i32, AtomicOp, &str)] = &[
    (0x00, AtomicOp::Add { fetch: false }, "+="),
    (0x40, AtomicOp::Or { fetch: false }, "|="),
    (0x50, AtomicOp::And { fetch: false }, "&="),
    (0xa0, AtomicOp::Xor { fetch: false }, "^="),
    (0x01, AtomicOp::Add { fetch: true }, "fetch_add"),
    (0x41, AtomicOp::Or { fetch: true }, "fetch_or"),
    (0x51, AtomicOp::And { fetch: true }, "fetch_and"),
    (0xa1, AtomicOp::Xor { fetch: true }, "fetch_xor"),
    (0xe1, AtomicOp::Xchg, "xchg"),
    (0xf1, AtomicOp::Cmpxchg, "cmpxchg"),
    (0x100, AtomicOp::LoadAcquire, "load_acquire"),
    (0x110, AtomicOp::StoreRelease, "store_release"),
];

/// Sizes: bits 3 and 4 of an opcode, size, the kernel's name for the type.
pub(super) const SIZES: &[(u8, Size, &str)] =
    &[(0x00, Size::W, "u32"), (0x08, Size::H, "u16"), (0x10, Size::B, "u8"), (0x18, Size::Dw, "u64")];

pub(super) fn size_of(code: u8) -> Size {
    match code & 0x18 {
        0x00 => Size::W,
        0x08 => Size::H,
        0x10 => Size::B,
        _ => Size::Dw,
    }
}

fn size_bits(size: Size) -> u8 {
    match size {
        Size::W => 0x00,
        Size::H => 0x08,
        Size::B => 0x10,
        Size::Dw => 0x18,
    }
}

/// When the kernel finds an encoding wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found {
    /// Before it walks the program, wherever the instruction stands.
    BeforeWalking,
    /// When a path reaches the instruction.
    WhenReached,
}

/// Why a slot is no instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DecodeError {
    /// No such opcode.
    UnknownOpcode(u8),
    /// A register field past r10.
    Register(u8),
    /// A field that the instruction does not use is not zero; the kernel's name of the instruction.
    Reserved(&'static str),
    /// A load's mode or immediate field is not what a load has.
    Load,
    /// The immediate of an atomic instruction names no operation.
    AtomicOp(i32),
    /// An atomic operation that is not there at this size.
    AtomicSize,
    /// A cast between address spaces other than from 1 to 0 or from 0 to 1.
    AddressSpaces,
    /// A `may_goto` whose source register field is not 0.
    MayGoto(i32),
    /// A 64-bit immediate load without its second slot, or one that is not zero where it has to be.
    SecondSlot,
    /// A 64-bit immediate load with a source field past 6.
    Imm64Source(u8),
    /// The second slot of a 64-bit immediate load, taken for an instruction.
    MiddleOfImm64,
}

impl DecodeError {
    /// The kernel's line for it.
    pub fn kernel_message(&self) -> String {
        match self {
            DecodeError::UnknownOpcode(code) => format!("unknown opcode {code:02x}"),
            DecodeError::Register(number) => format!("R{number} is invalid"),
            DecodeError::Reserved(what) => format!("{what} uses reserved fields"),
            DecodeError::Load => String::from("BPF_LDX uses reserved fields"),
            DecodeError::AtomicOp(imm) => format!("BPF_ATOMIC uses invalid atomic opcode {imm:02x}"),
            DecodeError::AtomicSize => String::from("invalid atomic operand size"),
            DecodeError::AddressSpaces => {
                String::from("addr_space_cast insn can only convert between address space 1 and 0")
            }
            DecodeError::MayGoto(imm) => format!("invalid may_goto imm {imm}"),
            DecodeError::SecondSlot => String::from("invalid bpf_ld_imm64 insn"),
            DecodeError::Imm64Source(_) => String::from("unrecognized bpf_ld_imm64 insn"),
            DecodeError::MiddleOfImm64 => String::from("unknown opcode 00"),
        }
    }

    /// The errno that the kernel answers: always `EINVAL`.
    pub fn errno(&self) -> Errno {
        Errno::EINVAL
    }

    /// When the kernel finds it.
    pub fn found(&self) -> Found {
        match self {
            DecodeError::UnknownOpcode(_)
            | DecodeError::Load
            | DecodeError::SecondSlot
            | DecodeError::Imm64Source(_)
            | DecodeError::MiddleOfImm64 => Found::BeforeWalking,
            _ => Found::WhenReached,
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kernel_message())
    }
}

impl core::error::Error for DecodeError {}

/// Reads the instruction at `raw[0]`; `raw[1]` is looked at where it takes two slots.
///
/// # Errors
/// A [`DecodeError`] that names the first thing wrong, in the kernel's order.
pub fn decode(raw: &[RawInsn]) -> Result<Insn, DecodeError> {
    let Some(&i) = raw.first() else { return Err(DecodeError::SecondSlot) };
    match i.code & 7 {
        class::LD => load_imm_or_packet(i, raw.get(1)),
        class::LDX => load(i),
        class::ST | class::STX => store(i),
        class::ALU | class::ALU64 => arithmetic(i),
        _ => jump(i),
    }
}

/// Reads a whole program: an entry per slot. The second slot of a 64-bit immediate load is
/// [`DecodeError::MiddleOfImm64`], also where something else is wrong with the first.
pub fn decode_program(raw: &[RawInsn]) -> Vec<Result<Insn, DecodeError>> {
    let mut insns = Vec::with_capacity(raw.len());
    while insns.len() < raw.len() {
        let at = insns.len();
        insns.push(decode(&raw[at..]));
        let is_wide = raw[at].code == WIDE && raw.get(at + 1).is_some_and(is_second_slot);
        if is_wide {
            insns.push(Err(DecodeError::MiddleOfImm64));
        }
    }
    insns
}

/// Opcode of a 64-bit immediate load.
const WIDE: u8 = 0x18;

fn is_second_slot(slot: &RawInsn) -> bool {
    slot.code == 0 && slot.dst == 0 && slot.src == 0 && slot.off == 0
}

fn reg(number: u8) -> Result<Reg, DecodeError> {
    Reg::new(number).ok_or(DecodeError::Register(number))
}

fn zero(fields: &[i64], what: &'static str) -> Result<(), DecodeError> {
    if fields.iter().any(|f| *f != 0) { Err(DecodeError::Reserved(what)) } else { Ok(()) }
}

fn load_imm_or_packet(i: RawInsn, second: Option<&RawInsn>) -> Result<Insn, DecodeError> {
    match (i.code & 0xe0, i.code & 0x18) {
        (mode::IMM, 0x18) => {
            let second = second.filter(|second| is_second_slot(second));
            let high = second.ok_or(DecodeError::SecondSlot)?.imm;
            let value = match i.src {
                0 => Imm64::Value(u64::from(high as u32) << 32 | u64::from(i.imm as u32)),
                1 | 5 if high != 0 => return Err(DecodeError::Imm64Source(i.src)),
                1 => Imm64::MapFd(i.imm),
                2 => Imm64::MapValue { fd: i.imm, offset: high as u32 },
                3 => Imm64::KernelVariable { btf_id: i.imm, btf_fd: high },
                4 => Imm64::Function { offset: i.imm },
                5 => Imm64::MapIndex(i.imm),
                6 => Imm64::MapIndexValue { index: i.imm, offset: high as u32 },
                other => return Err(DecodeError::Imm64Source(other)),
            };
            zero(&[i.off.into()], "BPF_LD_IMM64")?;
            Ok(Insn::LoadImm64 { dst: reg(i.dst)?, value })
        }
        (mode @ (mode::ABS | mode::IND), size) if size != 0x18 => {
            let unused = if mode == mode::ABS { i.src } else { 0 };
            zero(&[i.dst.into(), i.off.into(), unused.into()], "BPF_LD_[ABS|IND]")?;
            let at =
                if mode == mode::ABS { PacketOffset::Absolute } else { PacketOffset::Indirect(reg(i.src)?) };
            Ok(Insn::LoadPacket { size: size_of(i.code), at, imm: i.imm })
        }
        _ => Err(DecodeError::UnknownOpcode(i.code)),
    }
}

fn load(i: RawInsn) -> Result<Insn, DecodeError> {
    let (mode, size) = (i.code & 0xe0, size_of(i.code));
    if !matches!(mode, mode::MEM | mode::MEMSX) || i.imm != 0 {
        return Err(DecodeError::Load);
    }
    if mode == mode::MEMSX && size == Size::Dw {
        return Err(DecodeError::UnknownOpcode(i.code));
    }
    let (base, dst) = (reg(i.src)?, reg(i.dst)?);
    Ok(Insn::Load { size, sign_extend: mode == mode::MEMSX, dst, base, off: i.off })
}

fn store(i: RawInsn) -> Result<Insn, DecodeError> {
    let (mode, size, stx) = (i.code & 0xe0, size_of(i.code), i.code & 7 == class::STX);
    match mode {
        mode::MEM if stx => {
            zero(&[i.imm.into()], "BPF_STX")?;
            let (src, base) = (Operand::Reg(reg(i.src)?), reg(i.dst)?);
            Ok(Insn::Store { size, base, off: i.off, src })
        }
        mode::MEM => {
            zero(&[i.src.into()], "BPF_ST")?;
            Ok(Insn::Store { size, base: reg(i.dst)?, off: i.off, src: Operand::Imm(i.imm) })
        }
        mode::ATOMIC if stx => {
            let row = ATOMIC_OPS.iter().find(|(imm, ..)| *imm == i.imm);
            let op = row.ok_or(DecodeError::AtomicOp(i.imm))?.1;
            let any_size = matches!(op, AtomicOp::LoadAcquire | AtomicOp::StoreRelease);
            if !any_size && !matches!(size, Size::W | Size::Dw) {
                return Err(DecodeError::AtomicSize);
            }
            // A load-acquire reads like a load: its base is the source field.
            let (src, dst) = (reg(i.src)?, reg(i.dst)?);
            let (base, src) = if op == AtomicOp::LoadAcquire { (src, dst) } else { (dst, src) };
            Ok(Insn::Atomic { op, size, base, off: i.off, src })
        }
        _ => Err(DecodeError::UnknownOpcode(i.code)),
    }
}

fn arithmetic(i: RawInsn) -> Result<Insn, DecodeError> {
    let wide = i.code & 7 == class::ALU64;
    let width = if wide { Width::W64 } else { Width::W32 };
    let (op, from_reg) = (i.code & 0xf0, i.code & SRC_REG != 0);
    match op {
        0x80 if from_reg => Err(DecodeError::UnknownOpcode(i.code)),
        0x80 => {
            zero(&[i.src.into(), i.off.into(), i.imm.into()], "BPF_NEG")?;
            Ok(Insn::Neg { width, dst: reg(i.dst)? })
        }
        0xd0 => {
            let order = match (wide, from_reg) {
                (true, true) => return Err(DecodeError::UnknownOpcode(i.code)),
                (true, false) => ByteOrder::Swap,
                (false, true) => ByteOrder::Big,
                (false, false) => ByteOrder::Little,
            };
            let size = match i.imm {
                16 => Size::H,
                32 => Size::W,
                64 => Size::Dw,
                _ => return Err(DecodeError::Reserved("BPF_END")),
            };
            zero(&[i.src.into(), i.off.into()], "BPF_END")?;
            Ok(Insn::ByteSwap { order, size, dst: reg(i.dst)? })
        }
        0xb0 if from_reg => {
            if wide && i.off == 1 {
                // The kernel's address-space cast: the immediate is (to << 16 | from).
                let imm = i.imm as u32;
                if !matches!(imm, 1 | 0x1_0000) {
                    return Err(DecodeError::AddressSpaces);
                }
                let (src, dst) = (reg(i.src)?, reg(i.dst)?);
                return Ok(Insn::AddrSpaceCast { dst, src, to: (imm >> 16) as u16, from: imm as u16 });
            }
            if wide && i.off == -1 {
                zero(&[i.imm.into()], "BPF_MOV")?;
                return Ok(Insn::AddrPerCpu { dst: reg(i.dst)?, src: reg(i.src)? });
            }
            zero(&[i.imm.into()], "BPF_MOV")?;
            let from = match i.off {
                0 => None,
                8 => Some(Size::B),
                16 => Some(Size::H),
                32 if wide => Some(Size::W),
                _ => return Err(DecodeError::Reserved("BPF_MOV")),
            };
            let (src, dst) = (reg(i.src)?, reg(i.dst)?);
            Ok(match from {
                Some(from) => Insn::MovSx { width, dst, src, from },
                None => Insn::Alu { width, op: AluOp::Mov, dst, src: Operand::Reg(src) },
            })
        }
        0xb0 => {
            zero(&[i.src.into(), i.off.into()], "BPF_MOV")?;
            Ok(Insn::Alu { width, op: AluOp::Mov, dst: reg(i.dst)?, src: Operand::Imm(i.imm) })
        }
        _ => {
            let known = ALU_OPS.iter().any(|row| row.0 == op);
            if !known {
                return Err(DecodeError::UnknownOpcode(i.code));
            }
            let row = ALU_OPS.iter().find(|row| row.0 == op && row.1 == i.off);
            let op = row.ok_or(DecodeError::Reserved("BPF_ALU"))?.2;
            let src = if from_reg {
                zero(&[i.imm.into()], "BPF_ALU")?;
                Operand::Reg(reg(i.src)?)
            } else {
                zero(&[i.src.into()], "BPF_ALU")?;
                Operand::Imm(i.imm)
            };
            Ok(Insn::Alu { width, op, dst: reg(i.dst)?, src })
        }
    }
}

fn jump(i: RawInsn) -> Result<Insn, DecodeError> {
    let (op, from_reg, wide) = (i.code & 0xf0, i.code & SRC_REG != 0, i.code & 7 == class::JMP);
    let unknown = Err(DecodeError::UnknownOpcode(i.code));
    match op {
        0x00 if from_reg => unknown,
        0x00 => {
            let unused: i64 = if wide { i.imm.into() } else { i.off.into() };
            zero(&[i.dst.into(), i.src.into(), unused], "BPF_JA")?;
            Ok(Insn::Goto { long: !wide, off: if wide { i.off.into() } else { i.imm } })
        }
        0xe0 if wide && !from_reg => {
            if i.dst != 0 || i.src != 0 || i.imm != 0 {
                return Err(DecodeError::MayGoto(i.imm));
            }
            Ok(Insn::MayGoto { off: i.off })
        }
        0x80 if wide && !from_reg => {
            let unused_offset = if i.src == 2 { 0 } else { i.off };
            zero(&[i.dst.into(), unused_offset.into()], "BPF_CALL")?;
            Ok(Insn::Call(match i.src {
                0 => CallTarget::Helper(i.imm),
                1 => CallTarget::Local(i.imm),
                2 => CallTarget::Kernel { btf_id: i.imm, fd_index: i.off },
                _ => return Err(DecodeError::Reserved("BPF_CALL")),
            }))
        }
        // No kernel takes it: its verifier says so. Engines run it in images that no verifier saw.
        0x80 if wide => {
            if i.src != 0 || i.off != 0 || i.imm != 0 {
                return unknown;
            }
            Reg::new(i.dst).map_or(unknown, |reg| Ok(Insn::CallReg { reg }))
        }
        0x90 if wide && !from_reg => {
            // The kernel does not look at the offset.
            zero(&[i.dst.into(), i.src.into(), i.imm.into()], "BPF_EXIT")?;
            Ok(Insn::Exit)
        }
        _ => {
            let Some(row) = JUMP_OPS.iter().find(|row| row.0 == op) else { return unknown };
            let dst = reg(i.dst)?;
            let src = if from_reg {
                zero(&[i.imm.into()], "BPF_JMP/JMP32")?;
                Operand::Reg(reg(i.src)?)
            } else {
                zero(&[i.src.into()], "BPF_JMP/JMP32")?;
                Operand::Imm(i.imm)
            };
            let width = if wide { Width::W64 } else { Width::W32 };
            Ok(Insn::Branch { width, op: row.1, dst, src, off: i.off })
        }
    }
}

/// Writes an instruction: one slot, and the second one where it takes two. What was decoded comes back byte for
/// byte, but for what the kernel ignores, which becomes 0: the second constant of a function's address, and the
/// offset of an exit.
pub fn encode(insn: Insn) -> (RawInsn, Option<RawInsn>) {
    let one = |code: u8, dst: u8, src: u8, off: i16, imm: i32| (RawInsn { code, dst, src, off, imm }, None);
    let alu_class = |width| if width == Width::W64 { class::ALU64 } else { class::ALU };
    match insn {
        Insn::Alu { width, op, dst, src } => {
            let row = ALU_OPS.iter().find(|row| row.2 == op).copied().unwrap_or(ALU_OPS[0]);
            let (bit, src, imm) = operand(src);
            one(row.0 | bit | alu_class(width), dst.number(), src, row.1, imm)
        }
        Insn::MovSx { width, dst, src, from } => {
            one(0xb0 | SRC_REG | alu_class(width), dst.number(), src.number(), from.bits() as i16, 0)
        }
        Insn::Neg { width, dst } => one(0x80 | alu_class(width), dst.number(), 0, 0, 0),
        Insn::ByteSwap { order, size, dst } => {
            let code = match order {
                ByteOrder::Little => 0xd4,
                ByteOrder::Big => 0xdc,
                ByteOrder::Swap => 0xd7,
            };
            one(code, dst.number(), 0, 0, size.bits() as i32)
        }
        Insn::AddrSpaceCast { dst, src, to, from } => {
            one(0xbf, dst.number(), src.number(), 1, (u32::from(to) << 16 | u32::from(from)) as i32)
        }
        Insn::AddrPerCpu { dst, src } => one(0xbf, dst.number(), src.number(), -1, 0),
        Insn::Load { size, sign_extend, dst, base, off } => {
            let mode = if sign_extend { mode::MEMSX } else { mode::MEM };
            one(mode | size_bits(size) | class::LDX, dst.number(), base.number(), off, 0)
        }
        Insn::Store { size, base, off, src } => {
            let (bit, src, imm) = operand(src);
            let class = if bit == 0 { class::ST } else { class::STX };
            one(mode::MEM | size_bits(size) | class, base.number(), src, off, imm)
        }
        Insn::Atomic { op, size, base, off, src } => {
            let imm = ATOMIC_OPS.iter().find(|row| row.1 == op).map_or(0, |row| row.0);
            let (dst, src) = if op == AtomicOp::LoadAcquire { (src, base) } else { (base, src) };
            one(mode::ATOMIC | size_bits(size) | class::STX, dst.number(), src.number(), off, imm)
        }
        Insn::LoadImm64 { dst, value } => {
            let (src, imm, high) = match value {
                Imm64::Value(v) => (0, v as i32, (v >> 32) as i32),
                Imm64::MapFd(fd) => (1, fd, 0),
                Imm64::MapValue { fd, offset } => (2, fd, offset as i32),
                Imm64::KernelVariable { btf_id, btf_fd } => (3, btf_id, btf_fd),
                Imm64::Function { offset } => (4, offset, 0),
                Imm64::MapIndex(index) => (5, index, 0),
                Imm64::MapIndexValue { index, offset } => (6, index, offset as i32),
            };
            let first = RawInsn { code: 0x18, dst: dst.number(), src, off: 0, imm };
            (first, Some(RawInsn { imm: high, ..RawInsn::default() }))
        }
        Insn::LoadPacket { size, at, imm } => match at {
            PacketOffset::Absolute => one(mode::ABS | size_bits(size), 0, 0, 0, imm),
            PacketOffset::Indirect(src) => one(mode::IND | size_bits(size), 0, src.number(), 0, imm),
        },
        Insn::Goto { long: false, off } => one(0x05, 0, 0, off as i16, 0),
        Insn::Goto { long: true, off } => one(0x06, 0, 0, 0, off),
        Insn::MayGoto { off } => one(0xe5, 0, 0, off, 0),
        Insn::Branch { width, op, dst, src, off } => {
            let code = JUMP_OPS.iter().find(|row| row.1 == op).map_or(0, |row| row.0);
            let class = if width == Width::W64 { class::JMP } else { class::JMP32 };
            let (bit, src, imm) = operand(src);
            one(code | bit | class, dst.number(), src, off, imm)
        }
        Insn::Call(target) => {
            let (src, off, imm) = match target {
                CallTarget::Helper(number) => (0, 0, number),
                CallTarget::Local(offset) => (1, 0, offset),
                CallTarget::Kernel { btf_id, fd_index } => (2, fd_index, btf_id),
            };
            one(0x85, 0, src, off, imm)
        }
        Insn::CallReg { reg } => one(0x8d, reg.number(), 0, 0, 0),
        Insn::Exit => one(0x95, 0, 0, 0, 0),
    }
}

fn operand(operand: Operand) -> (u8, u8, i32) {
    match operand {
        Operand::Reg(reg) => (SRC_REG, reg.number(), 0),
        Operand::Imm(imm) => (0, 0, imm),
    }
}

/// Splits bytes into slots; `None` where their number is no multiple of 8.
pub fn slots(bytes: &[u8]) -> Option<Vec<RawInsn>> {
    let (slots, rest) = bytes.as_chunks::<8>();
    rest.is_empty().then(|| slots.iter().map(|slot| RawInsn::from_bytes(*slot)).collect())
}

/// The bytes of slots, one after another.
pub fn bytes(slots: &[RawInsn]) -> Vec<u8> {
    slots.iter().flat_map(|slot| slot.to_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_decoded_is_encoded_again(a: [u8; 8], b: [u8; 8]) {
            let second = if a[0] == 0x18 { [0, 0, 0, 0, b[4], b[5], b[6], b[7]] } else { b };
            let raw = [RawInsn::from_bytes(a), RawInsn::from_bytes(second)];
            if let Ok(insn) = decode(&raw) {
                let (first, rest) = encode(insn);
                let exit = if insn == Insn::Exit { [a[0], a[1], 0, 0, a[4], a[5], a[6], a[7]] } else { a };
                prop_assert_eq!(first.to_bytes(), exit);
                let ignored = matches!(insn, Insn::LoadImm64 { value: Imm64::Function { .. }, .. });
                if let Some(rest) = rest.filter(|_| !ignored) {
                    prop_assert_eq!(rest.to_bytes(), second);
                }
            }
        }
    }

    #[test]
    fn errors_are_the_kernels() {
        use Found::*;
        let slot = |code, dst, src, off, imm| RawInsn { code, dst, src, off, imm };
        // As the running kernel answered, in a branch that is reached and in one that is not.
        for (raw, message, found) in [
            (slot(0x8f, 0, 0, 0, 0), "unknown opcode 8f", BeforeWalking),
            (slot(0x60, 0, 0, 0, 0), "unknown opcode 60", BeforeWalking),
            (slot(0x8d, 0, 0, 0, 1), "unknown opcode 8d", BeforeWalking),
            (slot(0x99, 0, 1, 0, 0), "unknown opcode 99", BeforeWalking),
            (slot(0x01, 0, 0, 0, 0), "BPF_LDX uses reserved fields", BeforeWalking),
            (slot(0x61, 0, 1, 0, 1), "BPF_LDX uses reserved fields", BeforeWalking),
            (slot(0x18, 0, 7, 0, 0), "unrecognized bpf_ld_imm64 insn", BeforeWalking),
            (slot(0x18, 0, 0, 1, 0), "BPF_LD_IMM64 uses reserved fields", WhenReached),
            (slot(0xb7, 11, 0, 0, 0), "R11 is invalid", WhenReached),
            (slot(0xb7, 0, 1, 0, 0), "BPF_MOV uses reserved fields", WhenReached),
            (slot(0xbf, 0, 0, 1, 5), CAST, WhenReached),
            (slot(0x07, 0, 3, 0, 0), "BPF_ALU uses reserved fields", WhenReached),
            (slot(0x37, 0, 0, 2, 1), "BPF_ALU uses reserved fields", WhenReached),
            (slot(0x87, 0, 0, 0, 1), "BPF_NEG uses reserved fields", WhenReached),
            (slot(0xd7, 0, 0, 0, 15), "BPF_END uses reserved fields", WhenReached),
            (slot(0x63, 10, 0, -8, 1), "BPF_STX uses reserved fields", WhenReached),
            (slot(0x62, 10, 1, -8, 1), "BPF_ST uses reserved fields", WhenReached),
            (slot(0xdb, 10, 0, -8, 0x33), "BPF_ATOMIC uses invalid atomic opcode 33", WhenReached),
            (slot(0xcb, 10, 0, -8, 0), "invalid atomic operand size", WhenReached),
            (slot(0x05, 0, 1, 0, 0), "BPF_JA uses reserved fields", WhenReached),
            (slot(0x06, 0, 0, 1, 0), "BPF_JA uses reserved fields", WhenReached),
            (slot(0xe5, 0, 0, 0, 1), "invalid may_goto imm 1", WhenReached),
            (slot(0x85, 0, 3, 0, 1), "BPF_CALL uses reserved fields", WhenReached),
            (slot(0x15, 0, 1, 0, 0), "BPF_JMP/JMP32 uses reserved fields", WhenReached),
            (slot(0x1d, 11, 1, 0, 1), "R11 is invalid", WhenReached),
            (slot(0x20, 1, 0, 0, 0), "BPF_LD_[ABS|IND] uses reserved fields", WhenReached),
        ] {
            let error = decode(&[raw, RawInsn::default()]).unwrap_err();
            assert_eq!((error.kernel_message().as_str(), error.found()), (message, found), "{raw:?}");
        }
        let alone = decode(&[slot(0x18, 0, 0, 0, 1)]).unwrap_err();
        assert_eq!(alone.kernel_message(), "invalid bpf_ld_imm64 insn");
    }

    const CAST: &str = "addr_space_cast insn can only convert between address space 1 and 0";

    #[test]
    fn every_opcode_is_known_or_refused() {
        let known: Vec<u8> = (0..=255)
            .filter(|&code| {
                [0, 1, 16, 0xa1].iter().any(|&imm| {
                    let raw = RawInsn { code, imm, ..RawInsn::default() };
                    decode(&[raw, RawInsn::default()]).is_ok()
                })
            })
            .collect();
        // 2 x 12 two-operand operations with two sources, 2 negations, 3 byte orders; 4 + 3 loads and
        // 8 stores, 2 atomics; 2 x 11 comparisons with two sources, and goto, gotol, may_goto, two calls, exit;
        // 6 packet loads and the 64-bit immediate.
        assert_eq!(known.len(), 2 * 12 * 2 + 2 + 3 + 7 + 8 + 2 + 44 + 6 + 6 + 1, "{known:02x?}");
    }
}
