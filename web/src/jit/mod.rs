//! WebAssembly code: compiled by core, instantiated and run here, on the memory of the engine's own instance.
//!
//! A program begins in the interpreter. Once that has run [`INTERPRETED`] instructions, it goes on in compiled
//! code: with the next run, or from where it is, if it is in the program's own frame.

mod record;

use glasshive::arena::{OutOfArena, VecMemory};
use glasshive::helper::RunContext;
use glasshive::image::Image;
use glasshive::interp::{Machine, Stop, Trap, TrapKind};
use glasshive::isa::{Insn, Pc, Reg, Size};
use glasshive::jit::wasm::layout::{MEMORY, NAMESPACE, RUN, SERVICE, Status};
use glasshive::jit::wasm::{Host, Module, Unsupported, compile, compile_from};
use glasshive::jit::{Compiled, Compiler, EngineName};
use glasshive::resources::Resources;
use js_sys::{Function, Object, Reflect, Uint8Array, WebAssembly};
use record::{Record, service};
use std::cell::{Cell, OnceCell, RefCell, UnsafeCell};
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use wasm_bindgen::prelude::*;

/// Instructions of a program that the interpreter runs before it is compiled: what making a module and an
/// instance costs (`cargo xtask bench run` prints both).
pub const INTERPRETED: u64 = 1 << 15;

/// Why there is no compiled code.
#[derive(Debug)]
pub enum JitError {
    /// The program has something that is not compiled.
    Unsupported(Unsupported),
    /// What the browser said to the module.
    Refused(String),
}

impl fmt::Display for JitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JitError::Unsupported(what) => what.fmt(f),
            JitError::Refused(why) => write!(f, "the module was refused: {why}"),
        }
    }
}

/// The compiled programs of one system.
pub struct Code {
    host: Host,
    /// By the image's address, which lasts as the image is held.
    tail_called: RefCell<BTreeMap<usize, Called>>,
}

/// A program that tail calls lead to; no executable where it can't be compiled.
struct Called {
    image: Arc<Image>,
    executable: Option<Rc<Executable>>,
}

impl Code {
    /// For programs whose arena lies in that memory, which may be moved but not dropped.
    pub fn new(memory: &VecMemory) -> Code {
        use glasshive::arena::Memory;
        let (base, capacity) = (memory.start() as usize as u32, memory.capacity() as u32);
        Code { host: Host { base, capacity, record: 0 }, tail_called: RefCell::default() }
    }

    /// The code of a program that is called by another; `None` where it is not compiled.
    fn get(&self, image: &Arc<Image>) -> Option<Rc<Executable>> {
        let key = Arc::as_ptr(image) as usize;
        let mut all = self.tail_called.borrow_mut();
        if let Some(called) = all.get(&key) {
            return called.executable.clone();
        }
        // Programs that nobody else holds any more can't be called.
        all.retain(|_, called| Arc::strong_count(&called.image) > 1);
        let executable = Executable::new(image, self.host, None).ok().map(Rc::new);
        all.insert(key, Called { image: image.clone(), executable: executable.clone() });
        executable
    }
}

/// A program's instance.
pub struct Executable {
    run: Function,
    /// What it shares with its host; its address is in the code.
    record: Box<UnsafeCell<Record>>,
    frames: u32,
}

impl Executable {
    /// Compiles a program and makes an instance of it; one that begins at another slot than the first takes its
    /// registers over.
    ///
    /// # Errors
    /// What is not compiled, or what the browser says.
    pub fn new(image: &Image, host: Host, from: Option<Pc>) -> Result<Executable, JitError> {
        let record = Box::new(UnsafeCell::new(Record::idle()));
        let host = Host { record: record.get() as usize as u32, ..host };
        let module = match from {
            Some(pc) => compile_from(image, host, pc),
            None => compile(image, host),
        };
        let Module { bytes, frames } = module.map_err(JitError::Unsupported)?;
        let run = instance(&bytes).map_err(|error| JitError::Refused(format!("{error:?}")))?;
        Ok(Executable { run, record, frames })
    }

