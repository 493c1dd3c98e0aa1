//! The npm package's API, for `www/npm/index.js` to hand out; `www/npm/index.d.ts` has its types.
//!
//! [`Kernel`] is a whole system. What a call can't take is thrown (`errors`), what the verifier says is
//! returned (`load`).

mod errors;
mod kernel;
mod load;

pub use kernel::Kernel;

use glasshive::isa;
use glasshive::isa::asm;
use glasshive::isa::disasm;
use glasshive::names::Uapi;
use wasm_bindgen::prelude::*;

/// The engine's version.
#[wasm_bindgen]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").into()
}

/// A text's instructions, eight bytes each.
///
/// # Errors
/// A `SyntaxError` with line and column; a `TypeError` for a text that refers to maps by name, whose
/// descriptors nobody knows here.
#[wasm_bindgen]
pub fn assemble(text: &str) -> Result<Vec<u8>, JsValue> {
    let assembly = asm::assemble(text, &Uapi).map_err(|errors| errors::syntax(&errors))?;
    match assembly.map_references.first() {
        Some(reference) => Err(errors::type_error(&format!(
            "instruction {} refers to a map by name: Kernel.loadAssembly makes the maps of a text",
            reference.at
        ))),
        None => Ok(isa::bytes(&assembly.insns)),
    }
}

/// Instructions as texts in the kernel log's syntax, one each; two slots for a 64-bit immediate.
///
/// # Errors
/// A `RangeError` where the bytes are no whole slots.
#[wasm_bindgen]
pub fn disassemble(instructions: &[u8]) -> Result<Vec<String>, JsValue> {
    let slots = load::slots(instructions)?;
    let mut texts = Vec::new();
    let mut at = 0;
    while at < slots.len() {
        texts.push(disasm::text(&slots[at..], &Uapi));
        let wide = slots[at].code == load::WIDE && at + 1 < slots.len();
        at += if wide { 2 } else { 1 };
    }
    Ok(texts)
}
