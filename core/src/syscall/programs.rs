//! `BPF_PROG_LOAD`, and the operations behind it.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::OnceCell;

use sha2::{Digest, Sha256};

use super::attr::{Attr, UserMemory, read_bytes};
use super::descriptors::{Access, Object};
use super::{Kernel, LoadedBtf, capability};
use crate::arena::Memory;
use crate::errno::Errno;
use crate::image::Image;
use crate::isa::{self, RawInsn};
use crate::jit::Compiled;
use crate::map::types::flag as map_flag;
use crate::map::{MapId, MapSpec};
use crate::object::btf::{Btf, Name, TypeId};
use crate::program::{ProgramType, attach};
use crate::verifier::function_types::FunctionType;
use crate::verifier::observer::{Nobody, Observer};
use crate::verifier::{Environment, Input, MapFacts, Outcome, SourceLine, Verifier};

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
    /// Its instructions as they were given, descriptors of maps replaced by their ids.
    pub code: Vec<u8>,
    /// Whether its licence is compatible with the GPL.
    pub gpl_compatible: bool,
    /// The maps that it keeps alive.
    pub maps: Vec<MapId>,
    /// Instructions that it took to verify.
    pub verified_insns: u32,
    /// The first bytes of the SHA-256 of its instructions, the maps' descriptors left out.
    pub tag: [u8; 8],
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
    /// The program's BTF.
    pub types: Option<Arc<Btf>>,
    /// The kernel type that it attaches to (`attach_btf_id`), or 0.
    pub attach_type: TypeId,
    /// Its functions' types, in order.
    pub functions: Vec<FunctionType>,
    /// The first source line whose names are not in the BTF.
    pub nameless_line: Option<u32>,
    /// Descriptors that instructions name by index.
    pub fd_array: Vec<i32>,
    /// Descriptors of maps and BTF that the program holds, whether it names them or not.
    pub held: Vec<i32>,
    /// `log_level`
    pub log_level: u32,
}

impl LoadRequest {
    /// A program of instructions alone: without a name, BTF, descriptors besides those in its instructions, and
    /// without a log.
    pub fn new(program_type: &'static ProgramType, code: Vec<RawInsn>, license: &str) -> LoadRequest {
        LoadRequest {
            program_type,
            expected_attach_type: 0,
            flags: 0,
            license: license.into(),
            code,
            name: String::new(),
            lines: Vec::new(),
            types: None,
            attach_type: TypeId(0),
            functions: Vec::new(),
            nameless_line: None,
            fd_array: Vec::new(),
            held: Vec::new(),
            log_level: 0,
        }
    }
}

/// Most instructions of a program.
const MAX_INSNS: u32 = 1_000_000;
/// Most descriptors of `fd_array`: as many as have a size that fits an `int`.
const MAX_DESCRIPTORS: usize = i32::MAX as usize / 4;
/// Longest licence that is read.
const MAX_LICENSE: usize = 128;

/// Licences that let a program call what is for GPL programs alone.
fn is_gpl_compatible(license: &str) -> bool {
    matches!(
        license,
        "GPL" | "GPL v2" | "GPL and additional rights" | "Dual BSD/GPL" | "Dual MIT/GPL" | "Dual MPL/GPL"
    )
}

