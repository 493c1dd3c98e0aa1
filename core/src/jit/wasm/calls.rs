//! Calls: of helpers, of local functions, of the host.

use wasm_encoder::{BlockType, ValType};

use super::Unsupported;
use super::emitter::{ADDRESS, Emitter, FRAME, Known, STATUS, VALUE, local};
use super::layout::{self, Request, Status};
use super::module::{FIRST_FUNCTION, SERVICE};
use crate::helper;
use crate::image::Array;
use crate::isa::{PacketOffset, Pc, Reg, Size, Width};

/// `bpf_map_lookup_elem`
const LOOK_UP: i32 = 1;
/// `bpf_tail_call`
const TAIL_CALL: i32 = 12;
/// Bytes of a frame.
const FRAME_LEN: i32 = 512;

const ARGUMENTS: [Reg; 5] = [Reg::R1, Reg::R2, Reg::R3, Reg::R4, Reg::R5];

impl Emitter<'_> {
    pub(super) fn helper(&mut self, number: i32, pc: Pc) {
        if number == TAIL_CALL {
            return self.tail_call(pc);
        }
        if let Some(value) = helper::constant(number) {
            self.out().i64_const(value as i64);
            self.pop(Reg::R0, Width::W64);
            self.known[Reg::R0.index()] = Known::Constant(value);
            return;
        }
        match self.array(number) {
            Some(array) => self.look_up(array, pc),
            None => self.service(number, pc),
        }
    }

    /// Calls the host with r1 to r5; what goes wrong there leaves the function.
    fn service(&mut self, number: i32, pc: Pc) {
        self.call_host(number);
        self.leave_if_status(pc);
    }

    fn call_host(&mut self, number: i32) {
        let record = self.host.record as i32;
        self.out().i32_const(record).i32_const(number);
        for reg in ARGUMENTS {
            self.get(local(reg));
        }
        self.out().local_get(FRAME.0).call(SERVICE).local_set(local(Reg::R0).0);
        self.called();
    }

    fn leave_if_status(&mut self, pc: Pc) {
        let field = self.field(layout::STATUS);
        self.out().i32_const(0).i32_load(field).local_tee(STATUS.0);
        self.out().if_(BlockType::Empty);
        self.open();
        self.leave_as_is(pc);
        self.close();
    }

    /// A tail call: the host runs the other program to its end, whose value is this one's; or there is none, and
    /// this one goes on.
    fn tail_call(&mut self, pc: Pc) {
        self.store_budget();
        // A call that was not followed leaves r0 as it was.
        self.out().local_get(local(Reg::R0).0).local_set(VALUE.0);
        self.call_host(TAIL_CALL);
        let field = self.field(layout::STATUS);
        self.out().i32_const(0).i32_load(field).i32_const(layout::REPLACED).i32_eq();
        self.out().if_(BlockType::Empty);
        self.push(Reg::R0);
        self.out().i32_const(Status::Done as u64 as i32).return_().end();
        self.leave_if_status(pc);
        self.out().local_get(VALUE.0).local_set(local(Reg::R0).0);
    }

    /// A local function.
    pub(super) fn call(&mut self, slot: Option<usize>, pc: Pc) -> Result<(), Unsupported> {
        let Some(function) = slot.and_then(|slot| self.plan.function_at(slot)) else {
            return self.refuse(pc, "a call out of the program");
        };
        let shares_budget = self.counts && self.plan.functions[function].budget;
        if self.plan.counts_depth() {
            let field = self.field(layout::DEPTH);
            self.out().i32_const(0).i32_load(field).i32_eqz();
            self.leave_if(Status::CallDepth, pc);
            self.out().i32_const(0).i32_const(0).i32_load(field).i32_const(1).i32_sub().i32_store(field);
        }
        if shares_budget {
            self.store_budget();
        }
        for reg in ARGUMENTS {
            self.get(local(reg));
        }
        self.out().local_get(FRAME.0).i32_const(FRAME_LEN).i32_sub();
        self.out().call(FIRST_FUNCTION + function as u32).local_set(STATUS.0).local_set(local(Reg::R0).0);
        self.out().local_get(STATUS.0).if_(BlockType::Empty);
        self.open();
        // What went wrong did so there: its slot is in the record.
        let outermost = self.label(0);
        self.out().i32_const(-1).local_set(super::emitter::PC.0).br(outermost);
        self.close();
        if shares_budget {
            self.load_budget();
        }
        if self.plan.counts_depth() {
            let field = self.field(layout::DEPTH);
            self.out().i32_const(0).i32_const(0).i32_load(field).i32_const(1).i32_add().i32_store(field);
        }
        self.called();
        Ok(())
    }

    /// Legacy packet loads: r0 is the packet's bytes, or the program is over.
    pub(super) fn load_packet(
        &mut self,
        size: Size,
        at: PacketOffset,
        imm: i32,
        pc: Pc,
    ) -> Result<(), Unsupported> {
        let request = match size {
            Size::B => Request::PacketB,
            Size::H => Request::PacketH,
            Size::W => Request::PacketW,
            Size::Dw => return self.refuse(pc, "a packet load of 8 bytes"),
        };
        match at {
            PacketOffset::Absolute => {
                self.out().i64_const(imm.into());
            }
            PacketOffset::Indirect(reg) => {
                self.push32(reg);
                self.out().i64_extend_i32_s().i64_const(imm.into()).i64_add();
            }
        }
        // r1 to r5 are void afterwards.
        self.set(local(Reg::R1));
        self.service(request as i32, pc);
        Ok(())
    }

    /// The array that a call looks up in, where that is known.
    fn array(&self, helper: i32) -> Option<Array> {
        let Known::Constant(handle) = self.known[Reg::R1.index()] else { return None };
        let array = self.image.arrays().iter().find(|array| u64::from(array.handle) == handle)?;
        (helper == LOOK_UP).then_some(*array)
    }

    /// `bpf_map_lookup_elem` in an array: the value's address, or 0 past the end.
    fn look_up(&mut self, array: Array, pc: Pc) {
        self.load_key(pc);
        self.out().local_tee(ADDRESS.0).i32_const(array.len as i32).i32_lt_u();
        self.out().if_(BlockType::Result(ValType::I64));
        self.out().local_get(ADDRESS.0).i32_const(array.stride as i32).i32_mul();
        self.out().i32_const(array.base as i32).i32_add().i64_extend_i32_u();
        self.out().else_().i64_const(0).end().local_set(local(Reg::R0).0);
        self.called();
    }

    /// What a call leaves of what was known.
    fn called(&mut self) {
        for reg in [Reg::R0].into_iter().chain(ARGUMENTS) {
            self.known[reg.index()] = Known::Nothing;
        }
    }
}
