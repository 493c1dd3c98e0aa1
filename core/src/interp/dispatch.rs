//! The interpreter's loop.

use super::machine::{Machine, Stop, Trap, TrapKind};
use super::operations::{alu, compare};
use crate::arena::Memory;
use crate::helper::{self, Call, RunContext};
use crate::image::Image;
use crate::image::lowered::{Code, Op, with_rows};
use crate::isa::{AluOp, JumpOp, Pc, Reg, Size, Width};
use crate::resources::Resources;

use super::machine::{Flow, Mode};

impl Machine {
    /// Runs until [`Machine::executed`] is `limit`.
    ///
    /// From one source two loops: the exact one stops at the limit, checks strictly if asked and writes
    /// through the journal; the other one looks at the limit only where it jumps back, calls or returns,
    /// and so may pass it by twice the number of slots. `None` where it goes on in another image.
    pub(super) fn dispatch<M: Memory, const EXACT: bool>(
        &mut self,
        image: &Image,
        ops: &[Op],
        resources: &mut Resources<M>,
        run: &mut RunContext,
        limit: u64,
    ) -> Option<Stop> {
        // As many as a byte can name: no index needs a check.
        let mut r = [0_u64; 256];
        r[..Reg::COUNT].copy_from_slice(&self.registers);
        let mut pc = self.pc.index();
        // `limit - executed` before slot 0 of the straight run that `pc` is in: a jump adds what it skips.
        let mut fuel = (limit as i64).wrapping_sub(self.executed as i64).wrapping_add(pc as i64);
        let strict = EXACT && self.mode == Mode::Strict;

        macro_rules! sync {
            () => {
                self.registers.copy_from_slice(&r[..Reg::COUNT]);
                self.pc = Pc(pc as u32);
                self.executed = limit.wrapping_sub(fuel.wrapping_sub(pc as i64) as u64);
            };
        }
        macro_rules! stop {
            ($stop:expr) => {{
                sync!();
                return Some($stop);
            }};
        }
        // The instruction that traps counts as run.
        macro_rules! trap {
            ($kind:expr) => {{
                sync!();
                self.executed += 1;
                return Some(Stop::Trap(Trap { pc: self.pc, kind: $kind }));
            }};
        }
        // To a target; `$slots` is how many the jumping instruction has.
        macro_rules! jump {
            ($target:expr, $slots:expr) => {{
                let target = $target as usize;
                fuel = fuel.wrapping_add((target as i64).wrapping_sub(pc as i64 + $slots));
                pc = target;
                if !EXACT && fuel < 0 {
                    stop!(Stop::Budget);
                }
                continue;
            }};
        }
        macro_rules! address {
            ($base:expr, $off:expr, $size:ident, $write:expr) => {{
                let address = r[usize::from($base)].wrapping_add($off);
                if strict
                    && let Err(violation) = resources.arena.check(address, Size::$size.bytes().into(), $write)
                {
                    trap!(TrapKind::Violation(violation));
                }
                address
            }};
        }
        macro_rules! load {
            ($op:expr, $off:expr, $size:ident) => {{
                let address = address!($op.src, $off, $size, false);
                match resources.arena.memory().load(address, Size::$size) {
                    Ok(value) => value,
                    Err(fault) => trap!(TrapKind::Fault(fault)),
                }
            }};
        }
        macro_rules! store {
            ($op:expr, $off:expr, $value:expr, $size:ident) => {{
                let (value, address) = ($value, address!($op.dst, $off, $size, true));
                let memory = resources.arena.memory_mut();
                let stored = if EXACT {
                    memory.store(address, Size::$size, value)
                } else {
                    memory.bare_mut().store(address, Size::$size, value)
                };
                if let Err(fault) = stored {
                    trap!(TrapKind::Fault(fault));
                }
            }};
        }
        macro_rules! run_ops {
            (
                alu { $($alu:ident: $ar:ident $ai:ident $ar32:ident $ai32:ident $three:ident $three_imm:ident;)* }
                branch { $($jump:ident: $br:ident $bi:ident $br32:ident $bi32:ident;)* }
            ) => {
                loop {
                    if EXACT && fuel == pc as i64 {
                        stop!(Stop::Budget);
                    }
                    let Some(op) = ops.get(pc) else {
                        sync!();
                        return Some(Stop::Trap(Trap { pc: self.pc, kind: TrapKind::Jump(pc as i64) }));
                    };
                    let (dst, src) = (usize::from(op.dst), usize::from(op.src));
                    match op.code {
                        $(
                            Code::$ar => r[dst] = alu(AluOp::$alu, Width::W64, r[dst], r[src]),
                            Code::$ai => r[dst] = alu(AluOp::$alu, Width::W64, r[dst], op.imm),
                            Code::$ar32 => r[dst] = alu(AluOp::$alu, Width::W32, r[dst], r[src]),
                            Code::$ai32 => r[dst] = alu(AluOp::$alu, Width::W32, r[dst], op.imm),
                            Code::$three => {
                                let other = r[usize::from(op.target as u8)];
                                r[dst] = alu(AluOp::$alu, Width::W64, r[src], other);
                                pc += 1;
                            }
                            Code::$three_imm => {
                                r[dst] = alu(AluOp::$alu, Width::W64, r[src], op.imm);
                                pc += 1;
                            }
                        )*
                        $(
                            Code::$br => {
                                if compare(JumpOp::$jump, Width::W64, r[dst], r[src]) {
                                    jump!(op.target, 1);
                                }
                            }
                            Code::$bi => {
                                if compare(JumpOp::$jump, Width::W64, r[dst], op.imm) {
                                    jump!(op.target, 1);
                                }
                            }
                            Code::$br32 => {
                                if compare(JumpOp::$jump, Width::W32, r[dst], r[src]) {
                                    jump!(op.target, 1);
                                }
                            }
                            Code::$bi32 => {
                                if compare(JumpOp::$jump, Width::W32, r[dst], op.imm) {
                                    jump!(op.target, 1);
                                }
                            }
                        )*
                        Code::Neg64 => r[dst] = r[dst].wrapping_neg(),
                        Code::Neg32 => r[dst] = u64::from((r[dst] as u32).wrapping_neg()),
                        Code::SignExtend64 => r[dst] = ((r[src] << (op.imm & 63)) as i64 >> (op.imm & 63)) as u64,
                        Code::SignExtend32 => {
                            let value = (r[src] << (op.imm & 63)) as i64 >> (op.imm & 63);
                            r[dst] = u64::from(value as u32);
                        }
                        Code::Swap16 => r[dst] = u64::from((r[dst] as u16).swap_bytes()),
                        Code::Swap32 => r[dst] = u64::from((r[dst] as u32).swap_bytes()),
                        Code::Swap64 => r[dst] = r[dst].swap_bytes(),
                        Code::Truncate16 => r[dst] = u64::from(r[dst] as u16),
                        Code::Truncate32 => r[dst] = u64::from(r[dst] as u32),
                        Code::Imm64 => {
                            r[dst] = op.imm;
                            // One instruction of two slots.
                            fuel = fuel.wrapping_add(1);
                            pc += 1;
                        }
                        Code::LoadB => r[dst] = load!(op, op.imm, B),
                        Code::LoadH => r[dst] = load!(op, op.imm, H),
                        Code::LoadW => r[dst] = load!(op, op.imm, W),
                        Code::LoadDw => r[dst] = load!(op, op.imm, Dw),
                        Code::LoadSignedB => r[dst] = load!(op, op.imm, B) as i8 as u64,
                        Code::LoadSignedH => r[dst] = load!(op, op.imm, H) as i16 as u64,
                        Code::LoadSignedW => r[dst] = load!(op, op.imm, W) as i32 as u64,
                        Code::StoreB => store!(op, op.imm, r[src], B),
                        Code::StoreH => store!(op, op.imm, r[src], H),
                        Code::StoreW => store!(op, op.imm, r[src], W),
                        Code::StoreDw => store!(op, op.imm, r[src], Dw),
                        Code::StoreImmB => store!(op, op.target as i32 as u64, op.imm, B),
                        Code::StoreImmH => store!(op, op.target as i32 as u64, op.imm, H),
                        Code::StoreImmW => store!(op, op.target as i32 as u64, op.imm, W),
                        Code::StoreImmDw => store!(op, op.target as i32 as u64, op.imm, Dw),
                        Code::Goto => jump!(op.target, 1),
                        Code::CallHelper => {
                            let args = [r[1], r[2], r[3], r[4], r[5]];
                            self.helper_calls += 1;
                            match helper::dispatch(op.imm as i32, &mut Call { args, resources, run }) {
                                Ok(value) => r[0] = value,
                                Err(fault) => trap!(TrapKind::Helper(fault)),
                            }
                        }
                        Code::CallLocal => {
                            match self.enter(pc as u32 + 1, &mut r) {
                                true => jump!(op.target, 1),
                                false => trap!(TrapKind::CallDepth),
                            }
                        }
                        Code::Exit => match self.leave(&mut r) {
                            Some((back, false)) => jump!(back, 1),
                            Some((back, true)) => {
                                sync!();
                                self.executed += 1;
                                self.pc = Pc(back);
                                return None;
                            }
                            None => {
                                sync!();
                                self.executed += 1;
                                return Some(Stop::Exit(r[0]));
                            }
                        },
                        Code::Other => {
                            sync!();
                            self.executed += 1;
                            let Some(&insn) = image.insns().get(pc) else {
                                return Some(Stop::Trap(Trap { pc: self.pc, kind: TrapKind::Jump(pc as i64) }));
                            };
                            let access = image.access().get(pc).copied().unwrap_or_default();
                            let flow = self.one(image, insn, access, resources, run);
                            r[..Reg::COUNT].copy_from_slice(&self.registers);
                            let to = match flow {
                                Ok(Flow::Next) => i64::from(self.pc.0) + i64::from(insn.slots()),
                                Ok(Flow::Jump(to)) => to,
                                Ok(Flow::Exit) => return Some(Stop::Exit(r[0])),
                                Ok(Flow::Replaced(pc)) => {
                                    self.pc = pc;
                                    return None;
                                }
                                Err(kind) => return Some(Stop::Trap(Trap { pc: self.pc, kind })),
                            };
                            let Ok(to) = u32::try_from(to) else {
                                return Some(Stop::Trap(Trap { pc: self.pc, kind: TrapKind::Jump(to) }));
                            };
                            jump!(to, 1);
                        }
                        Code::AddNe => {
                            let value = r[dst].wrapping_add(op.imm as i32 as u64);
                            r[dst] = value;
                            if value != (op.imm as i64 >> 32) as u64 {
                                jump!(op.target, 2);
                            }
                            pc += 1;
                        }
                        Code::MulAdd => {
                            r[dst] = r[dst].wrapping_mul(r[src]).wrapping_add(op.imm);
                            pc += 1;
                        }
                        Code::MulImmAdd => {
                            let product = r[dst].wrapping_mul(op.imm as i32 as u64);
                            r[dst] = product.wrapping_add((op.imm as i64 >> 32) as u64);
                            pc += 1;
                        }
                        Code::AddPair => {
                            r[dst] = r[dst].wrapping_add(r[src]);
                            let (dst, src) = (op.target as u8, (op.target >> 8) as u8);
                            r[usize::from(dst)] = r[usize::from(dst)].wrapping_add(r[usize::from(src)]);
                            pc += 1;
                        }
                        Code::MovPair => {
                            r[dst] = r[src];
                            r[usize::from(op.target as u8)] = r[usize::from((op.target >> 8) as u8)];
                            pc += 1;
                        }
                        Code::XorLsh => {
                            let (value, shifted) = (r[src], r[src] << (op.imm & 63));
                            r[dst] = shifted;
                            r[src] = value ^ shifted;
                            pc += 2;
                        }
                        Code::XorRsh => {
                            let (value, shifted) = (r[src], r[src] >> (op.imm & 63));
                            r[dst] = shifted;
                            r[src] = value ^ shifted;
                            pc += 2;
                        }
                        Code::LoadSwapH => {
                            r[dst] = u64::from((load!(op, op.imm, H) as u16).swap_bytes());
                            pc += 1;
                        }
                        Code::LoadBEq => {
                            let value = load!(op, op.imm as i32 as u64, B);
                            r[dst] = value;
                            if value == (op.imm as i64 >> 32) as u64 {
                                jump!(op.target, 2);
                            }
                            pc += 1;
                        }
                        Code::LoadBNe => {
                            let value = load!(op, op.imm as i32 as u64, B);
                            r[dst] = value;
                            if value != (op.imm as i64 >> 32) as u64 {
                                jump!(op.target, 2);
                            }
                            pc += 1;
                        }
                    }
                    pc += 1;
                }
            };
        }
        with_rows!(run_ops)
    }
}
