//! Loading programs: what is given, and what is answered.

use super::errors;
use glasshive::arena::VecMemory;
use glasshive::errno::Errno;
use glasshive::isa::{self, RawInsn};
use glasshive::loader::{self, LoadError, MapFds};
use glasshive::object::Object;
use glasshive::program::ProgramType;
use glasshive::syscall::Kernel;
use glasshive::syscall::programs::LoadRequest;
use glasshive::trace::{Recorder, view};
use js_sys::{Reflect, Uint8Array};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use wasm_bindgen::prelude::*;

/// First byte of a 64-bit immediate load, which takes two slots.
pub const WIDE: u8 = 0x18;

/// How a program is verified.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VerifyOptions {
    pub log_level: u32,
}

impl Default for VerifyOptions {
    fn default() -> VerifyOptions {
        VerifyOptions { log_level: 1 }
    }
}

impl VerifyOptions {
    /// From what was given, if anything was.
    pub fn read(options: JsValue) -> Result<VerifyOptions, JsValue> {
        let options: VerifyOptions = read(options)?;
        match options.log_level {
            0..=7 => Ok(options),
            other => Err(errors::range_error(&format!("logLevel {other}: bits 1, 2 and 4 are known"))),
        }
    }
}

/// Options from what was given; the defaults for nothing.
pub fn read<T: Default + for<'a> Deserialize<'a>>(options: JsValue) -> Result<T, JsValue> {
    if options.is_undefined() || options.is_null() {
        return Ok(T::default());
    }
    from(options)
}

/// A plain object as a value.
pub fn from<T: for<'a> Deserialize<'a>>(value: JsValue) -> Result<T, JsValue> {
    serde_wasm_bindgen::from_value(value).map_err(|error| errors::type_error(&error.to_string()))
}

/// A value as a plain object.
pub fn to<T: Serialize>(value: &T) -> Result<JsValue, JsValue> {
    let serializer = serde_wasm_bindgen::Serializer::new().serialize_maps_as_objects(true);
    value.serialize(&serializer).map_err(|error| errors::type_error(&error.to_string()))
}

/// A property's bytes; `None` where there is no such property.
pub fn bytes(object: &JsValue, name: &str) -> Result<Option<Vec<u8>>, JsValue> {
    let value = Reflect::get(object, &name.into())?;
    if value.is_undefined() || value.is_null() {
        return Ok(None);
    }
    let array = value.dyn_into::<Uint8Array>();
    array.map(|a| Some(a.to_vec())).map_err(|_| errors::type_error(&format!("{name} is a Uint8Array")))
}

/// Instructions as slots.
pub fn slots(instructions: &[u8]) -> Result<Vec<RawInsn>, JsValue> {
    isa::slots(instructions).ok_or_else(|| {
        errors::range_error(&format!("{} bytes are no whole instructions of 8", instructions.len()))
    })
}

/// A program as instructions.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ProgramSpec {
    r#type: String,
    license: Option<String>,
    #[serde(default)]
    expected_attach_type: u32,
    #[serde(default)]
    flags: u32,
    name: Option<String>,
}

