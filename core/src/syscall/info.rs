//! What there is to know of an object: `BPF_OBJ_GET_INFO_BY_FD`, and `BPF_BTF_LOAD`.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::attr::{Attr, UserMemory, name_bytes, read_bytes};
use super::descriptors::{Access, Object};
use super::{Kernel, LoadedBtf};
use crate::arena::Memory;
use crate::errno::Errno;
use crate::map::MapId;
use crate::object::btf::Btf;
use crate::program::ProgramId;

/// Largest BTF that is taken (`BTF_MAX_SIZE`).
const MAX_BTF: u32 = 16 << 20;

/// An information structure: what the caller gave, with what is known written over it.
struct Info {
    bytes: Vec<u8>,
    /// Bytes that the kernel's structure has.
    len: usize,
}

impl Info {
    /// Reads the caller's structure.
    ///
    /// # Errors
    /// `E2BIG` where it is not zero past `len`, `EFAULT` where it is not there.
    fn read(user: &dyn UserMemory, address: u64, given: usize, len: usize) -> Result<Info, Errno> {
        let mut bytes = read_bytes(user, address, given.min(MOST_INFO))?;
        if bytes.iter().skip(len).any(|byte| *byte != 0) {
            return Err(Errno::E2BIG);
        }
        bytes.resize(len, 0);
        Ok(Info { bytes, len: given.min(len) })
    }

    fn u32(&self, offset: usize) -> u32 {
        self.bytes[offset..].first_chunk().map_or(0, |b| u32::from_le_bytes(*b))
    }
    fn u64(&self, offset: usize) -> u64 {
        self.bytes[offset..].first_chunk().map_or(0, |b| u64::from_le_bytes(*b))
    }
    fn put(&mut self, offset: usize, bytes: &[u8]) {
        self.bytes[offset..offset + bytes.len()].copy_from_slice(bytes);
    }
    fn put_u32(&mut self, offset: usize, value: u32) {
        self.put(offset, &value.to_le_bytes());
    }
    /// A name field of 16 bytes.
    fn put_name(&mut self, offset: usize, name: &str) {
        self.put(offset, &[0; 16]);
        self.put(offset, &name_bytes(name));
    }

    /// Fills an array of the caller's: its length in records lies at `count`, its address at `at`.
    fn fill(
        &mut self,
        user: &mut dyn UserMemory,
        count: usize,
        at: usize,
        records: &[u8],
        size: usize,
    ) -> Result<(), Errno> {
        let room = (self.u32(count) as usize).saturating_mul(size).min(records.len());
        if room > 0 {
            user.write(self.u64(at), &records[..room])?;
        }
        self.put_u32(count, (records.len() / size) as u32);
        Ok(())
    }
}

/// Most bytes of a structure that are looked at.
const MOST_INFO: usize = 4096;

pub(super) fn by_fd<M: Memory + 'static>(
    kernel: &mut Kernel<M>,
    attr: &mut Attr,
    user: &mut dyn UserMemory,
) -> Result<i64, Errno> {
    let (fd, len, address) = (attr.i32(0), attr.u32(4) as usize, attr.u64(8));
    let object = kernel.table.get(fd).map_err(|errno| match errno {
        Errno::EBADF => Errno::EBADFD,
        errno => errno,
    })?;
    let info = match object {
        Object::Map(id) => of_map(kernel, id, Info::read(user, address, len, MAP_INFO)?)?,
        Object::Program(id) => of_program(kernel, id, Info::read(user, address, len, PROGRAM_INFO)?, user)?,
        Object::Btf(id) => of_btf(kernel, id, Info::read(user, address, len, BTF_INFO)?, user)?,
    };
    user.write(address, &info.bytes[..info.len])?;
    attr.write_back(4, &(info.len as u32).to_le_bytes(), user)?;
    Ok(0)
}

/// Bytes of `struct bpf_map_info`; its last word is padding.
const MAP_INFO: usize = 104;

fn of_map<M: Memory + 'static>(kernel: &Kernel<M>, id: MapId, mut info: Info) -> Result<Info, Errno> {
    const EXTRA: usize = 80;
    const HASH: usize = 88;
    const HASH_SIZE: usize = 96;
    const PADDING: usize = 100;
    if info.u32(PADDING) != 0 {
        return Err(Errno::E2BIG);
    }
    if info.u64(HASH) != 0 || info.u32(HASH_SIZE) != 0 {
        // A digest of what is in the map: no type here has one.
        return Err(Errno::EINVAL);
    }
    let maps = &kernel.resources.maps;
    let spec = maps.spec(id).ok_or(Errno::EBADF)?;
    let words = [spec.map_type, id.0, spec.key_size, spec.value_size, spec.max_entries, spec.flags];
    for (at, word) in words.into_iter().enumerate() {
        info.put_u32(at * 4, word);
    }
    info.put_name(24, &spec.name);
    // `btf_vmlinux_value_type_id`
    info.put_u32(44, 0);
    if let Some(btf) = maps.btf(id) {
        info.put_u32(64, btf);
        info.put_u32(68, spec.btf_key_type_id);
        info.put_u32(72, spec.btf_value_type_id);
    }
    info.put(EXTRA, &spec.extra.to_le_bytes());
    Ok(info)
}

