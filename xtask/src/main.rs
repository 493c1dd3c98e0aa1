//! Commands that build, serve and test glasshive.
fn main() {}
