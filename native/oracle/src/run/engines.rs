//! What runs the programs: three engines behind glasshive's `bpf(2)`, and the kernel's.

use anyhow::{Result, ensure};
use glasshive::interp::Mode;
use glasshive::isa::{RawInsn, bytes};
use glasshive_native::engine;
use glasshive_native::oracle::calls::{self, Load, MapCreate, TestRun, command};
use glasshive_native::oracle::{Bpf, Fresh, Side, usable};

use super::generate::Maps;

/// What a run leaves.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// 0, or `-errno` of the run.
    pub ret: i64,
    /// r0's lower half.
    pub value: u32,
    /// The packet afterwards.
    pub packet: Vec<u8>,
    /// Key and value of the hash's elements, sorted.
    pub hash: Vec<(u32, u64)>,
    /// The array's values.
    pub array: Vec<u64>,
}

/// An engine.
pub struct Engine {
    name: &'static str,
    system: Box<dyn Bpf>,
    may_refuse: bool,
}

/// Why the kernel takes no part.
pub fn kernel_is_absent() -> Option<String> {
    usable().err()
}

impl Engine {
    /// The interpreter first, then the others; the kernel last, where it can be had.
    pub fn all() -> Result<Vec<Engine>> {
        let own = |name, compiles, mode| -> Result<Engine> {
            let system = Fresh::new(1)?;
            let compiler = if compiles { engine::compiler() } else { None };
            ensure!(!compiles || compiler.is_some(), "no compiler on this machine");
            system.configure(|kernel| {
                kernel.set_compiler(compiler);
                kernel.set_mode(mode);
            });
            Ok(Engine { name, system: Box::new(system), may_refuse: false })
        };
        let mut engines = vec![
            own("interpreter", false, Mode::Plain)?,
            own("interpreter, strict", false, Mode::Strict)?,
            own("x86-64", true, Mode::Plain)?,
        ];
        if kernel_is_absent().is_none() {
            engines.push(Engine { name: "running kernel", system: Box::new(Side::Kernel), may_refuse: true });
        }
        Ok(engines)
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }
    /// Whether its verifier is another.
    pub fn may_refuse(&self) -> bool {
        self.may_refuse
    }

    /// Loads a program with maps of its own, and runs it; `None` where it is refused.
    pub fn run(&self, make: impl FnOnce(Maps) -> Vec<RawInsn>, packet: &[u8]) -> Result<Option<Answer>> {
        let system = &*self.system;
        let map = |map_type, max_entries| {
            MapCreate { map_type, key_size: 4, value_size: 8, max_entries, ..MapCreate::default() }
                .call(system)
        };
        let (hash, array) = (map(1, 8), map(2, 4));
        ensure!(hash >= 0 && array >= 0, "{}: maps: {hash}, {array}", self.name);
        let insns = bytes(&make(Maps { hash: hash as i32, array: array as i32 }));
        let load = Load { program_type: 6, insns: &insns, license: b"GPL\0", ..Load::default() };
        let loaded = load.call(system);
        let answer = (loaded.ret >= 0).then(|| {
            let test = TestRun { data: Some(packet), data_out: 256, repeat: 1, ..TestRun::default() };
            let ran = test.call(system, loaded.ret);
            system.close(loaded.ret);
            Answer {
                ret: ran.ret,
                value: ran.value,
                packet: ran.data,
                hash: (0..8).filter_map(|key| Some((key, look_up(system, hash, key)?))).collect(),
                array: (0..4).filter_map(|key| look_up(system, array, key)).collect(),
            }
        });
        system.close(hash);
        system.close(array);
        Ok(answer)
    }
}

fn look_up(system: &dyn Bpf, map: i64, key: u32) -> Option<u64> {
    let (key, mut value) = (key.to_le_bytes(), [0_u8; 8]);
    let (key, at) = (key.as_ptr() as u64, value.as_mut_ptr() as u64);
    let found = calls::element(system, command::MAP_LOOKUP_ELEM, map, key, at, 0);
    (found == 0).then(|| u64::from_le_bytes(value))
}
