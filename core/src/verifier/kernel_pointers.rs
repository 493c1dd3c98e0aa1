//! Pointers that the kernel keeps in maps' values and allocated objects: loads, stores of null, and exchanges.

use super::kernel_types::is_same_type;
use super::memory::Mode;
use super::observer::Observer;
use super::register::{Kind, MapRef, MemoryKind, Register};
use super::typed::{Trust, TypeRef, TypeSource};
use super::{Rejection, Verifier, not_built, reject};
use crate::errno::Errno;
use crate::isa::{Operand, Reg};
use crate::object::btf::TypeId;
use crate::object::btf::record::{Field, FieldKind, PointerTag};

/// Kernel types whose objects RCU keeps until its sections end.
const RCU_PROTECTED: &[&str] =
    &["task_struct", "cgroup", "bpf_cpumask", "bpf_crypto_ctx", "prog_test_ref_kfunc"];

impl<O: Observer> Verifier<O> {
    /// The type that a kept pointer points to: the kernel's of that name, or one of the program's.
    pub(super) fn kept_type(&self, source: TypeSource, of: TypeId) -> TypeRef {
        let name = self.type_name(TypeRef { source, id: of });
        let kernel =
            self.input.kernel_types.as_ref().and_then(|k| k.structure(name).or_else(|| k.union(name)));
        match kernel {
            Some(id) => TypeRef { source: TypeSource::Kernel, id },
            None => TypeRef { source, id: of },
        }
    }

    /// The kept pointer that an access of a map's value hits exactly.
    pub(super) fn kept_pointer_at(&self, map: MapRef, pointer: &Register, off: i64) -> Option<Field> {
        let at = off + pointer.var.as_constant()? as i64;
        let fields = &self.maps[usize::from(map.0)].fields;
        fields
            .iter()
            .find(|f| matches!(f.kind, FieldKind::Pointer { .. }) && i64::from(f.offset) == at)
            .copied()
    }

    /// A load or store of a kept pointer: what a load gives.
    pub(super) fn access_kept_pointer(
        &mut self,
        map: MapRef,
        field: Field,
        size: u32,
        mode: Mode,
        src: Option<Operand>,
    ) -> Result<Register, Rejection> {
        let FieldKind::Pointer { tag, of } = field.kind else { return Ok(Register::UNKNOWN) };
        let refuse = |text: core::fmt::Arguments| Err(reject(Errno::EACCES, text));
        if size != 8 {
            return refuse(format_args!("{} access size must be BPF_DW", field.kind.name()));
        }
        if tag == PointerTag::User {
            if mode == Mode::Write {
                return refuse(format_args!("store to uptr disallowed"));
            }
            // The kernel pins the user's page: memory as large as the type.
            let size = self.btf_of(TypeSource::Map(map.0)).and_then(|btf| btf.size_of(of)).unwrap_or(0);
            let (kind, id) = (MemoryKind::Plain, self.new_id());
            return Ok(Register { maybe_null: true, id, ..Register::pointer(Kind::Memory { kind, size }) });
        }
        let of = self.kept_type(TypeSource::Map(map.0), of);
        if mode == Mode::Write {
            if tag != PointerTag::Untrusted {
                return refuse(format_args!("store to referenced kptr disallowed"));
            }
            match src {
                Some(Operand::Reg(reg)) => {
                    let held = *self.state.register(reg);
                    if !held.is_null() {
                        self.match_kept_pointer(&held, reg, of, tag)?;
                    }
                }
                Some(Operand::Imm(0)) => {}
                _ => {
                    let at = field.offset;
                    return refuse(format_args!("BPF_ST imm must be 0 when storing to kptr at off={at}"));
                }
            }
            return Ok(Register::UNKNOWN);
        }
        let by_rcu = match tag {
            PointerTag::PerCpu => true,
            PointerTag::Referenced => {
                of.source != TypeSource::Kernel || RCU_PROTECTED.contains(&self.type_name(of))
            }
            _ => false,
        };
        let trust = if by_rcu && self.in_rcu() {
            match (tag, of.source) {
                (PointerTag::PerCpu, _) => Trust::RCU.with(Trust::PER_CPU),
                (_, TypeSource::Kernel) => Trust::RCU,
                _ => Trust::RCU.with(Trust::ALLOCATED),
            }
        } else {
            Trust::UNTRUSTED
        };
        let id = self.new_id();
        Ok(Register { maybe_null: true, id, ..Register::pointer(Kind::Typed { of, trust }) })
    }

