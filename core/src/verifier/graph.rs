//! Lists and trees of allocated objects: their roots, and the nodes that calls add to them.

use alloc::string::ToString;

use super::kernel_call::KernelCall;
use super::kernel_types::is_same_type;
use super::observer::Observer;
use super::references;
use super::register::{Kind, Register};
use super::state::CallbackFrame;
use super::typed::{Trust, TypeRef, TypeSource};
use super::{Rejection, Verifier, reject};
use crate::errno::Errno;
use crate::isa::{Pc, Reg};
use crate::object::btf::record::FieldKind;

fn is_root(kind: FieldKind, name: &str) -> bool {
    match kind {
        FieldKind::ListHead { .. } => name == "bpf_list_head",
        FieldKind::TreeRoot { .. } => name == "bpf_rb_root",
        _ => false,
    }
}

impl<O: Observer> Verifier<O> {
    /// Whose BTF the fields of what a register points into are of.
    fn source_behind(&self, register: &Register) -> TypeSource {
        match register.kind {
            Kind::MapValue(map) => TypeSource::Map(map.0),
            Kind::Typed { of, .. } => of.source,
            _ => TypeSource::Program,
        }
    }

    pub(super) fn kernel_root_argument(
        &mut self,
        call: &mut KernelCall,
        at: usize,
        reg: Reg,
        register: &Register,
        name: &str,
    ) -> Result<(), Rejection> {
        let r = reg.number();
        let refuse = |text: core::fmt::Arguments| Err(reject(Errno::EINVAL, text).of(reg));
        let allocated = match register.kind {
            Kind::MapValue(_) => false,
            Kind::Typed { trust, .. } if trust == Trust::ALLOCATED => true,
            _ => {
                return refuse(format_args!("arg#{at} expected pointer to map value or allocated object"));
            }
        };
        if register.maybe_null {
            return refuse(format_args!("arg#{at} expected pointer to map value or allocated object"));
        }
        if allocated && register.reference == 0 {
            return refuse(format_args!("allocated object must be referenced"));
        }
        self.check_object_offset_or_memory(register, reg)?;
        let Some(variable) = register.var.as_constant() else {
            return refuse(format_args!(
                "R{r} doesn't have constant offset. {name} has to be at the constant offset"
            ));
        };
        let offset = (i64::from(register.offset) + variable as i64) as u32;
        let fields = self.fields_behind(register);
        let Some(field) = fields.iter().find(|f| f.offset == offset && is_root(f.kind, name)) else {
            return refuse(format_args!("{name} not found at offset={offset}"));
        };
        if !self.is_locked(register) {
            let lock = fields
                .iter()
                .find(|f| matches!(f.kind, FieldKind::SpinLock | FieldKind::ResilientSpinLock))
                .map_or(-1, |f| f.offset as i32);
            return refuse(format_args!("bpf_spin_lock at off={lock} must be held for {name}"));
        }
        call.root = Some((field.kind, self.source_behind(register)));
        Ok(())
    }

    /// An object's offset, or a map value's, which may be any.
    fn check_object_offset_or_memory(&self, register: &Register, reg: Reg) -> Result<(), Rejection> {
        match register.kind {
            Kind::MapValue(_) => Ok(()),
            _ => self.check_object_offset(register, reg),
        }
    }

