//! C in the page: the worker with clang and llc, and what the page does with its answers.

use super::link::named_in;
use super::{App, Msg, Phase};
use crate::protocol::{Document, Problem};
use crate::session::Origin;
use js_sys::{Object, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use web_sys::{ErrorEvent, MessageEvent, Worker, WorkerOptions, WorkerType};
use yew::prelude::*;

/// What one begins to type from.
pub const BEGINNING: &str = include_str!("../../../www/clang/beginning.c");

/// What one should know of the compilers, where they are used for the first time.
pub const ABOUT: &str = "C is compiled here, in the browser, by clang 8 and llc of LLVM 13: 25 MB, fetched once and kept. \
    They know instruction set v3 and BTF, but no CO-RE.";

/// What the compilers' worker says.
#[derive(Clone, PartialEq, Debug)]
pub enum Heard {
    /// So much of the compilers is there, of so much, in bytes.
    Fetched(f64, f64),
    /// Which text was compiled, its object if there is one, and what clang said.
    Compiled(u32, Option<Vec<u8>>, Vec<Problem>),
    /// The compilers could not be fetched, or broke.
    Failed(String),
}

/// The compilers' worker. Dropped, it is terminated.
pub struct Compiler {
    worker: Worker,
    _heard: Closure<dyn FnMut(MessageEvent)>,
    _failed: Closure<dyn FnMut(ErrorEvent)>,
}

impl Compiler {
    /// Starts the worker, which fetches nothing before it is asked.
    ///
    /// # Errors
    /// Where the browser has no such workers.
    pub fn start(heard: Callback<Heard>) -> Result<Compiler, String> {
        let options = WorkerOptions::new();
        options.set_type(WorkerType::Module);
        let script = format!("./{}", named_in("compiler", "clang/compiler.js"));
        let worker = Worker::new_with_options(&script, &options)
            .map_err(|_| "this browser starts no module workers".to_owned())?;
        let broken = heard.clone();
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |message: MessageEvent| {
            heard.emit(read(&message.data()));
        });
        let on_error = Closure::<dyn FnMut(ErrorEvent)>::new(move |error: ErrorEvent| {
            error.prevent_default();
            broken.emit(Heard::Failed(error.message()));
        });
        worker.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        worker.set_onerror(Some(on_error.as_ref().unchecked_ref()));
        Ok(Compiler { worker, _heard: on_message, _failed: on_error })
    }

    fn ask(&self, id: u32, source: &str) {
        let request = Object::new();
        // Setting a property of a plain object does not fail.
        let _ = Reflect::set(&request, &"id".into(), &id.into());
        let _ = Reflect::set(&request, &"source".into(), &source.into());
        let _ = self.worker.post_message(&request);
    }
}

impl Drop for Compiler {
    fn drop(&mut self) {
        self.worker.set_onmessage(None);
        self.worker.set_onerror(None);
        self.worker.terminate();
    }
}

impl App {
    /// Compiles a C text; its answer comes as [`Msg::Compiler`], and is that of the newest text alone.
    pub(super) fn compile(&mut self, ctx: &Context<App>, text: &str) {
        self.generation += 1;
        self.phase = Phase::Compiling(None);
        if self.compiler.is_none() {
            match Compiler::start(ctx.link().callback(Msg::Compiler)) {
                Ok(compiler) => self.compiler = Some(compiler),
                Err(error) => {
                    self.phase = Phase::Refused;
                    self.trouble = Some(error);
                }
            }
        }
        if let Some(compiler) = &self.compiler {
            compiler.ask(self.generation, text);
        }
    }

    /// The compilers' worker said something.
    pub(super) fn compiled(&mut self, ctx: &Context<App>, heard: Heard) {
        match heard {
            Heard::Fetched(done, total) => {
                if matches!(self.phase, Phase::Compiling(_)) {
                    self.phase = Phase::Compiling((done < total).then_some((done, total)));
                }
            }
            Heard::Failed(why) => {
                self.compiler = None;
                if matches!(self.phase, Phase::Compiling(_)) {
                    self.phase = Phase::Refused;
                    self.problems = vec![Problem { line: 0, column: 0, message: why }];
                }
            }
            Heard::Compiled(id, object, problems) if id == self.generation => {
                self.problems = problems;
                let Origin::Own { document: Document::C { object: kept, .. }, .. } = &mut self.session.origin
                else {
                    return;
                };
                if object.is_none() {
                    self.phase = Phase::Refused;
                    self.editing = true;
                    return;
                }
                *kept = object;
                self.open_session(ctx);
            }
            Heard::Compiled(..) => {}
        }
    }
}

/// What a message says.
fn read(message: &JsValue) -> Heard {
    let number = |from: &JsValue, name: &str| member(from, name).as_f64().unwrap_or_default();
    match text(message, "kind").as_str() {
        "progress" => Heard::Fetched(number(message, "done"), number(message, "total")),
        "compiled" => {
            let object = member(message, "object").dyn_into::<Uint8Array>().ok().map(|bytes| bytes.to_vec());
            let diagnostics = js_sys::Array::from(&member(message, "diagnostics"));
            let mut problems: Vec<Problem> = diagnostics
                .iter()
                .map(|d| {
                    let file = text(&d, "file");
                    let inside = file.is_empty();
                    let place =
                        if inside { String::new() } else { format!("<{file}>:{}: ", number(&d, "line")) };
                    Problem {
                        line: if inside { number(&d, "line") as u32 } else { 0 },
                        column: if inside { number(&d, "column") as u32 } else { 0 },
                        message: format!("{place}{}: {}", text(&d, "severity"), text(&d, "message")),
                    }
                })
                .collect();
            if object.is_none() && problems.is_empty() {
                let message = match text(message, "text") {
                    said if said.is_empty() => "the compilers made no object, and say nothing of it".into(),
                    said => said,
                };
                problems.push(Problem { line: 0, column: 0, message });
            }
            Heard::Compiled(number(message, "id") as u32, object, problems)
        }
        _ => Heard::Failed(text(message, "message")),
    }
}

fn member(of: &JsValue, name: &str) -> JsValue {
    Reflect::get(of, &name.into()).unwrap_or(JsValue::UNDEFINED)
}

fn text(of: &JsValue, name: &str) -> String {
    member(of, name).as_string().unwrap_or_default()
}
