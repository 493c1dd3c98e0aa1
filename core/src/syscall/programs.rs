//! `BPF_PROG_LOAD`, and the operations behind it.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::OnceCell;

use super::attr::{Attr, UserMemory, read_bytes};
use super::descriptors::{Access, Object};
use super::{Kernel, LoadedBtf};
use crate::arena::Memory;
use crate::errno::Errno;
use crate::image::Image;
use crate::isa::{self, RawInsn};
use crate::jit::Compiled;
use crate::map::types::flag as map_flag;
use crate::map::{MapId, MapSpec};
use crate::object::btf::{Linkage, Name, Type, TypeId};
use crate::program::ProgramType;
use crate::verifier::observer::{Nobody, Observer};
use crate::verifier::{Environment, Input, MapFacts, Outcome, SourceLine, Verifier, flag};

pub use crate::program::ProgramId;

/// A program that was loaded.
pub struct Program<M> {
    /// Its type.
    pub program_type: &'static ProgramType,
    /// `expected_attach_type`
    pub expected_attach_type: u32,
    /// Its name, at most 15 characters.
    pub name: String,
    /// What engines run.
    pub image: Arc<Image>,
    /// The maps that it keeps alive.
    pub maps: Vec<MapId>,
    /// Instructions that it took to verify.
    pub verified_insns: u32,
    references: u32,
    /// Machine code, once it was tried to be had.
    pub(super) compiled: OnceCell<Option<Box<dyn Compiled<M> + Send>>>,
}

/// A program to be loaded.
#[derive(Clone, Debug)]
pub struct LoadRequest {
    /// Its type.
    pub program_type: &'static ProgramType,
    /// `expected_attach_type`
    pub expected_attach_type: u32,
    /// `prog_flags`
    pub flags: u32,
    /// Its licence, as text.
    pub license: String,
    /// Its instructions.
    pub code: Vec<RawInsn>,
    /// Its name.
    pub name: String,
    /// Source lines by slot.
    pub lines: Vec<SourceLine>,
    /// Slots of functions that BTF says are global.
    pub global_functions: Vec<u32>,
    /// Descriptors that instructions name by index.
    pub fd_array: Vec<i32>,
    /// `log_level`
    pub log_level: u32,
}

/// Most instructions of a program.
const MAX_INSNS: u32 = 1_000_000;
/// Longest licence that is read.
const MAX_LICENSE: usize = 128;

/// Licences that let a program call what is for GPL programs alone.
fn is_gpl_compatible(license: &str) -> bool {
    matches!(
        license,
        "GPL" | "GPL v2" | "GPL and additional rights" | "Dual BSD/GPL" | "Dual MIT/GPL" | "Dual MPL/GPL"
    )
}

/// What the verifier asks, answered by a kernel.
struct Answers<'a, M> {
    kernel: &'a Kernel<M>,
    fd_array: &'a [i32],
    none: MapSpec,
}

impl<M: Memory + 'static> Environment for Answers<'_, M> {
    fn map_by_fd(&mut self, fd: i32) -> Result<MapId, Errno> {
        self.kernel.table.map(fd).map(|(id, _)| id)
    }
    fn map_by_index(&mut self, index: i32) -> Result<MapId, Errno> {
        let fd = usize::try_from(index).ok().and_then(|at| self.fd_array.get(at)).ok_or(Errno::EFAULT)?;
        self.map_by_fd(*fd)
    }
    fn map(&self, id: MapId) -> MapFacts<'_> {
        let maps = &self.kernel.resources.maps;
        MapFacts {
            spec: maps.spec(id).unwrap_or(&self.none),
            handle: maps.handle(id).unwrap_or(0),
            direct_value: maps.direct_value(id),
        }
    }
    fn constant_value(&self, id: MapId) -> Option<Vec<u8>> {
        let maps = &self.kernel.resources.maps;
        let spec = maps.spec(id)?;
        let constant = spec.flags & map_flag::RDONLY_PROG != 0 && maps.is_frozen(id) && spec.max_entries == 1;
        let address = maps.direct_value(id).filter(|_| constant)?;
        let mut bytes = alloc::vec![0; spec.value_size as usize];
        self.kernel.resources.arena.memory().read(address.into(), &mut bytes).ok()?;
        Some(bytes)
    }
    fn cpus(&self) -> u32 {
        self.kernel.resources.cpus
    }
}

