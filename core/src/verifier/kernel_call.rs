//! Calls of kernel functions (kfuncs), by their BTF prototypes.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt::Write;

use super::function_types::{kind_name, prototype};
use super::locks::LockUse;
use super::observer::Observer;
use super::register::{Kind, MemoryKind, Register, SocketKind};
use super::state::ReferenceKind;
use super::typed::{Trust, TypeRef, TypeSource};
use super::typed_memory::is_trusted;
use super::walk::Next;
use super::{Rejection, Verifier, not_built, reject};
use crate::errno::Errno;
use crate::helper::kernel_functions::{KernelFunction, effect};
use crate::isa::{CallTarget, Insn, Pc, Reg};
use crate::object::btf::kernel::KernelTypes;
use crate::object::btf::record::FieldKind;
use crate::object::btf::{Btf, Type, TypeId};

/// A kernel function that is called, with what its arguments said.
pub(super) struct KernelCall {
    pub function: KernelFunction,
    /// The BTF of its prototype.
    types: Arc<KernelTypes>,
    result: TypeId,
    /// Types and names of its parameters.
    parameters: Vec<(TypeId, String)>,
    /// The reference that an argument belongs to, and that one's register where it is given back.
    reference: u32,
    pub released: Option<Reg>,
    /// A constant argument (`__k`, `__szk`).
    pub constant: Option<u64>,
    /// A constant size of the memory that is returned (`rdonly_buf_size` and its sibling).
    buffer: Option<(u64, bool)>,
    /// The type of an allocated object among the arguments.
    pub object: Option<TypeRef>,
    /// That object is owned.
    owning: bool,
    /// The list's or tree's field: its kind.
    pub root: Option<(FieldKind, TypeSource)>,
    /// The dynptr among the arguments.
    pub dynptr: Option<super::dynptrs::Taken>,
    /// The function to be called back, by its first slot.
    pub callback: Option<u32>,
    /// The iterator: its frame and slot.
    pub iterator: Option<(usize, usize)>,
}

impl KernelCall {
    /// The result belongs to this reference.
    pub fn set_reference(&mut self, reference: u32) {
        self.reference = reference;
    }
}

