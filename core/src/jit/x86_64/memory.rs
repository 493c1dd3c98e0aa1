//! Loads, stores and atomics.

use super::Unsupported;
use super::emitter::{Emitter, Known, To};
use super::encode::{Condition, Gpr, Group1, Place, Shift, W32, W64};
use super::layout::{BASE, LEFT, SCRATCH, SPILL, TRUNCATED, field, gpr, last};
use crate::image::{Access, Array};
use crate::isa::{AtomicOp, Operand, Pc, Reg, Size};

/// `bpf_map_lookup_elem`
const LOOK_UP: i32 = 1;

impl Emitter<'_> {
    /// Where an access goes: the low 32 bits of its register, its offset, and the arena's base.
    ///
    /// What is known to be r10 and a constant is the machine's frame register and that constant. Both stay
    /// within what the host keeps unmapped around the arena.
    #[inline(always)]
    fn place(&mut self, base: Reg, off: i16) -> Place {
        let offset = i32::from(off);
        if let Known::Frame(at) = self.known[base.index()]
            && (at + offset).unsigned_abs() <= 1 << 15
        {
            return Place { base: Gpr::Rbp, index: None, offset: at + offset };
        }
        if self.bits(base) <= 32 {
            let index = self.source(base, SCRATCH);
            return Place { base: BASE, index: Some(index), offset };
        }
        if self.truncated != Some(base) {
            let from = self.source(base, SCRATCH);
            self.out.mov(W32, TRUNCATED, from);
            self.truncated = Some(base);
        }
        Place { base: BASE, index: Some(TRUNCATED), offset }
    }

    #[inline(always)]
    pub(super) fn load(&mut self, access: Access, size: Size, signed: bool, dst: Reg, base: Reg, off: i16) {
        let d = gpr(dst);
        // The flags survive a load, but what they tell is of the register before.
        if self.flags.is_some_and(|(reg, _)| reg == dst) {
            self.flags = None;
        }
        match access {
            Access::Normal | Access::ArenaMap => {
                let place = self.place(base, off);
                if signed {
                    self.out.load_signed(size.bytes(), d, place)
                } else {
                    self.out.load(size.bytes(), d, place)
                }
            }
            Access::Probe => {
                // Past the arena's end, and below its beginning, which is above the greatest end.
                let from = self.source(base, SCRATCH);
                self.out.address(TRUNCATED, Place { base: from, index: None, offset: off.into() });
                self.truncated = None;
                self.flags = None;
                self.out.compare_memory(TRUNCATED, last(size));
                let outside = self.out.jump8(Some(Condition::Above));
                let place = Place { base: BASE, index: Some(TRUNCATED), offset: 0 };
                if signed {
                    self.out.load_signed(size.bytes(), d, place)
                } else {
                    self.out.load(size.bytes(), d, place)
                }
                let over = self.out.jump8(None);
                let here = self.out.at();
                self.out.lead8(outside, here);
                self.out.mov_imm(d, 0);
                let here = self.out.at();
                self.out.lead8(over, here);
            }
        }
        let bits = if signed { 64 } else { size.bits() as u8 };
        self.set(dst, Known::Bits(bits));
    }

    #[inline(always)]
    pub(super) fn store(&mut self, size: Size, base: Reg, off: i16, src: Operand) {
        let place = self.place(base, off);
        match src {
            Operand::Imm(imm) => self.out.store_imm(size.bytes(), place, imm),
            Operand::Reg(Reg::FP) => {
                self.flags = None;
                let from = self.source(Reg::FP, SCRATCH);
                self.out.store(size.bytes(), place, from);
            }
            Operand::Reg(src) => self.out.store(size.bytes(), place, gpr(src)),
        }
    }

    pub(super) fn atomic(
        &mut self,
        op: AtomicOp,
        size: Size,
        base: Reg,
        off: i16,
        src: Reg,
        pc: Pc,
    ) -> Result<(), Unsupported> {
        if src == Reg::FP {
            return Err(Unsupported { pc, what: "an atomic of r10" });
        }
        match op {
            AtomicOp::LoadAcquire => {
                self.load(Access::Normal, size, false, src, base, off);
                return Ok(());
            } // An ordinary store has release order on this machine; the interpreter's is no stronger.
            AtomicOp::StoreRelease => {
                self.store(size, base, off, Operand::Reg(src));
                return Ok(());
            }
            _ => {}
        }
        let w = match size {
            Size::Dw => W64,
            Size::W => W32,
            _ => return Err(Unsupported { pc, what: "an atomic of 1 or 2 bytes" }),
        };
        self.flags = None;
        let place = self.place(base, off);
        let value = gpr(src);
        let bits = Known::Bits(size.bits() as u8);
        match op {
            AtomicOp::Add { fetch: false } => self.out.locked(w, Group1::Add, place, value),
            AtomicOp::Or { fetch: false } => self.out.locked(w, Group1::Or, place, value),
            AtomicOp::And { fetch: false } => self.out.locked(w, Group1::And, place, value),
            AtomicOp::Xor { fetch: false } => self.out.locked(w, Group1::Xor, place, value),
            AtomicOp::Add { fetch: true } => {
                self.out.locked_exchange_add(w, place, value);
                self.set(src, bits);
            }
            AtomicOp::Xchg => {
                self.out.exchange_memory(w, place, value);
                self.set(src, bits);
            }
            AtomicOp::Cmpxchg => {
                self.out.compare_exchange(w, place, value);
                if !w {
                    // Where it was equal, the upper half is still the old one.
                    self.out.mov(W32, Gpr::Rax, Gpr::Rax);
                }
                self.set(Reg::R0, bits);
            }
            AtomicOp::Or { fetch: true } => self.fetch(Group1::Or, w, place, src),
            AtomicOp::And { fetch: true } => self.fetch(Group1::And, w, place, src),
            AtomicOp::Xor { fetch: true } => self.fetch(Group1::Xor, w, place, src),
            AtomicOp::LoadAcquire | AtomicOp::StoreRelease => {}
        }
        Ok(())
    }

    /// `src` receives what the place held: tried again until nobody came between.
    fn fetch(&mut self, op: Group1, w: bool, place: Place, src: Reg) {
        // The place may be relative to rax or to `src`: its address first. Then rax is the old value, the
        // budget's register the new one, the scratch register the operand.
        self.out.address(TRUNCATED, place);
        self.truncated = None;
        let place = Place { base: TRUNCATED, index: None, offset: 0 };
        self.out.mov(W64, SCRATCH, gpr(src));
        self.out.store(8, field(SPILL), LEFT);
        self.out.store(8, field(SPILL + 8), Gpr::Rax);
        self.out.load(if w { 8 } else { 4 }, Gpr::Rax, place);
        let again = self.out.at();
        self.out.mov(W64, LEFT, Gpr::Rax);
        self.out.group1(w, op, LEFT, SCRATCH);
        self.out.compare_exchange(w, place, LEFT);
        let back = self.out.jump8(Some(Condition::NotEqual));
        self.out.lead8(back, again);
        self.out.mov(w, SCRATCH, Gpr::Rax);
        self.out.load(8, Gpr::Rax, field(SPILL + 8));
        self.out.load(8, LEFT, field(SPILL));
        self.out.mov(w, gpr(src), SCRATCH);
        self.set(src, Known::Bits(if w { 64 } else { 32 }));
    }

    /// Legacy packet loads: r0 is the packet's bytes, or the program is over.
    pub(super) fn load_packet(
        &mut self,
        size: Size,
        at: crate::isa::PacketOffset,
        imm: i32,
        pc: Pc,
    ) -> Result<(), Unsupported> {
        use super::layout::Request;
        let request = match size {
            Size::B => Request::PacketB,
            Size::H => Request::PacketH,
            Size::W => Request::PacketW,
            Size::Dw => return Err(Unsupported { pc, what: "a packet load of 8 bytes" }),
        };
        let first = gpr(Reg::R1);
        match at {
            crate::isa::PacketOffset::Absolute => self.out.mov_imm(first, i64::from(imm) as u64),
            crate::isa::PacketOffset::Indirect(reg) => {
                let from = self.source(reg, SCRATCH);
                self.out.sign_extend32(first, from);
                self.out.group1_imm(W64, Group1::Add, first, imm);
            }
        }
        self.service(request as i32, pc);
        Ok(())
    }

    /// Calls the host; what it can't do leaves the program.
    pub(super) fn service(&mut self, number: i32, pc: Pc) {
        use super::layout::{BUDGET, HEADER_DISTANCE, NUMBER, SERVICE};
        self.out.store(8, field(BUDGET), LEFT);
        self.out.store_imm(4, field(NUMBER), number);
        // The sixth argument of a C function, after r1 to r5.
        let header = Place { base: BASE, index: None, offset: -(HEADER_DISTANCE as i32) };
        self.out.address(Gpr::R9, header);
        self.out.call_memory(field(SERVICE));
        self.out.load(8, LEFT, field(BUDGET));
        self.out.test(W32, Gpr::Rdx, Gpr::Rdx);
        let stub = self.out.jump32(Some(Condition::NotEqual));
        self.fix(stub, To::Leave(None, pc));
        self.called();
    }

    /// The array that a call looks up in, where that is known.
    pub(super) fn array(&self, helper: i32) -> Option<Array> {
        let Known::Constant(handle) = self.known[Reg::R1.index()] else { return None };
        let array = self.image.arrays().iter().find(|array| u64::from(array.handle) == handle)?;
        // The compared length is a sign-extended constant, and so is the factor.
        let fits =
            helper == LOOK_UP && i32::try_from(array.len).is_ok() && i32::try_from(array.stride).is_ok();
        fits.then_some(*array)
    }

    /// `bpf_map_lookup_elem` in an array: the value's address, or 0 past the end.
    pub(super) fn look_up(&mut self, array: Array) {
        let r0 = gpr(Reg::R0);
        let key = self.place(Reg::R2, 0);
        self.out.load(4, r0, key);
        self.out.group1_imm(W32, Group1::Cmp, r0, array.len as i32);
        let inside = self.out.jump8(Some(Condition::Below));
        self.out.mov_imm(r0, 0);
        let over = self.out.jump8(None);
        let here = self.out.at();
        self.out.lead8(inside, here);
        match array.stride.is_power_of_two() {
            true => self.out.shift_imm(W64, Shift::Left, r0, array.stride.trailing_zeros() as u8),
            false => self.out.multiply_imm(W64, r0, r0, array.stride as i32),
        }
        match i32::try_from(array.base) {
            Ok(base) => self.out.group1_imm(W64, Group1::Add, r0, base),
            Err(_) => {
                self.out.mov_imm(SCRATCH, array.base.into());
                self.out.group1(W64, Group1::Add, r0, SCRATCH);
            }
        }
        let here = self.out.at();
        self.out.lead8(over, here);
        self.called();
        // Values lie in the arena.
        self.set(Reg::R0, Known::Bits(32));
    }

    /// What a call leaves of what was known.
    pub(super) fn called(&mut self) {
        for reg in [Reg::R0, Reg::R1, Reg::R2, Reg::R3, Reg::R4, Reg::R5] {
            self.known[reg.index()] = Known::NOTHING;
        }
        self.truncated = None;
        self.flags = None;
    }
}
