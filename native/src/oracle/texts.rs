//! Loading texts into a system.

use glasshive::isa::asm::{Assembly, MapDirective};
use glasshive::isa::{self, RawInsn};
use glasshive::map::types::flag;
use glasshive::names;

use super::Bpf;
use super::calls::{self, Attr, Load, Loaded, MapCreate, command, errno_name};

/// A text's maps in a system, closed when it goes.
pub struct Maps<'a> {
    system: &'a dyn Bpf,
    /// Descriptors, in the order of the text's `.map` lines; -1 for one that is not made yet.
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
        let mut maps = Maps { system, fds: vec![-1; text.maps.len()] };
        // What a map is a map of comes first.
        for has_inner in [false, true] {
            for (at, map) in text.maps.iter().enumerate().filter(|(_, m)| m.inner.is_some() == has_inner) {
                let named = |name: &String| text.maps.iter().position(|m| m.name == *name);
                let inner = map.inner.as_ref().and_then(named).map_or(0, |at| maps.fds[at]);
                maps.fds[at] = create(system, map, inner)?;
            }
        }
        Ok(maps)
    }

    /// Loads the text's program, with the maps in place; the log goes into the buffer.
    pub fn load(&self, text: &Assembly, log_level: u32, log: &mut [u8]) -> Loaded {
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
        let license = format!("{}\0", text.license.as_deref().unwrap_or_default());
        Load {
            program_type: names::program_type(name).unwrap_or(0),
            expected_attach_type: text.attach_type.unwrap_or(0),
            flags: text.program_flags.unwrap_or(0),
            license: license.as_bytes(),
            insns: &insns,
            log_level,
            ..Load::default()
        }
        .call_with(self.system, log)
    }
}

fn create(system: &dyn Bpf, map: &MapDirective, inner_map_fd: i64) -> Result<i64, String> {
    let allowed = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
    let name: String = map.name.chars().filter(allowed).collect();
    let create = MapCreate {
        map_type: map.map_type,
        key_size: map.key_size,
        value_size: map.value_size,
        max_entries: map.max_entries,
        flags: map.flags,
        inner_map_fd,
        name: &name,
        ..MapCreate::default()
    };
    let fd = create.call(system);
    if fd < 0 {
        return Err(format!("map {}: {}", map.name, errno_name(fd)));
    }
    if !map.contents.is_empty() {
        let mut value = map.contents.clone();
        value.resize(map.value_size as usize, 0);
        let ret = calls::update(system, fd, Some(&[0; 4]), &value, 0);
        if ret < 0 {
            system.close(fd);
            return Err(format!("contents of map {}: {}", map.name, errno_name(ret)));
        }
        if map.flags & flag::RDONLY_PROG != 0 {
            let mut attr = Attr::default().fd(0, fd);
            system.bpf(command::MAP_FREEZE, &mut attr.0, 4);
        }
    }
    Ok(fd)
}
