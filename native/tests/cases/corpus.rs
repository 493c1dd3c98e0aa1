//! The recorded verifier cases (`../shared/verifier`): programs, and what Linux 6.18 answered.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use glasshive::map::types::MapType;
use glasshive::object::btf::kernel::KernelTypes;
use glasshive::object::btf::{Type, TypeId};
use glasshive::program::types::TYPES;
use glasshive_native::oracle::Bpf;
use glasshive_native::oracle::calls::{self, Load, Loaded, MapCreate, errno_name};
use serde::Deserialize;
use std::collections::HashMap;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

/// A case.
#[derive(Deserialize)]
pub struct Case {
    pub id: String,
    pub prog: Program,
    #[serde(default)]
    pub maps: Vec<Map>,
    #[serde(default)]
    pub aux_progs: Vec<Program>,
    #[serde(default)]
    pub btfs: Vec<String>,
    pub live: Answer,
}

#[derive(Deserialize)]
pub struct Program {
    pub prog_type: String,
    #[serde(default)]
    expected_attach_type: u32,
    prog_flags: u32,
    license: String,
    #[serde(default)]
    kern_version: u32,
    #[serde(default)]
    name: String,
    insns: Bytes,
    #[serde(default)]
    map_refs: Vec<(usize, usize, String)>,
    #[serde(default)]
    btf: Option<serde_json::Value>,
    func_info: Option<Bytes>,
    func_info_rec_size: Option<u32>,
    line_info: Option<Bytes>,
    line_info_rec_size: Option<u32>,
    #[serde(default)]
    attach_btf_id: u32,
    #[serde(default)]
    attach_btf_name: Option<String>,
    #[serde(default)]
    kfuncs: Vec<serde_json::Value>,
    #[serde(default)]
    ksyms: Vec<serde_json::Value>,
    #[serde(default)]
    fd_array: Vec<Option<(String, serde_json::Value)>>,
    #[serde(default)]
    fd_array_cnt: u32,
}

#[derive(Deserialize)]
pub struct Map {
    #[serde(rename = "type")]
    map_type: String,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    flags: u32,
    inner: Option<usize>,
    #[serde(default)]
    numa_node: u32,
    #[serde(default)]
    name: String,
    btf: Option<serde_json::Value>,
    #[serde(default)]
    btf_key_type_id: u32,
    #[serde(default)]
    btf_value_type_id: u32,
    #[serde(default)]
    btf_vmlinux_value_type_id: u32,
    #[serde(default)]
    map_extra: u64,
    #[serde(default)]
    init: Vec<Update>,
    #[serde(default)]
    frozen: bool,
}

#[derive(Deserialize)]
struct Update {
    key: Option<Bytes>,
    value: Option<Bytes>,
    map: Option<usize>,
    prog: Option<serde_json::Value>,
    #[serde(default)]
    flags: u64,
}

/// What the kernel answered.
#[derive(Deserialize)]
pub struct Answer {
    pub ret: i64,
    #[serde(default)]
    pub messages: Vec<String>,
    pub processed: Option<u32>,
    pub total_states: Option<u32>,
    pub peak_states: Option<u32>,
    pub max_states_per_insn: Option<u32>,
    pub tag: Option<String>,
    #[serde(default)]
    pub runs: Vec<Run>,
    /// The same of a loader with `CAP_BPF` and `CAP_NET_ADMIN` alone.
    pub capbpf: Option<Box<Answer>>,
}

#[derive(Deserialize)]
pub struct Run {
    pub data: Option<Bytes>,
    pub retval: Option<u32>,
    pub err: Option<String>,
}

/// Hex digits, or `z:` and base64 of what zlib packed.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub struct Bytes(pub Vec<u8>);

impl TryFrom<String> for Bytes {
    type Error = String;
    fn try_from(text: String) -> Result<Bytes, String> {
        let Some(packed) = text.strip_prefix("z:") else {
            return Ok(Bytes(super::conformance::from_hex(&text)));
        };
        let packed = BASE64_STANDARD.decode(packed).map_err(|e| e.to_string())?;
        let mut bytes = Vec::new();
        flate2::read::ZlibDecoder::new(&packed[..]).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
        Ok(Bytes(bytes))
    }
}

/// BTF by the hash that cases name it by.
pub type Btfs = HashMap<String, Vec<u8>>;

fn unpack(file: &Path) -> Vec<u8> {
    let packed = std::fs::read(file).expect("readable");
    let mut bytes = Vec::new();
    lzma_rs::xz_decompress(&mut &packed[..], &mut bytes).expect("an xz file");
    bytes
}

/// The types of the kernel that answered: kernel functions and type ids are of its BTF.
pub fn kernel_types(folder: &Path) -> Arc<KernelTypes> {
    let types = KernelTypes::parse(&unpack(&folder.join("vmlinux.btf.xz")));
    Arc::new(types.expect("the kernel's BTF"))
}

/// From the type ids of the kernel that answered to those of the one that runs.
pub struct Translation {
    from: Arc<KernelTypes>,
    /// The types of the kernel that runs.
    pub to: Arc<KernelTypes>,
}