impl<M: Memory + 'static> Kernel<M> {
    /// A verification of a program, for the caller to step; [`Kernel::insert_program`] takes what comes of
    /// it.
    pub fn verifier<O: Observer>(&self, request: &LoadRequest, observer: O) -> Verifier<O> {
        let input = Input {
            program_type: request.program_type,
            expected_attach_type: request.expected_attach_type,
            flags: request.flags,
            gpl_compatible: is_gpl_compatible(&request.license),
            code: request.code.clone(),
            lines: request.lines.clone(),
            global_functions: request.global_functions.clone(),
            log_level: request.log_level,
        };
        let mut answers = Answers { kernel: self, fd_array: &request.fd_array, none: MapSpec::default() };
        Verifier::new(input, &mut answers, observer)
    }

    /// Adds a program that was verified; gives back its descriptor.
    ///
    /// # Errors
    /// The rejection's error, or `EMFILE`.
    pub fn insert_program<O>(&mut self, request: &LoadRequest, outcome: &Outcome<O>) -> Result<i32, Errno> {
        let verified = outcome.result.as_ref().map_err(|rejection| rejection.errno)?;
        let kind = (request.program_type.number, request.expected_attach_type);
        for map in &verified.maps {
            self.resources.maps.join_tail_calls(*map, kind)?;
        }
        self.last_program += 1;
        let id = ProgramId(self.last_program);
        let fd = self.table.insert(Object::Program(id), Access::ALL)?;
        for map in &verified.maps {
            self.resources.hold_map(*map);
        }
        let image = Arc::new(verified.image.clone());
        self.resources.images.insert(id, Arc::clone(&image));
        let program = Program {
            program_type: request.program_type,
            expected_attach_type: request.expected_attach_type,
            name: request.name.clone(),
            image: Arc::clone(&image),
            maps: verified.maps.clone(),
            verified_insns: outcome.stats.processed,
            references: 1,
            compiled: OnceCell::new(),
        };
        self.programs.insert(id, program);
        Ok(fd)
    }

    /// Verifies and loads a program in one go.
    pub fn load_program(&mut self, request: &LoadRequest) -> (Result<i32, Errno>, Outcome<Nobody>) {
        let outcome = self.verifier(request, Nobody).finish();
        (self.insert_program(request, &outcome), outcome)
    }

    /// The program of a descriptor.
    ///
    /// # Errors
    /// `EBADF`, `EINVAL`.
    pub fn program(&self, fd: i32) -> Result<&Program<M>, Errno> {
        let id = self.table.program(fd)?;
        self.programs.get(&id).ok_or(Errno::EBADF)
    }

    pub(super) fn program_id(&self, fd: i32) -> Result<ProgramId, Errno> {
        self.table.program(fd)
    }

    /// Whether an array of programs may hold a program: all of one array have to be alike, since a tail call
    /// keeps the context.
    ///
    /// # Errors
    /// `EINVAL` where the array is another kind's.
    pub(super) fn check_tail_call(&mut self, array: MapId, id: ProgramId) -> Result<(), Errno> {
        let program = self.programs.get(&id).ok_or(Errno::EBADF)?;
        let kind = (program.program_type.number, program.expected_attach_type);
        self.resources.maps.join_tail_calls(array, kind)
    }

    pub(super) fn hold_program(&mut self, id: ProgramId) {
        if let Some(program) = self.programs.get_mut(&id) {
            program.references += 1;
        }
    }

    pub(super) fn release_program(&mut self, id: ProgramId) {
        let Some(program) = self.programs.get_mut(&id) else { return };
        program.references -= 1;
        if program.references > 0 {
            return;
        }
        if let Some(program) = self.programs.remove(&id) {
            self.resources.images.remove(&id);
            program.maps.iter().for_each(|map| self.resources.release_map(*map));
            self.settle();
        }
    }
}

/// The log's buffer, and the rules of its fields.
struct LogBuffer {
    level: u32,
    address: u64,
    size: u32,
}

impl LogBuffer {
    fn of(attr: &Attr) -> Result<LogBuffer, Errno> {
        let log = LogBuffer { level: attr.u32(24), size: attr.u32(28), address: attr.u64(32) };
        let known = crate::verifier::log::level::FIXED * 2 - 1;
        let inconsistent = (log.size == 0) != (log.address == 0);
        let useless = log.size != 0 && log.level == 0;
        if inconsistent || useless || log.level & !known != 0 || log.size > u32::MAX >> 2 {
            return Err(Errno::EINVAL);
        }
        Ok(log)
    }

    /// Copies the log out.
    ///
    /// # Errors
    /// `ENOSPC` where the buffer is too small, `EFAULT` where it is not there.
    fn copy(&self, text: &str, user: &mut dyn UserMemory) -> Result<(), Errno> {
        if self.level == 0 || self.address == 0 {
            return Ok(());
        }
        let (bytes, size) = (text.as_bytes(), self.size as usize);
        if bytes.len() < size {
            user.write(self.address, bytes)?;
            return user.write(self.address + bytes.len() as u64, &[0]);
        }
        // A fixed buffer keeps the beginning, a rotating one the end.
        let kept = match self.level & crate::verifier::log::level::FIXED {
            0 => &bytes[bytes.len() - (size - 1)..],
            _ => &bytes[..size - 1],
        };
        user.write(self.address, kept)?;
        user.write(self.address + kept.len() as u64, &[0])?;
        Err(Errno::ENOSPC)
    }
}

