//! Arguments of kernel functions: what each has to be says its type, its name's suffix and the function's facts.

use alloc::string::ToString;
use core::fmt::Write;

use super::function_types::kind_name;
use super::kernel_call::KernelCall;
use super::kernel_types::is_same_type;
use super::locks::LockUse;
use super::observer::Observer;
use super::register::{Kind, Register, SocketKind};
use super::state::ReferenceKind;
use super::typed::{Trust, TypeRef, TypeSource};
use super::typed_memory::is_trusted;
use super::{Rejection, Verifier, not_built, reject};
use crate::errno::Errno;
use crate::helper::kernel_functions::effect;
use crate::isa::Reg;
use crate::object::btf::record::FieldKind;
use crate::object::btf::{Btf, Type, TypeId};

/// What the kernel's own type behind a register is called.
fn kernel_name(register: &Register) -> Option<&'static str> {
    match register.kind {
        Kind::Socket(SocketKind::Common) => Some("sock_common"),
        Kind::Socket(SocketKind::Full) => Some("sock"),
        Kind::Socket(SocketKind::Tcp) => Some("tcp_sock"),
        Kind::Map(_) => Some("bpf_map"),
        _ => None,
    }
}

impl<O: Observer> Verifier<O> {
    pub(super) fn check_kernel_arguments(&mut self, call: &mut KernelCall) -> Result<(), Rejection> {
        let mut at = 0;
        while at < call.parameters.len() {
            let reg = Reg::new(at as u8 + 1).unwrap_or(Reg::R5);
            let skip = self.check_kernel_argument(call, at, reg)?;
            at += 1 + usize::from(skip);
        }
        if call.function.has(effect::RELEASES) && call.released.is_none() {
            let name = call.function.name;
            let message = format_args!("release kernel function {name} expects refcounted PTR_TO_BTF_ID");
            return Err(reject(Errno::EINVAL, message));
        }
        Ok(())
    }

