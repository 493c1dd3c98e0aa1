//! What the verifier knows at one point of one path.

use alloc::vec::Vec;

use super::domain::Scalar;
use super::live_stack::InstanceId;
use super::register::{Kind, Register};
use super::sections::{LockOwner, Sections};
use crate::isa::{Pc, Reg};

pub use super::policy::{MAX_FRAMES, MAX_STACK};
pub use crate::trace::view::StateId;

/// Eight-byte slots of one frame's stack.
pub const MAX_SLOTS: usize = 64;

/// One byte of the stack.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Byte {
    /// Not written.
    Invalid,
    /// Part of a spilled register.
    Spill,
    /// Written with something.
    Misc,
    /// Written with zero.
    Zero,
    /// Part of a dynptr.
    Dynptr,
    /// Part of an iterator.
    Iterator,
    /// Part of a saved interrupt flag.
    Interrupts,
}

impl Byte {
    /// Whether it is part of an object that calls alone may touch.
    #[inline]
    pub fn is_object(self) -> bool {
        matches!(self, Byte::Dynptr | Byte::Iterator | Byte::Interrupts)
    }

    /// The kernel log's character.
    pub fn character(self) -> char {
        match self {
            Byte::Invalid => '?',
            Byte::Spill => 'r',
            Byte::Misc => 'm',
            Byte::Zero => '0',
            Byte::Dynptr => 'd',
            Byte::Iterator => 'i',
            Byte::Interrupts => 'f',
        }
    }
}

/// Eight bytes of the stack. Bytes are kept from the highest address down, as the kernel's log shows them:
/// index 7 is the slot's lowest byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Slot {
    /// The bytes.
    pub bytes: [Byte; 8],
    /// The spilled register, where byte 7 is [`Byte::Spill`].
    pub spilled: Register,
}

impl Slot {
    /// Nothing written.
    pub const EMPTY: Slot = Slot { bytes: [Byte::Invalid; 8], spilled: Register::UNINITIALISED };

    /// Whether it holds a spilled register, whole or in part.
    #[inline]
    pub fn is_spill(&self) -> bool {
        self.bytes[7] == Byte::Spill
    }

    /// Whether it holds a whole spilled scalar or pointer.
    #[inline]
    pub fn is_full_spill(&self) -> bool {
        self.bytes[0] == Byte::Spill
    }

    /// Whether it holds a spilled scalar.
    #[inline]
    pub fn is_spilled_scalar(&self) -> bool {
        self.is_spill() && self.spilled.is_scalar()
    }

    /// Whether it was written to at all.
    #[inline]
    pub fn is_written(&self) -> bool {
        self.bytes.iter().any(|b| *b != Byte::Invalid)
    }

    /// Whether it holds more than bytes.
    #[inline]
    pub fn is_special(&self) -> bool {
        self.is_spill() || self.bytes[7].is_object()
    }

    /// Turns the bytes of a spill or an object into unknown ones, and the zeros beside them.
    pub fn scrub(&mut self) {
        for byte in self.bytes.iter_mut().filter(|b| **b != Byte::Invalid) {
            *byte = Byte::Misc;
        }
        self.spilled = Register::UNINITIALISED;
    }
}

/// One call frame.
#[derive(PartialEq, Debug)]
pub struct Frame {
    /// r0 to r10.
    pub registers: [Register; Reg::COUNT],
    /// The stack from the top: slot 0 is fp-8.
    pub stack: Vec<Slot>,
    /// The slot of the call that made it.
    pub call_site: Option<Pc>,
    /// Index of its function.
    pub function: u16,
    /// The function as this chain of calls reaches it.
    pub instance: InstanceId,
    /// It was called back by a helper.
    pub callback: Option<CallbackFrame>,
    /// Times that the call which this frame is at called back.
    pub callback_depth: u32,
}

/// How a function is called back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CallbackFrame {
    /// It runs later, not within the call.
    pub later: bool,
    /// What it has to return, from the first to the second.
    pub returns: (i64, i64),
}

/// As derived, but that an old frame's room is used again.
impl Clone for Frame {
    fn clone(&self) -> Frame {
        let Frame { registers, stack, call_site, function, instance, callback, callback_depth } = self;
        Frame {
            registers: *registers,
            stack: stack.clone(),
            call_site: *call_site,
            function: *function,
            instance: *instance,
            callback: *callback,
            callback_depth: *callback_depth,
        }
    }

    fn clone_from(&mut self, source: &Frame) {
        let Frame { registers, stack, call_site, function, instance, callback, callback_depth } = source;
        self.stack.clone_from(stack);
        self.registers = *registers;
        self.call_site = *call_site;
        self.function = *function;
        self.instance = *instance;
        self.callback = *callback;
        self.callback_depth = *callback_depth;
    }
}

impl Frame {
    /// A frame in which only r10 is readable.
    pub fn new(number: u8, function: u16, call_site: Option<Pc>) -> Frame {
        let mut registers = [Register::UNINITIALISED; Reg::COUNT];
        registers[Reg::FP.index()] = Register::pointer(Kind::Stack { frame: number });
        Frame {
            registers,
            stack: Vec::new(),
            call_site,
            function,
            instance: InstanceId::default(),
            callback: None,
            callback_depth: 0,
        }
    }

    /// Makes the stack reach down to a slot.
    pub fn reach(&mut self, slot: usize) {
        if self.stack.len() <= slot {
            self.stack.resize(slot + 1, Slot::EMPTY);
        }
    }

