//! Any bytes as type information: it is read or refused, and every type prints as C.
#![no_main]

use glasshive::object::btf::Btf;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(btf) = Btf::parse(bytes) else { return };
    // Types nest; printing all of a large blob is the square of its size.
    for (id, _) in btf.types().take(64) {
        let _ = (btf.declare(id, "x"), btf.size_of(id), btf.name_of(id), btf.resolve(id));
    }
});