    /// Checks one argument; `true` where the next one was checked with it.
    fn check_kernel_argument(
        &mut self,
        call: &mut KernelCall,
        at: usize,
        reg: Reg,
    ) -> Result<bool, Rejection> {
        let (given, name) = call.parameters[at].clone();
        let types = call.types.clone();
        let btf = &types.btf;
        let r = reg.number();
        let refuse = |errno, text: core::fmt::Arguments| Err(reject(errno, text).of(reg));
        if name.ends_with("__ign") {
            return Ok(false);
        }
        if name.ends_with("__prog") {
            return Ok(false);
        }
        let register = self.read_argument(reg)?;
        let ty = btf.resolve(given);
        let Some(Type::Pointer { to }) = btf.get(ty) else {
            if !matches!(btf.get(ty), Some(Type::Int { .. } | Type::Enum { .. })) {
                let kind = kind_name(btf.get(ty));
                return refuse(Errno::EINVAL, format_args!("Unrecognized arg#{at} type {kind}"));
            }
            if !register.is_scalar() {
                return refuse(Errno::EINVAL, format_args!("R{r} is not a scalar"));
            }
            if name.ends_with("__k") {
                let Some(value) = register.as_constant() else {
                    return refuse(Errno::EINVAL, format_args!("R{r} must be a known constant"));
                };
                self.mark_precise(reg)?;
                call.constant = Some(value);
            } else if name == "rdonly_buf_size" || name == "rdwr_buf_size" {
                let Some(value) = register.as_constant() else {
                    return refuse(Errno::EINVAL, format_args!("R{r} is not a const"));
                };
                self.mark_precise(reg)?;
                call.buffer = Some((value, name == "rdonly_buf_size"));
            }
            return Ok(false);
        };
        let pointed = btf.resolve(*to);
        let pointed_name = btf.name_of(pointed).to_string();
        let nullable = name.ends_with("__nullable") || name.ends_with("__opt");
        let needs_trust = call.function.trusted || call.function.has(effect::RCU | effect::RELEASES);
        if needs_trust && (register.is_null() || register.maybe_null) && !name.ends_with("__nullable") {
            return refuse(Errno::EACCES, format_args!("Possibly NULL pointer passed to trusted arg{at}"));
        }
        if register.reference != 0 {
            call.reference = register.reference;
            if call.function.has(effect::RELEASES) {
                call.released = Some(reg);
            }
        }
        let structure = matches!(btf.get(pointed), Some(Type::Struct { .. } | Type::Union { .. }));
        let fname = call.function.name;
        if fname == "bpf_cast_to_kern_ctx" || (structure && pointed_name == self.input.program_type.context) {
            self.check_fixed_offset(&register, reg)?;
            if register.kind != Kind::Context {
                let got = register.type_name();
                return refuse(
                    Errno::EINVAL,
                    format_args!("arg#{at} expected pointer to ctx, but got {got}"),
                );
            }
            return Ok(false);
        }
        if nullable && register.is_null() && !self.has_size(call, at) {
            return Ok(false);
        }
        match pointed_name.as_str() {
            "bpf_dynptr" if structure => {
                self.kernel_dynptr_argument(call, at, reg, &name, &register)?;
                return Ok(false);
            }
            "bpf_list_head" | "bpf_rb_root" if structure => {
                self.kernel_root_argument(call, at, reg, &register, &pointed_name)?;
                return Ok(false);
            }
            "bpf_list_node" | "bpf_rb_node" if structure => {
                self.kernel_node_argument(call, at, reg, &register, &pointed_name)?;
                return Ok(false);
            }
            "bpf_res_spin_lock" => {
                let kind = match fname.contains("_irq") {
                    true => ReferenceKind::ResilientLockInterrupts,
                    false => ReferenceKind::ResilientLock,
                };
                let fits = match register.kind {
                    Kind::MapValue(_) => true,
                    Kind::Typed { trust, .. } => trust.has(Trust::ALLOCATED),
                    _ => false,
                };
                if !fits {
                    return refuse(
                        Errno::EINVAL,
                        format_args!("arg#{at} doesn't point to map value or allocated object"),
                    );
                }
                let takes = !fname.contains("unlock");
                self.use_lock(reg, LockUse { kind, takes })?;
                return Ok(false);
            }
            "bpf_wq" | "bpf_task_work" | "bpf_timer" => {
                return Err(not_built(format_args!("kernel function {fname}")));
            }
            _ => {}
        }
        if name.ends_with("__irq_flag") {
            self.kernel_interrupts_argument(at, reg, &register, fname)?;
            return Ok(false);
        }
        if name.ends_with("__str") {
            if !matches!(register.kind, Kind::MapValue(_)) {
                return refuse(Errno::EINVAL, format_args!("arg#{at} doesn't point to a const string"));
            }
            self.check_constant_string(&register, reg)?;
            return Ok(false);
        }
        if structure
            && let Some(kind) = pointed_name.strip_prefix("bpf_iter_")
            && fname.starts_with(&alloc::format!("bpf_iter_{kind}_"))
        {
            self.kernel_iterator_argument(call, at, reg, &register, pointed)?;
            return Ok(false);
        }
        if name.ends_with("__alloc") {
            let Kind::Typed { of, trust } = register.kind else {
                return refuse(Errno::EINVAL, format_args!("arg#{at} expected pointer to allocated object"));
            };
            let per_cpu = fname.starts_with("bpf_percpu");
            if !trust.has(Trust::ALLOCATED)
                || trust.has(Trust::NON_OWNING)
                || trust.has(Trust::PER_CPU) != per_cpu
            {
                return refuse(Errno::EINVAL, format_args!("arg#{at} expected pointer to allocated object"));
            }
            self.check_released(&register, reg)?;
            if register.reference == 0 {
                return refuse(Errno::EINVAL, format_args!("allocated object must be referenced"));
            }
            call.object = Some(of);
            return Ok(false);
        }
        if name.ends_with("__refcounted_kptr") {
            let Kind::Typed { of, trust } = register.kind else {
                return refuse(Errno::EINVAL, format_args!("arg#{at} is neither owning or non-owning ref"));
            };
            if !trust.has(Trust::ALLOCATED) {
                return refuse(Errno::EINVAL, format_args!("arg#{at} is neither owning or non-owning ref"));
            }
            if !self.fields_of(of).iter().any(|f| f.kind == FieldKind::RefCount) {
                return refuse(
                    Errno::EINVAL,
                    format_args!("arg#{at} doesn't point to a type with bpf_refcount field"),
                );
            }
            call.owning = !trust.has(Trust::NON_OWNING);
            call.object = Some(of);
            return Ok(false);
        }
        if name.ends_with("__map") || (matches!(register.kind, Kind::Map(_)) && pointed_name == "bpf_map") {
            if !matches!(register.kind, Kind::Map(_)) && pointed_name != "bpf_map" {
                return refuse(Errno::EINVAL, format_args!("pointer in R{r} isn't map pointer"));
            }
            if fname.starts_with("bpf_arena") {
                return Err(not_built(format_args!("kernel function {fname}")));
            }
            if name.ends_with("__map") && !matches!(register.kind, Kind::Map(_)) {
                return refuse(Errno::EINVAL, format_args!("pointer in R{r} isn't map pointer"));
            }
            return Ok(false);
        }
        let is_object = matches!(register.kind, Kind::Typed { .. }) || kernel_name(&register).is_some();
        if is_object {
            if !structure {
                let kind = kind_name(btf.get(pointed));
                return refuse(
                    Errno::EINVAL,
                    format_args!(
                        "kernel function {fname} args#{at} pointer type {kind} {pointed_name} is not supported"
                    ),
                );
            }
            self.kernel_object_argument(call, at, reg, &register, pointed)?;
            return Ok(false);
        }
        if matches!(btf.get(pointed), Some(Type::Prototype { .. })) {
            if !matches!(register.kind, Kind::Function(_)) {
                return refuse(Errno::EINVAL, format_args!("arg{at} expected pointer to func"));
            }
            let Kind::Function(start) = register.kind else { return Ok(false) };
            if fname != "bpf_rbtree_add_impl" {
                return Err(not_built(format_args!("a callback of kernel function {fname}")));
            }
            call.callback = Some(start);
            return Ok(false);
        }
        let sized = self.has_size(call, at);
        let plain = is_plain(btf, pointed, 0) || (sized && matches!(btf.get(pointed), Some(Type::Void)));
        if !plain {
            let kind = kind_name(btf.get(pointed));
            let or_void = if sized { "void, " } else { "" };
            return refuse(
                Errno::EINVAL,
                format_args!(
                    "arg#{at} pointer type {kind} {pointed_name} must point to {or_void}scalar, or struct with scalar"
                ),
            );
        }
        self.check_fixed_offset(&register, reg)?;
        if sized {
            self.kernel_memory_argument(call, at, reg, &register)?;
            return Ok(true);
        }
        let Some(size) = btf.size_of(pointed) else {
            let kind = kind_name(btf.get(pointed));
            return refuse(
                Errno::EINVAL,
                format_args!(
                    "arg#{at} reference type('{kind} {pointed_name}') size cannot be determined: -22"
                ),
            );
        };
        self.check_memory_of_size(reg, size)?;
        Ok(false)
    }