/// Bytes of `struct bpf_prog_info`; its last word is padding.
const PROGRAM_INFO: usize = 232;

fn of_program<M: Memory + 'static>(
    kernel: &Kernel<M>,
    id: ProgramId,
    mut info: Info,
    user: &mut dyn UserMemory,
) -> Result<Info, Errno> {
    const PADDING: usize = 228;
    if info.u32(PADDING) != 0 {
        return Err(Errno::E2BIG);
    }
    let program = kernel.programs.get(&id).ok_or(Errno::EBADF)?;
    info.put_u32(0, program.program_type.number);
    info.put_u32(4, id.0);
    info.put(8, &program.tag);
    // Machine code is no part of what the system call shows.
    info.put_u32(16, 0);
    info.fill(user, 20, 32, &program.code, 1)?;
    info.put(40, &[0; 8]);
    info.put_u32(48, 0);
    let maps: Vec<u8> = program.maps.iter().flat_map(|map| map.0.to_le_bytes()).collect();
    info.fill(user, 52, 56, &maps, 4)?;
    info.put_name(64, &program.name);
    info.put_u32(84, u32::from(program.gpl_compatible));
    info.put(192, &[0; 24]);
    info.put_u32(216, program.verified_insns);
    Ok(info)
}

/// Bytes of `struct bpf_btf_info`.
const BTF_INFO: usize = 32;

fn of_btf<M: Memory + 'static>(
    kernel: &Kernel<M>,
    id: u32,
    mut info: Info,
    user: &mut dyn UserMemory,
) -> Result<Info, Errno> {
    let loaded = kernel.btfs.get(&id).ok_or(Errno::EBADF)?;
    let (name, name_len) = (info.u64(16), info.u32(24));
    if (name == 0) != (name_len == 0) {
        return Err(Errno::EINVAL);
    }
    info.fill(user, 8, 0, &loaded.bytes, 1)?;
    info.put_u32(12, id);
    if name != 0 {
        user.write(name, &[0])?;
    }
    // BTF that was loaded has no name, and is not the kernel's.
    info.put(24, &[0; 8]);
    Ok(info)
}

impl<M: Memory + 'static> Kernel<M> {
    /// Loads BTF; gives back its descriptor.
    ///
    /// # Errors
    /// `EINVAL` where the bytes are not BTF, `EMFILE`.
    pub fn load_btf(&mut self, bytes: &[u8]) -> Result<i32, Errno> {
        let btf = Btf::parse(bytes).map_err(|_| Errno::EINVAL)?;
        // Nothing may follow its last section.
        if bytes.len() > end_of_sections(bytes) {
            return Err(Errno::EINVAL);
        }
        self.last_btf += 1;
        let id = self.last_btf;
        let fd = self.table.insert(Object::Btf(id), Access::ALL)?;
        self.btfs.insert(id, LoadedBtf { btf: Arc::new(btf), bytes: bytes.to_vec(), references: 1 });
        Ok(fd)
    }
}

/// Where the last section of BTF ends: its header has its own length, and each section's place after it.
fn end_of_sections(bytes: &[u8]) -> usize {
    let word = |at: usize| {
        let word = bytes.get(at..at + 4).and_then(<[u8]>::first_chunk);
        word.map_or(0, |bytes| u32::from_le_bytes(*bytes) as usize)
    };
    let (types, strings) = (word(8).saturating_add(word(12)), word(16).saturating_add(word(20)));
    word(4).saturating_add(types.max(strings))
}

pub(super) fn btf_load<M: Memory + 'static>(
    kernel: &mut Kernel<M>,
    attr: &mut Attr,
    user: &mut dyn UserMemory,
) -> Result<i64, Errno> {
    let (address, size) = (attr.u64(0), attr.u32(16));
    if size > MAX_BTF {
        return Err(Errno::E2BIG);
    }
    let bytes = read_bytes(user, address, size as usize)?;
    kernel.load_btf(&bytes).map(i64::from)
}