    pub(super) fn kernel_node_argument(
        &mut self,
        call: &mut KernelCall,
        at: usize,
        reg: Reg,
        register: &Register,
        name: &str,
    ) -> Result<(), Rejection> {
        let refuse = |text: core::fmt::Arguments| Err(reject(Errno::EINVAL, text).of(reg));
        let function = call.function.name;
        let adds = function.contains("_push_") || function == "bpf_rbtree_add_impl";
        let trust = match register.kind {
            Kind::Typed { trust, .. } => trust,
            _ => Trust::NONE,
        };
        if adds {
            if trust != Trust::ALLOCATED || register.maybe_null {
                return refuse(format_args!("arg#{at} expected pointer to allocated object"));
            }
            if register.reference == 0 {
                return refuse(format_args!("allocated object must be referenced"));
            }
        } else if !trust.has(Trust::NON_OWNING) && register.reference == 0 {
            return refuse(format_args!(
                "{function} can only take non-owning or refcounted bpf_rb_node pointer"
            ));
        }
        if !adds && name == "bpf_rb_node" && self.in_node_comparison() {
            return refuse(format_args!("{function} not allowed in rbtree cb"));
        }
        self.check_object_offset(register, reg)?;
        let Kind::Typed { of, .. } = register.kind else { return Ok(()) };
        let Some(variable) = register.var.as_constant() else {
            let r = reg.number();
            return refuse(format_args!(
                "R{r} doesn't have constant offset. {name} has to be at the constant offset"
            ));
        };
        let offset = (i64::from(register.offset) + variable as i64) as u32;
        let is_node = |kind: FieldKind| match name {
            "bpf_list_node" => kind == FieldKind::ListNode,
            _ => kind == FieldKind::TreeNode,
        };
        if !self.fields_of(of).iter().any(|f| f.offset == offset && is_node(f.kind)) {
            return refuse(format_args!("{name} not found at offset={offset}"));
        }
        let Some((
            FieldKind::ListHead { of: wanted, node } | FieldKind::TreeRoot { of: wanted, node },
            source,
        )) = call.root
        else {
            return Ok(());
        };
        let root = if name == "bpf_list_node" { "bpf_list_head" } else { "bpf_rb_root" };
        let (Some(theirs), Some(ours)) = (self.btf_of(source), self.btf_of(of.source)) else { return Ok(()) };
        let (wanted_name, has) = (theirs.name_of(wanted).to_string(), ours.name_of(of.id).to_string());
        let same = match core::ptr::eq(theirs, ours) {
            true => is_same_type(ours, of.id, 0, wanted, true),
            // The map's BTF is the program's, loaded once more.
            false => wanted_name == has && theirs.size_of(wanted) == ours.size_of(of.id),
        };
        if !same {
            return refuse(format_args!(
                "operation on {root} expects arg#1 {name} at offset={node} in struct {wanted_name}, but arg is \
                 at offset={offset} in struct {has}"
            ));
        }
        if node != offset {
            return refuse(format_args!(
                "arg#1 offset={offset}, but expected {name} at offset={node} in struct {wanted_name}"
            ));
        }
        call.object = Some(of);
        Ok(())
    }

    /// Whether a tree called back the function that is walked, under the tree's lock.
    pub(super) fn in_node_comparison(&self) -> bool {
        let frame = self.state.frame();
        let called = frame.callback.and(frame.call_site);
        called
            .is_some_and(|at| self.kernel_function_at(at.0).is_some_and(|f| f.name == "bpf_rbtree_add_impl"))
    }

    /// A tree calls back to compare two of its nodes.
    pub(super) fn compare_nodes(
        &mut self,
        pc: Pc,
        start: u32,
        of: TypeRef,
        node: u32,
    ) -> Result<(), Rejection> {
        let counted = self.fields_of(of).iter().any(|f| f.kind == FieldKind::RefCount);
        let mut trust = Trust::ALLOCATED.with(Trust::NON_OWNING);
        if counted {
            trust = trust.with(Trust::RCU);
        }
        let one = Register { offset: node as i32, ..Register::pointer(Kind::Typed { of, trust }) };
        let mut registers = [Register::UNINITIALISED; 5];
        registers[0] = one;
        registers[1] = one;
        let callback = CallbackFrame { later: false, returns: (0, 1) };
        self.enter_callback(pc, start, registers, callback)
    }

    /// The list or tree owns the object that r2 points to: what the program has of it is valid while the lock
    /// is held.
    pub(super) fn give_to_graph(&mut self) -> Result<(), Rejection> {
        let register = *self.state.register(Reg::R2);
        let reference = register.reference;
        let counted = match register.kind {
            Kind::Typed { of, .. } => self.fields_of(of).iter().any(|f| f.kind == FieldKind::RefCount),
            _ => false,
        };
        let mark = if counted { Trust::NON_OWNING.with(Trust::RCU) } else { Trust::NON_OWNING };
        self.state.each_register(|r| {
            if r.reference == reference
                && let Kind::Typed { trust, .. } = &mut r.kind
            {
                r.reference = 0;
                *trust = trust.with(mark);
            }
        });
        references::release(&mut self.state, reference);
        Ok(())
    }
}
