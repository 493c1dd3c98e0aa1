//! The page that compiled code and its host share, and what the host does when it is called.

use glasshive::arena::Memory;
use glasshive::helper::{self, Call, RunContext};
use glasshive::interp::TrapKind;
use glasshive::isa::Size;
use glasshive::jit::x86_64::layout::{self, Request, Status};
use glasshive::resources::Resources;

use crate::memory::ReservedMemory;

/// The header page's fields; the first ones are compiled code's.
#[repr(C)]
pub struct Header {
    pub host_stack: u64,
    pub context: u64,
    pub frame: u64,
    pub budget: i64,
    pub pc: u64,
    pub service: unsafe extern "sysv64" fn(u64, u64, u64, u64, u64, *mut Header) -> Answer,
    pub number: i64,
    pub may_goto: i64,
    pub depth: i64,
    pub spill: [u64; 2],
    pub last: [u64; 4],
    pub second: u64,
    pub resources: *mut Resources<ReservedMemory>,
    pub run: *mut RunContext,
    pub trap: Option<TrapKind>,
}

macro_rules! laid_out {
    ($($field:ident: $offset:ident),*) => {
        const _: () = { $(assert!(std::mem::offset_of!(Header, $field) == layout::$offset as usize);)* };
    };
}
laid_out! {
    host_stack: HOST_STACK, context: CONTEXT, frame: FRAME, budget: BUDGET, pc: PC, service: SERVICE,
    number: NUMBER, may_goto: MAY_GOTO, depth: DEPTH, spill: SPILL, last: LAST, second: SECOND
}

/// A value in rax and a [`Status`] in rdx.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Answer {
    pub value: u64,
    pub status: u64,
}

fn answer(status: Status) -> Answer {
    Answer { value: 0, status: status as u64 }
}

/// What compiled code calls for helpers and packet loads: r1 to r5 and its header.
pub unsafe extern "sysv64" fn service(
    r1: u64,
    r2: u64,
    r3: u64,
    r4: u64,
    r5: u64,
    header: *mut Header,
) -> Answer {
    // SAFETY: compiled code gives its own header, which lives as long as the run; what it points to is
    // borrowed mutably by the run, which does not touch it meanwhile.
    let (header, resources, run) = unsafe { (&mut *header, &mut *(*header).resources, &mut *(*header).run) };
    // The code stores the low half alone.
    let number = header.number as i32;
    let packet = |size| load_packet(resources, run, r1 as i64, size);
    let result = match number {
        n if n == Request::PacketB as i32 => return packet(Size::B).unwrap_or(answer(Status::Over)),
        n if n == Request::PacketH as i32 => return packet(Size::H).unwrap_or(answer(Status::Over)),
        n if n == Request::PacketW as i32 => return packet(Size::W).unwrap_or(answer(Status::Over)),
        _ => helper::dispatch(number, &mut Call { args: [r1, r2, r3, r4, r5], resources, run }),
    };
    match result {
        Ok(value) => Answer { value, status: Status::Done as u64 },
        Err(fault) => {
            header.trap = Some(TrapKind::Helper(fault));
            answer(Status::Service)
        }
    }
}

/// A packet's bytes in network order; `None` past its end.
fn load_packet(
    resources: &Resources<ReservedMemory>,
    run: &RunContext,
    offset: i64,
    size: Size,
) -> Option<Answer> {
    let address = run.packet?.place(offset, size.bytes())?;
    let value = resources.arena.memory().load(address, size).ok()?;
    let value = value.swap_bytes() >> (64 - size.bits());
    Some(Answer { value, status: Status::Done as u64 })
}