/// What is to be loaded.
pub fn request(program: JsValue, options: &VerifyOptions) -> Result<LoadRequest, JsValue> {
    let code = bytes(&program, "instructions")?;
    let code = code.ok_or_else(|| errors::type_error("instructions is a Uint8Array"))?;
    let spec: ProgramSpec = from(program)?;
    let program_type = ProgramType::by_name(&spec.r#type)
        .ok_or_else(|| errors::type_error(&format!("no program type is called {}", spec.r#type)))?;
    if code.is_empty() {
        return Err(errors::range_error("a program has at least one instruction"));
    }
    let license = spec.license.as_deref().unwrap_or("GPL");
    Ok(LoadRequest {
        expected_attach_type: spec.expected_attach_type,
        flags: spec.flags,
        name: spec.name.unwrap_or_default().chars().take(15).collect(),
        log_level: options.log_level,
        ..LoadRequest::new(program_type, slots(&code)?, license)
    })
}

/// What the verifier counted.
#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
struct Stats {
    processed: u32,
    max_states_per_instruction: u32,
    total_states: u32,
    peak_states: u32,
}

#[derive(Serialize)]
struct Cause {
    pc: u32,
    step: u32,
    what: String,
}

#[derive(Serialize)]
struct Suggestion {
    text: String,
    insert: Vec<String>,
    at: u32,
}

/// Why a program was rejected.
#[derive(Serialize)]
struct Diagnostic {
    reason: String,
    message: String,
    pc: Option<u32>,
    step: Option<u32>,
    register: Option<u8>,
    path: Vec<Cause>,
    required: String,
    suggestion: Option<Suggestion>,
}

impl From<view::Diagnostic> for Diagnostic {
    fn from(d: view::Diagnostic) -> Diagnostic {
        let cause = |c: view::Cause| Cause { pc: c.pc, step: c.step.0, what: c.what };
        let suggestion = |s: view::Suggestion| Suggestion { text: s.text, insert: s.insert, at: s.at };
        Diagnostic {
            reason: d.reason,
            message: d.message,
            pc: d.pc,
            step: d.step.map(|step| step.0),
            register: d.register,
            path: d.path.into_iter().map(cause).collect(),
            required: d.required,
            suggestion: d.suggestion.map(suggestion),
        }
    }
}

/// What became of a load.
#[derive(Serialize, Default)]
pub struct LoadResult {
    fd: Option<i32>,
    accepted: bool,
    error: Option<String>,
    problem: Option<String>,
    log: String,
    stats: Stats,
    diagnostic: Option<Diagnostic>,
}

/// Verifies and loads a program. A rejected one is verified once more, watched, to say why.
pub fn load(kernel: &mut Kernel<VecMemory>, request: &LoadRequest) -> LoadResult {
    let outcome = kernel.verifier(request, None::<Recorder>).finish();
    let fd = kernel.insert_program(request, &outcome);
    let watched = || kernel.verifier(request, Some(Recorder::new())).finish().observer?.finish().diagnostic();
    LoadResult {
        accepted: fd.is_ok(),
        error: fd.err().map(errors::code),
        problem: None,
        diagnostic: if outcome.result.is_err() { watched().map(Diagnostic::from) } else { None },
        fd: fd.ok(),
        log: outcome.log.text().into(),
        stats: Stats {
            processed: outcome.stats.processed,
            max_states_per_instruction: outcome.stats.max_states_per_insn,
            total_states: outcome.stats.total_states,
            peak_states: outcome.stats.peak_states,
        },
    }
}

/// A program of a file or a text.
#[derive(Serialize)]
struct NamedResult {
    name: String,
    section: String,
    #[serde(flatten)]
    result: LoadResult,
}

/// What a file or a text had in it.
#[derive(Serialize)]
pub struct Loaded {
    programs: Vec<NamedResult>,
    maps: BTreeMap<String, i32>,
}

/// Makes an object's maps and loads its programs; one that can't be loaded is answered with the reason.
pub fn load_object(kernel: &mut Kernel<VecMemory>, object: &Object, options: &VerifyOptions) -> Loaded {
    let mut fds = MapFds::new();
    let mut programs = Vec::new();
    for program in &object.programs {
        let mut attempt = || {
            let code = program.code.as_ref().map_err(|error| LoadError::Code(error.clone()))?;
            loader::create_maps(kernel, object, code, &mut fds)?;
            let request = loader::request(object, program, None, &fds, options.log_level)?;
            Ok(load(kernel, &request))
        };
        let result = attempt().unwrap_or_else(|error: LoadError| {
            let errno = match error {
                LoadError::Map { errno, .. } => errno,
                _ => Errno::EINVAL,
            };
            let (error, problem) = (Some(errors::code(errno)), Some(error.to_string()));
            LoadResult { error, problem, ..LoadResult::default() }
        });
        let (name, section) = (program.name.clone(), program.section.clone());
        programs.push(NamedResult { name, section, result });
    }
    let name = |(index, fd): (&usize, &i32)| Some((object.maps.get(*index)?.name.clone(), *fd));
    Loaded { programs, maps: fds.iter().filter_map(name).collect() }
}