impl Translation {
    pub fn to_the_running_kernel(from: &Arc<KernelTypes>) -> Translation {
        let bytes = std::fs::read("/sys/kernel/btf/vmlinux").expect("the running kernel's BTF");
        let to = Arc::new(KernelTypes::parse(&bytes).expect("the running kernel's BTF"));
        Translation { from: Arc::clone(from), to }
    }

    /// The id of the type of the same name and kind, or the same id where there is none.
    fn id(&self, id: u32) -> u32 {
        let Some(ty) = self.from.btf.get(TypeId(id)).filter(|_| id != 0) else { return id };
        let same = |other: &Type| std::mem::discriminant(other) == std::mem::discriminant(ty);
        self.to.btf.find(self.from.btf.name_of(TypeId(id)), same).map_or(id, |id| id.0)
    }

    fn program(&self, program: &mut Program) {
        program.attach_btf_id = self.id(program.attach_btf_id);
        for insn in program.insns.0.chunks_exact_mut(8) {
            let called = insn[0] == 0x85 && insn[1] >> 4 == 2 && insn[2..4] == [0, 0];
            let named = insn[0] == 0x18 && insn[1] >> 4 == 3;
            if called || named {
                let id = u32::from_le_bytes([insn[4], insn[5], insn[6], insn[7]]);
                insn[4..8].copy_from_slice(&self.id(id).to_le_bytes());
            }
        }
    }

    /// Gives a case the ids of the kernel that runs.
    pub fn apply(&self, case: &mut Case) {
        self.program(&mut case.prog);
        case.aux_progs.iter_mut().for_each(|program| self.program(program));
        for map in &mut case.maps {
            map.btf_vmlinux_value_type_id = self.id(map.btf_vmlinux_value_type_id);
        }
    }
}

/// Reads the cases and their BTF.
pub fn read(folder: &Path) -> (Vec<Case>, Btfs) {
    let lines = unpack(&folder.join("cases.jsonl.xz"));
    let lines = lines.split(|b| *b == b'\n').filter(|line| !line.is_empty());
    let cases = lines.map(|line| serde_json::from_slice(line).expect("a case")).collect();
    let mut btfs = Btfs::new();
    let archive = unpack(&folder.join("btf.tar.xz"));
    for entry in tar::Archive::new(&archive[..]).entries().expect("a tar file") {
        let mut entry = entry.expect("an entry");
        let name = entry.path().expect("a name").file_stem().expect("a name").to_string_lossy().into_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).expect("an entry's bytes");
        btfs.insert(name, bytes);
    }
    (cases, btfs)
}

impl Program {
    /// The instructions' bytes, maps not filled in.
    pub fn code(&self) -> &[u8] {
        &self.insns.0
    }
}

impl Case {
    /// The row of the table that the case counts in.
    pub fn area(&self) -> &'static str {
        let prog = &self.prog;
        let types = ["STRUCT_OPS", "LSM", "EXT"];
        if !prog.kfuncs.is_empty()
            || !prog.ksyms.is_empty()
            || prog.attach_btf_name.is_some()
            || prog.attach_btf_id != 0
            || types.contains(&prog.prog_type.as_str())
        {
            return "kernel BTF";
        }
        let callback = prog.insns.0.chunks(8).any(|i| i[0] == 0x18 && i[1] >> 4 == 4);
        if callback || self.maps.iter().any(|map| map.map_type == "ARENA") {
            return "callbacks, arena";
        }
        let functions = prog.func_info.as_ref().map_or(0, |info| info.0.len() as u32);
        if functions > prog.func_info_rec_size.unwrap_or(8) {
            return "plain, several functions";
        }
        match prog.prog_type.as_str() {
            "SOCKET_FILTER" => "plain, socket_filter",
            "SCHED_CLS" => "plain, sched_cls",
            "XDP" => "plain, xdp",
            "CGROUP_SKB" => "plain, cgroup_skb",
            "TRACEPOINT" => "plain, tracepoint",
            "KPROBE" => "plain, kprobe",
            "RAW_TRACEPOINT" => "plain, raw_tracepoint",
            _ => "plain, other types",
        }
    }
}

/// What a case needs, made in a system.
pub struct Environment<'a> {
    system: &'a dyn Bpf,
    opened: Vec<i64>,
    btfs: Vec<i64>,
    maps: Vec<i64>,
    programs: Vec<i64>,
}

impl Drop for Environment<'_> {
    fn drop(&mut self) {
        self.opened.iter().for_each(|fd| self.system.close(*fd));
    }
}

