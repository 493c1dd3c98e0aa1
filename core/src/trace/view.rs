//! Plain data that a host shows: segments of the exploration, the state at a step, a rejection.
//!
//! Every type here is serialisable with the feature `serde` and holds no reference into the trace.

use alloc::string::String;
use alloc::vec::Vec;

/// The number of a walked instruction, in the order that the verifier walked: 0 is the first.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Step(pub u32);

/// The number of a [`Segment`], in the order that the verifier began them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SegmentId(pub u32);

/// The number of a state that the verifier kept for pruning.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct StateId(pub u32);

/// How a segment came to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Begin {
    /// The program's, or a global function's, first instruction.
    Entry,
    /// The side of a fork that was walked at once.
    Follow,
    /// The side of a fork that was put aside and taken up later.
    Resume,
    /// The verifier kept a state here and walked on.
    Checkpoint,
}

/// How a segment ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum End {
    /// A branch whose both sides have to be walked.
    Fork,
    /// A state was kept; the next segment goes on.
    Checkpoint,
    /// A kept state covers this one.
    Pruned {
        /// The state that covers it.
        by: StateId,
        /// Whether that state was still being walked: a loop that comes round to itself.
        looping: bool,
    },
    /// The program, or the global function, returned.
    Exit,
    /// A guessed path's end: the engine waits here for the real outcome.
    Barrier,
    /// The program was rejected here.
    Error,
    /// Stopped by the host, or still being walked.
    Open,
}

/// A node of the exploration tree: instructions walked in a row.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Segment {
    /// The segment that this one follows, `None` for an entry.
    pub parent: Option<SegmentId>,
    /// First step; the steps of a segment are consecutive.
    pub first: Step,
    /// Number of steps; 0 for a side of a fork that was pruned at its first instruction.
    pub len: u32,
    /// Slot of the first instruction.
    pub pc: u32,
    /// How it began.
    pub begin: Begin,
    /// A processor gets here by guess alone: the verifier, without `CAP_PERFMON`, looks at what it would do
    /// meanwhile. No run comes this way.
    pub guessed: bool,
    /// How it ended.
    pub end: End,
}

/// A state that the verifier kept.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct KeptState {
    /// The slot it was kept at.
    pub pc: u32,
    /// The step before which it was kept.
    pub step: Step,
    /// The segment that begins there.
    pub segment: SegmentId,
    /// How many paths it has covered.
    pub hits: u32,
}

/// The family of a value, which fixes its colour and glyph.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[allow(missing_docs)]
pub enum ValueKind {
    Uninitialised,
    Scalar,
    Context,
    Stack,
    Packet,
    Map,
    /// A kernel object, a function, memory of a helper.
    Object,
}

/// The set of numbers that a scalar, or a pointer's variable part, may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[allow(missing_docs)]
pub struct Range {
    pub umin: u64,
    pub umax: u64,
    pub smin: i64,
    pub smax: i64,
    pub u32_min: u32,
    pub u32_max: u32,
    pub s32_min: i32,
    pub s32_max: i32,
    /// Known bits: where `mask` is 0, the bit is that of `value`.
    pub value: u64,
    /// Unknown bits.
    pub mask: u64,
}

/// A register's or a stack slot's value.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Value {
    /// Its family.
    pub kind: ValueKind,
    /// In the kernel's notation, as its log prints it: `map_value(map=counts,ks=4,vs=8)`.
    pub text: String,
    /// In words: "0 to 255", "pointer to a value of map counts, 8 bytes".
    pub words: String,
    /// The numbers, for a scalar and for a pointer with a variable offset.
    pub range: Option<Range>,
    /// May be null.
    pub maybe_null: bool,
    /// The verifier relies on the exact value.
    pub precise: bool,
    /// Values with the same non-zero id are known to be related.
    pub id: u32,
}

/// A register of a frame.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RegisterView {
    /// 0 to 10.
    pub number: u8,
    /// What it holds.
    pub value: Value,
    /// Whether the step before changed it.
    pub changed: bool,
    /// Whether anything on some path still reads it.
    pub live: bool,
}