pub(super) fn load<M: Memory + 'static>(
    kernel: &mut Kernel<M>,
    attr: &mut Attr,
    user: &mut dyn UserMemory,
) -> Result<i64, Errno> {
    let (number, count, flags) = (attr.u32(0), attr.u32(4), attr.u32(44));
    const FLAGS: u32 = 0xff;
    if flags & !FLAGS != 0 {
        return Err(Errno::EINVAL);
    }
    let name = attr.name(48)?;
    if count == 0 || count > MAX_INSNS {
        return Err(Errno::E2BIG);
    }
    let program_type = ProgramType::by_number(number).ok_or(Errno::EINVAL)?;
    if flags & flag::SLEEPABLE != 0 && !matches!(number, 2 | 26 | 27 | 29 | 31) {
        return Err(Errno::EINVAL);
    }
    if attr.u32(108) != 0 && !matches!(number, 26..=29) {
        return Err(Errno::EINVAL);
    }
    if attr.u32(112) != 0 && attr.u32(108) == 0 {
        return Err(Errno::EINVAL);
    }
    let expected_attach_type = attr.u32(68);
    let code = read_bytes(user, attr.u64(8), count as usize * RawInsn::SIZE)?;
    let license = read_license(user, attr.u64(16))?;
    if attr.u32(64) != 0 {
        return Err(if number == 6 { Errno::EOPNOTSUPP } else { Errno::EINVAL });
    }
    let log = LogBuffer::of(attr)?;
    let code = isa::slots(&code).ok_or(Errno::EINVAL)?;
    let mut request = LoadRequest {
        program_type,
        expected_attach_type,
        flags,
        license,
        code,
        name,
        lines: Vec::new(),
        global_functions: Vec::new(),
        fd_array: Vec::new(),
        log_level: log.level,
    };
    if attr.u32(88) != 0 || attr.u32(104) != 0 {
        read_debug_information(kernel, attr, user, &mut request)?;
    }
    let indices = request.code.iter().filter(|i| i.code == 0x18 && matches!(i.src, 5 | 6)).map(|i| i.imm);
    if attr.u64(120) != 0
        && let Some(most) = indices.max()
    {
        let bytes = read_bytes(user, attr.u64(120), (most.max(0) as usize + 1).min(4096) * 4)?;
        let (entries, _) = bytes.as_chunks::<4>();
        request.fd_array = entries.iter().map(|e| i32::from_le_bytes(*e)).collect();
    }
    let outcome = kernel.verifier(&request, Nobody).finish();
    let copied = log.copy(outcome.log.text(), user);
    if log.level != 0 {
        // `log_true_size`
        attr.write_back(140, &(outcome.log.true_size() as u32).to_le_bytes(), user)?;
    }
    outcome.result.as_ref().map(|_| ()).map_err(|rejection| rejection.errno)?;
    copied?;
    kernel.insert_program(&request, &outcome).map(i64::from)
}

/// The licence: up to 127 characters, or up to a zero.
fn read_license(user: &dyn UserMemory, address: u64) -> Result<String, Errno> {
    let mut bytes = Vec::new();
    while bytes.len() < MAX_LICENSE - 1 {
        let mut byte = [0];
        user.read(address.wrapping_add(bytes.len() as u64), &mut byte)?;
        if byte[0] == 0 {
            break;
        }
        bytes.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Functions and source lines, by the BTF that the program came with.
fn read_debug_information<M: Memory + 'static>(
    kernel: &Kernel<M>,
    attr: &Attr,
    user: &dyn UserMemory,
    request: &mut LoadRequest,
) -> Result<(), Errno> {
    let Object::Btf(id) = kernel.table.get(attr.i32(72)).map_err(|_| Errno::EINVAL)? else {
        return Err(Errno::EINVAL);
    };
    let LoadedBtf { btf, .. } = kernel.btfs.get(&id).ok_or(Errno::EINVAL)?;
    let records = |size: usize, count: usize, least: usize, address: u64| {
        if count == 0 {
            return Ok(Vec::new());
        }
        if size < least || size > 252 || !size.is_multiple_of(4) || count > MAX_INSNS as usize {
            return Err(Errno::EINVAL);
        }
        let bytes = read_bytes(user, address, size * count)?;
        let words = |record: &[u8]| -> Vec<u32> {
            record.as_chunks::<4>().0.iter().map(|w| u32::from_le_bytes(*w)).collect()
        };
        Ok(bytes.chunks(size).map(words).collect())
    };
    let functions: Vec<Vec<u32>> = records(attr.u32(76) as usize, attr.u32(88) as usize, 8, attr.u64(80))?;
    for record in &functions {
        if let Some(Type::Function { linkage: Linkage::Global, .. }) = btf.get(TypeId(record[1])) {
            request.global_functions.push(record[0]);
        }
    }
    let lines: Vec<Vec<u32>> = records(attr.u32(92) as usize, attr.u32(104) as usize, 16, attr.u64(96))?;
    for record in &lines {
        let file = btf.text(Name::at(record[1]));
        request.lines.push(SourceLine {
            pc: record[0],
            text: btf.text(Name::at(record[2])).to_string(),
            file: file.rsplit('/').next().unwrap_or(file).to_string(),
            line: record[3] >> 10,
        });
    }
    Ok(())
}
