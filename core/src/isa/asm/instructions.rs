//! Instructions, in the kernel log's forms and the few beyond them.

use alloc::format;
use alloc::string::ToString;

use super::lexer::Token;
use super::operands::{address, atomic_size, operand, place, register_kind, size, target, value_offset};
use super::scanner::Scanner;
use super::{AsmError, Assembler, MapReference};
use crate::isa::decode::{ALU_OPS, ATOMIC_OPS, JUMP_OPS};
use crate::isa::insn::*;

impl Assembler<'_> {
    /// Reads an instruction; `opcode` is what the log printed before it.
    pub(super) fn instruction(&mut self, s: &mut Scanner, opcode: Option<u8>) -> Result<(), AsmError> {
        if let Some((dst, width)) = s.peek_register() {
            s.skip(1);
            return self.assignment(s, dst, width, opcode);
        }
        if s.take_op("*") {
            return self.store(s);
        }
        match s.peek_word().unwrap_or("") {
            "exit" => {
                s.skip(1);
                self.emit(Insn::Exit, s.line);
                Ok(())
            }
            "goto" => self.jump(s, Insn::Goto { long: false, off: 0 }),
            "gotol" => self.jump(s, Insn::Goto { long: true, off: 0 }),
            "may_goto" => self.jump(s, Insn::MayGoto { off: 0 }),
            "if" => self.branch(s),
            "call" => self.call(s),
            "callx" => {
                s.skip(1);
                let reg = s.wide_register()?;
                self.emit(Insn::CallReg { reg }, s.line);
                Ok(())
            }
            "lock" => {
                s.skip(1);
                self.lock(s)
            }
            "store_release" => {
                s.skip(1);
                s.op("(")?;
                let (size, _, base, off) = place(s)?;
                s.op(",")?;
                let src = s.value_register(size.bits())?;
                s.op(")")?;
                self.emit(Insn::Atomic { op: AtomicOp::StoreRelease, size, base, off, src }, s.line);
                Ok(())
            }
            _ => Err(s.error(
                "an instruction: a register, `*(`, `lock`, `if`, `goto`, `gotol`, `may_goto`, `call`, \
                 `store_release` or `exit`",
            )),
        }
    }

    fn jump(&mut self, s: &mut Scanner, insn: Insn) -> Result<(), AsmError> {
        s.skip(1);
        let column = s.column();
        let target = target(s)?;
        self.emit_to(insn, target, s, column)
    }

    fn branch(&mut self, s: &mut Scanner) -> Result<(), AsmError> {
        s.skip(1);
        let (dst, width) = s.register()?;
        let found = match s.peek() {
            Some(Token::Op(op)) => JUMP_OPS.iter().find(|row| row.2 == *op),
            _ => None,
        };
        let op = found.ok_or_else(|| s.error("a comparison: ==, !=, >, >=, <, <=, s>, s>=, s<, s<= or &"))?.1;
        s.skip(1);
        let src = if s.peek_register().is_some() {
            Operand::Reg(s.register_of(width)?)
        } else {
            // The log prints the constant's 32 bits without a sign.
            let what = format!("a {} or a number of 32 bits", register_kind(width));
            Operand::Imm(s.within(&what, i32::MIN.into(), u32::MAX.into())? as i32)
        };
        s.word("goto")?;
        let column = s.column();
        let target = target(s)?;
        self.emit_to(Insn::Branch { width, op, dst, src, off: 0 }, target, s, column)
    }

    fn call(&mut self, s: &mut Scanner) -> Result<(), AsmError> {
        s.skip(1);
        let column = s.column();
        if s.peek_word() == Some("kernel") && matches!(s.peek_at(1), Some(Token::Word(_) | Token::Op("#"))) {
            s.skip(1);
            return self.call_kernel(s);
        }
        if matches!(s.peek(), Some(Token::Number(_) | Token::Op("#"))) {
            s.take_op("#");
            let number = s.unsigned("a helper's number")? as i32;
            self.emit(Insn::Call(CallTarget::Helper(number)), s.line);
            return Ok(());
        }
        if let (Some(Token::Word(name)), Some(Token::Op("#"))) = (s.peek(), s.peek_at(1)) {
            s.skip(2);
            let number = s.unsigned("a helper's number")? as i32;
            if let Some(other) = self.resolver.helper(name).filter(|n| *n != number) {
                let found = format!("`{name}#{number}`");
                return Err(s.error_at(column, &format!("`{name}#{other}`"), &found));
            }
            self.emit(Insn::Call(CallTarget::Helper(number)), s.line);
            return Ok(());
        }
        let local = Insn::Call(CallTarget::Local(0));
        // A name is a label's or a helper's: which is known when all labels are.
        let target = target(s)
            .map_err(|error| AsmError { expected: "a helper, a label, or `pc+3`".into(), ..error })?;
        self.emit_to(local, target, s, column)
    }

    /// `call kernel NAME`, `call kernel NAME#ID`, `call kernel #ID`, each with an optional `in N`.
    fn call_kernel(&mut self, s: &mut Scanner) -> Result<(), AsmError> {
        let (column, name) = (s.column(), s.peek_word());
        s.skip(name.is_some().into());
        let btf_id = if s.take_op("#") {
            s.unsigned("a BTF id")? as i32
        } else {
            let name = name.unwrap_or("");
            self.resolver
                .kernel_function(name)
                .ok_or_else(|| s.error_at(column, "a kernel function", &format!("`{name}`")))?
        };
        let fd_index = if s.take_word("in") {
            s.within("an index into fd_array", i16::MIN.into(), i16::MAX.into())? as i16
        } else {
            0
        };
        self.emit(Insn::Call(CallTarget::Kernel { btf_id, fd_index }), s.line);
        Ok(())
    }

    /// `*(u32 *)(r1 +4) = ...`, after its star.
    fn store(&mut self, s: &mut Scanner) -> Result<(), AsmError> {
        let (size, _, base, off) = place(s)?;
        s.op("=")?;
        let src = if s.peek_register().is_some() {
            Operand::Reg(s.value_register(size.bits())?)
        } else {
            let max = if size == Size::Dw { i32::MAX.into() } else { u32::MAX.into() };
            let what = "a register or a number of 32 bits";
            Operand::Imm(s.within(what, i32::MIN.into(), max)? as i32)
        };
        self.emit(Insn::Store { size, base, off, src }, s.line);
        Ok(())
    }

    /// `lock *(u64 *)(r0 +0) += r1`, after its first word.
    fn lock(&mut self, s: &mut Scanner) -> Result<(), AsmError> {
        s.op("*")?;
        let (size, column, base, off) = place(s)?;
        let size = atomic_size(s, size, column)?;
        let found = match s.peek() {
            Some(Token::Op(op)) => ATOMIC_OPS.iter().find(|row| row.2 == *op),
            _ => None,
        };
        let op = found.ok_or_else(|| s.error("+=, |=, &= or ^="))?.1;
        s.skip(1);
        let src = s.value_register(size.bits())?;
        self.emit(Insn::Atomic { op, size, base, off, src }, s.line);
        Ok(())
    }

    /// What begins with a register.
    fn assignment(
        &mut self,
        s: &mut Scanner,
        dst: Reg,
        width: Width,
        opcode: Option<u8>,
    ) -> Result<(), AsmError> {
        let found = match s.peek() {
            Some(Token::Op(op)) => ALU_OPS.iter().find(|row| row.3 == *op),
            _ => None,
        };
        let op = found.ok_or_else(|| s.error("`=` or an operator such as `+=`"))?.2;
        s.skip(1);
        if op != AluOp::Mov {
            let src = operand(s, width)?;
            self.emit(Insn::Alu { width, op, dst, src }, s.line);
            return Ok(());
        }
        if let Some(word) = s.peek_word().filter(|_| s.peek_register().is_none()) {
            return self.named(s, word, dst, width);
        }
        match s.peek() {
            Some(Token::Op("*")) => self.load(s, dst, width),
            Some(Token::Op("-")) if !matches!(s.peek_at(1), Some(Token::Number(_))) => {
                s.skip(1);
                s.same((dst, width))?;
                self.emit(Insn::Neg { width, dst }, s.line);
                Ok(())
            }
            Some(Token::Op("(")) => {
                s.skip(1);
                let from = match s.peek_word() {
                    Some("s8") => Size::B,
                    Some("s16") => Size::H,
                    Some("s32") if width == Width::W64 => Size::W,
                    _ => return Err(s.error("s8 or s16, or with 64-bit registers s32")),
                };
                s.skip(1);
                s.op(")")?;
                let src = s.register_of(width)?;
                self.emit(Insn::MovSx { width, dst, src, from }, s.line);
                Ok(())
            }
            // `&(void __percpu *)(r2)`
            Some(Token::Op("&")) => {
                s.skip(1);
                s.op("(")?;
                s.word("void")?;
                s.word("__percpu")?;
                s.op("*")?;
                s.op(")")?;
                s.op("(")?;
                let src = s.wide_register()?;
                s.op(")")?;
                self.emit(Insn::AddrPerCpu { dst, src }, s.line);
                Ok(())
            }
            _ if s.peek_register().is_some() => {
                let src = Operand::Reg(s.register_of(width)?);
                self.emit(Insn::Alu { width, op, dst, src }, s.line);
                Ok(())
            }
            _ => self.constant(s, dst, width, opcode),
        }
    }

    /// `r1 = 5`, `r1 = 0x500000000`, `r1 = 5 ll`.
    fn constant(
        &mut self,
        s: &mut Scanner,
        dst: Reg,
        width: Width,
        opcode: Option<u8>,
    ) -> Result<(), AsmError> {
        let column = s.column();
        let value = s.number("a register, a number, `*(`, a cast, or what a 64-bit load loads")?;
        let long = s.take_word("ll") || opcode == Some(0x18);
        let fits = value >= i32::MIN.into() && value <= i32::MAX.into();
        let insn = match width {
            Width::W64 if long || !fits => {
                if value < i64::MIN.into() {
                    return Err(s.error_at(column, "a number of 64 bits", &value.to_string()));
                }
                Insn::LoadImm64 { dst, value: Imm64::Value(value as u64) }
            }
            Width::W32 if long => {
                return Err(s.error_at(column, "a 64-bit register with `ll`", "a 32-bit one"));
            }
            Width::W32 if value < i32::MIN.into() || value > u32::MAX.into() => {
                return Err(s.error_at(column, "a number of 32 bits", &value.to_string()));
            }
            _ => Insn::Alu { width, op: AluOp::Mov, dst, src: Operand::Imm(value as i32) },
        };
        self.emit(insn, s.line);
        Ok(())
    }

    /// `*(u32 *)(r1 +4)`, `*(u8 *)skb[r7 + 12]`, after `r0 = `.
    fn load(&mut self, s: &mut Scanner, dst: Reg, width: Width) -> Result<(), AsmError> {
        s.skip(1);
        let column = s.column();
        s.op("(")?;
        let (size, sign_extend) = size(s, true)?;
        s.op("*")?;
        s.op(")")?;
        if width == Width::W32 && (size == Size::Dw || sign_extend) {
            return Err(s.error_at(column, "u8, u16 or u32 with a 32-bit register", "another size"));
        }
        if s.take_word("skb") {
            if dst != Reg::R0 || sign_extend || size == Size::Dw {
                return Err(s.error_at(column, "u8, u16 or u32 into r0 for a packet load", "another"));
            }
            s.op("[")?;
            let at = match s.peek_register() {
                Some(_) => {
                    let reg = s.wide_register()?;
                    if s.take_op("]") {
                        let at = PacketOffset::Indirect(reg);
                        self.emit(Insn::LoadPacket { size, at, imm: 0 }, s.line);
                        return Ok(());
                    }
                    // `+ -4`, as the log prints it, and `- 4`.
                    if !matches!((s.peek(), s.peek_at(1)), (Some(Token::Op("-")), _)) {
                        s.op("+")?;
                    }
                    PacketOffset::Indirect(reg)
                }
                None => PacketOffset::Absolute,
            };
            let imm = s.signed("an offset of 32 bits")?;
            s.op("]")?;
            self.emit(Insn::LoadPacket { size, at, imm }, s.line);
            return Ok(());
        }
        let (base, off) = address(s)?;
        self.emit(Insn::Load { size, sign_extend, dst, base, off }, s.line);
        Ok(())
    }

    /// `r1 = WORD...`.
    fn named(&mut self, s: &mut Scanner, word: &str, dst: Reg, width: Width) -> Result<(), AsmError> {
        let (column, line) = (s.column(), s.line);
        for (prefix, order) in [("le", ByteOrder::Little), ("be", ByteOrder::Big), ("bswap", ByteOrder::Swap)]
        {
            let size = match word.strip_prefix(prefix) {
                Some("16") => Size::H,
                Some("32") => Size::W,
                Some("64") => Size::Dw,
                _ => continue,
            };
            s.skip(1);
            s.same((dst, width))?;
            self.emit(Insn::ByteSwap { order, size, dst }, line);
            return Ok(());
        }
        if word == "load_acquire" {
            s.skip(1);
            s.op("(")?;
            let (size, at, base, off) = place(s)?;
            if size == Size::Dw && width == Width::W32 {
                return Err(s.error_at(at, "u8, u16 or u32 with a 32-bit register", "u64"));
            }
            s.op(")")?;
            self.emit(Insn::Atomic { op: AtomicOp::LoadAcquire, size, base, off, src: dst }, line);
            return Ok(());
        }
        if let Some(name) = word.strip_prefix("atomic64_").or_else(|| word.strip_prefix("atomic_")) {
            return self.fetch(s, name, word.starts_with("atomic64_"), (dst, width));
        }
        if width == Width::W32 {
            return Err(s.error("a 32-bit register, a number, `*(`, a cast, or an atomic operation"));
        }
        s.skip(1);
        let value = match word {
            "addr_space_cast" => {
                s.op("(")?;
                let src = s.wide_register()?;
                s.op(",")?;
                let at = s.column();
                let to = s.within("an address space, 0 or 1", 0, 1)? as u16;
                s.op(",")?;
                let from = s.within("an address space, 0 or 1", 0, 1)? as u16;
                s.op(")")?;
                if to == from {
                    return Err(s.error_at(at, "a cast from 0 to 1 or from 1 to 0", "the same space twice"));
                }
                self.emit(Insn::AddrSpaceCast { dst, src, to, from }, line);
                return Ok(());
            }
            "map" | "map_value" => return self.map_reference(s, dst, word == "map_value"),
            "map_fd" => Imm64::MapFd(s.signed("a descriptor")?),
            "map_fd_value" => {
                let fd = s.signed("a descriptor")?;
                Imm64::MapValue { fd, offset: value_offset(s)? }
            }
            "map_index" => Imm64::MapIndex(s.signed("an index into fd_array")?),
            "map_index_value" => {
                let index = s.signed("an index into fd_array")?;
                Imm64::MapIndexValue { index, offset: value_offset(s)? }
            }
            "kernel_variable" => {
                let btf_id = s.signed("a BTF id")?;
                let btf_fd = if s.take_word("in") { s.signed("a descriptor")? } else { 0 };
                Imm64::KernelVariable { btf_id, btf_fd }
            }
            "function" => {
                let column = s.column();
                let target = target(s)?;
                let insn = Insn::LoadImm64 { dst, value: Imm64::Function { offset: 0 } };
                return self.emit_to(insn, target, s, column);
            }
            _ => {
                let expected = "a register, a number, be16, le16, bswap16, load_acquire, atomic64_fetch_add, \
                                addr_space_cast, map, map_value or function";
                return Err(s.error_at(column, expected, &format!("`{word}`")));
            }
        };
        self.emit(Insn::LoadImm64 { dst, value }, line);
        Ok(())
    }

    /// `atomic64_fetch_add((u64 *)(r0 +0), r1)` and its siblings.
    fn fetch(
        &mut self,
        s: &mut Scanner,
        name: &str,
        wide: bool,
        (dst, width): (Reg, Width),
    ) -> Result<(), AsmError> {
        let named = ATOMIC_OPS.iter().find(|row| {
            let fetches = row.0 & 1 == 1;
            fetches && row.2 == name
        });
        let op = named.ok_or_else(|| {
            s.error(
                "fetch_add, fetch_or, fetch_and, fetch_xor, xchg or cmpxchg after `atomic64_` or `atomic_`",
            )
        })?;
        let op = op.1;
        s.skip(1);
        s.op("(")?;
        let (size, column, base, off) = place(s)?;
        let size = atomic_size(s, size, column)?;
        if wide && size != Size::Dw || width == Width::W32 && size == Size::Dw {
            let expected = if wide { "u64 with `atomic64_`" } else { "u32 with a 32-bit register" };
            return Err(s.error_at(column, expected, "another size"));
        }
        s.op(",")?;
        let src = if op == AtomicOp::Cmpxchg {
            let (old, _) = s.register()?;
            if old != Reg::R0 || dst != Reg::R0 {
                return Err(s.error_at(
                    column,
                    "r0 before `=` and as the second argument",
                    "another register",
                ));
            }
            s.op(",")?;
            s.value_register(size.bits())?
        } else {
            s.same((dst, width))?;
            dst
        };
        s.op(")")?;
        self.emit(Insn::Atomic { op, size, base, off, src }, s.line);
        Ok(())
    }

    /// `map NAME`, `map_value NAME +8`, after the first word.
    fn map_reference(&mut self, s: &mut Scanner, dst: Reg, value: bool) -> Result<(), AsmError> {
        let column = s.column();
        let name = s.name("a map's name")?;
        let Some(map) = self.out.maps.iter().position(|m| m.name == name) else {
            let expected = "a map that a `.map` line above names";
            return Err(s.error_at(column, expected, &format!("`{name}`")));
        };
        let value_offset = if value { Some(value_offset(s)?) } else { None };
        let at = self.here();
        self.out.map_references.push(MapReference { at, map: map as u32, value_offset });
        let value = match value_offset {
            Some(_) => Imm64::MapValue { fd: 0, offset: 0 },
            None => Imm64::MapFd(0),
        };
        self.emit(Insn::LoadImm64 { dst, value }, s.line);
        Ok(())
    }
}
