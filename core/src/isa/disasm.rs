//! Instructions as text, in the kernel log's syntax.
//!
//! The kernel prints what it is given, also where it then refuses it: so this prints raw slots, and never
//! fails. The forms are facts of its log; `table` below has one of each.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use core::fmt::{self, Write};

use super::decode::{ALU_OPS, ATOMIC_OPS, JUMP_OPS, SIZES, SRC_REG, class, mode};
use super::insn::AtomicOp;
use super::raw::RawInsn;

/// What the text can't know by itself.
pub trait Names {
    /// A helper's name (`bpf_map_lookup_elem`), or `None` for an unknown number.
    fn helper(&self, _number: i32) -> Option<Cow<'_, str>> {
        None
    }
    /// A kernel function's name.
    fn kernel_function(&self, _btf_id: i32, _fd_index: i16) -> Option<Cow<'_, str>> {
        None
    }
    /// What stands for a 64-bit immediate after `r1 = `: its two words. `None` prints the number.
    fn immediate(&self, _source: u8, _low: i32, _high: i32) -> Option<Cow<'_, str>> {
        None
    }
}

/// No names: helpers print as `unknown`.
pub struct NoNames;
impl Names for NoNames {}

/// Writes the instruction at `raw[0]`, without its opcode and without a line's end.
pub fn write(raw: &[RawInsn], names: &dyn Names, out: &mut impl Write) -> fmt::Result {
    let Some(&i) = raw.first() else { return Ok(()) };
    match i.code & 7 {
        class::ALU | class::ALU64 => arithmetic(i, out),
        class::STX => store_register(i, out),
        class::ST => store_immediate(i, out),
        class::LDX => {
            let sign = if i.code & 0xe0 == mode::MEMSX { 's' } else { 'u' };
            if !matches!(i.code & 0xe0, mode::MEM | mode::MEMSX) {
                return write!(out, "BUG_ldx_{:02x}", i.code);
            }
            write!(out, "r{} = *({sign}{} *)(r{} {:+})", i.dst, bits(i), i.src, i.off)
        }
        class::LD => load(i, raw.get(1), names, out),
        _ => jump(i, names, out),
    }
}

/// Writes the instruction at `raw[0]` as the log does, after its opcode: `(b7) r0 = 0`. What the kernel has
/// no text for stands alone.
pub fn write_with_opcode(raw: &[RawInsn], names: &dyn Names, out: &mut impl Write) -> fmt::Result {
    let text = text(raw, names);
    match raw.first() {
        Some(i) if !text.starts_with("BUG_") => write!(out, "({:02x}) {text}", i.code),
        _ => out.write_str(&text),
    }
}

/// The instruction at `raw[0]` as text.
pub fn text(raw: &[RawInsn], names: &dyn Names) -> String {
    let mut out = String::new();
    // A string takes all that is written.
    let _ = write(raw, names, &mut out);
    out
}

fn size(i: RawInsn) -> &'static str {
    SIZES.iter().find(|row| row.0 == i.code & 0x18).map_or("u64", |row| row.2)
}

/// The size's number of bits, as text.
fn bits(i: RawInsn) -> &'static str {
    &size(i)[1..]
}

fn arithmetic(i: RawInsn, out: &mut impl Write) -> fmt::Result {
    let wide = i.code & 7 == class::ALU64;
    let r = if wide { 'r' } else { 'w' };
    match i.code & 0xf0 {
        0xd0 if wide => write!(out, "r{0} = bswap{1} r{0}", i.dst, i.imm),
        0xd0 => {
            let order = if i.code & SRC_REG != 0 { "be" } else { "le" };
            write!(out, "r{0} = {order}{1} r{0}", i.dst, i.imm)
        }
        0x80 => write!(out, "{r}{0} = -{r}{0}", i.dst),
        0xb0 if wide && i.code & SRC_REG != 0 && i.off == 1 => {
            write!(out, "r{} = addr_space_cast(r{}, {}, {})", i.dst, i.src, i.imm as u32 >> 16, i.imm as u16)
        }
        0xb0 if wide && i.code & SRC_REG != 0 && i.off == -1 => {
            write!(out, "r{} = &(void __percpu *)(r{})", i.dst, i.src)
        }
        op => {
            let row = ALU_OPS.iter().find(|row| row.0 == op && (row.1 == i.off || op == 0xb0));
            let operator =
                row.or_else(|| ALU_OPS.iter().find(|row| row.0 == op)).map_or("(null)", |row| row.3);
            if i.code & SRC_REG == 0 {
                return write!(out, "{r}{} {operator} {}", i.dst, i.imm);
            }
            let cast = match i.off {
                8 if op == 0xb0 => "(s8)",
                16 if op == 0xb0 => "(s16)",
                32 if op == 0xb0 => "(s32)",
                _ => "",
            };
            write!(out, "{r}{} {operator} {cast}{r}{}", i.dst, i.src)
        }
    }
}