    fn frames(&self) -> u32 {
        self.frames
    }

    /// Runs with a record: how that ended, and the record afterwards.
    fn enter(&self, image: &Image, record: Record) -> (Stop, Record) {
        // SAFETY: nothing holds a reference to the record but `service`, which has none while it enters code. A
        // run within this one finds the record free: what was in it comes back behind it.
        let before = unsafe { self.record.get().replace(record) };
        let status = self.run.call0(&JsValue::UNDEFINED).ok().and_then(|status| status.as_f64());
        // SAFETY: as above.
        let after = unsafe { self.record.get().replace(before) };
        let pc = Pc(after.pc);
        let trap = |kind| Stop::Trap(Trap { pc, kind });
        // Engines have no more to say than these.
        let stop = match status.map(|status| status as u64) {
            Some(status) if status == Status::Done as u64 => Stop::Exit(after.value),
            Some(status) if status == Status::Over as u64 => Stop::Exit(0),
            Some(status) if status == Status::Budget as u64 => Stop::Budget,
            Some(status) if status == Status::Fault as u64 => {
                let (offset, len) = accessed(image, pc);
                let address = u64::from(after.address) + offset;
                trap(TrapKind::Fault(glasshive::arena::Fault { address, len }))
            }
            Some(status) if status == Status::CallDepth as u64 => trap(TrapKind::CallDepth),
            Some(status) if status == Status::RanOut as u64 => trap(TrapKind::Jump(pc.0.into())),
            Some(_) => match after.stop {
                Some(Stop::Trap(Trap { pc: Pc(u32::MAX), kind })) => trap(kind),
                Some(stop) => stop,
                None => trap(TrapKind::NotBuilt("a service of compiled code")),
            },
            None => trap(TrapKind::NotBuilt("what the browser stopped")),
        };
        (stop, after)
    }
}

/// Makes an instance; its entry.
fn instance(bytes: &[u8]) -> Result<Function, JsValue> {
    let module = WebAssembly::Module::new(&Uint8Array::from(bytes).into())?;
    let table: WebAssembly::Table = wasm_bindgen::function_table().unchecked_into();
    // On this machine a function's address is its index in the table.
    let host = table.get(service as *const () as usize as u32)?;
    let (namespace, imports) = (Object::new(), Object::new());
    Reflect::set(&namespace, &MEMORY.into(), &wasm_bindgen::memory())?;
    Reflect::set(&namespace, &SERVICE.into(), &host)?;
    Reflect::set(&imports, &NAMESPACE.into(), &namespace)?;
    let instance = WebAssembly::Instance::new(&module, &imports)?;
    Reflect::get(&instance.exports(), &RUN.into())?.dyn_into()
}

/// A positive offset that the instruction at a slot adds to its address, and the bytes that it accesses.
fn accessed(image: &Image, pc: Pc) -> (u64, u64) {
    let (off, size) = match image.insns().get(pc.index()) {
        Some(
            Insn::Load { size, off, .. } | Insn::Store { size, off, .. } | Insn::Atomic { size, off, .. },
        ) => (*off, *size),
        _ => (0, Size::B),
    };
    (off.max(0) as u64, size.bytes().into())
}

/// Test runs of a system whose arena lies in this instance's memory: interpreted, then compiled.
pub struct Tiers {
    code: Rc<Code>,
    interpreted: u64,
}

impl Tiers {
    /// For a system that gets that memory.
    pub fn new(memory: &VecMemory) -> Tiers {
        Tiers { code: Rc::new(Code::new(memory)), interpreted: INTERPRETED }
    }

    /// With another number of instructions than [`INTERPRETED`].
    #[must_use]
    pub fn interpreting(self, interpreted: u64) -> Tiers {
        Tiers { interpreted, ..self }
    }

    /// A program that is compiled at once.
    ///
    /// # Errors
    /// As [`Executable::new`].
    pub fn compiled(&self, image: &Image) -> Result<Program, JitError> {
        let program = self.program();
        let executable = Executable::new(image, self.code.host, None)?;
        let _ = program.compiled.set(Some(executable));
        Ok(program)
    }

