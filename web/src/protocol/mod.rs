//! What the page and its worker say to each other: postcard frames in transferred buffers.
//!
//! The page asks with [`Request`]s, the worker answers with [`Event`]s. Everything that belongs to an
//! opened document carries its generation, so that an answer to an older question is known as such.

mod graph;
mod tree;

pub use graph::{Block, BlockRow, Edge, Graph};
pub use tree::{NONE, NodeKind, Tree};

use glasshive::trace::view::{Blocked, Cause, Covering, Diagnostic, Place, Reliance, StateView};
use serde::{Deserialize, Serialize};

/// Which build this is; the page refuses a worker of another.
pub const BUILD: &str = concat!(env!("CARGO_PKG_VERSION"), "+1");

/// What a program comes from.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Document {
    /// Text in the kernel log's syntax, with directives.
    Assembly {
        /// The text.
        text: String,
    },
    /// An object file.
    Object {
        /// Its file's name.
        name: String,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// A C program, which the page compiles before the worker opens it.
    C {
        /// The text.
        text: String,
        /// The object that the text compiles to, once it is there.
        object: Option<Vec<u8>>,
    },
}

/// A change of the system, in the order that the user made them. Replayed, they give the same maps.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Action {
    /// Write an entry of a map.
    Update {
        /// The map's name.
        map: String,
        /// Its key's bytes.
        key: Vec<u8>,
        /// The new value's bytes.
        value: Vec<u8>,
    },
    /// Delete an entry of a map.
    Delete {
        /// The map's name.
        map: String,
        /// Its key's bytes.
        key: Vec<u8>,
    },
    /// Run the program on a packet, or on a context for a program without packets.
    Run {
        /// The packet.
        data: Vec<u8>,
    },
}

/// What the page asks.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Request {
    /// Read a document, make its maps, verify one of its programs, then replay the actions.
    Open {
        /// Names this question and all that follows from it.
        generation: u32,
        /// What to open.
        document: Document,
        /// Index of the program to verify.
        program: u32,
        /// What to do once it is accepted.
        actions: Vec<Action>,
    },
    /// Stop verifying; what was explored so far is shown.
    Stop,
    /// The state before a step.
    State {
        /// Which step.
        step: u32,
    },
    /// The next step, from `after` on and round to the beginning, that was walked at a slot.
    Find {
        /// The slot.
        pc: u32,
        /// The step to look behind.
        after: u32,
    },
    /// Lines of the verifier's log.
    Log {
        /// First line, from 0.
        first: u32,
        /// How many.
        count: u32,
    },
    /// Rows of a map.
    Rows {
        /// Index of the map.
        map: u32,
        /// First row, from 0.
        first: u32,
        /// How many.
        count: u32,
        /// Also entries whose value is all zero, which an array is full of.
        zeros: bool,
    },
    /// Change the system.
    Act(Action),
    /// Go to a point of the concrete run.
    Seek {
        /// Number of instructions run before that point.
        at: u32,
    },
    /// The control-flow graph, with what was spent where.
    Graph,
    /// The blocks and edges that the verifier went through to come to a step.
    Route {
        /// Which step.
        step: u32,
    },
    /// The nodes in which an instruction was walked whose text has these words, or whose slot is this number.
    Search {
        /// What is searched for.
        text: String,
    },
    /// Fold away what is below these nodes, and nothing else.
    Fold {
        /// The nodes, ascending.
        folded: Vec<u32>,
    },
    /// How the state that covers a pruned node compares with its path.
    Covering {
        /// The node.
        node: u32,
    },
    /// The steps that made what a place holds before a step.
    History {
        /// Which step.
        step: u32,
        /// Which place.
        place: Place,
    },
    /// Go on in the concrete run until it comes to a slot, or a register changes.
    Travel {
        /// Backwards.
        back: bool,
        /// Slots to stop at.
        slots: Vec<u32>,
        /// Registers whose change to stop at, by bit.
        registers: u16,
    },
    /// Every entry of a map.
    Export {
        /// Index of the map.
        map: u32,
    },
    /// The words that the editor completes.
    Words,
    /// The program as assembly text, with lines inserted before a slot.
    Fork {
        /// The lines, empty for the program as it is.
        insert: Vec<String>,
        /// Before which slot.
        at: u32,
    },
}