fn store_register(i: RawInsn, out: &mut impl Write) -> fmt::Result {
    let RawInsn { dst, src, off, .. } = i;
    match i.code & 0xe0 {
        mode::MEM => write!(out, "*({} *)(r{dst} {off:+}) = r{src}", size(i)),
        mode::ATOMIC => {
            let Some(row) = ATOMIC_OPS.iter().find(|row| row.0 == i.imm) else {
                return write!(out, "BUG_{:02x}", i.code);
            };
            let (op, width) = (row.2, if i.code & 0x18 == 0x18 { "64" } else { "" });
            let place = format!("({} *)(r{dst} {off:+})", size(i));
            match row.1 {
                AtomicOp::LoadAcquire => {
                    write!(out, "r{dst} = load_acquire(({} *)(r{src} {off:+}))", size(i))
                }
                AtomicOp::StoreRelease => write!(out, "store_release({place}, r{src})"),
                AtomicOp::Xchg => write!(out, "r{src} = atomic{width}_xchg({place}, r{src})"),
                AtomicOp::Cmpxchg => write!(out, "r0 = atomic{width}_cmpxchg({place}, r0, r{src})"),
                _ if i.imm & 1 == 1 => write!(out, "r{src} = atomic{width}_{op}({place}, r{src})"),
                _ => write!(out, "lock *{place} {op} r{src}"),
            }
        }
        _ => write!(out, "BUG_{:02x}", i.code),
    }
}

fn store_immediate(i: RawInsn, out: &mut impl Write) -> fmt::Result {
    match i.code & 0xe0 {
        mode::MEM => write!(out, "*({} *)(r{} {:+}) = {}", size(i), i.dst, i.off, i.imm),
        // A speculation barrier: only the kernel's own rewriting makes it.
        mode::ATOMIC => out.write_str("nospec"),
        _ => write!(out, "BUG_st_{:02x}", i.code),
    }
}

fn load(i: RawInsn, second: Option<&RawInsn>, names: &dyn Names, out: &mut impl Write) -> fmt::Result {
    match (i.code & 0xe0, i.code & 0x18) {
        (mode::ABS, _) => write!(out, "r0 = *({} *)skb[{}]", size(i), i.imm),
        (mode::IND, _) => write!(out, "r0 = *({} *)skb[r{} + {}]", size(i), i.src, i.imm),
        (mode::IMM, 0x18) => {
            let high = second.map_or(0, |s| s.imm);
            match names.immediate(i.src, i.imm, high) {
                Some(text) => write!(out, "r{} = {text}", i.dst),
                None => {
                    let value = u64::from(high as u32) << 32 | u64::from(i.imm as u32);
                    write!(out, "r{} = {value:#x}", i.dst)
                }
            }
        }
        _ => write!(out, "BUG_ld_{:02x}", i.code),
    }
}

