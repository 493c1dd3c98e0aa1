//! Loads and stores through typed pointers: the structure is walked member by member to what lies at the
//! offset.

use core::fmt::Write;

use super::memory::Mode;
use super::observer::Observer;
use super::register::{Kind, MemoryKind, Register};
use super::typed::{Trust, TypeRef, TypeSource};
use super::{Rejection, Verifier, reject};
use crate::errno::Errno;
use crate::isa::Reg;
use crate::object::btf::record::{self, FieldKind, PointerTag};
use crate::object::btf::{Btf, Type, TypeId};

/// What lies at an offset of a structure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Found {
    /// A number.
    Number,
    /// A pointer to a structure, by the member's name, with what its tags say.
    Pointer { to: TypeId, tags: Trust, member: crate::object::btf::Name },
    /// A pointer to something else.
    PlainPointer,
}

/// Fields whose pointers a trusted pointer's walk keeps trusted: structure and member. Facts of the running
/// kernel (`native/probes/members.py`).
const TRUSTED_MEMBERS: &[(&str, &str)] =
    &[("bpf_iter_meta", "seq"), ("bpf_iter__task", "meta"), ("linux_binprm", "file"), ("file", "f_inode")];
/// The same, which may be null.
const TRUSTED_OR_NULL_MEMBERS: &[(&str, &str)] =
    &[("bpf_iter__task", "task"), ("socket", "sk"), ("dentry", "d_inode")];
/// Members that RCU protects, never null.
const RCU_MEMBERS: &[(&str, &str)] = &[
    ("task_struct", "cpus_ptr"),
    ("task_struct", "css_set"),
    ("task_struct", "cgroups"),
    ("task_struct", "real_parent"),
    ("task_struct", "group_leader"),
    ("cgroup", "kn"),
    ("css_set", "dfl_cgrp"),
    ("cgroup_subsys_state", "cgroup"),
    ("cgroup_freezer_state", "cgroup"),
];
/// The same, which may be null.
const RCU_OR_NULL_MEMBERS: &[(&str, &str)] =
    &[("mm_struct", "exe_file"), ("sk_buff", "sk"), ("request_sock", "sk")];

/// Walks a structure to `size` bytes at `off`.
pub(super) fn walk(
    btf: &Btf,
    of: TypeId,
    off: u32,
    size: u32,
    untrusted: bool,
) -> Result<(Found, Trust), (Errno, alloc::string::String)> {
    let mut trust = if untrusted { Trust::UNTRUSTED } else { Trust::NONE };
    let (mut id, mut off, mut in_union) = (btf.resolve(of), off, false);
    'again: loop {
        let name = btf.name_of(id);
        let (total, members, union) = match btf.get(id) {
            Some(Type::Struct { size, members, .. }) => (*size, btf.members(members), false),
            Some(Type::Union { size, members, .. }) => (*size, btf.members(members), true),
            _ => return Err((Errno::EINVAL, alloc::format!("Type '{name}' is not a struct"))),
        };
        if off.saturating_add(size) > total {
            // A last member of unknown length goes on.
            let last = members.last().map(|m| (m, btf.resolve(m.of)));
            if let Some((member, array)) = last
                && let Some(Type::Array { element, len: 0, .. }) = btf.get(array)
                && off >= member.bit_offset / 8
            {
                let element = btf.resolve(*element);
                let start = member.bit_offset / 8;
                match btf.get(element) {
                    Some(Type::Int { .. }) => return Ok((Found::Number, trust)),
                    Some(Type::Struct { size: each, .. }) if *each > 0 => {
                        off = (off - start) % each;
                        id = element;
                        continue 'again;
                    }
                    _ => {}
                }
            }
            let message = alloc::format!("access beyond struct {name} at off {off} size {size}");
            return Err((Errno::EACCES, message));
        }
        if union && members.len() != 1 {
            trust = trust.with(Trust::UNTRUSTED);
            in_union = true;
        }
        for member in members {
            if member.bit_size != 0 {
                let (first, last) =
                    (member.bit_offset / 8, (member.bit_offset + u32::from(member.bit_size)).div_ceil(8));
                if off + size <= first {
                    break;
                }
                if off >= last {
                    continue;
                }
                return Ok((Found::Number, trust));
            }
            let mut start = member.bit_offset / 8;
            if off + size <= start {
                break;
            }
            let mut kind = btf.resolve(member.of);
            let Some(bytes) = btf.size_of(kind) else { continue };
            let end = start + bytes;
            if off >= end {
                continue;
            }
            let mut each = bytes;
            while let Some(Type::Array { element, .. }) = btf.get(kind) {
                kind = btf.resolve(*element);
                each = btf.size_of(kind).unwrap_or(0).max(1);
            }
            start += (off - start) / each.max(1) * each;
            let text = btf.text(member.name);
            match btf.get(kind) {
                Some(Type::Struct { .. } | Type::Union { .. }) => {
                    off -= start;
                    id = kind;
                    continue 'again;
                }
                Some(Type::Pointer { to }) => {
                    if each != size || off != start {
                        let message = alloc::format!(
                            "cannot access ptr member {text} with moff {start} in struct {name} with off {off} size {size}"
                        );
                        return Err((Errno::EACCES, message));
                    }
                    let tags = match btf.get(*to) {
                        Some(Type::TypeTag { name, .. }) => match btf.text(*name) {
                            "user" => Trust::USER,
                            "percpu" => Trust::PER_CPU,
                            "rcu" => Trust::RCU,
                            _ => Trust::NONE,
                        },
                        _ => Trust::NONE,
                    };
                    let to = btf.resolve(*to);
                    if matches!(btf.get(to), Some(Type::Struct { .. } | Type::Union { .. })) {
                        return Ok((Found::Pointer { to, tags, member: member.name }, trust));
                    }
                    return Ok((Found::PlainPointer, trust));
                }
                _ => {
                    // In a union it may be of another member.
                    if off + size > end && !in_union {
                        let message = alloc::format!(
                            "access beyond the end of member {text} (mend:{end}) in struct {name} with off {off} size {size}"
                        );
                        return Err((Errno::EACCES, message));
                    }
                    return Ok((Found::Number, trust));
                }
            }
        }
        return Err((Errno::EINVAL, alloc::format!("struct {name} doesn't have field at offset {off}")));
    }
}

