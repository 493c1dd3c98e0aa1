//! What there is to know of an object: `BPF_OBJ_GET_INFO_BY_FD`, and `BPF_BTF_LOAD`.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use super::attr::{Attr, UserMemory, name_bytes, read_bytes};
use super::descriptors::{Access, Object};
use super::{Kernel, LoadedBtf};
use crate::arena::Memory;
use crate::errno::Errno;
use crate::object::btf::Btf;

/// Largest BTF that is taken (`BTF_MAX_SIZE`).
const MAX_BTF: u32 = 16 << 20;

/// Writes a field of an information structure.
fn put(info: &mut [u8], offset: usize, bytes: &[u8]) {
    info[offset..offset + bytes.len()].copy_from_slice(bytes);
}

pub(super) fn by_fd<M: Memory + 'static>(
    kernel: &mut Kernel<M>,
    attr: &mut Attr,
    user: &mut dyn UserMemory,
) -> Result<i64, Errno> {
    let (fd, len, address) = (attr.i32(0), attr.u32(4) as usize, attr.u64(8));
    let info: Vec<u8> = match kernel.table.get(fd)? {
        Object::Map(id) => {
            let spec = kernel.resources.maps.spec(id).ok_or(Errno::EBADF)?;
            // struct bpf_map_info
            let mut info = vec![0; 88];
            let words = [spec.map_type, id.0, spec.key_size, spec.value_size, spec.max_entries, spec.flags];
            for (at, word) in words.iter().enumerate() {
                put(&mut info, at * 4, &word.to_le_bytes());
            }
            put(&mut info, 24, &name_bytes(&spec.name));
            put(&mut info, 68, &spec.btf_key_type_id.to_le_bytes());
            put(&mut info, 72, &spec.btf_value_type_id.to_le_bytes());
            info
        }
        Object::Program(_) => {
            let id = kernel.program_id(fd)?;
            let program = kernel.program(fd)?;
            // struct bpf_prog_info
            let mut info = vec![0; 232];
            put(&mut info, 0, &program.program_type.number.to_le_bytes());
            put(&mut info, 4, &id.0.to_le_bytes());
            put(&mut info, 8, &program.tag);
            put(&mut info, 20, &((program.image.insns().len() * 8) as u32).to_le_bytes());
            put(&mut info, 52, &(program.maps.len() as u32).to_le_bytes());
            put(&mut info, 64, &name_bytes(&program.name));
            put(&mut info, 216, &program.verified_insns.to_le_bytes());
            info
        }
        Object::Btf(id) => {
            // struct bpf_btf_info
            let mut info = vec![0; 32];
            put(&mut info, 12, &id.to_le_bytes());
            info
        }
    };
    // A longer buffer has to be zero past what is known.
    if len > info.len() {
        let rest = read_bytes(user, address.wrapping_add(info.len() as u64), (len - info.len()).min(4096))?;
        if rest.iter().any(|b| *b != 0) {
            return Err(Errno::E2BIG);
        }
    }
    let len = len.min(info.len());
    user.write(address, &info[..len])?;
    attr.write_back(4, &(len as u32).to_le_bytes(), user)?;
    Ok(0)
}

impl<M: Memory + 'static> Kernel<M> {
    /// Loads BTF; gives back its descriptor.
    ///
    /// # Errors
    /// `EINVAL` where the bytes are not BTF, `EMFILE`.
    pub fn load_btf(&mut self, bytes: &[u8]) -> Result<i32, Errno> {
        let btf = Btf::parse(bytes).map_err(|_| Errno::EINVAL)?;
        self.last_btf += 1;
        let id = self.last_btf;
        let fd = self.table.insert(Object::Btf(id), Access::ALL)?;
        self.btfs.insert(id, LoadedBtf { btf: Arc::new(btf), references: 1 });
        Ok(fd)
    }
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