    /// A pointer that is to be kept is of the field's type.
    pub(super) fn match_kept_pointer(
        &self,
        held: &Register,
        reg: Reg,
        of: TypeRef,
        tag: PointerTag,
    ) -> Result<(), Rejection> {
        let wrong = || {
            let (r, has, name) = (reg.number(), self.full_type_name(held), self.type_name(of));
            let prefix = if tag == PointerTag::PerCpu { "percpu_ptr_" } else { "ptr_" };
            let or = match tag {
                PointerTag::Untrusted => alloc::format!(" or untrusted_ptr_{name}"),
                _ => alloc::string::String::new(),
            };
            let message = format_args!("invalid kptr access, R{r} type={has} expected={prefix}{name}{or}");
            reject(Errno::EINVAL, message).of(reg)
        };
        let Kind::Typed { of: has, trust } = held.kind else { return Err(wrong()) };
        let mut refused = Trust::PER_CPU.with(Trust::USER).with(Trust::NON_OWNING);
        if tag != PointerTag::Untrusted {
            refused = refused.with(Trust::UNTRUSTED);
        }
        if of.source == TypeSource::Kernel {
            refused = refused.with(Trust::ALLOCATED);
        }
        if trust.has(refused) {
            return Err(wrong());
        }
        self.check_pointer_offset(held, reg, true)?;
        let same = match (self.btf_of(has.source), self.btf_of(of.source)) {
            (Some(a), Some(b)) if core::ptr::eq(a, b) => {
                is_same_type(a, has.id, held.offset, of.id, tag != PointerTag::Untrusted)
            }
            // The map's BTF is the program's, loaded once more.
            (Some(a), Some(b)) => {
                held.offset == 0
                    && (has.source == TypeSource::Kernel) == (of.source == TypeSource::Kernel)
                    && a.name_of(has.id) == b.name_of(of.id)
                    && a.size_of(has.id) == b.size_of(of.id)
            }
            _ => false,
        };
        if same { Ok(()) } else { Err(wrong()) }
    }

    /// Where `bpf_kptr_xchg` keeps the pointer: the field's kind and type.
    pub(super) fn pointer_slot(
        &self,
        register: &Register,
        reg: Reg,
    ) -> Result<(PointerTag, TypeRef), Rejection> {
        let r = reg.number();
        let Some(variable) = register.var.as_constant() else {
            let message =
                format_args!("R{r} doesn't have constant offset. kptr has to be at the constant offset");
            return Err(reject(Errno::EINVAL, message).of(reg));
        };
        let source = match register.kind {
            Kind::MapValue(map) => TypeSource::Map(map.0),
            Kind::Typed { of, .. } => of.source,
            _ => TypeSource::Program,
        };
        let at = i64::from(register.offset) + variable as i64;
        let fields = self.fields_behind(register);
        if let Kind::MapValue(map) = register.kind
            && self.maps[usize::from(map.0)].types.is_none()
        {
            let name = &self.maps[usize::from(map.0)].spec.name;
            let message = format_args!("map '{name}' has to have BTF in order to use bpf_kptr_xchg");
            return Err(reject(Errno::EINVAL, message).of(reg));
        }
        let kept = |kind: FieldKind| matches!(kind, FieldKind::Pointer { .. });
        if !fields.iter().any(|f| kept(f.kind)) {
            return Err(reject(Errno::EINVAL, format_args!("R{r} has no valid kptr")).of(reg));
        }
        let found = fields.iter().find_map(|f| match f.kind {
            FieldKind::Pointer { tag, of } if tag != PointerTag::User && i64::from(f.offset) == at => {
                Some((tag, of))
            }
            _ => None,
        });
        let Some((tag, of)) = found else {
            return Err(reject(Errno::EACCES, format_args!("off={at} doesn't point to kptr")).of(reg));
        };
        if !matches!(tag, PointerTag::Referenced | PointerTag::PerCpu) {
            return Err(reject(Errno::EACCES, format_args!("off={at} kptr isn't referenced kptr")).of(reg));
        }
        if tag == PointerTag::PerCpu {
            return Err(not_built("a per-CPU object in a map's value"));
        }
        Ok((tag, self.kept_type(source, of)))
    }
}
