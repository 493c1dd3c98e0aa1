//! The running kernel's JIT, by test runs.

use anyhow::{Result, bail, ensure};
use glasshive_native::oracle::calls::{Load, TestRun, errno_name};
use glasshive_native::oracle::{Bpf, Side};

use super::Runner;
use crate::program::Program;

const XDP: u32 = 6;

/// A descriptor, closed at the end.
struct Descriptor(i64);

impl Drop for Descriptor {
    fn drop(&mut self) {
        Side::Kernel.close(self.0);
    }
}

/// Loads the program behind its prologue. Its result has 32 bits. A run includes what the call costs, some
/// microseconds in all.
pub fn prepare(program: &Program) -> Result<Runner> {
    let load = Load { program_type: XDP, insns: &program.xdp, license: b"GPL\0", ..Load::default() };
    let loaded = load.call(&Side::Kernel);
    if loaded.ret < 0 {
        bail!("{}", errno_name(loaded.ret));
    }
    let (fd, packet) = (Descriptor(loaded.ret), program.memory.clone());
    Ok(Box::new(move || {
        // All of it, or the descriptor is closed before.
        let fd = &fd;
        let ran = TestRun { data: Some(&packet), repeat: 1, ..TestRun::default() }.call(&Side::Kernel, fd.0);
        ensure!(ran.ret == 0, "{}", errno_name(ran.ret));
        Ok(ran.value.into())
    }))
}