/// A program's tag. Loads of maps count without descriptor and offset.
fn tag(code: &[RawInsn]) -> [u8; 8] {
    const LOAD_IMM64: u8 = 0x18;
    let mut code = code.to_vec();
    let mut slot = 0;
    while slot < code.len() {
        let wide = code[slot].code == LOAD_IMM64;
        if wide && matches!(code[slot].src, 1 | 2 | 5 | 6) {
            code[slot].imm = 0;
            if let Some(second) = code.get_mut(slot + 1) {
                second.imm = 0;
            }
        }
        slot += if wide { 2 } else { 1 };
    }
    let hash = Sha256::digest(isa::bytes(&code));
    let mut tag = [0; 8];
    tag.copy_from_slice(&hash[..8]);
    tag
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
    fn held(&mut self, fd: i32) -> Result<Option<MapId>, Errno> {
        match self.kernel.table.get(fd)? {
            Object::Map(id) => Ok(Some(id)),
            Object::Btf(_) => Ok(None),
            Object::Program(_) => Err(Errno::EINVAL),
        }
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
            inner: maps.inner(id),
            types: self.kernel.map_types.get(&id).cloned(),
            inner_types: self.kernel.inner_map_types.get(&id).cloned(),
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
            perfmon: self.has(capability::PERFMON),
            code: request.code.clone(),
            lines: request.lines.clone(),
            held: request.held.clone(),
            types: request.types.clone(),
            kernel_types: self.kernel_types.clone(),
            attach_type: request.attach_type,
            functions: request.functions.clone(),
            nameless_line: request.nameless_line,
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
            code: self.shown_code(request),
            tag: tag(&request.code),
            gpl_compatible: is_gpl_compatible(&request.license),
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

    /// A program's instructions with the ids of its maps.
    fn shown_code(&self, request: &LoadRequest) -> Vec<u8> {
        let id = |fd: i32| self.table.map(fd).map_or(0, |(id, _)| id.0 as i32);
        let by_index = |index: i32| {
            let fd = usize::try_from(index).ok().and_then(|at| request.fd_array.get(at));
            fd.map_or(0, |fd| id(*fd))
        };
        let shown = request.code.iter().map(|insn| match (insn.code, insn.src) {
            (0x18, 1 | 2) => RawInsn { imm: id(insn.imm), ..*insn },
            (0x18, 5 | 6) => RawInsn { src: insn.src - 4, imm: by_index(insn.imm), ..*insn },
            _ => *insn,
        });
        shown.flat_map(|insn| insn.to_bytes()).collect()
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
        let log = LogBuffer {
            level: attr.u32(field::LOG_LEVEL),
            size: attr.u32(field::LOG_SIZE),
            address: attr.u64(field::LOG_BUF),
        };
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
    fn copy(&self, kept: &[u8], true_size: usize, user: &mut dyn UserMemory) -> Result<(), Errno> {
        if self.level == 0 || self.address == 0 {
            return Ok(());
        }
        user.write(self.address, kept)?;
        user.write(self.address + kept.len() as u64, &[0])?;
        // What was forgotten since had to fit too.
        if true_size <= self.size as usize { Ok(()) } else { Err(Errno::ENOSPC) }
    }
}

/// Offsets of the attribute's fields.
mod field {
    pub const PROG_TYPE: usize = 0;
    pub const INSN_CNT: usize = 4;
    pub const INSNS: usize = 8;
    pub const LICENSE: usize = 16;
    pub const LOG_LEVEL: usize = 24;
    pub const LOG_SIZE: usize = 28;
    pub const LOG_BUF: usize = 32;
    pub const PROG_FLAGS: usize = 44;
    pub const PROG_NAME: usize = 48;
    pub const PROG_IFINDEX: usize = 64;
    pub const EXPECTED_ATTACH_TYPE: usize = 68;
    pub const FUNC_INFO_CNT: usize = 88;
    pub const LINE_INFO_CNT: usize = 104;
    pub const ATTACH_BTF_ID: usize = 108;
    pub const ATTACH_PROG_FD: usize = 112;
    pub const FD_ARRAY: usize = 120;
    pub const LOG_TRUE_SIZE: usize = 140;
    pub const FD_ARRAY_CNT: usize = 148;
    pub const SIGNATURE: usize = 152;
    pub const SIGNATURE_SIZE: usize = 160;
}

/// The one interface there is, `lo`: it can't run programs itself.
const LOOPBACK: u32 = 1;
/// Program types that an interface may run: sched_cls and XDP.
const OFFLOADED: [u32; 2] = [3, 6];

/// Program types that need `CAP_NET_ADMIN` besides `CAP_BPF` (`native/probes/capabilities.py` prints both lists).
const NEED_NET_ADMIN: &[u32] = &[3, 4, 6, 9, 10, 11, 12, 13, 14, 15, 16, 18, 19, 22, 23, 25, 32];
/// Program types that need `CAP_PERFMON` besides it.
const NEED_PERFMON: &[u32] = &[2, 5, 7, 17, 24, 26, 27, 28, 29];

pub(super) fn load<M: Memory + 'static>(
    kernel: &mut Kernel<M>,
    attr: &mut Attr,
    user: &mut dyn UserMemory,
) -> Result<i64, Errno> {
    // The order of the checks is the running kernel's: native/tests/kernel_programs.rs asks for pairs of errors.
    let (number, count, flags) =
        (attr.u32(field::PROG_TYPE), attr.u32(field::INSN_CNT), attr.u32(field::PROG_FLAGS));
    const FLAGS: u32 = 0xff;
    if flags & !FLAGS != 0 {
        return Err(Errno::EINVAL);
    }
    // Unprivileged loading is off, as `kernel.unprivileged_bpf_disabled` is on the machines that were asked.
    if !kernel.has(capability::BPF) {
        return Err(Errno::EPERM);
    }
    if count == 0 || count > MAX_INSNS {
        return Err(Errno::E2BIG);
    }
    if NEED_NET_ADMIN.contains(&number) && !kernel.has(capability::NET_ADMIN)
        || NEED_PERFMON.contains(&number) && !kernel.has(capability::PERFMON)
    {
        return Err(Errno::EPERM);
    }
    let expected_attach_type = attr.u32(field::EXPECTED_ATTACH_TYPE);
    let attach_btf_id = attr.u32(field::ATTACH_BTF_ID);
    if attach_btf_id != 0 && !matches!(number, 26..=29)
        || attr.u32(field::ATTACH_PROG_FD) != 0 && attach_btf_id == 0
        || !attach::may_expect(number, expected_attach_type)
    {
        return Err(Errno::EINVAL);
    }
    let code = read_bytes(user, attr.u64(field::INSNS), count as usize * RawInsn::SIZE)?;
    let license = read_license(user, attr.u64(field::LICENSE))?;
    if attr.u64(field::SIGNATURE) != 0 {
        // There is no keyring to check it against.
        return Err(refuse_signature(attr, user));
    }
    let name = attr.name(field::PROG_NAME)?;
    let program_type = ProgramType::by_number(number).ok_or(Errno::EINVAL)?;
    match attr.u32(field::PROG_IFINDEX) {
        0 => {}
        LOOPBACK if OFFLOADED.contains(&number) => return Err(Errno::EOPNOTSUPP),
        _ => return Err(Errno::EINVAL),
    }
    let log = LogBuffer::of(attr)?;
    let code = isa::slots(&code).ok_or(Errno::EINVAL)?;
    let request = LoadRequest {
        program_type,
        expected_attach_type,
        flags,
        license,
        code,
        name,
        lines: Vec::new(),
        types: None,
        attach_type: TypeId(attr.u32(108)),
        functions: Vec::new(),
        nameless_line: None,
        fd_array: Vec::new(),
        held: Vec::new(),
        log_level: log.level,
    };
    let (result, kept, true_size) = verify(kernel, attr, user, request);
    let copied = log.copy(&kept, true_size, user);
    attr.write_back_new(field::LOG_TRUE_SIZE, &(true_size as u32).to_le_bytes(), user)?;
    let (request, outcome) = match (result, copied) {
        (_, Err(errno)) | (Err(errno), Ok(())) => return Err(errno),
        (Ok(verified), Ok(())) => verified,
    };
    kernel.insert_program(&request, &outcome).map(i64::from)
}

/// What a program with a signature is refused with: none can be checked here.
fn refuse_signature(attr: &Attr, user: &dyn UserMemory) -> Errno {
    let size = attr.u32(field::SIGNATURE_SIZE) as usize;
    match read_bytes(user, attr.u64(field::SIGNATURE), size) {
        Err(_) => Errno::ENOMEM,
        Ok(_) => Errno::EOPNOTSUPP,
    }
}

/// A program that was accepted: what was asked for, and what came of it.
type Accepted = (LoadRequest, Outcome<Nobody>);

/// Reads what else belongs to the program, and verifies it; what the log's buffer gets and the log's true size,
/// whatever the answer.
fn verify<M: Memory + 'static>(
    kernel: &Kernel<M>,
    attr: &Attr,
    user: &dyn UserMemory,
    mut request: LoadRequest,
) -> (Result<Accepted, Errno>, Vec<u8>, usize) {
    let mut read = || {
        read_descriptors(attr, user, &mut request)?;
        if attr.u32(field::FUNC_INFO_CNT) != 0 || attr.u32(field::LINE_INFO_CNT) != 0 {
            read_debug_information(kernel, attr, user, &mut request)?;
        }
        Ok(())
    };
    if let Err(errno) = read() {
        return (Err(errno), Vec::new(), 0);
    }
    let size = attr.u32(field::LOG_SIZE) as usize;
    let outcome = kernel.verifier(&request, Nobody).with_log_size(size).finish();
    let (text, true_size) = (outcome.log.kept().to_vec(), outcome.log.true_size());
    let true_size = if request.log_level == 0 { 0 } else { true_size };
    match outcome.result.as_ref().err().map(|rejection| rejection.errno) {
        Some(errno) => (Err(errno), text, true_size),
        None => (Ok((request, outcome)), text, true_size),
    }
}