/// What the worker answers.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Event {
    /// The worker is there; nothing may be sent before.
    Ready {
        /// Its [`BUILD`].
        build: String,
    },
    /// The document can't be read.
    Refused {
        /// Whose.
        generation: u32,
        /// What is wrong with it, in order.
        problems: Vec<Problem>,
    },
    /// The document was read; verification begins.
    Opened {
        /// Whose.
        generation: u32,
        /// What is in it.
        program: Box<Program>,
    },
    /// Still verifying.
    Progress {
        /// Whose.
        generation: u32,
        /// Instructions walked so far.
        walked: u32,
    },
    /// Verification is over.
    Verified {
        /// Whose.
        generation: u32,
        /// How it ended.
        outcome: Box<Outcome>,
    },
    /// Answers [`Request::State`].
    State {
        /// Whose.
        generation: u32,
        /// The state.
        view: Box<StateView>,
        /// The log's line that belongs to the step.
        line: Option<u32>,
        /// The numbers whose exact values the step relies on, and where each came from.
        reliance: Vec<Reliance>,
        /// Kept states that were tried before the step, and do not cover it.
        misses: Vec<Missed>,
    },
    /// Answers [`Request::Export`].
    Exported {
        /// Whose.
        generation: u32,
        /// Index of the map.
        map: u32,
        /// Keys and values.
        entries: Vec<(Vec<u8>, Vec<u8>)>,
    },
    /// Answers [`Request::Words`].
    Words {
        /// The words.
        words: Vec<Word>,
    },
    /// Answers [`Request::Graph`].
    Graph {
        /// Whose.
        generation: u32,
        /// The graph.
        graph: Box<Graph>,
    },
    /// Answers [`Request::Route`].
    Route {
        /// Whose.
        generation: u32,
        /// The step.
        step: u32,
        /// Blocks, in the order in which the verifier first came to them.
        blocks: Vec<u32>,
        /// Edges, likewise.
        edges: Vec<u32>,
    },
    /// Answers [`Request::Search`].
    Hits {
        /// Whose.
        generation: u32,
        /// What was searched for.
        text: String,
        /// The nodes, ascending.
        nodes: Vec<u32>,
    },
    /// Answers [`Request::Fold`]: the tree's columns that change.
    Placed {
        /// Whose.
        generation: u32,
        /// As [`Tree::folded`].
        folded: Vec<u32>,
        /// As [`Tree::hidden`].
        hidden: Vec<bool>,
        /// As [`Tree::x`].
        x: Vec<f32>,
        /// As [`Tree::depth`].
        depth: u32,
        /// As [`Tree::width`].
        width: f32,
    },
    /// Answers [`Request::Covering`].
    Covering {
        /// Whose.
        generation: u32,
        /// The node.
        node: u32,
        /// The comparison; `None` where the node was not pruned.
        covering: Option<Box<Covering>>,
    },
    /// Answers [`Request::History`].
    History {
        /// Whose.
        generation: u32,
        /// Of which place.
        place: Place,
        /// The steps, oldest first.
        causes: Vec<Cause>,
    },
    /// Answers [`Request::Find`].
    Found {
        /// Whose.
        generation: u32,
        /// The step; `None` where the slot was never walked.
        step: Option<u32>,
    },
    /// Answers [`Request::Log`].
    Log {
        /// Whose.
        generation: u32,
        /// Number of the first line.
        first: u32,
        /// The lines.
        lines: Vec<LogLine>,
    },
    /// A map may have changed: what is shown of it is to be asked for again.
    Touched {
        /// Whose.
        generation: u32,
    },
    /// Answers [`Request::Rows`].
    Rows {
        /// Whose.
        generation: u32,
        /// Index of the map.
        map: u32,
        /// Number of entries there are.
        total: u32,
        /// Number of the first row.
        first: u32,
        /// The rows.
        rows: Vec<Row>,
    },
    /// Answers [`Request::Act`] where the system refused it.
    ActionFailed {
        /// Whose.
        generation: u32,
        /// Why, with the error's name.
        message: String,
    },
    /// Where the concrete run is.
    Run {
        /// Whose.
        generation: u32,
        /// The point.
        run: Box<RunView>,
    },
    /// Answers [`Request::Fork`].
    Forked {
        /// Whose.
        generation: u32,
        /// The text.
        text: String,
    },
}

/// Something wrong with a document.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Problem {
    /// Line of the text, from 1; 0 where it is none of a line.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl Problem {
    /// Whether it is a compiler's warning or note: the document can be opened all the same.
    pub fn is_advice(&self) -> bool {
        self.message.contains("warning: ") || self.message.contains("note: ")
    }
}

/// What a document holds.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Program {
    /// Every program of the document.
    pub choices: Vec<Choice>,
    /// Index of the one that is shown.
    pub chosen: u32,
    /// Its type's uapi name.
    pub program_type: String,
    /// Its licence.
    pub license: String,
    /// Its instructions, one entry for each, a two-slot one too.
    pub listing: Vec<Instruction>,
    /// The lines of source that instructions refer to.
    pub source: Vec<SourceLine>,
    /// Its maps.
    pub maps: Vec<Map>,
    /// What it can be run on.
    pub input: Input,
}

/// A program of a document.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Choice {
    /// Its function's name.
    pub name: String,
    /// Its section.
    pub section: String,
}

/// An instruction as the page lists it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Instruction {
    /// Its first slot.
    pub pc: u32,
    /// In the log's syntax.
    pub text: String,
    /// Index into [`Program::source`].
    pub source: Option<u32>,
    /// The function that begins here.
    pub function: Option<String>,
}