impl<O: Observer> Verifier<O> {
    /// The BTF that a type is of.
    pub(super) fn btf_of(&self, source: TypeSource) -> Option<&Btf> {
        match source {
            TypeSource::Kernel => self.input.kernel_types.as_ref().map(|k| &k.btf),
            TypeSource::Program => self.input.types.as_deref(),
            TypeSource::Map(map) => self.maps.get(usize::from(map)).and_then(|m| m.types.as_deref()),
        }
    }

    /// A type's name.
    pub(super) fn type_name(&self, of: TypeRef) -> &str {
        self.btf_of(of.source).map_or("", |btf| btf.name_of(of.id))
    }

    /// Within RCU, by a section or by what the program is.
    pub(super) fn in_rcu(&self) -> bool {
        let s = &self.state.sections;
        s.rcu > 0 || s.locks > 0 || !self.is_sleepable()
    }

    /// What a load or store through a typed pointer gives.
    pub(super) fn access_typed(
        &mut self,
        pointer: &Register,
        base: Reg,
        off: i64,
        size: u32,
        mode: Mode,
    ) -> Result<Register, Rejection> {
        let Kind::Typed { of, trust } = pointer.kind else { return Ok(Register::UNKNOWN) };
        let r = base.number();
        let name = alloc::string::String::from(self.type_name(of));
        let refuse = |errno, text: core::fmt::Arguments| Err(reject(errno, text).of(base));
        if !self.input.perfmon {
            return refuse(
                Errno::EPERM,
                format_args!("'struct {name}' access is allowed only to CAP_PERFMON and CAP_SYS_ADMIN"),
            );
        }
        if !self.input.gpl_compatible && of.source == TypeSource::Kernel {
            return refuse(
                Errno::EINVAL,
                format_args!("Cannot access kernel 'struct {name}' from non-GPL compatible program"),
            );
        }
        if off < 0 {
            return refuse(
                Errno::EACCES,
                format_args!("R{r} is ptr_{name} invalid negative access: off={off}"),
            );
        }
        if pointer.var.as_constant() != Some(0) {
            let mut var = alloc::string::String::new();
            let _ = super::domain::text::write_tnum(pointer.var.var, &mut var);
            return refuse(
                Errno::EACCES,
                format_args!("R{r} is ptr_{name} invalid variable offset: off={off}, var_off={var}"),
            );
        }
        for (which, what) in [(Trust::USER, "user"), (Trust::PER_CPU, "percpu")] {
            if trust.has(which) {
                return refuse(
                    Errno::EACCES,
                    format_args!("R{r} is ptr_{name} access {what} memory: off={off}"),
                );
            }
        }
        let allocated = trust.has(Trust::ALLOCATED);
        if mode == Mode::Write && (!allocated || trust.has(Trust::UNTRUSTED)) {
            self.check_object_store(&name, off as u32, size).map_err(|rejection| rejection.of(base))?;
            return Ok(Register::UNKNOWN);
        }
        if allocated {
            for field in self.fields_of(of) {
                let (start, end) = (i64::from(field.offset), i64::from(field.offset + field.size));
                if off < end && start < off + i64::from(size) {
                    let what = field.kind.name();
                    return refuse(Errno::EACCES, format_args!("direct access to {what} is disallowed"));
                }
            }
        }
        let Some(btf) = self.btf_of(of.source) else { return Ok(Register::UNKNOWN) };
        let (found, walked) = walk(btf, of.id, off as u32, size, trust.has(Trust::UNTRUSTED))
            .map_err(|(errno, text)| reject(errno, text).of(base))?;
        if mode == Mode::Write {
            return Ok(Register::UNKNOWN);
        }
        match found {
            Found::Number => Ok(Register::UNKNOWN),
            _ if allocated => Ok(Register::UNKNOWN),
            Found::PlainPointer => {
                Ok(Register::pointer(Kind::Memory { kind: MemoryKind::UntrustedReadOnly, size: 0 }))
            }
            Found::Pointer { to, tags, member } => {
                let member = btf.text(member);
                let (trust, maybe_null) = self.trust_of_member(pointer, trust, &name, member, tags, walked);
                let kind = Kind::Typed { of: TypeRef { source: of.source, id: to }, trust };
                let id = if maybe_null { self.new_id() } else { 0 };
                Ok(Register { maybe_null, id, ..Register::pointer(kind) })
            }
        }
    }