/// Eight bytes of a frame's stack.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SlotView {
    /// Offset from the frame pointer: -8, -16, …
    pub offset: i32,
    /// What it holds.
    pub value: Value,
    /// A character per byte, lowest address first, as the kernel's log has them: `?` unwritten, `r`
    /// spilled, `m` misc, `0` zero, `d` dynptr, `i` iterator, `f` irq flag.
    pub bytes: String,
    /// Whether the step before changed it.
    pub changed: bool,
}

/// One call frame.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct FrameView {
    /// 0 is the program's own.
    pub number: u32,
    /// The slot of the call that made it, `None` for frame 0.
    pub call_site: Option<u32>,
    /// r0 to r10.
    pub registers: Vec<RegisterView>,
    /// Slots that hold anything, -8 first.
    pub slots: Vec<SlotView>,
}

/// Everything the verifier knows before a step.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct StateView {
    /// The step about to be walked.
    pub step: Step,
    /// Its slot.
    pub pc: u32,
    /// Its segment.
    pub segment: SegmentId,
    /// The frames, the program's own first; the last is the current one.
    pub frames: Vec<FrameView>,
    /// References held, as `id=2 from insn 14`.
    pub references: Vec<String>,
}

/// Why a program was rejected, as data (Linux 7.3's shape: reason, at, causal path, suggestion).
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Diagnostic {
    /// One sentence in plain words.
    pub reason: String,
    /// The kernel's own line.
    pub message: String,
    /// The slot of the instruction, where there is one.
    pub pc: Option<u32>,
    /// The step, where the program was walked at all.
    pub step: Option<Step>,
    /// The register that was at fault.
    pub register: Option<u8>,
    /// Steps that gave the offending value its type and range, oldest first, each with a phrase.
    pub path: Vec<Cause>,
    /// What would have had to hold.
    pub required: String,
    /// What to change, in a sentence, and the edit where one can be made.
    pub suggestion: Option<Suggestion>,
}

/// A step in the history of a value.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Cause {
    /// Which step.
    pub step: Step,
    /// Its slot.
    pub pc: u32,
    /// What it did to the value: "r0 = the value of the look-up in map counts, or null".
    pub what: String,
}

/// A change that would answer the rejection.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Suggestion {
    /// In words: "Check r0 for null before it is used."
    pub text: String,
    /// Assembly to insert before slot `at`, with `goto` targets as labels where it needs one; empty where
    /// no mechanical edit is known.
    pub insert: Vec<String>,
    /// The slot before which to insert.
    pub at: u32,
}

/// A register or stack slot of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Place {
    /// A register.
    Register {
        /// The frame; 0 is the program's own.
        frame: u32,
        /// 0 to 10.
        number: u8,
    },
    /// Eight bytes of the stack.
    Slot {
        /// The frame; 0 is the program's own.
        frame: u32,
        /// Offset from the frame pointer: -8, -16, …
        offset: i32,
    },
}

/// A kept state that a path was compared with, and that does not cover it.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Miss {
    /// The kept state.
    pub state: StateId,
    /// What was in the way; `None` where the calls or the references differ.
    pub blocked: Option<Blocked>,
}

/// What kept a state from covering a path.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Blocked {
    /// Where the two differ.
    pub place: Place,
    /// What the kept state has there.
    pub kept: Value,
    /// What the path has there.
    pub path: Value,
}

/// A number whose exact value an instruction relied on.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Reliance {
    /// The number, before the step.
    pub place: Place,
    /// The steps that made it what it is, oldest first.
    pub through: Vec<Cause>,
}

/// How a kept state covers a path.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Covering {
    /// The kept state.
    pub by: StateId,
    /// The step before which it was kept.
    pub step: Step,
    /// The slot at which the two meet.
    pub pc: u32,
    /// Registers, then slots of the stack, frame by frame: those that either of the two holds anything in.
    pub rows: Vec<Covered>,
}

/// A place of two states that are compared.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Covered {
    /// Which.
    pub place: Place,
    /// What the kept state has there.
    pub kept: Value,
    /// What the path has there.
    pub path: Value,
    /// Why that is covered.
    pub how: Cover,
}

/// Why what a path has in a place is covered by what a kept state has there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Cover {
    /// Both have the same.
    Same,
    /// All that the path may have is among what the kept state may have.
    Within,
    /// No path from the kept state relies on the exact number.
    Inexact,
    /// No path from the kept state reads it.
    Unread,
    /// By its type; offsets and identities match.
    Compatible,
}