    fn read_argument(&mut self, reg: Reg) -> Result<Register, Rejection> {
        self.read(reg)
    }

    /// Whether the parameter after this one is its size.
    fn has_size(&self, call: &KernelCall, at: usize) -> bool {
        call.parameters.get(at + 1).is_some_and(|(_, n)| n.ends_with("__sz") || n.ends_with("__szk"))
    }

    fn kernel_memory_argument(
        &mut self,
        call: &mut KernelCall,
        at: usize,
        reg: Reg,
        register: &Register,
    ) -> Result<(), Rejection> {
        let size_reg = Reg::new(reg.number() + 1).unwrap_or(Reg::R5);
        let size = self.read(size_reg)?;
        let (name, size_name) = (call.parameters[at].1.clone(), call.parameters[at + 1].1.clone());
        let next = at + 1;
        if !(register.is_null() && name.ends_with("__opt"))
            && let Err(rejection) = self.check_sized_memory(reg, size_reg, &size)
        {
            if rejection.errno == Errno::EOPNOTSUPP {
                return Err(rejection);
            }
            if !rejection.message.is_empty() && !rejection.logged {
                let _ = writeln!(self.log, "{}", rejection.message);
            }
            let message = format_args!("arg#{at} arg#{next} memory, len pair leads to invalid memory access");
            return Err(reject(rejection.errno, message).of(reg));
        }
        if size_name.ends_with("__szk") {
            let Some(value) = size.as_constant() else {
                let message = format_args!("R{} must be a known constant", size_reg.number());
                return Err(reject(Errno::EINVAL, message).of(size_reg));
            };
            call.constant = Some(value);
        }
        Ok(())
    }

