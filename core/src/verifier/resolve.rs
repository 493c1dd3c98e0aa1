//! Maps by descriptor, and opcodes that don't exist: what the kernel looks at in every instruction before it
//! walks any.

use alloc::string::String;

use super::arena::holds_offset;
use super::register::{MapInfo, MapRef};
use super::{Environment, Rejection, Verifier, not_built, observer::Observer, policy, reject};
use crate::errno::Errno;
use crate::isa::{self, DecodeError, Found, Imm64, Insn};
use crate::map::types::ARENA;
use crate::map::{MapId, MapSpec};
use crate::object::btf::record::{self, FieldKind};
use crate::object::btf::{Type, TypeId};

/// Opcode of a load of a 64-bit immediate.
const WIDE: u8 = 0x18;

impl<O: Observer> Verifier<O> {
    pub(super) fn resolve(&mut self, environment: &mut dyn Environment) -> Result<(), Rejection> {
        for at in 0..self.insns.len() {
            match self.insns[at] {
                Ok(Insn::LoadImm64 { value, .. }) => self.resolve_immediate(at, value, environment)?,
                Ok(Insn::CallReg { .. }) => {
                    return Err(reject(Errno::EINVAL, DecodeError::UnknownOpcode(0x8d)));
                }
                Err(DecodeError::MiddleOfImm64) => {}
                Err(error) if error.found() == Found::BeforeWalking => {
                    return Err(reject(Errno::EINVAL, error));
                }
                // Its map is found all the same: what is wrong with its other fields comes later.
                Err(_) if self.input.code[at].code == WIDE => {
                    let [mut first, second] =
                        [at, at + 1].map(|at| self.input.code.get(at).copied().unwrap_or_default());
                    (first.dst, first.off) = (0, 0);
                    if let Ok(Insn::LoadImm64 { value, .. }) = isa::decode(&[first, second]) {
                        self.resolve_immediate(at, value, environment)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A kernel symbol: functions have addresses; of variables this system has none in its memory.
    fn check_kernel_symbol(&self, id: i32, module: i32) -> Result<(), Rejection> {
        let Some(kernel) = self.input.kernel_types.as_ref() else {
            return Err(not_built("a kernel symbol without the kernel's BTF"));
        };
        if module != 0 {
            return Err(reject(Errno::EINVAL, "invalid module BTF object FD specified."));
        }
        let id = TypeId(id as u32);
        Err(match kernel.btf.get(id) {
            None => reject(Errno::ENOENT, format_args!("ldimm64 insn specifies invalid btf_id {}.", id.0)),
            Some(Type::Variable { .. }) => {
                let name = kernel.btf.name_of(id);
                let message = format_args!("ldimm64 failed to find the address for kernel symbol '{name}'.");
                reject(Errno::ENOENT, message)
            }
            Some(Type::Function { .. }) => return Ok(()),
            Some(_) => {
                let message = format_args!("pseudo btf_id {} in ldimm64 isn't KIND_VAR or KIND_FUNC", id.0);
                reject(Errno::EINVAL, message)
            }
        })
    }

    /// Takes the maps that the loader's `fd_array` counts.
    pub(super) fn hold_descriptors(&mut self, environment: &mut dyn Environment) -> Result<(), Rejection> {
        for at in 0..self.input.held.len() {
            let fd = self.input.held[at];
            let held = environment.held(fd).map_err(|errno| {
                reject(errno, format_args!("fd {fd} is not pointing to valid bpf_map or btf"))
            })?;
            if let Some(id) = held {
                self.use_map(id, environment)?;
            }
        }
        Ok(())
    }

    /// The index of a map among those of the program.
    fn use_map(&mut self, id: MapId, environment: &mut dyn Environment) -> Result<usize, Rejection> {
        if let Some(index) = self.maps.iter().position(|m| m.id == id && !m.is_inner) {
            return Ok(index);
        }
        if self.maps.iter().filter(|m| !m.is_inner).count() >= policy::MAX_MAPS {
            let message = "The total number of maps per program has reached the limit of 64";
            return Err(reject(Errno::E2BIG, message));
        }
        let facts = environment.map(id);
        if facts.spec.map_type == ARENA {
            self.check_arena(&facts)?;
        }
        let fields = match &facts.types {
            Some(btf) => record::map_fields(btf, TypeId(facts.spec.btf_value_type_id)),
            None => alloc::vec::Vec::new(),
        };
        check_program_type(&fields, self.input.program_type.number)?;
        self.maps.push(MapInfo {
            id,
            spec: facts.spec.clone(),
            handle: facts.handle,
            direct_value: facts.direct_value,
            fields,
            types: facts.types.clone(),
            constant: environment.constant_value(id),
            inner: None,
            is_inner: false,
        });
        let at = self.maps.len() - 1;
        if let Some(spec) = facts.inner {
            // The program sees maps like it, by no name.
            let spec = MapSpec { name: String::new(), ..spec.clone() };
            let (handle, direct_value, constant) = (0, None, None);
            self.maps[at].inner = Some(MapRef(self.maps.len() as u16));
            let types = facts.inner_types.clone();
            let of = TypeId(spec.btf_value_type_id);
            let fields = types.as_ref().map(|btf| record::map_fields(btf, of)).unwrap_or_default();
            let (inner, is_inner) = (None, true);
            let info = MapInfo { id, spec, handle, direct_value, constant, types, fields, inner, is_inner };
            self.maps.push(info);
        }
        Ok(at)
    }

    fn resolve_immediate(
        &mut self,
        at: usize,
        value: Imm64,
        environment: &mut dyn Environment,
    ) -> Result<(), Rejection> {
        let (found, number, offset) = match value {
            Imm64::Value(_) | Imm64::Function { .. } => return Ok(()),
            Imm64::KernelVariable { btf_id, btf_fd } => return self.check_kernel_symbol(btf_id, btf_fd),
            Imm64::MapFd(fd) => (environment.map_by_fd(fd), fd, None),
            Imm64::MapValue { fd, offset } => (environment.map_by_fd(fd), fd, Some(offset)),
            Imm64::MapIndex(index) => (environment.map_by_index(index), index, None),
            Imm64::MapIndexValue { index, offset } => (environment.map_by_index(index), index, Some(offset)),
        };
        let id = found
            .map_err(|errno| reject(errno, format_args!("fd {number} is not pointing to valid bpf_map")))?;
        let index = self.use_map(id, environment)?;
        if let Some(offset) = offset.filter(|offset| i64::from(*offset) >= policy::MAX_OFFSET) {
            return Err(reject(
                Errno::EINVAL,
                format_args!("direct value offset of {offset} is not allowed"),
            ));
        }
        let info = &self.maps[index];
        if let Some(offset) = offset {
            let Some(_) = info.direct_value else {
                return Err(reject(Errno::EINVAL, "no direct value access support for this map type"));
            };
            // The address of a value has a meaning where there is one value.
            let errno = match (info.spec.max_entries, offset < info.spec.value_size) {
                _ if info.spec.map_type == ARENA => (!holds_offset(info, offset)).then_some(Errno::ERANGE),
                (1, true) => None,
                (1, false) => Some(Errno::EINVAL),
                _ => Some(Errno::ENOTSUPP),
            };
            if let Some(errno) = errno {
                let message = format_args!(
                    "invalid access to map value pointer, value_size={} off={offset}",
                    info.spec.value_size
                );
                return Err(reject(errno, message));
            }
        }
        self.seen[at].map = Some((index as u16, offset.unwrap_or(0), offset.is_some()));
        Ok(())
    }
}

/// The address that a kernel function is shown at: this system has no such code.
pub(super) fn function_address(btf_id: i32) -> u64 {
    0xffff_ffff_8100_0000 + 16 * u64::from(btf_id as u32)
}

/// Types of programs that can run anywhere in the kernel.
const TRACING: &[u32] = &[2, 5, 7, 17, 24];

/// A program of the type may use maps with such fields.
fn check_program_type(fields: &[record::Field], program_type: u32) -> Result<(), Rejection> {
    let has = |wanted: fn(&record::FieldKind) -> bool| fields.iter().any(|f| wanted(&f.kind));
    let tracing = TRACING.contains(&program_type);
    let refuse = |text: core::fmt::Arguments| Err(reject(Errno::EINVAL, text));
    if tracing && has(|k| matches!(k, FieldKind::ListHead { .. } | FieldKind::TreeRoot { .. })) {
        return refuse(format_args!("tracing progs cannot use bpf_{{list_head,rb_root}} yet"));
    }
    if has(|k| matches!(k, FieldKind::SpinLock)) {
        if program_type == 1 {
            return refuse(format_args!("socket filter progs cannot use bpf_spin_lock yet"));
        }
        if tracing {
            return refuse(format_args!("tracing progs cannot use bpf_spin_lock yet"));
        }
    }
    if tracing && has(|k| matches!(k, FieldKind::Timer)) {
        return refuse(format_args!("tracing progs cannot use bpf_timer yet"));
    }
    if tracing && has(|k| matches!(k, FieldKind::Workqueue)) {
        return refuse(format_args!("tracing progs cannot use bpf_wq yet"));
    }
    Ok(())
}
