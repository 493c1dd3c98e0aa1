//! Calls of kernel functions (kfuncs), by their BTF prototypes.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::function_types::prototype;
use super::kernel_types::parameter_names;
use super::observer::Observer;
use super::register::{Kind, MapRef, Register};
use super::typed::{Trust, TypeRef, TypeSource};
use super::walk::Next;
use super::{Rejection, Verifier, not_built, reject};
use crate::errno::Errno;
use crate::helper::kernel_functions::{KernelFunction, effect};
use crate::isa::{CallTarget, Insn, Pc, Reg};
use crate::object::btf::kernel::KernelTypes;
use crate::object::btf::record::FieldKind;
use crate::object::btf::{Type, TypeId};

/// A kernel function that is called, with what its arguments said.
pub(super) struct KernelCall {
    pub function: KernelFunction,
    /// The BTF of its prototype.
    pub types: Arc<KernelTypes>,
    pub result: TypeId,
    /// Types and names of its parameters.
    pub parameters: Vec<(TypeId, String)>,
    /// The reference that an argument belongs to, and that one's register where it is given back.
    pub reference: u32,
    pub released: Option<Reg>,
    /// A constant argument (`__k`, `__szk`).
    pub constant: Option<u64>,
    /// A constant size of the memory that is returned (`rdonly_buf_size` and its sibling).
    pub buffer: Option<(u64, bool)>,
    /// The type of an allocated object among the arguments.
    pub object: Option<TypeRef>,
    /// That object is owned.
    pub owning: bool,
    /// The list's or tree's field: its kind.
    pub root: Option<(FieldKind, TypeSource)>,
    /// The dynptr among the arguments.
    pub dynptr: Option<super::dynptrs::Taken>,
    /// The function to be called back, by its first slot.
    pub callback: Option<u32>,
    /// The field whose work is done later (a workqueue, a task's work), and the map that it is in.
    pub field: Option<(FieldKind, MapRef)>,
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
        &["bpf_list_", "bpf_rbtree_", "bpf_iter_num_", "bpf_res_spin_", "bpf_refcount_acquire"];
    PREFIXES.iter().any(|p| name.starts_with(p))
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
            let Some(name) = self.kernel_function_name(*btf_id) else {
                let message = format_args!("kernel btf_id {btf_id} is not a function");
                return Err(reject(Errno::EINVAL, message));
            };
            // No device is here that a program could be bound to.
            if name.starts_with("bpf_xdp_metadata_rx_") {
                return Err(reject(Errno::EINVAL, "metadata kfuncs require device-bound program"));
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
        if name == "__bpf_trap" {
            let message = "unexpected __bpf_trap() due to uninitialized variable?";
            return Err(reject(Errno::EFAULT, message));
        }
        let function = KernelFunction::by_name(&name);
        let program_type = self.input.program_type.number;
        let attach_type = self.input.expected_attach_type;
        let Some(function) = function.filter(|f| f.allows(program_type, attach_type)) else {
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
            field: None,
            iterator: None,
        };
        if call.function.name.starts_with("bpf_res_spin_lock") {
            self.fork_failed_lock(pc)?;
        }
        self.check_kernel_arguments(&mut call)?;
        self.note_kernel_call(pc, &call);
        if let (Some(start), Some((FieldKind::TreeRoot { of, node }, source))) = (call.callback, call.root) {
            self.compare_nodes(pc, start, TypeRef { source, id: of }, node)?;
        }
        if let (Some(start), Some((kind, map))) = (call.callback, call.field) {
            self.call_back_later(pc, start, kind, map)?;
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
            return self.throw();
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
                self.end_rcu_of_iterators();
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
            return refuse(
                Errno::EACCES,
                format_args!("kernel func {name} requires RCU critical section protection"),
            );
        }
        Ok(())
    }

    /// A lock that may fail: the path on which it did waits.
    fn fork_failed_lock(&mut self, pc: Pc) -> Result<(), Rejection> {
        const MAX_ERRNO: i64 = 4095;
        let waiting = self.put_aside(Pc(pc.0 + 1), pc)?;
        for reg in Reg::all().take(6) {
            *waiting.register_mut(reg) = Register::UNINITIALISED;
        }
        let mut var = super::domain::Scalar::UNKNOWN;
        (var.smin, var.smax) = (-MAX_ERRNO, -1);
        var.sync();
        *waiting.register_mut(Reg::R0) = Register::scalar(var);
        Ok(())
    }
}

/// Whether a name is that of an iterator's function: `bpf_iter_<type>_next` and its siblings.
pub(super) fn is_iterator(name: &str, what: &str) -> bool {
    name.starts_with("bpf_iter_") && name.ends_with(what)
}