    /// A pointer to an object of the kernel's.
    fn kernel_object_argument(
        &mut self,
        call: &mut KernelCall,
        at: usize,
        reg: Reg,
        register: &Register,
        wanted: TypeId,
    ) -> Result<(), Rejection> {
        let (r, function) = (reg.number(), call.function);
        let refuse = |text: core::fmt::Arguments| Err(reject(Errno::EINVAL, text).of(reg));
        if function.trusted || function.has(effect::RCU | effect::RELEASES) {
            let by_rcu = matches!(register.kind, Kind::Typed { trust, .. } if trust.has(Trust::RCU));
            if !is_trusted(register) {
                if !function.has(effect::RCU) {
                    return refuse(format_args!("R{r} must be referenced or trusted"));
                }
                if !by_rcu {
                    return refuse(format_args!("R{r} must be a rcu pointer"));
                }
            }
        }
        if function.has(effect::RELEASES) && register.reference != 0 {
            self.check_released(register, reg)?;
        }
        self.check_object_offset(register, reg)?;
        let types = call.types.clone();
        let btf = &types.btf;
        let wanted_name = btf.name_of(wanted);
        if let Kind::Typed { trust, .. } = register.kind
            && trust.has(Trust::UNTRUSTED.with(Trust::USER))
            && !trust.has(Trust::RCU)
        {
            let base = super::typed::name(Trust::NONE, register.maybe_null);
            let got = register.type_name();
            return refuse(format_args!("arg#{at} is {got} expected {base} or socket"));
        }
        let (has, same) = match register.kind {
            Kind::Typed { of, .. } => {
                let strict = function.has(effect::ACQUIRES)
                    || (function.has(effect::RELEASES) && register.reference != 0)
                    || is_initialiser(wanted_name, self.type_name(of));
                let same = of.source == TypeSource::Kernel
                    && is_same_type(btf, of.id, register.offset, wanted, strict);
                (self.type_name(of).to_string(), same)
            }
            _ => {
                let name = kernel_name(register).unwrap_or("");
                let id = types.structure(name);
                let same = id.is_some_and(|id| is_same_type(btf, id, register.offset, wanted, false));
                (name.to_string(), same)
            }
        };
        let projection =
            matches!((wanted_name, has.as_str()), ("__sk_buff", "sk_buff") | ("xdp_md", "xdp_buff"));
        if !same && !projection {
            let kind = kind_name(btf.get(wanted));
            let name = function.name;
            return refuse(format_args!(
                "kernel function {name} args#{at} expected pointer to {kind} {wanted_name} but R{r} has a \
                 pointer to STRUCT {has}"
            ));
        }
        Ok(())
    }

    /// A typed pointer may have a fixed offset of its own alone.
    pub(super) fn check_object_offset(&self, register: &Register, reg: Reg) -> Result<(), Rejection> {
        match register.kind {
            Kind::Typed { .. } => self.check_pointer_offset(register, reg, true),
            _ => self.check_fixed_offset(register, reg),
        }
    }

    pub(super) fn match_trusted_parameter(
        &mut self,
        register: &Register,
        reg: Reg,
        of: TypeRef,
        maybe_null: bool,
    ) -> Result<(), Rejection> {
        let r = reg.number();
        let Kind::Typed { of: has, trust } = register.kind else {
            let name = self.full_type_name(register);
            let message = format_args!("R{r} type={name} expected=ptr_, trusted_ptr_, rcu_ptr_");
            return Err(reject(Errno::EACCES, message).of(reg));
        };
        if trust.has(Trust::UNTRUSTED.with(Trust::USER).with(Trust::PER_CPU).with(Trust::ALLOCATED))
            || (register.maybe_null && !maybe_null)
        {
            let name = register.type_name();
            let message = format_args!("R{r} type={name} expected=ptr_, trusted_ptr_, rcu_ptr_");
            return Err(reject(Errno::EACCES, message).of(reg));
        }
        self.check_object_offset(register, reg)?;
        let same = has.source == of.source
            && self
                .btf_of(of.source)
                .is_some_and(|btf| is_same_type(btf, has.id, register.offset, of.id, false));
        if !same {
            let (is, wanted) = (self.type_name(has), self.type_name(of));
            let message = format_args!("R{r} is of type {is} but {wanted} is expected");
            return Err(reject(Errno::EACCES, message).of(reg));
        }
        Ok(())
    }
}

/// A type that stands for one that is not set up yet: neither passes for the other.
fn is_initialiser(a: &str, b: &str) -> bool {
    a.strip_suffix("___init") == Some(b) || b.strip_suffix("___init") == Some(a)
}

/// Numbers, or structures of numbers and arrays of them.
fn is_plain(btf: &Btf, id: TypeId, depth: u32) -> bool {
    let id = btf.resolve(id);
    match btf.get(id) {
        Some(Type::Int { .. } | Type::Enum { .. }) => true,
        Some(Type::Struct { members, .. } | Type::Union { members, .. }) => {
            depth < 4
                && btf.members(members).iter().all(|m| match btf.get(btf.resolve(m.of)) {
                    Some(Type::Struct { .. } | Type::Union { .. }) => is_plain(btf, m.of, depth + 1),
                    Some(Type::Array { element, .. }) => {
                        matches!(btf.get(btf.resolve(*element)), Some(Type::Int { .. } | Type::Enum { .. }))
                    }
                    Some(Type::Int { .. } | Type::Enum { .. }) => true,
                    _ => false,
                })
        }
        _ => false,
    }
}