fn jump(i: RawInsn, names: &dyn Names, out: &mut impl Write) -> fmt::Result {
    let wide = i.code & 7 == class::JMP;
    match i.code & 0xf0 {
        0x80 => match i.src {
            1 => write!(out, "call pc{:+}", i.imm),
            2 => match names.kernel_function(i.imm, i.off) {
                Some(name) => write!(out, "call {name}#{}", i.imm),
                None => write!(out, "call kernel-function#{}", i.imm),
            },
            source => {
                let name = if source == 0 { names.helper(i.imm) } else { None };
                write!(out, "call {}#{}", name.as_deref().unwrap_or("unknown"), i.imm)
            }
        },
        0x00 if wide => write!(out, "goto pc{:+}", i.off),
        0x00 => write!(out, "gotol pc{:+}", i.imm),
        0x90 if wide => out.write_str("exit"),
        0xe0 if wide && i.src == 0 => write!(out, "may_goto pc{:+}", i.off),
        op => {
            let r = if wide { 'r' } else { 'w' };
            let operator = JUMP_OPS.iter().find(|row| row.0 == op).map_or("(null)", |row| row.2);
            if i.code & SRC_REG == 0 {
                write!(out, "if {r}{} {operator} {:#x} goto pc{:+}", i.dst, i.imm as u32, i.off)
            } else {
                write!(out, "if {r}{} {operator} {r}{} goto pc{:+}", i.dst, i.src, i.off)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        let slot = |code, dst, src, off, imm| RawInsn { code, dst, src, off, imm };
        // Left as the running kernel printed them at log level 2.
        for (raw, expected) in [
            (slot(0xb7, 0, 0, 0, -5), "r0 = -5"),
            (slot(0xb4, 0, 0, 0, 7), "w0 = 7"),
            (slot(0xbc, 0, 1, 32, 0), "w0 = (s32)w1"),
            (slot(0xbf, 3, 4, 8, 0), "r3 = (s8)r4"),
            (slot(0x37, 1, 0, 1, 3), "r1 s/= 3"),
            (slot(0x9f, 1, 2, 1, 0), "r1 s%= r2"),
            (slot(0xc4, 1, 0, 0, 3), "w1 s>>= 3"),
            (slot(0x87, 2, 0, 0, 0), "r2 = -r2"),
            (slot(0xdc, 2, 0, 0, 16), "r2 = be16 r2"),
            (slot(0xd4, 2, 0, 0, 64), "r2 = le64 r2"),
            (slot(0xd7, 2, 0, 0, 32), "r2 = bswap32 r2"),
            (slot(0x61, 1, 2, -16, 0), "r1 = *(u32 *)(r2 -16)"),
            (slot(0x91, 1, 2, 3, 0), "r1 = *(s8 *)(r2 +3)"),
            (slot(0x7a, 10, 0, -8, -1), "*(u64 *)(r10 -8) = -1"),
            (slot(0x6b, 10, 3, -8, 0), "*(u16 *)(r10 -8) = r3"),
            (slot(0xdb, 0, 1, 0, 0), "lock *(u64 *)(r0 +0) += r1"),
            (slot(0xc3, 0, 1, 0, 0x50), "lock *(u32 *)(r0 +0) &= r1"),
            (slot(0xdb, 0, 1, 0, 1), "r1 = atomic64_fetch_add((u64 *)(r0 +0), r1)"),
            (slot(0xc3, 0, 1, 4, 0xa1), "r1 = atomic_fetch_xor((u32 *)(r0 +4), r1)"),
            (slot(0xdb, 3, 1, 0, 0xe1), "r1 = atomic64_xchg((u64 *)(r3 +0), r1)"),
            (slot(0xdb, 3, 1, 0, 0xf1), "r0 = atomic64_cmpxchg((u64 *)(r3 +0), r0, r1)"),
            (slot(0xd3, 3, 1, 8, 0x100), "r3 = load_acquire((u8 *)(r1 +8))"),
            (slot(0xcb, 3, 1, 8, 0x110), "store_release((u16 *)(r3 +8), r1)"),
            (slot(0x30, 0, 0, 0, 23), "r0 = *(u8 *)skb[23]"),
            (slot(0x48, 0, 7, 0, 12), "r0 = *(u16 *)skb[r7 + 12]"),
            (slot(0x05, 0, 0, -2, 0), "goto pc-2"),
            (slot(0x06, 0, 0, 0, 70000), "gotol pc+70000"),
            (slot(0xe5, 0, 0, 3, 0), "may_goto pc+3"),
            (slot(0x66, 2, 0, 3, 5), "if w2 s> 0x5 goto pc+3"),
            (slot(0x15, 2, 0, 3, -1), "if r2 == 0xffffffff goto pc+3"),
            (slot(0xbd, 2, 3, -3, 0), "if r2 <= r3 goto pc-3"),
            (slot(0x85, 0, 1, 0, 5), "call pc+5"),
            (slot(0x85, 0, 0, 0, 1), "call unknown#1"),
            (slot(0x95, 0, 0, 0, 0), "exit"),
            (slot(0xbf, 1, 2, 1, 1), "r1 = addr_space_cast(r2, 0, 1)"),
        ] {
            assert_eq!(text(&[raw], &NoNames), expected);
        }
        for (raw, expected) in [
            (slot(0xb7, 0, 0, 0, 1), "(b7) r0 = 1"),
            (slot(0x07, 0, 3, 0, 0), "(07) r0 += 0"),
            (slot(0xdb, 10, 0, -8, 0x33), "BUG_db"),
            (slot(0xe5, 0, 1, 0, 0), "(e5) if r0 (null) 0x0 goto pc+0"),
            (slot(0xd7, 0, 0, 0, 15), "(d7) r0 = bswap15 r0"),
            (slot(0xbf, 0, 0, -1, 0), "(bf) r0 = &(void __percpu *)(r0)"),
        ] {
            let mut line = String::new();
            write_with_opcode(&[raw], &NoNames, &mut line).unwrap();
            assert_eq!(line, expected);
        }
        let wide = [slot(0x18, 1, 0, 0, 5), slot(0, 0, 0, 0, 1)];
        assert_eq!(text(&wide, &NoNames), "r1 = 0x100000005");
    }
}
