//! The `glasshive` command line.
fn main() {}
