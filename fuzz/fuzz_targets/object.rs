//! Any bytes as an object file: it is read or refused. Seed the corpus with objects that clang built.
#![no_main]

use glasshive::object::Object;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(object) = Object::parse(bytes) else { return };
    for program in &object.programs {
        let Ok(code) = &program.code else { continue };
        for used in &code.map_uses {
            assert!(used.map < object.maps.len() && used.at.index() + 1 < code.insns.len());
        }
        let _ = (code.func_info(), code.line_info());
    }
});
