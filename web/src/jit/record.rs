//! The record that compiled code and its host share, and what the host does when it is called.

use super::Code;
use glasshive::arena::{Memory, VecMemory};
use glasshive::helper::{self, Call, HelperFault, RunContext};
use glasshive::interp::{Machine, Stop, Trap, TrapKind};
use glasshive::isa::{Pc, Size};
use glasshive::jit::wasm::layout::{self, REPLACED, Request, Status};
use glasshive::map::Reference;
use glasshive::resources::Resources;

/// `bpf_tail_call`
const TAIL_CALL: i32 = 12;
/// Tail calls of a run (bpf-helpers(7): 33).
const MAX_TAIL_CALLS: u32 = 33;
/// Times that a program may pass `may_goto`.
pub const MAY_GOTO: i64 = 1 << 23;
/// Calls within each other that a program may make.
pub const CALLS: u32 = 7;
/// Bytes of a frame.
const FRAME_LEN: u32 = 512;

/// The first fields are compiled code's.
#[repr(C, align(8))]
pub struct Record {
    pub context: u32,
    pub frame: u32,
    pub budget: i64,
    pub value: u64,
    pub second: u64,
    pub may_goto: i64,
    pub pc: u32,
    pub address: u32,
    pub status: i32,
    pub depth: u32,
    pub registers: [u64; 10],
    /// Where the first frame of the run ends.
    pub top: u32,
    pub tail_calls: u32,
    pub code: *const Code,
    pub resources: *mut Resources<VecMemory>,
    pub run: *mut RunContext,
    /// How the run ended, where a service knows better than the code.
    pub stop: Option<Stop>,
}

macro_rules! laid_out {
    ($($field:ident: $offset:ident),*) => {
        const _: () = { $(assert!(std::mem::offset_of!(Record, $field) == layout::$offset as usize);)* };
    };
}
laid_out! {
    context: CONTEXT, frame: FRAME, budget: BUDGET, value: VALUE, second: SECOND, may_goto: MAY_GOTO, pc: PC,
    address: ADDRESS, status: STATUS, depth: DEPTH, registers: REGISTERS
}

impl Record {
    /// Of no run.
    pub fn idle() -> Record {
        Record {
            context: 0,
            frame: 0,
            budget: 0,
            value: 0,
            second: 0,
            may_goto: MAY_GOTO,
            pc: 0,
            address: 0,
            status: 0,
            depth: CALLS,
            registers: [0; 10],
            top: 0,
            tail_calls: 0,
            code: std::ptr::null(),
            resources: std::ptr::null_mut(),
            run: std::ptr::null_mut(),
            stop: None,
        }
    }
}

/// What compiled code calls for helpers, tail calls and packet loads; the status is left in the record.
pub extern "C" fn service(
    record: *mut Record,
    number: i32,
    r1: u64,
    r2: u64,
    r3: u64,
    r4: u64,
    r5: u64,
    frame: u32,
) -> u64 {
    // SAFETY: compiled code gives its own record, which lives as long as the run and is touched by nobody else
    // meanwhile; what it points to is borrowed mutably by the run.
    let (record, resources, run) = unsafe { (&mut *record, &mut *(*record).resources, &mut *(*record).run) };
    let done = |status| status as u64 as i32;
    let (value, status) = match number {
        TAIL_CALL => return tail_call(record, resources, run, [r1, r2, r3], frame),
        n if n == Request::PacketB as i32 => load_packet(resources, run, r1 as i64, Size::B),
        n if n == Request::PacketH as i32 => load_packet(resources, run, r1 as i64, Size::H),
        n if n == Request::PacketW as i32 => load_packet(resources, run, r1 as i64, Size::W),
        _ => match helper::dispatch(number, &mut Call { args: [r1, r2, r3, r4, r5], resources, run }) {
            Ok(value) => (value, Status::Done),
            Err(fault) => {
                record.stop = Some(trap(TrapKind::Helper(fault)));
                (0, Status::Service)
            }
        },
    };
    record.status = done(status);
    value
}

/// A trap whose place the code knows.
fn trap(kind: TrapKind) -> Stop {
    Stop::Trap(Trap { pc: Pc(u32::MAX), kind })
}

/// A packet's bytes in network order; past its end the program is over.
fn load_packet(resources: &Resources<VecMemory>, run: &RunContext, offset: i64, size: Size) -> (u64, Status) {
    const OVER: (u64, Status) = (0, Status::Over);
    let Some(packet) = run.packet else { return OVER };
    let address = i64::from(packet.data) + offset;
    if offset < 0 || address + i64::from(size.bytes()) > i64::from(packet.end) {
        return OVER;
    }
    let loaded = resources.arena.memory().load(address as u64, size);
    loaded.map_or(OVER, |value| (value.swap_bytes() >> (64 - size.bits()), Status::Done))
}

/// `bpf_tail_call(context, map, index)`: runs the other program in the frame in hand, to its end.
fn tail_call(
    record: &mut Record,
    resources: &mut Resources<VecMemory>,
    run: &mut RunContext,
    [context, handle, index]: [u64; 3],
    frame: u32,
) -> u64 {
    record.status = Status::Done as u64 as i32;
    let Some(id) = resources.map_at(handle) else {
        record.stop = Some(trap(TrapKind::Helper(HelperFault::NoMap(handle))));
        record.status = Status::Service as u64 as i32;
        return 0;
    };
    let key = (index as u32).to_le_bytes();
    let reference = resources.reference(id, &key);
    let Some(Reference::Program(program)) = reference else { return 0 };
    let Some(image) = resources.images.get(&program).cloned() else { return 0 };
    if record.tail_calls == MAX_TAIL_CALLS {
        return 0;
    }
    // SAFETY: the run holds the code that it was started from.
    let code = unsafe { &*record.code };
    let depth = (record.top - frame) / FRAME_LEN;
    let stop = match code.get(&image) {
        Some(executable) if depth + executable.frames() <= CALLS + 1 => {
            let inner = Record {
                context: context as u32,
                frame,
                budget: record.budget,
                may_goto: record.may_goto,
                top: record.top,
                tail_calls: record.tail_calls + 1,
                code,
                resources,
                run,
                ..Record::idle()
            };
            let (stop, after) = executable.enter(&image, inner);
            (record.budget, record.may_goto) = (after.budget, after.may_goto);
            stop
        }
        Some(_) => trap(TrapKind::CallDepth),
        None => match Machine::new(&image, resources, context as u32) {
            Ok(mut machine) => {
                let stop = machine.run(&image, resources, run, record.budget.max(0) as u64);
                record.budget -= machine.executed as i64;
                machine.release(resources);
                stop
            }
            Err(_) => trap(TrapKind::CallDepth),
        },
    };
    match stop {
        Stop::Exit(value) => {
            record.status = REPLACED;
            value
        }
        stop => {
            record.stop = Some(stop);
            record.status = Status::Service as u64 as i32;
            0
        }
    }
}
