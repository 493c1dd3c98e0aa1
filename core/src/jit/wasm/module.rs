//! The module around the functions.

use alloc::vec;
use alloc::vec::Vec;
use wasm_encoder::{
    CodeSection, EntityType, ExportKind, ExportSection, Function, FunctionSection, ImportSection, MemoryType,
    TypeSection, ValType,
};

use super::emitter::{Emitter, LOCALS};
use super::graph::Graph;
use super::{Host, Module, Unsupported, layout};
use crate::image::Image;
use crate::isa::Pc;

/// Index of the host's function.
pub(super) const SERVICE: u32 = 0;
/// Index of the program's entry, which the host calls.
const ENTRY: u32 = 1;
/// Index of the program's first function.
pub(super) const FIRST_FUNCTION: u32 = 2;
/// Most frames of a call chain, the program's own among them.
const MAX_FRAMES: u32 = 8;
/// Bytes that a function may have (engines' limit).
const MOST_BYTES: usize = 7_654_321;

/// A function of the program.
pub(super) struct Planned {
    start: usize,
    end: usize,
    graph: Graph,
    callees: Vec<usize>,
    /// It, or what it calls, counts the budget.
    pub(super) budget: bool,
}

/// What is known before code is emitted.
pub(super) struct Plan {
    pub(super) functions: Vec<Planned>,
    /// The first function, from the slot on where a run is taken over.
    resumed: Option<Planned>,
    frames: u32,
}

impl Plan {
    fn new(image: &Image, from: Option<Pc>) -> Result<Plan, Unsupported> {
        let insns = image.insns();
        let starts = image.functions().iter().map(|f| f.start.index()).filter(|start| *start < insns.len());
        let starts: Vec<usize> = starts.collect();
        if starts.first() != Some(&0) {
            return Err(Unsupported { pc: Pc(0), what: "a program without instructions" });
        }
        let ends = starts.iter().skip(1).copied().chain([insns.len()]);
        let mut plan = Plan { functions: Vec::with_capacity(starts.len()), resumed: None, frames: 1 };
        for (&start, end) in starts.iter().zip(ends) {
            let graph = Graph::new(insns, start, end, start)?;
            let budget = graph.has_loops();
            plan.functions.push(Planned { start, end, graph, callees: Vec::new(), budget });
        }
        // A function that does not begin where others call it comes last.
        if let Some(from) = from {
            let (start, end) = (plan.functions[0].start, plan.functions[0].end);
            let graph = Graph::new(insns, start, end, from.index())?;
            let budget = graph.has_loops();
            plan.resumed = Some(Planned { start, end, graph, callees: Vec::new(), budget });
        }
        for at in 0..plan.functions.len() {
            let calls = plan.functions[at].graph.calls.iter();
            let callees = calls.filter_map(|slot| plan.function_at(usize::try_from(*slot).ok()?)).collect();
            plan.functions[at].callees = callees;
        }
        plan.settle();
        Ok(plan)
    }

    /// Carries budgets up the calls, and finds how deep these can get.
    fn settle(&mut self) {
        let mut changed = true;
        while changed {
            changed = false;
            for at in 0..self.functions.len() {
                let row = &self.functions[at];
                if !row.budget && row.callees.iter().any(|callee| self.functions[*callee].budget) {
                    self.functions[at].budget = true;
                    changed = true;
                }
            }
        }
        let mut depth = vec![1_u32; self.functions.len()];
        for _ in 0..=MAX_FRAMES {
            for (at, row) in self.functions.iter().enumerate() {
                for callee in &row.callees {
                    depth[*callee] = depth[*callee].max(depth[at].saturating_add(1));
                }
            }
        }
        self.frames = depth.into_iter().max().unwrap_or(1);
    }

    /// The function that begins at a slot.
    pub(super) fn function_at(&self, slot: usize) -> Option<usize> {
        self.functions.binary_search_by_key(&slot, |f| f.start).ok()
    }

    /// Whether call chains have to be counted while they run.
    pub(super) fn counts_depth(&self) -> bool {
        self.frames > MAX_FRAMES
    }
}

pub(super) fn compile(image: &Image, host: Host, from: Option<Pc>) -> Result<Module, Unsupported> {
    use ValType::{I32, I64};
    let plan = Plan::new(image, from)?;
    if u64::from(host.base) + u64::from(host.capacity) > 1 << 32 {
        return Err(Unsupported { pc: Pc(0), what: "an arena past the end of the memory" });
    }
    let mut types = TypeSection::new();
    types.ty().function([I32, I32, I64, I64, I64, I64, I64, I32], [I64]);
    types.ty().function([], [I32]);
    types.ty().function([I64, I64, I64, I64, I64, I32], [I64, I32]);
    let mut imports = ImportSection::new();
    let memory =
        MemoryType { minimum: 0, maximum: None, memory64: false, shared: false, page_size_log2: None };
    imports.import(layout::NAMESPACE, layout::MEMORY, memory);
    imports.import(layout::NAMESPACE, layout::SERVICE, EntityType::Function(0));
    let mut functions = FunctionSection::new();
    functions.function(1);
    let mut code = CodeSection::new();
    code.function(&entry(image, &plan, host));
    for function in plan.functions.iter().chain(&plan.resumed) {
        functions.function(2);
        let mut emitter = Emitter::new(image, &plan, host);
        emitter.bytes = Function::new([(LOCALS.0, I64), (LOCALS.1, I32)]).into_raw_body();
        emitter.counts = function.graph.has_loops();
        if plan.resumed.as_ref().is_some_and(|resumed| core::ptr::eq(resumed, function)) {
            emitter.take_over();
        }
        emitter.bytes.reserve(10 * (function.end - function.start));
        emitter.body(&function.graph)?;
        if emitter.bytes.len() > MOST_BYTES {
            let pc = Pc(function.start as u32);
            return Err(Unsupported { pc, what: "a function of more than 7,654,321 bytes of code" });
        }
        code.raw(&emitter.bytes);
    }
    let mut exports = ExportSection::new();
    exports.export(layout::RUN, ExportKind::Func, ENTRY);
    let mut module = wasm_encoder::Module::new();
    module.section(&types).section(&imports).section(&functions).section(&exports).section(&code);
    Ok(Module { bytes: module.finish(), frames: plan.frames })
}

/// What the host calls: takes r1, r2 and r10 from the record, leaves r0 there.
fn entry(image: &Image, plan: &Plan, host: Host) -> Function {
    let mut emitter = Emitter::new(image, plan, host);
    let [context, second, frame, value] =
        [layout::CONTEXT, layout::SECOND, layout::FRAME, layout::VALUE].map(|at| emitter.field(at));
    let first = plan.resumed.as_ref().map_or(0, |_| plan.functions.len() as u32);
    emitter.out().i32_const(0).i64_load32_u(context);
    emitter.out().i32_const(0).i64_load(second);
    emitter.out().i64_const(0).i64_const(0).i64_const(0);
    emitter.out().i32_const(0).i32_load(frame).call(FIRST_FUNCTION + first);
    // The status, and below it the value.
    emitter.out().local_set(0).local_set(1);
    emitter.out().i32_const(0).local_get(1).i64_store(value);
    emitter.out().local_get(0).end();
    let mut function = Function::new([(1, ValType::I32), (1, ValType::I64)]);
    function.raw(emitter.bytes);
    function
}
