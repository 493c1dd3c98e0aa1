//! Two systems behind one interface: the running kernel's `bpf(2)` and glasshive's, over the same bytes.

use glasshive::isa::asm::{Assembly, MapDirective};
use glasshive::isa::{self, RawInsn};
use glasshive::map::types::flag;
use glasshive::names;

/// A `bpf(2)` to ask.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum System {
    /// The running kernel's.
    Kernel,
    /// glasshive's, in this process.
    Library,
}

/// `union bpf_attr`, zeroed, as long as Linux 6.18's.
struct Attr([u8; glasshive::syscall::attr::LEN]);

impl Attr {
    fn new() -> Attr {
        Attr([0; glasshive::syscall::attr::LEN])
    }
    fn u32(mut self, at: usize, value: u32) -> Attr {
        self.0[at..at + 4].copy_from_slice(&value.to_le_bytes());
        self
    }
    fn pointer<T>(mut self, at: usize, value: *const T) -> Attr {
        self.0[at..at + 8].copy_from_slice(&(value as u64).to_le_bytes());
        self
    }
    fn name(mut self, at: usize, name: &str) -> Attr {
        let kept = name.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'));
        for (place, c) in self.0[at..at + 15].iter_mut().zip(kept) {
            *place = c as u8;
        }
        self
    }
}

/// Commands of `bpf(2)` (uapi `enum bpf_cmd`).
mod command {
    pub const MAP_CREATE: i32 = 0;
    pub const MAP_UPDATE_ELEM: i32 = 2;
    pub const PROG_LOAD: i32 = 5;
    pub const MAP_FREEZE: i32 = 22;
}

/// What a system answered to a load.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Answer {
    /// 0, or `-errno`.
    pub result: i64,
    /// The whole log at level 2, with what differs from load to load taken out.
    pub log: String,
}

impl Answer {
    /// The line that says why: the last one that is no statistics. Empty for an accepted program.
    pub fn message(&self) -> &str {
        if self.result >= 0 {
            return "";
        }
        let is_statistics = |line: &&str| {
            ["processed ", "verification time ", "stack depth "].iter().any(|start| line.starts_with(start))
        };
        self.log.lines().rev().find(|line| !line.is_empty() && !is_statistics(line)).unwrap_or("")
    }

    /// Instructions walked.
    pub fn processed(&self) -> Option<u32> {
        let line = self.log.lines().rev().find_map(|line| line.strip_prefix("processed "))?;
        line.split(' ').next()?.parse().ok()
    }

    /// Whether it was refused as not built, by name.
    pub fn is_not_built(&self) -> bool {
        self.message().starts_with("glasshive: ")
    }
}

/// A log without map addresses and times.
fn normalise(log: &str) -> String {
    let mut out = String::with_capacity(log.len());
    for line in log.lines().filter(|line| !line.starts_with("verification time ")) {
        let mut rest = line;
        while let Some(at) = rest.find("0xffff") {
            let digits = rest[at + 2..].bytes().take_while(u8::is_ascii_hexdigit).count();
            out.push_str(&rest[..at]);
            out.push_str(if digits == 16 { "<address>" } else { &rest[at..at + 2 + digits] });
            rest = &rest[at + 2 + digits..];
        }
        out.push_str(rest);
        out.push('\n');
    }
    out
}

/// Where logs are written: 8 MiB, made once.
pub struct LogBuffer(Vec<u8>);

impl Default for LogBuffer {
    fn default() -> LogBuffer {
        LogBuffer(vec![0; 1 << 23])
    }
}

impl LogBuffer {
    fn text(&self) -> String {
        let end = self.0.iter().position(|b| *b == 0).unwrap_or(self.0.len());
        String::from_utf8_lossy(&self.0[..end]).into_owned()
    }
}

