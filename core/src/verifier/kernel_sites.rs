//! What engines are told of a call of a kernel function.

use super::Verifier;
use super::kernel_call::KernelCall;
use super::observer::Observer;
use super::typed::{TypeRef, TypeSource};
use crate::helper::kernel::{Function, Layout, Site};
use crate::isa::Pc;
use crate::object::btf::TypeId;
use crate::object::btf::record::FieldKind;

impl<O: Observer> Verifier<O> {
    /// Notes the call at a slot, whose arguments were checked.
    pub(super) fn note_kernel_call(&mut self, pc: Pc, call: &KernelCall) {
        let name = call.function.name;
        let object = match (call.root, call.object, call.constant) {
            (Some((FieldKind::ListHead { of, node } | FieldKind::TreeRoot { of, node }, source)), ..) => {
                self.layout(TypeRef { source, id: of }, node)
            }
            (_, Some(of), _) => self.layout(of, 0),
            (_, _, Some(id)) if name == "bpf_obj_new_impl" => {
                self.layout(TypeRef { source: TypeSource::Program, id: TypeId(id as u32) }, 0)
            }
            _ => Layout::default(),
        };
        let site = Site { pc: pc.0, name, function: Function::by_name(name), object };
        self.kernel_sites.insert(pc.0, site);
    }

    fn layout(&self, of: TypeRef, node: u32) -> Layout {
        let size = self.btf_of(of.source).and_then(|btf| btf.size_of(of.id)).unwrap_or(0);
        let fields = self.fields_of(of);
        let count = fields.iter().find(|field| field.kind == FieldKind::RefCount).map(|field| field.offset);
        Layout { size, count, node }
    }
}