    /// A slot where it lies, empty where none was written.
    #[inline]
    pub fn peek(&self, slot: usize) -> &Slot {
        self.stack.get(slot).unwrap_or(&Slot::EMPTY)
    }

    /// A slot, empty where none was written.
    #[inline]
    pub fn slot(&self, slot: usize) -> Slot {
        self.stack.get(slot).copied().unwrap_or(Slot::EMPTY)
    }
}

/// A reference that the program holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reference {
    /// The id that values of it carry.
    pub id: u32,
    /// The instruction that acquired it.
    pub acquired: Pc,
    /// What it is.
    pub kind: ReferenceKind,
    /// What a lock is in.
    pub owner: Option<LockOwner>,
}

/// What a path has to give back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReferenceKind {
    /// An object.
    Object,
    /// A saved interrupt flag, by what saved it.
    Interrupts,
    /// A spin lock.
    Lock,
    /// A resilient spin lock.
    ResilientLock,
    /// A resilient spin lock, with interrupts off.
    ResilientLockInterrupts,
}

/// One entry of a path's history: an instruction that was reached by a jump, or that says more than its
/// bytes do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Step {
    /// The instruction.
    pub pc: Pc,
    /// The one before it.
    pub previous: Pc,
    /// It read or wrote a stack slot: the frame and the slot.
    pub stack: Option<(u8, u8)>,
    /// Registers and slots that it tied together: index into the verifier's table.
    pub linked: Option<u32>,
    /// Which operands of a comparison point into the stack: [`StackOperands`].
    pub stack_operands: u8,
}

/// Bits of [`Step::stack_operands`].
pub struct StackOperands;

#[allow(missing_docs)]
impl StackOperands {
    pub const DST: u8 = 1;
    pub const SRC: u8 = 2;
}

/// Everything that is known at one point of one path.
#[derive(Debug)]
pub struct State {
    /// The frames, the program's own first.
    pub frames: Vec<Frame>,
    /// The references held.
    pub references: Vec<Reference>,
    /// Paths that are still being walked from here.
    pub branches: u32,
    /// The kept state that this one grew from.
    pub parent: Option<StateId>,
    /// The instruction that the state is at.
    pub pc: Pc,
    /// The first instruction since `parent`.
    pub first: Pc,
    /// The last instruction walked.
    pub last: Pc,
    /// Jumps and stack accesses since `parent`.
    pub history: Vec<Step>,
    /// The sections that it is in.
    pub sections: Sections,
    /// Times that `may_goto` was passed.
    pub may_goto_depth: u32,
    /// A processor gets here by guess alone.
    pub speculative: bool,
}

/// As derived, but that an old state's room is used again.
impl Clone for State {
    fn clone(&self) -> State {
        let mut state = State::empty();
        state.clone_from(self);
        state
    }

    fn clone_from(&mut self, source: &State) {
        let State {
            frames,
            references,
            branches,
            parent,
            pc,
            first,
            last,
            history,
            sections,
            may_goto_depth,
            speculative,
        } = source;
        self.frames.clone_from(frames);
        self.references.clone_from(references);
        self.history.clone_from(history);
        self.branches = *branches;
        self.parent = *parent;
        self.pc = *pc;
        self.first = *first;
        self.last = *last;
        self.sections = *sections;
        self.may_goto_depth = *may_goto_depth;
        self.speculative = *speculative;
    }
}

impl State {
    /// Nothing: room for a copy.
    fn empty() -> State {
        State {
            frames: Vec::new(),
            references: Vec::new(),
            branches: 1,
            parent: None,
            pc: Pc(0),
            first: Pc(0),
            last: Pc(0),
            history: Vec::new(),
            sections: Sections::default(),
            may_goto_depth: 0,
            speculative: false,
        }
    }

    /// The state in which a program begins.
    pub fn entry() -> State {
        State { frames: alloc::vec![Frame::new(0, 0, None)], ..State::empty() }
    }

    /// The number of the current frame.
    #[inline]
    pub fn current(&self) -> usize {
        self.frames.len() - 1
    }
    /// The current frame.
    #[inline]
    pub fn frame(&self) -> &Frame {
        &self.frames[self.current()]
    }
    /// The current frame, to change.
    #[inline]
    pub fn frame_mut(&mut self) -> &mut Frame {
        let current = self.current();
        &mut self.frames[current]
    }
    /// A register of the current frame.
    #[inline]
    pub fn register(&self, reg: Reg) -> &Register {
        &self.frame().registers[reg.index()]
    }
    /// A register of the current frame, to change.
    #[inline]
    pub fn register_mut(&mut self, reg: Reg) -> &mut Register {
        &mut self.frame_mut().registers[reg.index()]
    }

    /// Calls `each` for every register and every spilled one, of all frames.
    pub fn each_register(&mut self, mut each: impl FnMut(&mut Register)) {
        for frame in &mut self.frames {
            frame.registers.iter_mut().for_each(&mut each);
            frame.stack.iter_mut().filter(|s| s.is_spill()).for_each(|s| each(&mut s.spilled));
        }
    }

    /// Replaces what `which` picks by unknown numbers, as after a helper that moves the packet.
    pub fn forget(&mut self, which: impl Fn(&Register) -> bool) {
        self.each_register(|r| {
            if which(r) {
                *r = Register { var: Scalar::UNKNOWN, ..Register::UNKNOWN };
            }
        });
    }
}