/// The descriptors of `fd_array`: with a count the program holds them all; without one it is as long as the
/// instructions' indices say.
fn read_descriptors(attr: &Attr, user: &dyn UserMemory, request: &mut LoadRequest) -> Result<(), Errno> {
    let (address, count) = (attr.u64(field::FD_ARRAY), attr.u32(field::FD_ARRAY_CNT) as usize);
    let descriptors = |count: usize| -> Result<Vec<i32>, Errno> {
        let bytes = read_bytes(user, address, count * 4)?;
        Ok(bytes.as_chunks::<4>().0.iter().map(|e| i32::from_le_bytes(*e)).collect())
    };
    if count > 0 {
        if count > MAX_DESCRIPTORS {
            return Err(Errno::EINVAL);
        }
        request.held = descriptors(count)?;
        request.fd_array = request.held.clone();
        return Ok(());
    }
    let indices = request.code.iter().filter(|i| i.code == 0x18 && matches!(i.src, 5 | 6)).map(|i| i.imm);
    if address != 0
        && let Some(most) = indices.max()
    {
        request.fd_array = descriptors((most.max(0) as usize + 1).min(4096))?;
    }
    Ok(())
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
    let Object::Btf(id) = kernel.table.get(attr.i32(72))? else {
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
    let function = |record: &Vec<u32>| FunctionType { pc: record[0], of: TypeId(record[1]) };
    request.functions = functions.iter().map(function).collect();
    request.types = Some(btf.clone());
    let lines: Vec<Vec<u32>> = records(attr.u32(92) as usize, attr.u32(104) as usize, 16, attr.u64(96))?;
    for (number, record) in lines.iter().enumerate() {
        if !btf.has_name(Name::at(record[1])) || !btf.has_name(Name::at(record[2])) {
            request.nameless_line = request.nameless_line.or(Some(number as u32));
        }
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
