//! Instructions as the interpreter dispatches on them: one operation each, operands unpacked, targets
//! absolute.

use alloc::vec::Vec;

use super::{Access, Image};
use crate::isa::{AluOp, ByteOrder, CallTarget, Imm64, Insn, JumpOp, Operand, Pc, Reg, Size, Width};

/// An instruction slot, lowered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Op {
    /// What it does.
    pub code: Code,
    /// Number of the destination register, or of the base of a store.
    pub dst: u8,
    /// Number of the source register, or of the base of a load.
    pub src: u8,
    /// Slot of a jump's target; offset of a store of a constant; second register of an operation fused with a
    /// move.
    pub target: u32,
    /// Constant, sign-extended; offset of a load or store.
    pub imm: u64,
}

/// Calls a macro with the rows of arithmetic and of branches: an operation, and the names of its forms with a
/// register and a constant, in 64 bits and in 32; for arithmetic also those that are fused with a move before
/// them.
macro_rules! with_rows {
    ($call:ident) => {
        $call! {
            alu {
                Add: Add64 Add64Imm Add32 Add32Imm MovAdd MovAddImm;
                Sub: Sub64 Sub64Imm Sub32 Sub32Imm MovSub MovSubImm;
                Mul: Mul64 Mul64Imm Mul32 Mul32Imm MovMul MovMulImm;
                Div: Div64 Div64Imm Div32 Div32Imm MovDiv MovDivImm;
                Sdiv: Sdiv64 Sdiv64Imm Sdiv32 Sdiv32Imm MovSdiv MovSdivImm;
                Or: Or64 Or64Imm Or32 Or32Imm MovOr MovOrImm;
                And: And64 And64Imm And32 And32Imm MovAnd MovAndImm;
                Lsh: Lsh64 Lsh64Imm Lsh32 Lsh32Imm MovLsh MovLshImm;
                Rsh: Rsh64 Rsh64Imm Rsh32 Rsh32Imm MovRsh MovRshImm;
                Mod: Mod64 Mod64Imm Mod32 Mod32Imm MovMod MovModImm;
                Smod: Smod64 Smod64Imm Smod32 Smod32Imm MovSmod MovSmodImm;
                Xor: Xor64 Xor64Imm Xor32 Xor32Imm MovXor MovXorImm;
                Mov: Mov64 Mov64Imm Mov32 Mov32Imm MovMov MovMovImm;
                Arsh: Arsh64 Arsh64Imm Arsh32 Arsh32Imm MovArsh MovArshImm;
            }
            branch {
                Eq: Eq64 Eq64Imm Eq32 Eq32Imm;
                Gt: Gt64 Gt64Imm Gt32 Gt32Imm;
                Ge: Ge64 Ge64Imm Ge32 Ge32Imm;
                Set: Set64 Set64Imm Set32 Set32Imm;
                Ne: Ne64 Ne64Imm Ne32 Ne32Imm;
                Sgt: Sgt64 Sgt64Imm Sgt32 Sgt32Imm;
                Sge: Sge64 Sge64Imm Sge32 Sge32Imm;
                Lt: Lt64 Lt64Imm Lt32 Lt32Imm;
                Le: Le64 Le64Imm Le32 Le32Imm;
                Slt: Slt64 Slt64Imm Slt32 Slt32Imm;
                Sle: Sle64 Sle64Imm Sle32 Sle32Imm;
            }
        }
    };
}
pub(crate) use with_rows;

macro_rules! codes {
    (
        alu { $($alu:ident: $ar:ident $ai:ident $ar32:ident $ai32:ident $three:ident $three_imm:ident;)* }
        branch { $($jump:ident: $br:ident $bi:ident $br32:ident $bi32:ident;)* }
    ) => {
        /// What an [`Op`] does.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(u8)]
        #[allow(missing_docs)]
        pub enum Code {
            $($ar, $ai, $ar32, $ai32, $three, $three_imm,)*
            $($br, $bi, $br32, $bi32,)*
            Neg64,
            Neg32,
            /// Sign-extends by shifting up and down by `imm` bits.
            SignExtend64,
            SignExtend32,
            Swap16,
            Swap32,
            Swap64,
            Truncate16,
            Truncate32,
            /// A constant of two slots.
            Imm64,
            LoadB,
            LoadH,
            LoadW,
            LoadDw,
            LoadSignedB,
            LoadSignedH,
            LoadSignedW,
            StoreB,
            StoreH,
            StoreW,
            StoreDw,
            StoreImmB,
            StoreImmH,
            StoreImmW,
            StoreImmDw,
            Goto,
            CallHelper,
            CallLocal,
            Exit,
            /// Anything else: run from the typed instruction.
            Other,
            /// Fused: a constant is added, and the result compared with another (lower and upper half of
            /// `imm`).
            AddNe,
            /// Fused: a product, and a constant added to it; with a constant factor, both as in
            /// [`Code::AddNe`].
            MulAdd,
            MulImmAdd,
            /// Fused: two of a kind; the second one's registers in the bytes of `target`.
            AddPair,
            MovPair,
            /// Fused: a register is copied, the copy shifted, and combined with the register.
            XorLsh,
            XorRsh,
            /// Fused: a two-byte load that is swapped.
            LoadSwapH,
            /// Fused: a byte is loaded and compared with a constant (offset and constant as in [`Code::AddNe`]).
            LoadBEq,
            LoadBNe,
        }

        const fn alu(op: AluOp, width: Width, imm: bool) -> Code {
            match (op, width, imm) {
                $((AluOp::$alu, Width::W64, false) => Code::$ar,
                  (AluOp::$alu, Width::W64, true) => Code::$ai,
                  (AluOp::$alu, Width::W32, false) => Code::$ar32,
                  (AluOp::$alu, Width::W32, true) => Code::$ai32,)*
            }
        }

        /// For an operation that follows a move to its destination, the form that does both; and whether it
        /// has a constant.
        const fn after_move(code: Code) -> Option<(Code, bool)> {
            match code {
                $(Code::$ar => Some((Code::$three, false)),
                  Code::$ai => Some((Code::$three_imm, true)),)*
                _ => None,
            }
        }

        const fn branch(op: JumpOp, width: Width, imm: bool) -> Code {
            match (op, width, imm) {
                $((JumpOp::$jump, Width::W64, false) => Code::$br,
                  (JumpOp::$jump, Width::W64, true) => Code::$bi,
                  (JumpOp::$jump, Width::W32, false) => Code::$br32,
                  (JumpOp::$jump, Width::W32, true) => Code::$bi32,)*
            }
        }
    };
}
with_rows!(codes);

