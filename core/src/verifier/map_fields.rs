//! Loads of a map's own fields: the kernel's structure behind a map, by its type.

use super::memory::Mode;
use super::observer::Observer;
use super::register::{Kind, MapRef, MemoryKind, Register};
use super::typed::{Trust, TypeRef, TypeSource};
use super::typed_memory::{Found, walk};
use super::{Rejection, Verifier, not_built, reject};
use crate::errno::Errno;
use crate::isa::Reg;

/// The kernel's structure of a map, by map type. Facts of the running kernel (`native/probes/map_fields.py`).
const STRUCTURES: &[(&str, &[u32])] = &[
    ("bpf_htab", &[1, 5, 9, 10, 13]),
    ("bpf_array", &[2, 3, 4, 6, 8, 12]),
    ("bpf_stack_map", &[7]),
    ("lpm_trie", &[11]),
    ("bpf_dtab", &[14, 25]),
    ("bpf_stab", &[15]),
    ("bpf_cpu_map", &[16]),
    ("xsk_map", &[17]),
    ("bpf_shtab", &[18]),
    ("bpf_cgroup_storage_map", &[19, 21]),
    ("reuseport_array", &[20]),
    ("bpf_queue_stack", &[22, 23]),
    ("bpf_local_storage_map", &[24, 28, 29, 32]),
    ("bpf_struct_ops_map", &[26]),
    ("bpf_ringbuf_map", &[27, 31]),
    ("bpf_bloom_filter", &[30]),
    ("bpf_arena", &[33]),
];

impl<O: Observer> Verifier<O> {
    /// What a load through a map's own pointer gives.
    pub(super) fn access_map(
        &mut self,
        map: MapRef,
        base: Reg,
        off: i64,
        size: u32,
        mode: Mode,
    ) -> Result<Register, Rejection> {
        let r = base.number();
        let number = self.maps[usize::from(map.0)].spec.map_type;
        let structure = STRUCTURES.iter().find(|row| row.1.contains(&number)).map(|row| row.0);
        let Some(kernel) = self.input.kernel_types.clone() else {
            return Err(not_built("access to a map's own fields without the kernel's BTF"));
        };
        let Some((name, id)) = structure.and_then(|name| Some((name, kernel.structure(name)?))) else {
            let message = format_args!("map_ptr access not supported for map type {number}");
            return Err(reject(Errno::ENOTSUPP, message).of(base));
        };
        let refuse = |errno, text: core::fmt::Arguments| Err(reject(errno, text).of(base));
        if !self.input.perfmon {
            return refuse(
                Errno::EPERM,
                format_args!("'struct {name}' access is allowed only to CAP_PERFMON and CAP_SYS_ADMIN"),
            );
        }
        if off < 0 {
            return refuse(Errno::EACCES, format_args!("R{r} is {name} invalid negative access: off={off}"));
        }
        if mode == Mode::Write {
            return refuse(Errno::EACCES, format_args!("only read from {name} is supported"));
        }
        let (found, trust) = walk(&kernel.btf, id, off as u32, size, false)
            .map_err(|(errno, text)| reject(errno, text).of(base))?;
        Ok(match found {
            Found::Number => Register::UNKNOWN,
            Found::PlainPointer => {
                Register::pointer(Kind::Memory { kind: MemoryKind::UntrustedReadOnly, size: 0 })
            }
            Found::Pointer { to, tags, .. } => {
                let trust = tags.with(trust).without(Trust::RCU);
                Register::pointer(Kind::Typed { of: TypeRef { source: TypeSource::Kernel, id: to }, trust })
            }
        })
    }
}
