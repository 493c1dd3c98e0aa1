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
use super::{Rejection, Verifier, reject, tracing};
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

/// What a pointer argument has to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Class {
    /// The program's context.
    Context,
    /// Null, where it may be.
    Null,
    /// An object of the program's own, which it owns.
    Allocated,
    /// An object of the program's own that counts its references.
    RefCounted,
    Dynptr,
    Iterator,
    /// A list or a tree, by its structure.
    Root(&'static str),
    /// A node of one.
    Node(&'static str),
    ConstString,
    Map,
    /// A field of a map's value whose work is done later.
    Field(FieldKind),
    InterruptFlag,
    ResilientLock,
    /// An object of the kernel's.
    Object,
    Callback,
    /// Memory, with its size in the next argument.
    SizedMemory,
    /// Memory as large as its type.
    Memory,
}

/// Classes by the suffix of the parameter's name.
const SUFFIXES: &[(&str, Class)] = &[
    ("__alloc", Class::Allocated),
    ("__refcounted_kptr", Class::RefCounted),
    ("__str", Class::ConstString),
    ("__map", Class::Map),
    ("__irq_flag", Class::InterruptFlag),
];

/// Classes by the structure that the parameter points to.
const STRUCTURES: &[(&str, Class)] = &[
    ("bpf_dynptr", Class::Dynptr),
    ("bpf_list_head", Class::Root("bpf_list_head")),
    ("bpf_rb_root", Class::Root("bpf_rb_root")),
    ("bpf_list_node", Class::Node("bpf_list_node")),
    ("bpf_rb_node", Class::Node("bpf_rb_node")),
    ("bpf_res_spin_lock", Class::ResilientLock),
    ("bpf_wq", Class::Field(FieldKind::Workqueue)),
    ("bpf_timer", Class::Field(FieldKind::Timer)),
    ("bpf_task_work", Class::Field(FieldKind::TaskWork)),
];

/// Whether the parameter after this one is named as its size.
fn has_size(call: &KernelCall, at: usize) -> bool {
    call.parameters.get(at + 1).is_some_and(|(_, n)| n.ends_with("__sz") || n.ends_with("__szk"))
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
        if name.ends_with("__ign") || name.ends_with("__prog") {
            return Ok(false);
        }
        let types = call.types.clone();
        let btf = &types.btf;
        // A register that holds nothing is told by what it is not.
        self.changed.registers |= 1 << reg.number();
        let register = *self.state.register(reg);
        let ty = btf.resolve(given);
        let Some(Type::Pointer { to }) = btf.get(ty) else {
            self.kernel_number_argument(call, at, reg, &register)?;
            return Ok(false);
        };
        let pointed = btf.resolve(*to);
        let needs_trust = call.function.trusted || call.function.has(effect::RCU | effect::RELEASES);
        if needs_trust && (register.is_null() || register.maybe_null) && !name.ends_with("__nullable") {
            let message = format_args!("Possibly NULL pointer passed to trusted arg{at}");
            return Err(reject(Errno::EACCES, message).of(reg));
        }
        if register.reference != 0 {
            call.reference = register.reference;
            if call.function.has(effect::RELEASES) {
                call.released = Some(reg);
            }
        }
        let class = self.classify(call, at, reg, &register, pointed)?;
        if class == Class::Null {
            return Ok(false);
        }
        if class == Class::Map {
            self.kernel_map_argument(call, reg, &register)?;
        }
        if needs_trust && matches!(class, Class::Allocated | Class::Map | Class::Object) {
            self.check_trust(call, &register, reg)?;
        }
        if call.function.has(effect::RELEASES) && register.reference != 0 {
            self.check_released(&register, reg)?;
        }
        self.check_fixed_offset(&register, reg)?;
        self.check_class(call, at, reg, &register, pointed, class)
    }

    /// What an argument has to be: by its type and its name's suffix, and what is left by what is given.
    fn classify(
        &self,
        call: &KernelCall,
        at: usize,
        reg: Reg,
        register: &Register,
        pointed: TypeId,
    ) -> Result<Class, Rejection> {
        let btf = &call.types.btf;
        let (name, function) = (call.parameters[at].1.as_str(), call.function.name);
        let structure = matches!(btf.get(pointed), Some(Type::Struct { .. } | Type::Union { .. }));
        let of = btf.name_of(pointed);
        let next = Reg::new(reg.number() + 1).unwrap_or(Reg::R5);
        let sized = has_size(call, at) && self.state.register(next).is_scalar();
        if function == "bpf_cast_to_kern_ctx" || (structure && of == self.input.program_type.context) {
            return Ok(Class::Context);
        }
        let nullable = name.ends_with("__nullable") || name.ends_with("__opt");
        if nullable && register.is_null() && !sized {
            return Ok(Class::Null);
        }
        if let Some((_, class)) = SUFFIXES.iter().find(|row| name.ends_with(row.0)) {
            return Ok(*class);
        }
        if structure && let Some((_, class)) = STRUCTURES.iter().find(|row| row.0 == of) {
            return Ok(*class);
        }
        if structure
            && let Some(kind) = of.strip_prefix("bpf_iter_")
            && function
                .strip_prefix("bpf_iter_")
                .and_then(|f| f.strip_prefix(kind))
                .is_some_and(|f| f.starts_with('_'))
        {
            return Ok(Class::Iterator);
        }
        let refuse = |text: core::fmt::Arguments| Err(reject(Errno::EINVAL, text).of(reg));
        let kind = kind_name(btf.get(pointed));
        if matches!(register.kind, Kind::Typed { .. }) || kernel_name(register).is_some() {
            if structure || (of == "bpf_map" || name.ends_with("__map")) {
                return Ok(Class::Object);
            }
            return refuse(format_args!(
                "kernel function {function} args#{at} pointer type {kind} {of} is not supported"
            ));
        }
        if matches!(btf.get(pointed), Some(Type::Prototype { .. })) {
            return Ok(Class::Callback);
        }
        if is_plain(btf, pointed, 0) || (sized && matches!(btf.get(pointed), Some(Type::Void))) {
            return Ok(if sized { Class::SizedMemory } else { Class::Memory });
        }
        let or_void = if sized { "void, " } else { "" };
        refuse(format_args!(
            "arg#{at} pointer type {kind} {of} must point to {or_void}scalar, or struct with scalar"
        ))
    }

    /// The argument is of its class; `true` where the next one was checked with it.
    fn check_class(
        &mut self,
        call: &mut KernelCall,
        at: usize,
        reg: Reg,
        register: &Register,
        pointed: TypeId,
        class: Class,
    ) -> Result<bool, Rejection> {
        let name = call.parameters[at].1.clone();
        let function = call.function.name;
        let refuse = |text: core::fmt::Arguments| Err(reject(Errno::EINVAL, text).of(reg));
        match class {
            Class::Null => {}
            Class::Context => {
                if register.kind != Kind::Context {
                    let got = register.type_name();
                    return refuse(format_args!("arg#{at} expected pointer to ctx, but got {got}"));
                }
            }
            Class::Dynptr => self.kernel_dynptr_argument(call, at, reg, &name, register)?,
            Class::Root(of) => self.kernel_root_argument(call, at, reg, register, of)?,
            Class::Node(of) => self.kernel_node_argument(call, at, reg, register, of)?,
            Class::ResilientLock => self.kernel_lock_argument(at, reg, register, function)?,
            Class::Field(kind) => {
                if !matches!(register.kind, Kind::MapValue(_)) || register.maybe_null {
                    return refuse(format_args!("arg#{at} doesn't point to a map value"));
                }
                call.field = self.deferred_field(register, reg, kind)?.map(|map| (kind, map));
            }
            Class::InterruptFlag => self.kernel_interrupts_argument(at, reg, register, function)?,
            Class::ConstString => {
                if !matches!(register.kind, Kind::MapValue(_)) {
                    return refuse(format_args!("arg#{at} doesn't point to a const string"));
                }
                self.check_constant_string(register, reg)?;
            }
            Class::Iterator if function == "bpf_iter_css_task_new" && !self.may_walk_css_tasks() => {
                return refuse(format_args!(
                    "css_task_iter is only allowed in bpf_lsm, bpf_iter and sleepable progs"
                ));
            }
            Class::Iterator => self.kernel_iterator_argument(call, at, reg, register, pointed)?,
            Class::Allocated => self.kernel_allocated_argument(call, at, reg, register)?,
            Class::RefCounted => self.kernel_counted_argument(call, at, reg, register)?,
            Class::Map => {
                if !matches!(register.kind, Kind::Map(_)) {
                    let wanted = call.types.structure("bpf_map").unwrap_or(pointed);
                    self.kernel_object_argument(call, at, reg, register, wanted)?;
                }
            }
            Class::Object => self.kernel_object_argument(call, at, reg, register, pointed)?,
            Class::Callback => {
                let Kind::Function(start) = register.kind else {
                    return refuse(format_args!("arg{at} expected pointer to func"));
                };
                call.callback = Some(start);
            }
            Class::SizedMemory => {
                self.kernel_memory_argument(call, at, reg, register)?;
                return Ok(true);
            }
            Class::Memory => {
                let btf = &call.types.btf;
                let Some(size) = btf.size_of(pointed) else {
                    let (kind, of) = (kind_name(btf.get(pointed)), btf.name_of(pointed));
                    return refuse(format_args!(
                        "arg#{at} reference type('{kind} {of}') size cannot be determined: -22"
                    ));
                };
                self.check_memory_of_type(reg, size)?;
            }
        }
        Ok(false)
    }

    /// An argument that is no pointer.
    fn kernel_number_argument(
        &mut self,
        call: &mut KernelCall,
        at: usize,
        reg: Reg,
        register: &Register,
    ) -> Result<(), Rejection> {
        let (given, name) = call.parameters[at].clone();
        let btf = &call.types.btf;
        let r = reg.number();
        let refuse = |text: core::fmt::Arguments| Err(reject(Errno::EINVAL, text).of(reg));
        let ty = btf.get(btf.resolve(given));
        if !matches!(ty, Some(Type::Int { .. } | Type::Enum { .. })) {
            let kind = kind_name(ty);
            return refuse(format_args!("Unrecognized arg#{at} type {kind}"));
        }
        if !register.is_scalar() {
            return refuse(format_args!("R{r} is not a scalar"));
        }
        if name.ends_with("__k") {
            let Some(value) = register.as_constant() else {
                return refuse(format_args!("R{r} must be a known constant"));
            };
            self.mark_precise(reg)?;
            call.constant = Some(value);
        } else if name == "rdonly_buf_size" || name == "rdwr_buf_size" {
            let Some(value) = register.as_constant() else {
                return refuse(format_args!("R{r} is not a const"));
            };
            self.mark_precise(reg)?;
            call.buffer = Some((value, name == "rdonly_buf_size"));
        }
        Ok(())
    }

    /// A pointer that the function relies on is valid.
    fn check_trust(&self, call: &KernelCall, register: &Register, reg: Reg) -> Result<(), Rejection> {
        if is_trusted(register) {
            return Ok(());
        }
        let by_rcu = matches!(register.kind, Kind::Typed { trust, .. } if trust.has(Trust::RCU));
        let what = match call.function.has(effect::RCU) {
            false => "referenced or trusted",
            true if !by_rcu => "a rcu pointer",
            true => return Ok(()),
        };
        Err(reject(Errno::EINVAL, format_args!("R{} must be {what}", reg.number())).of(reg))
    }

    /// A map, and the one of the field that was named before it.
    fn kernel_map_argument(&self, call: &KernelCall, reg: Reg, register: &Register) -> Result<(), Rejection> {
        let r = reg.number();
        let refuse = |text: core::fmt::Arguments| Err(reject(Errno::EINVAL, text).of(reg));
        let map = match register.kind {
            Kind::Map(map) | Kind::MapValue(map) | Kind::MapKey(map) => Some(map),
            Kind::Typed { .. } => None,
            _ => return refuse(format_args!("pointer in R{r} isn't map pointer")),
        };
        if let (Some((kind, of)), Some(map)) = (call.field, map)
            && of != map
        {
            let what = if kind == FieldKind::Workqueue { "workqueue" } else { kind.name() };
            let before = r - 1;
            return refuse(format_args!(
                "{what} pointer in R{before} map_uid=0 doesn't match map pointer in R{r} map_uid=0"
            ));
        }
        Ok(())
    }

    /// Iterators over a subsystem's tasks may be walked where no lock is held that they take.
    fn may_walk_css_tasks(&self) -> bool {
        let (program_type, attach) = (self.input.program_type.number, self.input.expected_attach_type);
        self.is_sleepable() || (program_type == tracing::TRACING && attach == tracing::ITERATOR)
    }

    fn kernel_lock_argument(
        &mut self,
        at: usize,
        reg: Reg,
        register: &Register,
        function: &str,
    ) -> Result<(), Rejection> {
        let kind = match function.contains("_irq") {
            true => ReferenceKind::ResilientLockInterrupts,
            false => ReferenceKind::ResilientLock,
        };
        let fits = match register.kind {
            _ if register.maybe_null => false,
            Kind::MapValue(_) => true,
            Kind::Typed { trust, .. } => trust.has(Trust::ALLOCATED),
            _ => false,
        };
        if !fits {
            let message = format_args!("arg#{at} doesn't point to map value or allocated object");
            return Err(reject(Errno::EINVAL, message).of(reg));
        }
        let takes = !function.contains("unlock");
        self.use_lock(reg, LockUse { kind, takes })
    }

    /// An object that the program allocated and owns.
    fn kernel_allocated_argument(
        &mut self,
        call: &mut KernelCall,
        at: usize,
        reg: Reg,
        register: &Register,
    ) -> Result<(), Rejection> {
        let refuse = |text: core::fmt::Arguments| Err(reject(Errno::EINVAL, text).of(reg));
        let per_cpu = call.function.name.starts_with("bpf_percpu");
        let of = match register.kind {
            Kind::Typed { of, trust }
                if trust.has(Trust::ALLOCATED)
                    && !trust.has(Trust::NON_OWNING)
                    && trust.has(Trust::PER_CPU) == per_cpu =>
            {
                of
            }
            _ => return refuse(format_args!("arg#{at} expected pointer to allocated object")),
        };
        if register.reference == 0 {
            return refuse(format_args!("allocated object must be referenced"));
        }
        call.object = Some(of);
        Ok(())
    }

    /// An object that counts its references.
    fn kernel_counted_argument(
        &mut self,
        call: &mut KernelCall,
        at: usize,
        reg: Reg,
        register: &Register,
    ) -> Result<(), Rejection> {
        let refuse = |text: core::fmt::Arguments| Err(reject(Errno::EINVAL, text).of(reg));
        let (of, trust) = match register.kind {
            Kind::Typed { of, trust } if trust.has(Trust::ALLOCATED) => (of, trust),
            _ => return refuse(format_args!("arg#{at} is neither owning or non-owning ref")),
        };
        if !self.fields_of(of).iter().any(|f| f.kind == FieldKind::RefCount) {
            return refuse(format_args!("arg#{at} doesn't point to a type with bpf_refcount field"));
        }
        call.owning = !trust.has(Trust::NON_OWNING);
        call.object = Some(of);
        Ok(())
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
        if !matches!(register.kind, Kind::Typed { .. }) && kernel_name(register).is_none() {
            let got = register.type_name();
            return refuse(format_args!("arg#{at} is {got} expected {got} or socket"));
        }
        let types = call.types.clone();
        let btf = &types.btf;
        let wanted_name = btf.name_of(wanted);
        // Null, and what may be stale, is another type to the function, but for what RCU keeps.
        let other = match register.kind {
            Kind::Typed { trust, .. } => {
                register.maybe_null
                    || (trust.has(Trust::UNTRUSTED.with(Trust::USER)) && !trust.has(Trust::RCU))
            }
            _ => register.maybe_null,
        };
        if other {
            let base = Register { maybe_null: false, ..*register };
            let base = match register.kind {
                Kind::Typed { .. } => super::typed::name(Trust::NONE, false),
                _ => base.type_name(),
            };
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