/// `bpf_tail_call`
const TAIL_CALL: i32 = 12;

const OTHER: Op = Op { code: Code::Other, dst: 0, src: 0, target: 0, imm: 0 };

fn signed(imm: i32) -> u64 {
    i64::from(imm) as u64
}

/// The operand's register, constant, and whether it is the latter.
fn operand(src: Operand) -> (u8, u64, bool) {
    match src {
        Operand::Reg(reg) => (reg.number(), 0, false),
        Operand::Imm(imm) => (0, signed(imm), true),
    }
}

/// One slot. What jumps out of the program is left to the typed instruction, which says so.
fn one(insn: &Insn, at: usize, slots: usize, access: Access) -> Op {
    let target = |off: i64| {
        let to = at as i64 + 1 + off;
        usize::try_from(to).ok().filter(|to| *to < slots).map(|to| to as u32)
    };
    match *insn {
        Insn::Alu { width, op, dst, src } => {
            let (src, imm, is_imm) = operand(src);
            Op { code: alu(op, width, is_imm), dst: dst.number(), src, target: 0, imm }
        }
        Insn::MovSx { width, dst, src, from } => {
            let code = if width == Width::W64 { Code::SignExtend64 } else { Code::SignExtend32 };
            Op { code, dst: dst.number(), src: src.number(), target: 0, imm: (64 - from.bits()).into() }
        }
        Insn::Neg { width, dst } => {
            let code = if width == Width::W64 { Code::Neg64 } else { Code::Neg32 };
            Op { code, dst: dst.number(), ..OTHER }
        }
        Insn::ByteSwap { order, size, dst } => {
            let code = match (order, size) {
                (ByteOrder::Big | ByteOrder::Swap, Size::H) => Code::Swap16,
                (ByteOrder::Big | ByteOrder::Swap, Size::W) => Code::Swap32,
                (ByteOrder::Big | ByteOrder::Swap, Size::Dw) => Code::Swap64,
                (ByteOrder::Little, Size::H) => Code::Truncate16,
                (ByteOrder::Little, Size::W) => Code::Truncate32,
                _ => return OTHER,
            };
            Op { code, dst: dst.number(), ..OTHER }
        }
        Insn::Load { size, sign_extend, dst, base, off } if access == Access::Normal => {
            let code = match (size, sign_extend) {
                (Size::B, false) => Code::LoadB,
                (Size::H, false) => Code::LoadH,
                (Size::W, false) => Code::LoadW,
                (Size::Dw, _) => Code::LoadDw,
                (Size::B, true) => Code::LoadSignedB,
                (Size::H, true) => Code::LoadSignedH,
                (Size::W, true) => Code::LoadSignedW,
            };
            Op { code, dst: dst.number(), src: base.number(), target: 0, imm: signed(off.into()) }
        }
        Insn::Store { size, base, off, src: Operand::Reg(src) } if access == Access::Normal => {
            let code = match size {
                Size::B => Code::StoreB,
                Size::H => Code::StoreH,
                Size::W => Code::StoreW,
                Size::Dw => Code::StoreDw,
            };
            Op { code, dst: base.number(), src: src.number(), target: 0, imm: signed(off.into()) }
        }
        Insn::Store { size, base, off, src: Operand::Imm(imm) } if access == Access::Normal => {
            let code = match size {
                Size::B => Code::StoreImmB,
                Size::H => Code::StoreImmH,
                Size::W => Code::StoreImmW,
                Size::Dw => Code::StoreImmDw,
            };
            Op { code, dst: base.number(), src: 0, target: i32::from(off) as u32, imm: signed(imm) }
        }
        Insn::LoadImm64 { dst, value: Imm64::Value(imm) } => {
            Op { code: Code::Imm64, dst: dst.number(), imm, ..OTHER }
        }
        Insn::Goto { off, .. } => match target(off.into()) {
            Some(target) => Op { code: Code::Goto, target, ..OTHER },
            None => OTHER,
        },
        Insn::Branch { width, op, dst, src, off } => match target(off.into()) {
            Some(target) => {
                let (src, imm, is_imm) = operand(src);
                Op { code: branch(op, width, is_imm), dst: dst.number(), src, target, imm }
            }
            None => OTHER,
        },
        // A tail call is none of the helpers.
        Insn::Call(CallTarget::Helper(number))
            if number != TAIL_CALL && crate::helper::callback(number).is_none() =>
        {
            Op { code: Code::CallHelper, imm: signed(number), ..OTHER }
        }
        Insn::Call(CallTarget::Local(offset)) => match target(offset.into()) {
            Some(target) => Op { code: Code::CallLocal, target, ..OTHER },
            None => OTHER,
        },
        Insn::Exit => Op { code: Code::Exit, ..OTHER },
        Insn::AddrPerCpu { dst, src } => {
            Op { code: Code::Mov64, dst: dst.number(), src: src.number(), ..OTHER }
        }
        _ => OTHER,
    }
}

