//! What runs the programs: three engines behind glasshive's `bpf(2)`, and the kernel's.

use std::sync::Arc;

use anyhow::{Result, ensure};
use glasshive::interp::Mode;
use glasshive::isa::bytes;
use glasshive::object::btf::kernel::KernelTypes;
use glasshive_native::engine;
use glasshive_native::oracle::calls::{self, Load, MapCreate, TestRun, command};
use glasshive_native::oracle::{Bpf, Fresh, Side, usable};

use super::generate::{Generated, Given};

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
    pub fn all(kernel: Option<&Arc<KernelTypes>>) -> Result<Vec<Engine>> {
        let own = |name, compiles, mode| -> Result<Engine> {
            let system = Fresh::new(1)?;
            let system = match kernel {
                Some(types) => system.with_kernel_types(Arc::clone(types)),
                None => system,
            };
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

    fn arena(&self) -> i64 {
        let (map_type, flags, extra) = (33, 1 << 10, 0x1000_0000_0000);
        MapCreate { map_type, flags, extra, max_entries: 4, ..MapCreate::default() }.call(&*self.system)
    }

    /// Loads a program, with BTF that has a function for each of its own.
    fn load(&self, program: &Generated) -> i64 {
        let system = &*self.system;
        let types = calls::btf_load(system, &function_types(program.starts.len() as u32));
        let info: Vec<u8> = program
            .starts
            .iter()
            .zip(FIRST_FUNCTION..)
            .flat_map(|(at, of)| [*at, of])
            .flat_map(u32::to_le_bytes)
            .collect();
        let insns = bytes(&program.code);
        let load = Load {
            program_type: 6,
            insns: &insns,
            license: b"GPL\0",
            btf_fd: types.max(0),
            func_info: if types >= 0 { &info } else { &[] },
            ..Load::default()
        };
        let loaded = load.call(system).ret;
        if types >= 0 {
            system.close(types);
        }
        loaded
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }
    /// Whether its verifier is another.
    pub fn may_refuse(&self) -> bool {
        self.may_refuse
    }

    /// Loads a program with maps of its own, and one that its tail calls may lead to, and runs it; `None` where it
    /// is refused.
    pub fn run(
        &self,
        make: impl Fn(u64, Given) -> Generated,
        kernel: Option<&KernelTypes>,
        packet: &[u8],
    ) -> Result<Option<Answer>> {
        let system = &*self.system;
        let map = |map_type, max_entries| {
            MapCreate { map_type, key_size: 4, value_size: 8, max_entries, ..MapCreate::default() }
                .call(system)
        };
        let (hash, array) = (map(1, 8), map(2, 4));
        let programs =
            MapCreate { map_type: 3, key_size: 4, value_size: 4, max_entries: 2, ..MapCreate::default() };
        let (programs, arena) = (programs.call(system), self.arena());
        ensure!(
            [hash, array, programs, arena].iter().all(|fd| *fd >= 0),
            "{}: maps: {hash}, {array}, {programs}, {arena}",
            self.name
        );
        let given = Given {
            hash: hash as i32,
            array: array as i32,
            arena: arena as i32,
            programs: programs as i32,
            kernel,
            everything: true,
        };
        let other = self.load(&make(1, given));
        if other >= 0 {
            let (key, fd) = (0_u32.to_le_bytes(), (other as u32).to_le_bytes());
            calls::update(system, programs, Some(&key), &fd, 0);
        }
        let loaded = self.load(&make(0, given));
        // Both: where one is refused, a tail call leads elsewhere.
        let answer = (loaded >= 0 && other >= 0).then(|| {
            let test = TestRun { data: Some(packet), data_out: 256, repeat: 1, ..TestRun::default() };
            let ran = test.call(system, loaded);
            Answer {
                ret: ran.ret,
                value: ran.value,
                packet: ran.data,
                hash: (0..8).filter_map(|key| Some((key, look_up(system, hash, key)?))).collect(),
                array: (0..4).filter_map(|key| look_up(system, array, key)).collect(),
            }
        });
        for fd in [loaded, other, programs, arena, hash, array] {
            if fd >= 0 {
                system.close(fd);
            }
        }
        Ok(answer)
    }
}

/// The first function among the types that [`function_types`] makes.
const FIRST_FUNCTION: u32 = 3;

/// BTF of an `int`, a prototype, and so many static functions of it.
fn function_types(count: u32) -> Vec<u8> {
    let strings = b"\0int\0f\0";
    let (int, name) = (1_u32, 5_u32);
    let mut types = vec![int, 1 << 24, 4, 1 << 24 | 32, 0, 13 << 24, 1];
    for _ in 0..count {
        types.extend([name, 12 << 24, 2]);
    }
    let len = 4 * types.len() as u32;
    let header = [0x0001_eb9f, 24, 0, len, len, strings.len() as u32];
    let words = header.into_iter().chain(types);
    words.flat_map(u32::to_le_bytes).chain(*strings).collect()
}

fn look_up(system: &dyn Bpf, map: i64, key: u32) -> Option<u64> {
    let (key, mut value) = (key.to_le_bytes(), [0_u8; 8]);
    let (key, at) = (key.as_ptr() as u64, value.as_mut_ptr() as u64);
    let found = calls::element(system, command::MAP_LOOKUP_ELEM, map, key, at, 0);
    (found == 0).then(|| u64::from_le_bytes(value))
}