impl<'a> Environment<'a> {
    /// Makes the maps, BTF and other programs of a case.
    ///
    /// # Errors
    /// What could not be made, and what the system answered.
    pub fn new(case: &Case, btfs: &Btfs, system: &'a dyn Bpf) -> Result<Environment<'a>, String> {
        let (opened, programs) = (Vec::new(), Vec::new());
        let mut made = Environment { system, opened, btfs: Vec::new(), maps: Vec::new(), programs };
        for hash in &case.btfs {
            let bytes = btfs.get(hash).ok_or("BTF that is not there")?;
            let fd = made.keep(calls::btf_load(system, bytes), "BTF")?;
            made.btfs.push(fd);
        }
        for (index, map) in case.maps.iter().enumerate() {
            let row = MapType::by_name(&map.map_type.to_ascii_lowercase()).ok_or("an unknown map type")?;
            // An arena has to be mapped, or to say where it will be, before a program may use it.
            let extra = match map.map_extra {
                0 if row.name == "arena" => 0x1000_0000_0000 + ((index as u64) << 32),
                extra => extra,
            };
            let create = MapCreate {
                map_type: row.number,
                key_size: map.key_size,
                value_size: map.value_size,
                max_entries: map.max_entries,
                flags: map.flags,
                inner_map_fd: map.inner.map_or(0, |inner| made.maps[inner]),
                numa_node: map.numa_node,
                name: &map.name,
                btf_fd: made.btf(map.btf.as_ref()),
                btf_key_type_id: map.btf_key_type_id,
                btf_value_type_id: map.btf_value_type_id,
                btf_vmlinux_value_type_id: map.btf_vmlinux_value_type_id,
                extra,
            };
            let fd = made.keep(create.call(system), &map.map_type)?;
            made.maps.push(fd);
        }
        made.fill(case, false)?;
        for (map, fd) in case.maps.iter().zip(&made.maps) {
            if map.frozen {
                let mut attr = calls::Attr::default().fd(0, *fd);
                system.bpf(calls::command::MAP_FREEZE, &mut attr.0, 4);
            }
        }
        for program in &case.aux_progs {
            let loaded = made.load(program, 0, 0);
            let fd = made.keep(loaded.ret, "another program")?;
            made.programs.push(fd);
        }
        made.fill(case, true)?;
        Ok(made)
    }

    fn keep(&mut self, fd: i64, what: &str) -> Result<i64, String> {
        if fd < 0 {
            return Err(format!("{what}: {}", errno_name(fd)));
        }
        self.opened.push(fd);
        Ok(fd)
    }

    fn btf(&self, reference: Option<&serde_json::Value>) -> i64 {
        let index = reference.and_then(serde_json::Value::as_u64);
        index.map_or(0, |index| self.btfs[index as usize])
    }

    fn fill(&self, case: &Case, programs: bool) -> Result<(), String> {
        for (map, fd) in case.maps.iter().zip(&self.maps) {
            for update in map.init.iter().filter(|update| update.prog.is_some() == programs) {
                let descriptor = |fd: i64| (fd as i32).to_le_bytes().to_vec();
                let value = match (update.map, &update.prog, &update.value) {
                    (Some(map), ..) => descriptor(self.maps[map]),
                    (_, Some(program), _) => match program.as_u64() {
                        Some(index) => descriptor(self.programs[index as usize]),
                        // The case's own program is not loaded yet.
                        None => continue,
                    },
                    (.., Some(value)) => value.0.clone(),
                    _ => Vec::new(),
                };
                let key = update.key.as_ref().map(|key| key.0.as_slice());
                let ret = calls::update(self.system, *fd, key, &value, update.flags);
                if ret < 0 {
                    return Err(format!("update of {}: {}", map.map_type, errno_name(ret)));
                }
            }
        }
        Ok(())
    }

    /// Loads a program of the case.
    pub fn load(&self, program: &Program, log_level: u32, log_size: usize) -> Loaded {
        let mut insns = program.insns.0.clone();
        for (slot, map, _) in &program.map_refs {
            let fd = (self.maps[*map] as i32).to_le_bytes();
            insns[slot * 8 + 4..slot * 8 + 8].copy_from_slice(&fd);
        }
        let fd_array: Vec<i32> = program
            .fd_array
            .iter()
            .map(|entry| match entry {
                None => 0,
                Some((kind, index)) if kind == "map" => {
                    self.maps[index.as_u64().unwrap_or_default() as usize] as i32
                }
                Some((_, index)) => self.btf(Some(index)) as i32,
            })
            .collect();
        let mut license = program.license.clone().into_bytes();
        license.push(0);
        let number = TYPES.iter().find(|row| row.name.eq_ignore_ascii_case(&program.prog_type));
        let info = |bytes: &Option<Bytes>| bytes.as_ref().map(|b| b.0.clone()).unwrap_or_default();
        let (func_info, line_info) = (info(&program.func_info), info(&program.line_info));
        Load {
            program_type: number.map_or(u32::MAX, |row| row.number),
            expected_attach_type: program.expected_attach_type,
            flags: program.prog_flags,
            license: &license,
            insns: &insns,
            log_level,
            log_size,
            kern_version: program.kern_version,
            name: &program.name,
            btf_fd: self.btf(program.btf.as_ref()),
            func_info: &func_info,
            func_info_size: program.func_info_rec_size.unwrap_or(8),
            line_info: &line_info,
            line_info_size: program.line_info_rec_size.unwrap_or(16),
            attach_btf_id: program.attach_btf_id,
            fd_array: (!fd_array.is_empty()).then_some(&fd_array),
            fd_array_count: program.fd_array_cnt,
        }
        .call(self.system)
    }
}