/// The image's slots, one operation each.
pub fn exact(image: &Image) -> Vec<Op> {
    let slots = image.insns().len();
    let access = image.access().iter().copied().chain(core::iter::repeat(Access::Normal));
    let numbered = image.insns().iter().zip(access).enumerate();
    numbered.map(|(at, (insn, access))| one(insn, at, slots, access)).collect()
}

/// As [`exact`], but a slot may do what the one after it does as well. A jump to that one finds it as it was.
pub fn fused(image: &Image) -> Vec<Op> {
    let mut ops = exact(image);
    for at in 1..ops.len() {
        if let Some(both) = fuse(ops[at - 1], ops[at]) {
            ops[at - 1] = both;
        }
        if at > 1
            && let Some(three) = fuse_xor(ops[at - 2], ops[at])
        {
            ops[at - 2] = three;
        }
    }
    ops
}

/// Both halves as 32-bit constants.
fn halves(lower: u64, upper: u64) -> Option<u64> {
    let fits = |value: u64| i32::try_from(value as i64).ok();
    Some(u64::from(fits(lower)? as u32) | u64::from(fits(upper)? as u32) << 32)
}

/// A fused move and shift, and what combines the result with what was moved: a step of many hashes.
fn fuse_xor(pair: Op, c: Op) -> Option<Op> {
    let code = match pair.code {
        Code::MovLshImm => Code::XorLsh,
        Code::MovRshImm => Code::XorRsh,
        _ => return None,
    };
    let combines = c.code == Code::Xor64 && c.dst == pair.src && c.src == pair.dst && pair.src != pair.dst;
    combines.then_some(Op { code, ..pair })
}

/// Both registers of an operation, as the fused ones keep those of the second.
fn registers(op: Op) -> u32 {
    u32::from(op.dst) | u32::from(op.src) << 8
}

fn fuse(a: Op, b: Op) -> Option<Op> {
    let same = a.dst == b.dst;
    Some(match (a.code, b.code) {
        (Code::Add64Imm, Code::Ne64Imm) if same => {
            Op { code: Code::AddNe, target: b.target, imm: halves(a.imm, b.imm)?, ..a }
        }
        (Code::Sub64Imm, Code::Ne64Imm) if same => {
            Op { code: Code::AddNe, target: b.target, imm: halves(a.imm.wrapping_neg(), b.imm)?, ..a }
        }
        (Code::Mul64, Code::Add64Imm) if same => Op { code: Code::MulAdd, imm: b.imm, ..a },
        (Code::Mul64Imm, Code::Add64Imm) if same => {
            Op { code: Code::MulImmAdd, imm: halves(a.imm, b.imm)?, ..a }
        }
        (Code::Add64, Code::Add64) => Op { code: Code::AddPair, target: registers(b), ..a },
        (Code::Mov64, Code::Mov64) => Op { code: Code::MovPair, target: registers(b), ..a },
        (Code::Mov64, _) if same => match after_move(b.code)? {
            (code, true) => Op { code, imm: b.imm, ..a },
            // An operand that is the destination is what was moved there.
            (code, false) => Op { code, target: if b.src == a.dst { a.src } else { b.src }.into(), ..a },
        },
        (Code::LoadH, Code::Swap16) if same => Op { code: Code::LoadSwapH, ..a },
        (Code::LoadB, Code::Eq64Imm) if same => {
            Op { code: Code::LoadBEq, target: b.target, imm: halves(a.imm, b.imm)?, ..a }
        }
        (Code::LoadB, Code::Ne64Imm) if same => {
            Op { code: Code::LoadBNe, target: b.target, imm: halves(a.imm, b.imm)?, ..a }
        }
        _ => return None,
    })
}

const _: () = assert!(size_of::<Op>() == 16 && Pc(0).0 == 0 && Reg::COUNT <= 16);