    /// How far a pointer that was loaded from a structure can be relied on, and whether it may be null.
    fn trust_of_member(
        &self,
        pointer: &Register,
        trust: Trust,
        of: &str,
        member: &str,
        tags: Trust,
        walked: Trust,
    ) -> (Trust, bool) {
        let listed = |table: &[(&str, &str)]| table.contains(&(of, member));
        let tags = tags.with(walked);
        let keep = tags.without(Trust::TRUSTED.with(Trust::RCU));
        if trust.has(Trust::UNTRUSTED) {
            return (Trust::UNTRUSTED, false);
        }
        let trusted = is_trusted(pointer);
        if !trusted && !trust.has(Trust::RCU) {
            return (keep, false);
        }
        if listed(TRUSTED_MEMBERS) {
            return (tags.with(Trust::TRUSTED), false);
        }
        if listed(TRUSTED_OR_NULL_MEMBERS) {
            return (tags.with(Trust::TRUSTED), true);
        }
        if !self.in_rcu() || pointer.maybe_null {
            return (Trust::UNTRUSTED, false);
        }
        if listed(RCU_MEMBERS) {
            return (tags.with(Trust::RCU), false);
        }
        if tags.has(Trust::RCU) || listed(RCU_OR_NULL_MEMBERS) {
            let tags = if listed(RCU_OR_NULL_MEMBERS) { tags.without(Trust::UNTRUSTED) } else { tags };
            return (tags.with(Trust::RCU), true);
        }
        if tags.has(Trust::PER_CPU.with(Trust::USER)) {
            return (tags, false);
        }
        (keep, false)
    }

    /// The fields of a type that are more than bytes.
    pub(super) fn fields_of(&self, of: TypeRef) -> alloc::vec::Vec<record::Field> {
        match of.source {
            TypeSource::Kernel => alloc::vec::Vec::new(),
            source => {
                let fields = self.btf_of(source).and_then(|btf| record::fields(btf, of.id));
                // In allocated objects other fields are bytes.
                let counts = |kind: &FieldKind| {
                    !matches!(
                        kind,
                        FieldKind::Timer
                            | FieldKind::Workqueue
                            | FieldKind::TaskWork
                            | FieldKind::Pointer { tag: PointerTag::User, .. }
                    )
                };
                fields.unwrap_or_default().into_iter().filter(|f| counts(&f.kind)).collect()
            }
        }
    }

    /// Writes the type behind a typed pointer's word in messages.
    pub(super) fn full_type_name(&self, register: &Register) -> alloc::string::String {
        let mut text = alloc::string::String::from(register.type_name());
        if let Kind::Typed { of, .. } = register.kind {
            let _ = text.write_str(self.type_name(of));
        }
        text
    }
}

/// Whether the kernel holds what the register points to valid.
pub(super) fn is_trusted(register: &Register) -> bool {
    if register.reference != 0 {
        return true;
    }
    match register.kind {
        Kind::Typed { trust, .. } => {
            trust.has(Trust::TRUSTED.with(Trust::ALLOCATED))
                && !trust.has(Trust::UNTRUSTED.with(Trust::NON_OWNING).with(Trust::PER_CPU).with(Trust::RCU))
        }
        Kind::Socket(_) | Kind::Map(_) => true,
        _ => false,
    }
}
