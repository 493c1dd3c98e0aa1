//! What kernel functions return.

use super::kernel_call::{KernelCall, is_iterator};
use super::observer::Observer;
use super::register::{Kind, MemoryKind, Protection, Register};
use super::typed::{Trust, TypeRef, TypeSource};
use super::{Rejection, Verifier, not_built, reject};
use crate::errno::Errno;
use crate::helper::kernel_functions::effect;
use crate::isa::Pc;
use crate::object::btf::kernel::KernelTypes;
use crate::object::btf::record::FieldKind;
use crate::object::btf::{Type, TypeId};

impl<O: Observer> Verifier<O> {
    /// What r0 holds after the call.
    pub(super) fn kernel_result(&mut self, pc: Pc, call: &KernelCall) -> Result<Register, Rejection> {
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
            // The process's address of the pages, or 0.
            "bpf_arena_alloc_pages" => Register::UNKNOWN,
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
                let Some(id) = kernel_context(&types, self.input.program_type.name) else {
                    return Err(not_built("the kernel's type of this context"));
                };
                if !matches!(types.btf.get(types.btf.resolve(id)), Some(Type::Struct { .. })) {
                    return refuse(format_args!("kern ctx type id {} is not a struct", id.0));
                }
                let id = types.btf.resolve(id);
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
        if call.function.has(effect::UNTRUSTED) {
            return Trust::UNTRUSTED;
        }
        if let Some((frame, slot)) = call.iterator
            && is_iterator(name, "_next")
        {
            let rcu = matches!(
                self.state.frames[frame].slot(slot).spilled.kind,
                Kind::Iterator { rcu: Protection::Rcu, .. }
            );
            return if rcu { Trust::RCU } else { Trust::TRUSTED };
        }
        Trust::NONE
    }
}

/// The kernel's own type behind a program type's context: its BTF has a structure that pairs them.
fn kernel_context(types: &KernelTypes, program_type: &str) -> Option<TypeId> {
    let Some(Type::Struct { members, .. }) = types.btf.get(types.structure("bpf_ctx_convert")?) else {
        return None;
    };
    let wanted = alloc::format!("BPF_PROG_TYPE_{}_kern", program_type.to_ascii_uppercase());
    types.btf.members(members).iter().find(|m| types.btf.text(m.name) == wanted).map(|m| m.of)
}
