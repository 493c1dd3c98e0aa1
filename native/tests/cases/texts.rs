//! The texts of `programs/`, which the running kernel accepts, at least one for each area of the verifier; and
//! loading a text into either system.

use std::path::Path;

use glasshive::isa::asm::{Assembly, assemble};
use glasshive::isa::{self, RawInsn};
use glasshive::names::{self, Uapi};

use glasshive_native::oracle::Bpf;
use glasshive_native::oracle::calls::{self, Attr, Load, Loaded, MapCreate, command, errno_name};

/// The programs by name, in order.
pub fn programs() -> Vec<(String, Assembly)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs");
    let entries = std::fs::read_dir(folder).expect("readable");
    let mut programs: Vec<(String, Assembly)> = entries
        .map(|entry| {
            let path = entry.expect("readable").path();
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            let text = std::fs::read_to_string(&path).expect("a text");
            let assembly = assemble(&text, &Uapi).unwrap_or_else(|errors| panic!("{name}: {}", errors[0]));
            (name, assembly)
        })
        .collect();
    programs.sort_by(|a, b| a.0.cmp(&b.0));
    programs
}

/// A text's maps in a system, closed when it goes.
pub struct Maps<'a> {
    system: &'a dyn Bpf,
    /// Descriptors, in the order of the text's `.map` lines.
    pub fds: Vec<i64>,
}

impl Drop for Maps<'_> {
    fn drop(&mut self) {
        self.fds.iter().for_each(|fd| self.system.close(*fd));
    }
}

impl<'a> Maps<'a> {
    /// Creates the maps of a text, with their contents; read-only ones are frozen.
    ///
    /// # Errors
    /// Which map can't be made, and what the system answered.
    pub fn new(text: &Assembly, system: &'a dyn Bpf) -> Result<Maps<'a>, String> {
        const READ_ONLY: u32 = 1 << 7;
        let mut maps = Maps { system, fds: Vec::new() };
        for map in &text.maps {
            let inner = map.inner.as_ref().and_then(|name| text.maps.iter().position(|m| m.name == *name));
            // A map of maps stands behind what it is a map of.
            let inner_map_fd = inner.and_then(|at| maps.fds.get(at)).copied().unwrap_or(0);
            let create = MapCreate {
                map_type: map.map_type,
                key_size: map.key_size,
                value_size: map.value_size,
                max_entries: map.max_entries,
                flags: map.flags,
                inner_map_fd,
                name: &map.name,
                ..MapCreate::default()
            };
            let fd = create.call(system);
            if fd < 0 {
                return Err(format!("map {}: {}", map.name, errno_name(fd)));
            }
            maps.fds.push(fd);
            if map.contents.is_empty() {
                continue;
            }
            let mut value = map.contents.clone();
            value.resize(map.value_size as usize, 0);
            let ret = calls::update(system, fd, Some(&[0; 4]), &value, 0);
            if ret < 0 {
                return Err(format!("contents of map {}: {}", map.name, errno_name(ret)));
            }
            if map.flags & READ_ONLY != 0 {
                let mut attr = Attr::default().fd(0, fd);
                system.bpf(command::MAP_FREEZE, &mut attr.0, 4);
            }
        }
        Ok(maps)
    }

    /// Loads the text's program, with the maps in place.
    pub fn load(&self, text: &Assembly, log_level: u32, log_size: usize) -> Loaded {
        let mut insns = text.insns.clone();
        for reference in &text.map_references {
            let at = reference.at.index();
            let fd = self.fds.get(reference.map as usize).copied().unwrap_or(-1);
            if let Some(first) = insns.get_mut(at) {
                *first = RawInsn { imm: fd as i32, ..*first };
            }
            if let (Some(offset), Some(second)) = (reference.value_offset, insns.get_mut(at + 1)) {
                second.imm = offset as i32;
            }
        }
        let insns = isa::bytes(&insns);
        let name = text.program_type.as_deref().unwrap_or("socket_filter");
        let license = format!("{}\0", text.license.as_deref().unwrap_or("GPL"));
        Load {
            program_type: names::program_type(name).unwrap_or(0),
            expected_attach_type: text.attach_type.unwrap_or(0),
            flags: text.program_flags.unwrap_or(0),
            license: license.as_bytes(),
            insns: &insns,
            log_level,
            log_size,
            ..Load::default()
        }
        .call(self.system)
    }
}