/// A line of source.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SourceLine {
    /// The file, as the compiler named it, without folders; empty for the document's own text.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// The line.
    pub text: String,
}

/// A map of a program.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Map {
    /// Its name.
    pub name: String,
    /// Its type's uapi name.
    pub map_type: String,
    /// Bytes of a key.
    pub key_size: u32,
    /// Bytes of a value.
    pub value_size: u32,
    /// Most entries.
    pub max_entries: u32,
    /// Whether entries come and go: not so in an array.
    pub deletes: bool,
    /// Whether the user may write it.
    pub writable: bool,
}

/// What a program can be run on.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Input {
    /// A packet.
    #[default]
    Packet,
    /// A context's bytes.
    Context,
    /// Nothing: the program type has no test run.
    None {
        /// In words, with the error's name.
        why: String,
    },
}

/// How a verification ended.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// Accepted, rejected or stopped.
    pub verdict: Verdict,
    /// One sentence.
    pub sentence: String,
    /// Number of steps walked.
    pub steps: u32,
    /// Number of lines of the log.
    pub lines: u32,
    /// What the verifier counted.
    pub stats: Stats,
    /// What it explored.
    pub tree: Tree,
    /// How often each slot was walked.
    pub visits: Vec<u32>,
    /// Why it was rejected.
    pub diagnostic: Option<Diagnostic>,
}

/// Accepted, rejected or stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Verdict {
    /// The program may run.
    Accepted,
    /// It may not.
    Rejected,
    /// The user stopped the verifier before it knew.
    Stopped,
}

/// What the verifier counted, as the kernel's last log line has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Stats {
    pub processed: u32,
    pub limit: u32,
    pub max_states_per_insn: u32,
    pub total_states: u32,
    pub peak_states: u32,
    /// Milliseconds that the exploration took here.
    pub milliseconds: u32,
}

/// A word that the editor completes and explains.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Word {
    /// `helper`, `program`, `map` or `constant`.
    pub kind: String,
    /// The word.
    pub name: String,
    /// A few words on it.
    pub detail: String,
    /// More; a constant's value.
    pub info: String,
}

/// How a concrete run was found against what the verifier claimed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Claimed {
    /// So many values were inside their claims, and none outside.
    Kept(u32),
    /// The first that was not.
    Broken(String),
    /// The run was too long to be looked through.
    Unknown,
}

/// A kept state that was tried in vain.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Missed {
    /// The step before which it was kept.
    pub step: u32,
    /// The node that begins with it.
    pub node: u32,
    /// What was in the way; `None` where the calls or the references differ.
    pub blocked: Option<Blocked>,
}

/// A line of the log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LogLine {
    /// The line.
    pub text: String,
    /// The step that it belongs to.
    pub step: Option<u32>,
}

/// An entry of a map.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Row {
    /// Its key.
    pub key: Vec<u8>,
    /// Its value.
    pub value: Vec<u8>,
    /// The value before the last action, where that changed it; empty where there was no such entry.
    pub before: Option<Vec<u8>>,
}

/// A point of a concrete run.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RunView {
    /// Number of instructions run before this point.
    pub at: u32,
    /// Number of instructions that the whole run takes.
    pub length: u32,
    /// The slot about to be run, `None` at the end.
    pub pc: Option<u32>,
    /// r0 to r10.
    pub registers: [u64; 11],
    /// A bit per register: whether the instruction before changed it.
    pub changed: u16,
    /// Depth of local calls; 0 in the program's own frame.
    pub frame: u32,
    /// What the whole run ends with.
    pub end: RunEnd,
    /// Segments of the exploration that the run went through up to here.
    pub path: Vec<u32>,
    /// The verifier's step of the instruction about to be run, where the run is on a path that it walked.
    pub step: Option<u32>,
    /// How the whole run was found against what the verifier claimed.
    pub claimed: Claimed,
    /// What the program printed.
    pub printed: Vec<String>,
    /// The packet at this point.
    pub packet: Vec<u8>,
}

/// What a run ends with.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum RunEnd {
    /// It returned.
    Returned {
        /// r0's lower 32 bits.
        value: u32,
        /// What the program type calls that value: `XDP_DROP`.
        name: Option<String>,
    },
    /// It was stopped by a fault or by its budget.
    Failed {
        /// In words.
        message: String,
    },
}

/// A message as a frame.
pub fn encode<T: Serialize>(message: &T) -> Vec<u8> {
    // Nothing here has a length that is not known beforehand, the only thing that can't be written.
    postcard::to_allocvec(message).unwrap_or_default()
}

/// A frame as a message.
///
/// # Errors
/// Where it is no such message: the other side is of another build.
pub fn decode<'a, T: Deserialize<'a>>(frame: &'a [u8]) -> Result<T, String> {
    postcard::from_bytes(frame).map_err(|error| format!("a message that this build does not know: {error}"))
}
