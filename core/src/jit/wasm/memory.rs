//! Loads, stores and atomics, within the arena.

use wasm_encoder::{BlockType, MemArg, ValType};

use super::Unsupported;
use super::emitter::{ADDRESS, Emitter, FRAME, Known, VALUE, local};
use super::layout::Status;
use crate::isa::{AtomicOp, Operand, Pc, Reg, Size, Width};

/// Bytes of a frame.
const FRAME_LEN: i32 = 512;

impl Emitter<'_> {
    /// The offset at which the memory lies that an address in the arena means.
    fn at(&self, offset: u32) -> MemArg {
        let offset = u64::from(self.host.base) + u64::from(offset);
        MemArg { offset, align: 0, memory_index: 0 }
    }

    /// An access's index on the stack, and the offset to be added to it. What would lie outside of the arena leaves
    /// the function, but where the access is one of the frame, or a longer one by the same register was before it.
    #[inline(always)]
    fn address(&mut self, base: Reg, off: i16, size: Size, pc: Pc) -> MemArg {
        let (offset, len) = (i32::from(off), size.bytes());
        if let Some(place) = self.in_frame(base, offset, len) {
            return place;
        }
        // Nothing is at most this where the access is longer than the arena.
        let end = offset.max(0) as u32 + len;
        let most = self.host.capacity.saturating_sub(end);
        if offset >= 0 {
            if let Known::AtMost(at_most) = self.known[base.index()]
                && at_most <= most
            {
                self.push32(base);
                return self.at(offset as u32);
            }
            self.push32(base);
            self.compare_address(most);
            self.leave_if(Status::Fault, pc);
            // Constants and frames say more than this.
            if matches!(self.known[base.index()], Known::Nothing | Known::AtMost(_)) {
                self.known[base.index()] = Known::AtMost(most);
            }
            self.get(ADDRESS);
            return self.at(offset as u32);
        }
        self.push32(base);
        self.constant32(offset);
        self.operation(crate::isa::AluOp::Add, Width::W32);
        self.compare_address(most);
        self.leave_if(Status::Fault, pc);
        self.get(ADDRESS);
        self.at(0)
    }

    /// Keeps the address on the stack; whether it is greater than another.
    #[inline(always)]
    fn compare_address(&mut self, most: u32) {
        // local.tee, i32.gt_u
        self.plain(0x22);
        self.plain(ADDRESS.0 as u8);
        self.constant32(most as i32);
        self.plain(0x4b);
    }

    /// An access within the own frame, which always lies in the arena.
    fn in_frame(&mut self, base: Reg, offset: i32, len: u32) -> Option<MemArg> {
        let Known::Frame(at) = self.known[base.index()] else { return None };
        let from = at + offset;
        if !(-FRAME_LEN..=-(len as i32)).contains(&from) {
            return None;
        }
        self.get(FRAME);
        match self.host.base.checked_add_signed(from) {
            Some(below) => Some(MemArg { offset: below.into(), align: 0, memory_index: 0 }),
            None => {
                self.out().i32_const(FRAME_LEN).i32_sub();
                Some(self.at((from + FRAME_LEN) as u32))
            }
        }
    }

    #[inline(always)]
    pub(super) fn load(&mut self, size: Size, signed: bool, dst: Reg, base: Reg, off: i16, pc: Pc) {
        let place = self.address(base, off, size, pc);
        self.load_at(size, signed, place);
        self.pop(dst, Width::W64);
    }

    #[inline(always)]
    fn load_at(&mut self, size: Size, signed: bool, place: MemArg) {
        let code = match (size, signed) {
            (Size::Dw, _) => 0x29,
            (Size::B, true) => 0x30,
            (Size::B, false) => 0x31,
            (Size::H, true) => 0x32,
            (Size::H, false) => 0x33,
            (Size::W, true) => 0x34,
            (Size::W, false) => 0x35,
        };
        self.access(code, place);
    }

    /// A load that reads 0 outside of the arena. All 64 bits of the address count.
    pub(super) fn probe(&mut self, size: Size, signed: bool, dst: Reg, base: Reg, off: i16) {
        self.push(base);
        let most = self.host.capacity.saturating_sub(size.bytes());
        self.out().i64_const(off.into()).i64_add().local_tee(VALUE.0);
        self.out().i64_const(most.into()).i64_gt_u().if_(BlockType::Result(ValType::I64));
        self.out().i64_const(0).else_().local_get(VALUE.0).i32_wrap_i64();
        let place = self.at(0);
        self.load_at(size, signed, place);
        self.out().end();
        self.pop(dst, Width::W64);
    }

    #[inline(always)]
    pub(super) fn store(&mut self, size: Size, base: Reg, off: i16, src: Operand, pc: Pc) {
        let place = self.address(base, off, size, pc);
        self.operand(src, Width::W64);
        self.store_at(size, place);
    }

    fn store_at(&mut self, size: Size, place: MemArg) {
        let code = match size {
            Size::Dw => 0x37,
            Size::B => 0x3c,
            Size::H => 0x3d,
            Size::W => 0x3e,
        };
        self.access(code, place);
    }

    /// Nobody else runs meanwhile: the steps one after another are one.
    pub(super) fn atomic(
        &mut self,
        op: AtomicOp,
        size: Size,
        base: Reg,
        off: i16,
        src: Reg,
        pc: Pc,
    ) -> Result<(), Unsupported> {
        let writes_source = !matches!(op, AtomicOp::StoreRelease | AtomicOp::Cmpxchg);
        if src == Reg::FP && writes_source {
            return self.refuse(pc, "an atomic of r10");
        }
        match op {
            AtomicOp::LoadAcquire => {
                self.load(size, false, src, base, off, pc);
                return Ok(());
            }
            AtomicOp::StoreRelease => {
                self.store(size, base, off, Operand::Reg(src), pc);
                return Ok(());
            }
            _ if matches!(size, Size::B | Size::H) => {
                return self.refuse(pc, "an atomic of 1 or 2 bytes");
            }
            _ => {}
        }
        let place = self.address(base, off, size, pc);
        self.out().local_tee(ADDRESS.0).local_get(ADDRESS.0);
        self.load_at(size, false, place);
        self.set(VALUE);
        // The address is on the stack; what is stored comes next.
        let fetched = match op {
            AtomicOp::Add { fetch } => {
                self.get(VALUE);
                self.push(src);
                self.out().i64_add();
                fetch.then_some(src)
            }
            AtomicOp::Or { fetch } => {
                self.get(VALUE);
                self.push(src);
                self.out().i64_or();
                fetch.then_some(src)
            }
            AtomicOp::And { fetch } => {
                self.get(VALUE);
                self.push(src);
                self.out().i64_and();
                fetch.then_some(src)
            }
            AtomicOp::Xor { fetch } => {
                self.get(VALUE);
                self.push(src);
                self.out().i64_xor();
                fetch.then_some(src)
            }
            AtomicOp::Cmpxchg => {
                self.push(src);
                self.get(VALUE);
                self.get(VALUE);
                self.push(Reg::R0);
                if size == Size::W {
                    self.out().i64_const(0xffff_ffff).i64_and();
                }
                self.out().i64_eq().select();
                Some(Reg::R0)
            }
            AtomicOp::Xchg | AtomicOp::LoadAcquire | AtomicOp::StoreRelease => {
                self.push(src);
                Some(src)
            }
        };
        self.store_at(size, place);
        if let Some(reg) = fetched {
            self.get(VALUE);
            self.set(local(reg));
            self.known[reg.index()] = Known::Nothing;
        }
        Ok(())
    }

    /// An address within the arena that an inlined look-up reads its key from.
    pub(super) fn load_key(&mut self, pc: Pc) {
        let place = self.address(Reg::R2, 0, Size::W, pc);
        self.out().i32_load(place);
    }
}
