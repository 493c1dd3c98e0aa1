//! What is thrown.

use glasshive::errno::Errno;
use glasshive::isa::asm::AsmError;
use js_sys::{Error, RangeError, Reflect, SyntaxError, TypeError};
use wasm_bindgen::prelude::*;

fn set(error: &JsValue, name: &str, value: &JsValue) {
    // An error that was just made takes any property.
    let _ = Reflect::set(error, &name.into(), value);
}

/// What the system call answers: a `BpfError` with `code` and `errno`.
pub fn bpf(what: &str, errno: Errno) -> JsValue {
    let error: JsValue = Error::new(&format!("{what}: {errno}")).into();
    set(&error, "name", &"BpfError".into());
    set(&error, "code", &code(errno).into());
    set(&error, "errno", &errno.number().into());
    error
}

/// An error's name: `EINVAL`.
pub fn code(errno: Errno) -> String {
    format!("{errno:?}")
}

/// What is wrong with a text: a `SyntaxError` with the first error's `line` and `column`, and all of them in its
/// message.
pub fn syntax(errors: &[AsmError]) -> JsValue {
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    let error: JsValue = SyntaxError::new(&texts.join("\n")).into();
    if let Some(first) = errors.first() {
        set(&error, "line", &first.line.into());
        set(&error, "column", &first.column.into());
    }
    error
}

/// An argument of the wrong kind.
pub fn type_error(message: &str) -> JsValue {
    TypeError::new(message).into()
}

/// An argument out of range.
pub fn range_error(message: &str) -> JsValue {
    RangeError::new(message).into()
}
