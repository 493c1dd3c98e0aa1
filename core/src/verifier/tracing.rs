//! Tracing programs: raw tracepoints with BTF, and iterators. Their context is the arguments of the kernel
//! function or tracepoint that they attach to.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::observer::Observer;
use super::register::{Kind, Register};
use super::typed::{Trust, TypeRef, TypeSource};
use super::{Rejection, Verifier, not_built, reject};
use crate::errno::Errno;
use crate::object::btf::{Type, TypeId};

/// `BPF_PROG_TYPE_TRACING`
pub(super) const TRACING: u32 = 26;
/// `BPF_TRACE_RAW_TP` and `BPF_TRACE_ITER`, expected attach types.
const RAW_TRACEPOINT: u32 = 23;
pub(super) const ITERATOR: u32 = 28;
/// What a tracepoint's BTF typedef is called.
const TRACEPOINT_PREFIX: &str = "btf_trace_";
/// What an iterator's function is called.
const ITERATOR_PREFIX: &str = "bpf_iter_";

/// Tracepoints whose arguments may be null: the tracepoint, and a hexadecimal digit for each argument from the
/// last (bit 0: it may be null). Facts of the running kernel's tracepoints.
const NULLABLE_ARGUMENTS: &[(&str, u32, u32)] = &[
    ("sched_pi_setprio", 1, 1),
    ("kfree_skb", 2, 1),
    ("consume_skb", 1, 1),
    ("tcp_send_reset", 0, 1),
    ("tcp_send_reset", 1, 1),
    ("tcp_retransmit_skb", 0, 1),
    ("tcp_retransmit_skb", 1, 1),
    ("xdp_exception", 0, 1),
    ("xdp_cpumap_kthread", 0, 1),
];

/// What a tracing program attaches to.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// Its name: the tracepoint's or the function's.
    pub name: String,
    /// The types of its arguments.
    arguments: Vec<TypeId>,
    iterator: bool,
}

impl<O: Observer> Verifier<O> {
    /// Finds what the program attaches to.
    pub(super) fn find_target(&mut self) -> Result<(), Rejection> {
        let attach = self.input.expected_attach_type;
        let Some(kernel) = self.input.kernel_types.clone() else {
            return Err(not_built("program type tracing without the kernel's BTF"));
        };
        let btf = &kernel.btf;
        let id = self.input.attach_type;
        if id == TypeId::VOID {
            return Err(reject(Errno::EINVAL, "Tracing programs must provide btf_id"));
        }
        let Some(ty) = btf.get(id) else {
            return Err(reject(Errno::EINVAL, format_args!("attach_btf_id {} is invalid", id.0)));
        };
        let name = btf.name_of(id);
        let prototype = match (attach, ty) {
            (RAW_TRACEPOINT, Type::Typedef { to, .. }) => match btf.get(btf.resolve(*to)) {
                Some(Type::Pointer { to }) => btf.resolve(*to),
                _ => return Err(reject(Errno::EINVAL, "")),
            },
            (RAW_TRACEPOINT, _) => {
                let message = format_args!("attach_btf_id {} is not a typedef", id.0);
                return Err(reject(Errno::EINVAL, message));
            }
            (ITERATOR, Type::Function { prototype, .. }) => *prototype,
            (ITERATOR, _) => {
                let message = format_args!("attach_btf_id {} is not a function", id.0);
                return Err(reject(Errno::EINVAL, message));
            }
            _ => return Err(not_built("program type tracing with this attach type")),
        };
        let Some(Type::Prototype { parameters, .. }) = btf.get(prototype) else {
            return Err(reject(Errno::EINVAL, ""));
        };
        let iterator = attach == ITERATOR;
        let prefix = if iterator { "" } else { TRACEPOINT_PREFIX };
        let Some(short) = name.strip_prefix(prefix) else {
            let message = format_args!("attach_btf_id {} points to wrong type name {name}", id.0);
            return Err(reject(Errno::EINVAL, message));
        };
        if iterator && !name.starts_with(ITERATOR_PREFIX) {
            return Err(reject(Errno::EINVAL, ""));
        }
        // A tracepoint's first argument is the kernel's own.
        let skipped = usize::from(!iterator);
        let arguments = btf.parameters(parameters).iter().skip(skipped).map(|p| p.of).collect();
        self.target = Some(Target { name: short.to_string(), arguments, iterator });
        Ok(())
    }

    /// What a load from the context gives.
    pub(super) fn tracing_context(
        &mut self,
        off: i64,
        size: u32,
        write: bool,
        sign_extend: bool,
    ) -> Result<Register, Rejection> {
        let outside =
            || reject(Errno::EACCES, format_args!("invalid bpf_context access off={off} size={size}"));
        let (Some(target), Some(kernel)) = (self.target.clone(), self.input.kernel_types.clone()) else {
            return Err(outside());
        };
        if write || off < 0 || off % i64::from(size) != 0 || off >= 8 * 12 {
            return Err(outside());
        }
        let name = &target.name;
        let say = |v: &mut Verifier<O>, text: core::fmt::Arguments| {
            use core::fmt::Write;
            let _ = writeln!(v.log, "{text}");
        };
        if off % 8 != 0 {
            say(self, format_args!("func '{name}' offset {off} is not multiple of 8"));
            return Err(outside());
        }
        let at = (off / 8) as usize;
        let Some(argument) = target.arguments.get(at) else {
            say(self, format_args!("func '{name}' doesn't have {}-th argument", at + 1));
            return Err(outside());
        };
        let btf = &kernel.btf;
        let id = btf.resolve(*argument);
        let Some(Type::Pointer { to }) = btf.get(id) else {
            if matches!(btf.get(id), Some(Type::Int { .. } | Type::Enum { .. })) {
                return Ok(Register::UNKNOWN);
            }
            return Err(not_built("a structure by value in a tracing context"));
        };
        if size != 8 {
            say(self, format_args!("func '{name}' size {size} must be 8"));
            return Err(outside());
        }
        if sign_extend {
            return Err(outside());
        }
        let pointed = btf.resolve(*to);
        match btf.get(pointed) {
            Some(Type::Void | Type::Int { .. }) if target.iterator && at > 0 => {
                return Err(not_built("a buffer in an iterator's context"));
            }
            Some(Type::Struct { .. } | Type::Union { .. }) => {}
            Some(Type::Void | Type::Int { .. } | Type::Enum { .. }) => return Ok(Register::UNKNOWN),
            _ => {
                let kind = super::function_types::kind_name(btf.get(pointed));
                say(self, format_args!("func '{name}' arg{at} type {kind} is not a struct"));
                return Err(outside());
            }
        }
        let nullable =
            NULLABLE_ARGUMENTS.iter().any(|row| row.0 == target.name && row.1 == at as u32 && row.2 != 0);
        let maybe_null = if target.iterator { at > 0 } else { nullable };
        let of = TypeRef { source: TypeSource::Kernel, id: pointed };
        let text = btf.name_of(pointed).to_string();
        say(self, format_args!("func '{name}' arg{at} has btf_id {} type STRUCT '{text}'", pointed.0));
        let id = if maybe_null { self.new_id() } else { 0 };
        Ok(Register { maybe_null, id, ..Register::pointer(Kind::Typed { of, trust: Trust::TRUSTED }) })
    }
}
