//! `class Kernel`.

use super::errors::{bpf, range_error, syntax, type_error};
use super::load::{self, VerifyOptions};
use glasshive::arena::VecMemory;
use glasshive::errno::Errno;
use glasshive::isa::asm;
use glasshive::loader::from_assembly;
use glasshive::map::MapSpec;
use glasshive::map::types::MapType;
use glasshive::names::Uapi;
use glasshive::object::Object;
use glasshive::program::test_run::Input;
use glasshive::syscall;
use glasshive::syscall::descriptors::Sequential;
use js_sys::{Reflect, Uint8Array};
use serde::Deserialize;
use wasm_bindgen::prelude::*;

/// Bytes that a system may have.
const MEMORY: std::ops::RangeInclusive<u32> = 1 << 16..=1 << 30;
/// CPUs that a system may pretend to have.
const CPUS: std::ops::RangeInclusive<u32> = 1..=1024;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Options {
    memory: u32,
    cpus: u32,
    seed: u32,
}

impl Default for Options {
    fn default() -> Options {
        Options { memory: 64 << 20, cpus: 1, seed: 1 }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewMap {
    r#type: String,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    #[serde(default)]
    flags: u32,
    #[serde(default)]
    name: String,
}

/// A whole system: its maps, its programs, its descriptors.
#[wasm_bindgen]
pub struct Kernel {
    kernel: syscall::Kernel<VecMemory>,
}

#[wasm_bindgen]
impl Kernel {
    /// An empty system.
    ///
    /// # Errors
    /// A `TypeError` for options that are none, a `RangeError` for numbers that can't be.
    #[wasm_bindgen(constructor)]
    pub fn new(options: JsValue) -> Result<Kernel, JsValue> {
        let options: Options = load::read(options)?;
        if !MEMORY.contains(&options.memory) {
            let (least, most) = MEMORY.into_inner();
            return Err(range_error(&format!("memory {}: {least} to {most} bytes", options.memory)));
        }
        if !CPUS.contains(&options.cpus) {
            return Err(range_error(&format!("cpus {}: 1 to {}", options.cpus, CPUS.end())));
        }
        let memory = VecMemory::new(options.memory as usize);
        let descriptors = Box::new(Sequential::default());
        #[cfg(target_arch = "wasm32")]
        let tiers = crate::jit::Tiers::new(&memory);
        #[allow(unused_mut)]
        let mut kernel = syscall::Kernel::new(memory, options.cpus, options.seed.into(), descriptors);
        #[cfg(target_arch = "wasm32")]
        kernel.set_compiler(Some(Box::new(tiers)));
        Ok(Kernel { kernel })
    }

    /// Creates a map; gives back its descriptor.
    ///
    /// # Errors
    /// A `BpfError`; a `TypeError` for a type that there is none of.
    #[wasm_bindgen(js_name = createMap)]
    pub fn create_map(&mut self, spec: JsValue) -> Result<i32, JsValue> {
        let spec: NewMap = load::from(spec)?;
        let map_type = MapType::by_name(&spec.r#type)
            .ok_or_else(|| type_error(&format!("no map type is called {}", spec.r#type)))?;
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
        if spec.name.len() > 15 || !spec.name.chars().all(allowed) {
            return Err(bpf(&format!("name {:?} of a map", spec.name), Errno::EINVAL));
        }
        let spec = MapSpec {
            map_type: map_type.number,
            key_size: spec.key_size,
            value_size: spec.value_size,
            max_entries: spec.max_entries,
            flags: spec.flags,
            name: spec.name,
            ..MapSpec::default()
        };
        self.kernel.create_map(spec).map_err(|errno| bpf("createMap", errno))
    }

    /// The descriptor's map has keys of that many bytes.
    fn check_key(&self, what: &str, fd: i32, key: &[u8]) -> Result<(), JsValue> {
        let spec = self.kernel.map_spec(fd).map_err(|errno| bpf(what, errno))?;
        if key.len() != spec.key_size as usize {
            let (given, wanted) = (key.len(), spec.key_size);
            return Err(range_error(&format!("the key has {given} bytes, the map's keys {wanted}")));
        }
        Ok(())
    }

    /// A value, or `undefined` where the key is not there.
    ///
    /// # Errors
    /// A `BpfError`; a `RangeError` for a key of another length.
    pub fn lookup(&mut self, fd: i32, key: &[u8]) -> Result<Option<Vec<u8>>, JsValue> {
        self.check_key("lookup", fd, key)?;
        match self.kernel.map_lookup(fd, key, 0) {
            Ok(value) => Ok(Some(value)),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(bpf("lookup", errno)),
        }
    }

    /// Writes a value.
    ///
    /// # Errors
    /// A `BpfError`; a `RangeError` for a key or value of another length.
    pub fn update(&mut self, fd: i32, key: &[u8], value: &[u8], flags: Option<u32>) -> Result<(), JsValue> {
        self.check_key("update", fd, key)?;
        let wanted = self.kernel.map_value_size(fd).map_err(|errno| bpf("update", errno))?;
        if value.len() != wanted {
            let given = value.len();
            return Err(range_error(&format!("the value has {given} bytes, the map's values {wanted}")));
        }
        let done = self.kernel.map_update(fd, key, value, flags.unwrap_or(0).into());
        done.map_err(|errno| bpf("update", errno))
    }

    /// Deletes an element; `false` where the key is not there.
    ///
    /// # Errors
    /// A `BpfError`; a `RangeError` for a key of another length.
    pub fn delete(&mut self, fd: i32, key: &[u8]) -> Result<bool, JsValue> {
        self.check_key("delete", fd, key)?;
        match self.kernel.map_delete(fd, key) {
            Ok(()) => Ok(true),
            Err(Errno::ENOENT) => Ok(false),
            Err(errno) => Err(bpf("delete", errno)),
        }
    }

    /// All keys, in the map's order.
    ///
    /// # Errors
    /// A `BpfError`.
    pub fn keys(&mut self, fd: i32) -> Result<Vec<Uint8Array>, JsValue> {
        let keys = self.kernel.map_keys(fd).map_err(|errno| bpf("keys", errno))?;
        Ok(keys.iter().map(|key| Uint8Array::from(key.as_slice())).collect())
    }

    /// Verifies and loads a program.
    ///
    /// # Errors
    /// A `TypeError` or `RangeError` for what is no program. A rejection is no error.
    pub fn load(&mut self, program: JsValue, options: JsValue) -> Result<JsValue, JsValue> {
        let request = load::request(program, &VerifyOptions::read(options)?)?;
        load::to(&load::load(&mut self.kernel, &request))
    }

    /// Makes a text's maps, verifies and loads its program.
    ///
    /// # Errors
    /// A `SyntaxError` with line and column.
    #[wasm_bindgen(js_name = loadAssembly)]
    pub fn load_assembly(&mut self, text: &str, options: JsValue) -> Result<JsValue, JsValue> {
        let options = VerifyOptions::read(options)?;
        let assembly = asm::assemble(text, &Uapi).map_err(|errors| syntax(&errors))?;
        load::to(&load::load_object(&mut self.kernel, &from_assembly(&assembly), &options))
    }

    /// Makes an object file's maps, verifies and loads its programs.
    ///
    /// # Errors
    /// A `SyntaxError` for a file that can't be read.
    #[wasm_bindgen(js_name = loadObject)]
    pub fn load_object(&mut self, bytes: &[u8], options: JsValue) -> Result<JsValue, JsValue> {
        let options = VerifyOptions::read(options)?;
        let object = Object::parse(bytes).map_err(|error| js_sys::SyntaxError::new(&error.to_string()))?;
        load::to(&load::load_object(&mut self.kernel, &object, &options))
    }

    /// Runs a program.
    ///
    /// # Errors
    /// A `BpfError`; a `TypeError` for a run that is none.
    #[wasm_bindgen(js_name = testRun)]
    pub fn test_run(&mut self, fd: i32, run: JsValue) -> Result<JsValue, JsValue> {
        let nothing = run.is_undefined() || run.is_null();
        let field = |name| if nothing { Ok(None) } else { load::bytes(&run, name) };
        let (data, context) = (field("data")?, field("context")?);
        let repeat = if nothing { JsValue::UNDEFINED } else { Reflect::get(&run, &"repeat".into())? };
        let repeat: Option<u32> = load::from(repeat)?;
        let program = self.kernel.program(fd).map_err(|errno| bpf("testRun", errno))?;
        let input = Input {
            data: data.as_deref().filter(|data| !data.is_empty()),
            context: context.as_deref(),
            data_out: data.is_some(),
            context_out: context.is_some(),
            repeat: repeat.unwrap_or(1),
            expected_attach_type: program.expected_attach_type,
            ..Input::default()
        };
        let printed = self.kernel.resources.printed.len();
        let ran = self.kernel.test_run(fd, &input);
        let printed = self.kernel.resources.printed.split_off(printed);
        let ran = ran.map_err(|errno| bpf("testRun", errno))?;
        let result = js_sys::Object::new();
        let set = |name: &str, value: JsValue| Reflect::set(&result, &name.into(), &value);
        set("returnValue", ran.value.into())?;
        set("data", Uint8Array::from(ran.output.data.as_slice()).into())?;
        let context = ran.output.context.or(ran.output.context_in);
        set("context", context.map_or(JsValue::UNDEFINED, |c| Uint8Array::from(c.as_slice()).into()))?;
        set("printed", load::to(&printed)?)?;
        set("engine", ran.engine.text().into())?;
        Ok(result.into())
    }

    /// Closes a descriptor.
    ///
    /// # Errors
    /// A `BpfError`.
    pub fn close(&mut self, fd: i32) -> Result<(), JsValue> {
        self.kernel.close(fd).map_err(|errno| bpf("close", errno))
    }
}
