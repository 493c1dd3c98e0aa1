//! What a verifier is free to choose, and the running kernel chose: each a row, found by its counters and
//! log. `native/probes/policy.py` shows them on a kernel, by the names that they have here.

use core::fmt::Debug;

use crate::errno::Errno;

/// Constants, and the table of them all by their names.
macro_rules! rows {
    ($($(#[$doc:meta])* $name:ident: $type:ty = $value:expr;)*) => {
        $($(#[$doc])* pub const $name: $type = $value;)*
        /// Every row: its name and its value.
        pub const ROWS: &[(&str, &dyn Debug)] = &[$((stringify!($name), &$name)),*];
    };
}

rows! {
    /// Instructions that a program may take to verify (`BPF_COMPLEXITY_LIMIT_INSNS`).
    MAX_PROCESSED: u32 = 1_000_000;
    /// Sides of branches that may wait (`The sequence of 8193 jumps is too complex`).
    MAX_PENDING: usize = 8192;
    /// A state is kept at a place where states are compared when this many jumps …
    KEEP_AFTER_JUMPS: u32 = 2;
    /// … and this many instructions were walked since the last one was kept.
    KEEP_AFTER_INSNS: u32 = 8;
    /// In a loop whose earlier state is still being walked, a state is kept when this many jumps …
    KEEP_IN_LOOP_AFTER_JUMPS: u32 = 20;
    /// … or this many instructions were walked since the last one was kept.
    KEEP_IN_LOOP_AFTER_INSNS: u32 = 100;
    /// A state is kept when its path's history is longer than this.
    KEEP_AFTER_HISTORY: usize = 40;
    /// A kept state is dropped when it was missed more often than this many times its hits, and as many more.
    DROP_AFTER_MISSES: u32 = 3;
    /// The same at instructions where a state is always kept, while it is still being walked.
    DROP_AFTER_MISSES_AT_CHECKPOINT: u32 = 64;
    /// Registers and slots that can be tied together by one branch.
    MAX_LINKED: usize = 6;
    /// Pointers' offsets stay below this (`BPF_MAX_VAR_OFF`).
    MAX_OFFSET: i64 = 1 << 29;
    /// Packets' offsets stay at or below this (`MAX_PACKET_OFF`).
    MAX_PACKET_OFFSET: u64 = 0xffff;
    /// Times that the marks of a loop's ways back go round before everything is taken to matter.
    MAX_ROUNDS: u32 = 64;
    /// Bytes of stack that a function with a `may_goto` gets more, for its budget and its clock.
    MAY_GOTO_STACK: u32 = 16;
    /// Bytes of stack that a function with a `bpf_loop` made of instructions gets more, for three registers.
    INLINED_LOOP_STACK: u32 = 24;
    /// Program types whose functions have stacks of their own: kprobe, tracepoint, perf_event, raw_tracepoint. Of
    /// tracing programs those of raw tracepoints do too.
    PRIVATE_STACKS: &[u32] = &[2, 5, 7, 17];
    /// Errors that end a path which is walked by guess, where another would reject the program.
    ENDS_GUESS: &[Errno] = &[Errno::EPERM, Errno::EACCES, Errno::EINVAL];
    /// Which side of a conditional jump is walked first; the other waits. Of those that wait, the last one put
    /// aside is taken up next.
    BRANCH_ORDER: &str = "fall through first, last aside next";
    /// Times that ranges are deduced from each other after each operation.
    DEDUCTION_ROUNDS: usize = 3;
    /// Functions of a program (`BPF_MAX_SUBPROGS`).
    MAX_FUNCTIONS: usize = 256;
    /// Maps that a program refers to (`MAX_USED_MAPS`).
    MAX_MAPS: usize = 64;
    /// Frames of a chain of calls (`MAX_CALL_FRAMES`).
    MAX_FRAMES: usize = 8;
    /// Bytes of stack that a function has, and a chain of calls together (`MAX_BPF_STACK`).
    MAX_STACK: u32 = 512;
}