/// Kernel functions that may be called while a spin lock is held.
fn allowed_while_locked(name: &str) -> bool {
    const PREFIXES: &[&str] =
        &["bpf_list_", "bpf_rbtree_", "bpf_iter_num_", "bpf_res_spin_", "bpf_arena_", "bpf_refcount_acquire"];
    PREFIXES.iter().any(|p| name.starts_with(p))
}

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
    /// The name of the kernel function with that BTF id.
    pub(super) fn kernel_function_name(&self, id: i32) -> Option<&str> {
        let kernel = self.input.kernel_types.as_ref()?;
        let id = TypeId(u32::try_from(id).ok()?);
        matches!(kernel.btf.get(id), Some(Type::Function { .. })).then(|| kernel.btf.name_of(id))
    }

    /// The kernel function that is called at a slot.
    pub(super) fn kernel_function_at(&self, pc: u32) -> Option<KernelFunction> {
        match self.insns.get(pc as usize) {
            Some(Ok(Insn::Call(CallTarget::Kernel { btf_id, .. }))) => {
                KernelFunction::by_name(self.kernel_function_name(*btf_id)?)
            }
            _ => None,
        }
    }

    /// Whether the kernel function called at a slot moves the packet, and whether it may sleep.
    pub(super) fn kernel_function_effects(&self, pc: u32) -> (bool, bool) {
        let function = self.kernel_function_at(pc);
        let moves = function.is_some_and(|f| f.name == "bpf_xdp_pull_data");
        (moves, function.is_some_and(|f| f.sleeps))
    }

    /// How many arguments each call of a kernel function has, by slot.
    pub(super) fn kernel_argument_counts(&self) -> Vec<(u32, u32)> {
        let count = |at: usize| {
            let Ok(Insn::Call(CallTarget::Kernel { btf_id, .. })) = self.insns[at] else { return None };
            let kernel = self.input.kernel_types.as_ref()?;
            let (_, parameters) = prototype(&kernel.btf, TypeId(btf_id as u32))?;
            Some((at as u32, parameters.len().min(5) as u32))
        };
        (0..self.insns.len()).filter_map(count).collect()
    }

    /// Instructions that call iterators' `next` are where states are always kept.
    pub(super) fn mark_kernel_calls(&mut self) {
        for at in 0..self.insns.len() {
            if self.kernel_function_at(at as u32).is_some_and(|f| is_iterator(f.name, "_next")) {
                self.marks[at].prune = true;
                self.marks[at].checkpoint = true;
            }
        }
    }

    /// Every kernel function that is named is one, before any instruction is walked.
    pub(super) fn check_kernel_functions(&self) -> Result<(), Rejection> {
        for insn in &self.insns {
            let Ok(Insn::Call(CallTarget::Kernel { btf_id, fd_index })) = insn else { continue };
            if self.input.kernel_types.is_none() {
                return Err(not_built("a call of a kernel function without the kernel's BTF"));
            }
            if *fd_index != 0 {
                return Err(not_built("a call of a module's function"));
            }
            if !self.input.gpl_compatible {
                let message = "cannot call kernel function from non-GPL compatible program";
                return Err(reject(Errno::EINVAL, message));
            }
            if self.kernel_function_name(*btf_id).is_none() {
                let message = format_args!("kernel btf_id {btf_id} is not a function");
                return Err(reject(Errno::EINVAL, message));
            }
        }
        Ok(())
    }

    pub(super) fn call_kernel(&mut self, pc: Pc, id: i32) -> Result<Next, Rejection> {
        let (Some(types), Some(name)) = (self.input.kernel_types.clone(), self.kernel_function_name(id))
        else {
            return Err(not_built("a call of a kernel function"));
        };
        let name = name.to_string();
        let function = KernelFunction::by_name(&name);
        let program_type = self.input.program_type.number;
        if program_type == 27 {
            return Err(not_built("a kernel function in a program of type struct_ops"));
        }
        let Some(function) = function.filter(|f| f.allows(program_type)) else {
            return Err(reject(Errno::EACCES, format_args!("calling kernel function {name} is not allowed")));
        };
        if self.state.sections.locks > 0 && !allowed_while_locked(&name) {
            return Err(reject(Errno::EINVAL, "function calls are not allowed while holding a lock"));
        }
        if function.sleeps && !self.is_sleepable() {
            let message = format_args!("program must be sleepable to call sleepable kfunc {name}");
            return Err(reject(Errno::EACCES, message));
        }
        let prototype = prototype(&types.btf, TypeId(id as u32));
        let Some((result, given)) = prototype else {
            return Err(not_built(format_args!("kernel function {name}")));
        };
        let names = parameter_names(&types.btf, TypeId(id as u32));
        let mut call = KernelCall {
            function,
            types,
            result,
            parameters: given.into_iter().zip(names).collect(),
            reference: 0,
            released: None,
            constant: None,
            buffer: None,
            object: None,
            owning: false,
            root: None,
            dynptr: None,
            callback: None,
            iterator: None,
        };
        if call.function.name.starts_with("bpf_res_spin_lock") {
            self.fork_failed_lock(pc)?;
        }
        self.check_kernel_arguments(&mut call)?;
        if let (Some(start), Some((FieldKind::TreeRoot { of, node }, source))) = (call.callback, call.root) {
            self.compare_nodes(pc, start, TypeRef { source, id: of }, node)?;
        }
        self.enter_or_leave(&call)?;
        if let Some(reg) = call.released {
            let reference = self.state.register(reg).reference;
            self.release(reference)?;
        }
        if matches!(
            call.function.name,
            "bpf_list_push_front_impl" | "bpf_list_push_back_impl" | "bpf_rbtree_add_impl"
        ) {
            self.give_to_graph()?;
        }
        if call.function.name == "bpf_throw" {
            return self.throw(pc);
        }
        for reg in Reg::all().take(6) {
            self.write(reg, Register::UNINITIALISED);
        }
        let result = self.kernel_result(pc, &call)?;
        self.write(Reg::R0, result);
        if is_iterator(call.function.name, "_next") {
            self.fork_iterator(pc, &call)?;
        }
        Ok(self.next_insn(pc))
    }

    fn check_kernel_arguments(&mut self, call: &mut KernelCall) -> Result<(), Rejection> {
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

    /// Functions that open and close sections.
    fn enter_or_leave(&mut self, call: &KernelCall) -> Result<(), Rejection> {
        let name = call.function.name;
        let refuse = |errno, text: core::fmt::Arguments| Err(reject(errno, text));
        let (locks, unlocks) = (name == "bpf_rcu_read_lock", name == "bpf_rcu_read_unlock");
        if self.state.sections.rcu > 0 {
            if locks {
                return refuse(Errno::EINVAL, format_args!("nested rcu read lock (kernel function {name})"));
            }
            if unlocks {
                self.state.sections.rcu = 0;
                self.state.each_register(|r| {
                    if let Kind::Typed { trust, .. } = &mut r.kind
                        && trust.has(Trust::RCU)
                    {
                        *trust = trust.without(Trust::RCU).with(Trust::UNTRUSTED);
                        r.maybe_null = false;
                    }
                });
            } else if call.function.sleeps {
                return refuse(
                    Errno::EACCES,
                    format_args!("kernel func {name} is sleepable within rcu_read_lock region"),
                );
            }
        } else if locks {
            self.state.sections.rcu = 1;
        } else if unlocks {
            return refuse(Errno::EINVAL, format_args!("unmatched rcu read unlock (kernel function {name})"));
        }
        let (disables, enables) = (name == "bpf_preempt_disable", name == "bpf_preempt_enable");
        if self.state.sections.preempt > 0 {
            if disables {
                self.state.sections.preempt += 1;
            } else if enables {
                self.state.sections.preempt -= 1;
            } else if call.function.sleeps {
                return refuse(
                    Errno::EACCES,
                    format_args!("kernel func {name} is sleepable within non-preemptible region"),
                );
            }
        } else if disables {
            self.state.sections.preempt = 1;
        } else if enables {
            return refuse(
                Errno::EINVAL,
                format_args!("unmatched attempt to enable preemption (kernel function {name})"),
            );
        }
        if self.state.sections.interrupts > 0 && call.function.sleeps {
            return refuse(
                Errno::EACCES,
                format_args!("kernel func {name} is sleepable within IRQ-disabled region"),
            );
        }
        if call.function.has(effect::RCU_PROTECTED) && !self.in_rcu() {
            return refuse(Errno::EINVAL, format_args!("expected an RCU CS when using {name}"));
        }
        Ok(())
    }

    /// What r0 holds after the call.
    fn kernel_result(&mut self, pc: Pc, call: &KernelCall) -> Result<Register, Rejection> {
        let types = call.types.clone();
        let btf = &types.btf;
        let (name, function) = (call.function.name, call.function);
        let result = btf.resolve(call.result);
        let refuse = |text: core::fmt::Arguments| Err(reject(Errno::EINVAL, text));
        let mut register = match btf.get(result) {
            Some(Type::Void) => return Ok(Register::UNINITIALISED),
            Some(Type::Int { .. } | Type::Enum { .. }) => {
                let size = btf.size_of(result).unwrap_or(8);
                return self.kernel_number(name, size);
            }
            Some(Type::Pointer { to }) => {
                let to = btf.resolve(*to);
                match self.special_result(call)? {
                    Some(register) => register,
                    None => match btf.get(to) {
                        Some(Type::Struct { .. } | Type::Union { .. }) => {
                            let trust = self.trust_of_result(call);
                            let of = TypeRef { source: TypeSource::Kernel, id: to };
                            Register::pointer(Kind::Typed { of, trust })
                        }
                        Some(Type::Void) | None if call.buffer.is_none() => {
                            let text = "VOID";
                            return refuse(format_args!(
                                "kernel function {name} returns pointer type {text}  is not supported"
                            ));
                        }
                        _ => {
                            let (size, read_only) = match call.buffer {
                                Some((size, read_only)) => (size as u32, read_only),
                                None => (btf.size_of(to).unwrap_or(0), true),
                            };
                            let kind = if read_only { MemoryKind::ReadOnly } else { MemoryKind::Plain };
                            let reference = call.reference;
                            Register { reference, ..Register::pointer(Kind::Memory { kind, size }) }
                        }
                    },
                }
            }
            _ => return Err(not_built(format_args!("the result of kernel function {name}"))),
        };
        let owning = name == "bpf_refcount_acquire_impl" && call.owning;
        if function.has(effect::NULL) && !owning {
            register.maybe_null = true;
            register.id = self.new_id();
        }
        if function.has(effect::ACQUIRES) {
            let id = self.acquire(pc);
            if register.maybe_null {
                register.id = id;
            }
            register.reference = id;
        } else if matches!(
            name,
            "bpf_rbtree_first"
                | "bpf_rbtree_root"
                | "bpf_rbtree_left"
                | "bpf_rbtree_right"
                | "bpf_list_front"
                | "bpf_list_back"
        ) && let Kind::Typed { of, trust } = &mut register.kind
        {
            *trust = trust.with(Trust::NON_OWNING);
            let counted = match of.source {
                TypeSource::Kernel => false,
                _ => self.fields_of(*of).iter().any(|f| f.kind == FieldKind::RefCount),
            };
            if counted && let Kind::Typed { trust, .. } = &mut register.kind {
                *trust = trust.with(Trust::RCU);
            }
        }
        if self.may_hold_lock(&register) && register.id == 0 {
            register.id = self.new_id();
        }
        Ok(register)
    }

    fn kernel_number(&mut self, name: &str, _size: u32) -> Result<Register, Rejection> {
        if name.starts_with("bpf_res_spin_lock") {
            return Ok(Register::constant(0));
        }
        // The part that the function does not return is unknown too.
        Ok(Register::UNKNOWN)
    }

    /// A lock that may fail: the path on which it did waits.
    fn fork_failed_lock(&mut self, pc: Pc) -> Result<(), Rejection> {
        const MAX_ERRNO: i32 = 4095;
        let waiting = self.put_aside(Pc(pc.0 + 1), pc)?;
        for reg in Reg::all().take(6) {
            *waiting.register_mut(reg) = Register::UNINITIALISED;
        }
        let mut var = super::domain::Scalar::UNKNOWN;
        (var.s32_min, var.s32_max) = (-MAX_ERRNO, -1);
        var.sync();
        *waiting.register_mut(Reg::R0) = Register::scalar(var);
        Ok(())
    }

    /// Results that depend on the arguments.
    fn special_result(&mut self, call: &KernelCall) -> Result<Option<Register>, Rejection> {
        let name = call.function.name;
        let refuse = |text: core::fmt::Arguments| Err(reject(Errno::EINVAL, text));
        let types = call.types.clone();
        Ok(Some(match name {
            "bpf_obj_new_impl" | "bpf_percpu_obj_new_impl" => {
                let value = call.constant.unwrap_or(0);
                if value > u64::from(u32::MAX) {
                    return refuse(format_args!("local type ID argument must be in range [0, U32_MAX]"));
                }
                let Some(btf) = self.input.types.clone() else {
                    return refuse(format_args!("bpf_obj_new/bpf_percpu_obj_new requires prog BTF"));
                };
                let id = TypeId(value as u32);
                if !matches!(btf.get(id), Some(Type::Struct { .. })) {
                    return refuse(format_args!(
                        "bpf_obj_new/bpf_percpu_obj_new type ID argument must be of a struct"
                    ));
                }
                let of = TypeRef { source: TypeSource::Program, id };
                if name == "bpf_percpu_obj_new_impl" {
                    return Err(not_built(format_args!("kernel function {name}")));
                }
                Register::pointer(Kind::Typed { of, trust: Trust::ALLOCATED })
            }
            "bpf_refcount_acquire_impl" => {
                let Some(of) = call.object else { return Ok(None) };
                Register::pointer(Kind::Typed { of, trust: Trust::ALLOCATED })
            }
            "bpf_list_pop_front" | "bpf_list_pop_back" | "bpf_list_front" | "bpf_list_back"
            | "bpf_rbtree_remove" | "bpf_rbtree_first" | "bpf_rbtree_root" | "bpf_rbtree_left"
            | "bpf_rbtree_right" => {
                let (of, node) = match call.root {
                    Some((FieldKind::ListHead { of, node } | FieldKind::TreeRoot { of, node }, source)) => {
                        (TypeRef { source, id: of }, node)
                    }
                    _ => return Ok(None),
                };
                Register {
                    offset: node as i32,
                    ..Register::pointer(Kind::Typed { of, trust: Trust::ALLOCATED })
                }
            }
            "bpf_cast_to_kern_ctx" => {
                let Some(id) =
                    kernel_context(self.input.program_type.number).and_then(|n| types.structure(n))
                else {
                    return Err(not_built("the kernel's type of this context"));
                };
                let of = TypeRef { source: TypeSource::Kernel, id };
                Register::pointer(Kind::Typed { of, trust: Trust::TRUSTED })
            }
            "bpf_rdonly_cast" => {
                let id = TypeId(call.constant.unwrap_or(0) as u32);
                match types.btf.get(id) {
                    None => {
                        let id = id.0;
                        return refuse(format_args!("Unknown type ID {id} passed to kfunc bpf_rdonly_cast"));
                    }
                    Some(Type::Struct { .. } | Type::Union { .. }) => {
                        let of = TypeRef { source: TypeSource::Kernel, id };
                        Register::pointer(Kind::Typed { of, trust: Trust::UNTRUSTED })
                    }
                    Some(Type::Void) => {
                        Register::pointer(Kind::Memory { kind: MemoryKind::UntrustedReadOnly, size: 0 })
                    }
                    Some(_) => {
                        return refuse(format_args!(
                            "kfunc bpf_rdonly_cast type ID argument must be of a struct or void"
                        ));
                    }
                }
            }
            "bpf_dynptr_slice" | "bpf_dynptr_slice_rdwr" => return self.slice_result(call).map(Some),
            _ => return Ok(None),
        }))
    }

    fn trust_of_result(&self, call: &KernelCall) -> Trust {
        let name = call.function.name;
        if name == "bpf_get_kmem_cache" {
            return Trust::UNTRUSTED;
        }
        if let Some((frame, slot)) = call.iterator
            && is_iterator(name, "_next")
        {
            let rcu =
                matches!(self.state.frames[frame].slot(slot).spilled.kind, Kind::Iterator { rcu: true, .. });
            return if rcu { Trust::RCU } else { Trust::TRUSTED };
        }
        Trust::NONE
    }

    /// `bpf_throw`: the path ends in the exception callback.
    fn throw(&mut self, _pc: Pc) -> Result<Next, Rejection> {
        self.check_resources("bpf_throw", true)?;
        self.check_return_value(Reg::R1)?;
        Ok(Next::Exit)
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

/// Whether a name is that of an iterator's function: `bpf_iter_<type>_next` and its siblings.
pub(super) fn is_iterator(name: &str, what: &str) -> bool {
    name.starts_with("bpf_iter_") && name.ends_with(what)
}

/// The kernel's own structure behind a context.
fn kernel_context(program_type: u32) -> Option<&'static str> {
    Some(match program_type {
        1 | 3 | 4 | 8 | 10 | 11 | 12 | 14 | 19 | 22 => "sk_buff",
        6 => "xdp_buff",
        9 => "sock",
        18 => "bpf_sock_addr_kern",
        13 => "bpf_sock_ops_kern",
        16 => "sk_msg",
        21 => "sk_reuseport_kern",
        30 => "bpf_sk_lookup_kern",
        23 => "bpf_sysctl_kern",
        25 => "bpf_sockopt_kern",
        32 => "bpf_nf_ctx",
        7 => "bpf_perf_event_data_kern",
        2 => "pt_regs",
        _ => return None,
    })
}

/// A type that stands for one that is not set up yet: neither passes for the other.
fn is_initialiser(a: &str, b: &str) -> bool {
    a.strip_suffix("___init") == Some(b) || b.strip_suffix("___init") == Some(a)
}

/// Names of a function's parameters.
fn parameter_names(btf: &Btf, function: TypeId) -> Vec<String> {
    let Some(Type::Function { prototype, .. }) = btf.get(function) else { return Vec::new() };
    let Some(Type::Prototype { parameters, .. }) = btf.get(*prototype) else { return Vec::new() };
    btf.parameters(parameters).iter().map(|p| btf.text(p.name).to_string()).collect()
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

/// Whether an object of one type is, at an offset, one of another: itself, or, unless `strict`, its first
/// members.
pub(super) fn is_same_type(btf: &Btf, has: TypeId, offset: i32, wanted: TypeId, strict: bool) -> bool {
    let (mut id, wanted) = (btf.resolve(has), btf.resolve(wanted));
    let Ok(mut offset) = u32::try_from(offset) else { return false };
    let alike = |a: TypeId, b: TypeId| {
        a == b
            || (btf.name_of(a) == btf.name_of(b)
                && !btf.name_of(a).is_empty()
                && btf.size_of(a) == btf.size_of(b))
    };
    if offset == 0 && alike(id, wanted) {
        return true;
    }
    if strict {
        return false;
    }
    for _ in 0..16 {
        let Some(Type::Struct { members, .. } | Type::Union { members, .. }) = btf.get(id) else {
            return false;
        };
        let inner = btf.members(members).iter().find_map(|m| {
            let start = m.bit_offset / 8;
            let mut kind = btf.resolve(m.of);
            let size = btf.size_of(kind)?;
            if m.bit_size != 0 || !(start..start.saturating_add(size.max(1))).contains(&offset) {
                return None;
            }
            let mut rest = offset - start;
            while let Some(Type::Array { element, .. }) = btf.get(kind) {
                kind = btf.resolve(*element);
                rest %= btf.size_of(kind)?.max(1);
            }
            matches!(btf.get(kind), Some(Type::Struct { .. } | Type::Union { .. })).then_some((kind, rest))
        });
        let Some((kind, rest)) = inner else { return false };
        if rest == 0 && alike(kind, wanted) {
            return true;
        }
        (id, offset) = (kind, rest);
    }
    false
}