impl System {
    fn bpf(self, command: i32, attr: &Attr) -> i64 {
        let (attr, size) = (attr.0.as_ptr(), attr.0.len());
        match self {
            System::Library => glasshive_native::process::bpf(command, attr as u64, size as u32),
            System::Kernel => {
                // SAFETY: the attribute is as long as it says, and what it points to outlives the call.
                let done = unsafe { libc::syscall(libc::SYS_bpf, command, attr, size) };
                if done >= 0 {
                    return done;
                }
                -i64::from(std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO))
            }
        }
    }

    fn close(self, fd: i32) {
        match self {
            System::Library => {
                glasshive_native::process::close(fd);
            }
            // SAFETY: the descriptor was made by this system for us.
            System::Kernel => unsafe {
                libc::close(fd);
            },
        }
    }

    /// Whether programs can be loaded.
    pub fn is_usable(self) -> bool {
        let assembly = Assembly {
            insns: vec![
                RawInsn { code: 0xb7, ..RawInsn::default() },
                RawInsn { code: 0x95, ..RawInsn::default() },
            ],
            ..Assembly::default()
        };
        self.load(&assembly, &mut LogBuffer::default()).is_ok_and(|answer| answer.result == 0)
    }

    fn create_map(self, map: &MapDirective, inner: i32) -> Result<i32, String> {
        let attr = Attr::new()
            .u32(0, map.map_type)
            .u32(4, map.key_size)
            .u32(8, map.value_size)
            .u32(12, map.max_entries)
            .u32(16, map.flags)
            .u32(20, inner as u32)
            .name(28, &map.name);
        let fd = self.bpf(command::MAP_CREATE, &attr);
        if fd < 0 {
            return Err(format!("{self:?}: map {} can't be created ({fd})", map.name));
        }
        let fd = fd as i32;
        if !map.contents.is_empty() {
            let (key, mut value) = ([0u8; 4], map.contents.clone());
            value.resize(map.value_size as usize, 0);
            let attr = Attr::new().u32(0, fd as u32).pointer(8, key.as_ptr()).pointer(16, value.as_ptr());
            self.bpf(command::MAP_UPDATE_ELEM, &attr);
            if map.flags & flag::RDONLY_PROG != 0 {
                self.bpf(command::MAP_FREEZE, &Attr::new().u32(0, fd as u32));
            }
        }
        Ok(fd)
    }

    /// Makes a program's maps, loads it, and closes everything again.
    ///
    /// # Errors
    /// A map that this system can't create: nothing can be said of the program.
    pub fn load(self, assembly: &Assembly, log: &mut LogBuffer) -> Result<Answer, String> {
        let mut fds: Vec<i32> = Vec::new();
        let made = self.load_with(assembly, &mut fds, log);
        fds.into_iter().for_each(|fd| self.close(fd));
        made
    }

    fn load_with(
        self,
        assembly: &Assembly,
        fds: &mut Vec<i32>,
        log: &mut LogBuffer,
    ) -> Result<Answer, String> {
        let mut of_maps: Vec<Option<i32>> = vec![None; assembly.maps.len()];
        // What a map is a map of comes first.
        for with_inner in [false, true] {
            for (index, map) in
                assembly.maps.iter().enumerate().filter(|(_, m)| m.inner.is_some() == with_inner)
            {
                let inner =
                    map.inner.as_ref().and_then(|name| assembly.maps.iter().position(|m| m.name == *name));
                let fd = self.create_map(map, inner.and_then(|at| of_maps[at]).unwrap_or(0))?;
                fds.push(fd);
                of_maps[index] = Some(fd);
            }
        }
        let mut insns = assembly.insns.clone();
        for reference in &assembly.map_references {
            let at = reference.at.index();
            let fd = of_maps.get(reference.map as usize).copied().flatten();
            if let (Some(fd), Some(slot)) = (fd, insns.get_mut(at)) {
                slot.imm = fd;
            }
            if let (Some(offset), Some(slot)) = (reference.value_offset, insns.get_mut(at + 1)) {
                slot.imm = offset as i32;
            }
        }
        let code = isa::bytes(&insns);
        let license =
            std::ffi::CString::new(assembly.license.clone().unwrap_or_default()).unwrap_or_default();
        let number = assembly.program_type.as_deref().and_then(names::program_type).unwrap_or(1);
        log.0[0] = 0;
        let attr = Attr::new()
            .u32(0, number)
            .u32(4, insns.len() as u32)
            .pointer(8, code.as_ptr())
            .pointer(16, license.as_ptr())
            .u32(24, 2)
            .u32(28, log.0.len() as u32)
            .pointer(32, log.0.as_mut_ptr())
            .u32(44, assembly.program_flags.unwrap_or(0))
            .u32(68, assembly.attach_type.unwrap_or(0));
        let fd = self.bpf(command::PROG_LOAD, &attr);
        if fd >= 0 {
            fds.push(fd as i32);
        }
        Ok(Answer { result: fd.min(0), log: normalise(&log.text()) })
    }
}