    /// A program that has not run yet.
    pub fn program(&self) -> Program {
        Program {
            code: self.code.clone(),
            limit: self.interpreted,
            interpreted: Cell::new(0),
            compiled: OnceCell::new(),
            last: Cell::new(EngineName::Interpreter),
        }
    }
}

// SAFETY: there are no threads here: the module is built without them.
unsafe impl Send for Tiers {}

impl Compiler<VecMemory> for Tiers {
    fn compile(&self, _image: &Image) -> Option<Box<dyn Compiled<VecMemory> + Send>> {
        Some(Box::new(self.program()))
    }
}

/// A program, interpreted until it is worth compiling.
pub struct Program {
    code: Rc<Code>,
    limit: u64,
    /// Instructions that the interpreter ran.
    interpreted: Cell<u64>,
    /// `None` where it can't be compiled.
    compiled: OnceCell<Option<Executable>>,
    last: Cell<EngineName>,
}

// SAFETY: as above.
unsafe impl Send for Program {}

impl Program {
    /// As [`Compiled::run`], with a number in r2: raw programs that are tested find the length of their memory
    /// there.
    ///
    /// # Errors
    /// As [`Compiled::run`].
    pub fn run_with(
        &self,
        image: &Image,
        resources: &mut Resources<VecMemory>,
        run: &mut RunContext,
        second: u64,
        budget: u64,
    ) -> Result<Stop, OutOfArena> {
        let mut machine = Machine::new(image, resources, run.context)?;
        machine.registers[Reg::R2.index()] = second;
        let stop = self.run_machine(image, &mut machine, resources, run, budget);
        machine.release(resources);
        Ok(stop)
    }

    fn run_machine(
        &self,
        image: &Image,
        machine: &mut Machine,
        resources: &mut Resources<VecMemory>,
        run: &mut RunContext,
        budget: u64,
    ) -> Stop {
        self.last.set(EngineName::Interpreter);
        let mut from = None;
        if self.compiled.get().is_none() {
            let left = self.limit.saturating_sub(self.interpreted.get());
            if left > 0 {
                let stop = machine.run(image, resources, run, left.min(budget));
                self.interpreted.set(self.interpreted.get() + machine.executed);
                if stop != Stop::Budget || machine.executed >= budget {
                    return stop;
                }
                from = Some(machine.pc);
            }
        }
        let left = |machine: &Machine| budget - machine.executed.min(budget);
        let compiled;
        let executable = match from {
            // In a function, or in another program: it goes on as it is.
            Some(_) if !machine.is_in_own_frame() => None,
            Some(pc) => {
                compiled = Executable::new(image, self.code.host, Some(pc)).ok();
                compiled.as_ref()
            }
            None => {
                let make = || Executable::new(image, self.code.host, None).ok();
                self.compiled.get_or_init(make).as_ref()
            }
        };
        let Some(executable) = executable else {
            return machine.run(image, resources, run, left(machine));
        };
        self.last.set(EngineName::WebAssembly);
        let mut registers = [0; 10];
        registers.copy_from_slice(&machine.registers[..10]);
        let frame = machine.registers[Reg::FP.index()] as u32;
        let record = Record {
            context: machine.registers[Reg::R1.index()] as u32,
            frame,
            budget: i64::try_from(left(machine)).unwrap_or(i64::MAX),
            second: machine.registers[Reg::R2.index()],
            may_goto: machine.may_goto_left() as i64,
            registers,
            top: frame,
            code: Rc::as_ptr(&self.code),
            resources,
            run,
            ..Record::idle()
        };
        executable.enter(image, record).0
    }
}

impl Compiled<VecMemory> for Program {
    fn run(
        &self,
        image: &Image,
        resources: &mut Resources<VecMemory>,
        run: &mut RunContext,
        budget: u64,
    ) -> Result<Stop, OutOfArena> {
        self.run_with(image, resources, run, 0, budget)
    }

    fn engine(&self) -> EngineName {
        self.last.get()
    }
}
