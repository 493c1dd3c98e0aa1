//! Any text: it assembles or is refused, and what assembles prints to text that assembles to the same.
#![no_main]

use glasshive::isa::asm::{Assembly, assemble, print};
use glasshive::names::{self, Uapi};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let Ok(first) = assemble(text, &Uapi) else { return };
    let printed = print(&first, &Uapi, &names::map_type);
    let second = match assemble(&printed, &Uapi) {
        Ok(second) => second,
        Err(errors) => panic!("{errors:?} in\n{printed}"),
    };
    let without_lines = |assembly: Assembly| Assembly { lines: Vec::new(), ..assembly };
    assert_eq!(without_lines(first), without_lines(second), "{printed}");
});
