//! Programs that attach by the kernel's BTF: raw tracepoints, iterators, tables of operations (struct_ops). Their
//! context is the arguments of the kernel function or tracepoint that they attach to.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Write;

use super::observer::Observer;
use super::register::{Kind, Register};
use super::typed::{Trust, TypeRef, TypeSource};
use super::{Rejection, Verifier, flag, not_built, reject};
use crate::errno::Errno;
use crate::object::btf::kernel::KernelTypes;
use crate::object::btf::{Btf, Type, TypeId};
use crate::program::tracing::{self, Given, Member, Operations};

/// `BPF_PROG_TYPE_TRACING`
pub(super) const TRACING: u32 = 26;
/// `BPF_PROG_TYPE_STRUCT_OPS`
pub(super) const STRUCT_OPS: u32 = 27;
/// `BPF_TRACE_RAW_TP` and `BPF_TRACE_ITER`, expected attach types.
pub(super) const RAW_TRACEPOINT: u32 = 23;
pub(super) const ITERATOR: u32 = 28;
/// What a tracepoint's BTF typedef is called.
const TRACEPOINT_PREFIX: &str = "btf_trace_";
/// What an iterator's function is called.
const ITERATOR_PREFIX: &str = "bpf_iter_";
/// Bytes of a context of arguments (`MAX_BPF_FUNC_ARGS` words).
const CONTEXT_LEN: i64 = 8 * 12;

/// What a program attaches to by the kernel's BTF.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// Its name: the tracepoint's, the function's or the member's.
    pub name: String,
    /// The types of its arguments, those that are not the program's included.
    arguments: Vec<TypeId>,
    /// Arguments before the program's first.
    skipped: usize,
    /// What it returns.
    result: TypeId,
    kind: TargetKind,
}

#[derive(Clone, Copy, Debug)]
enum TargetKind {
    Tracepoint,
    Iterator(&'static [(u32, Given)]),
    Operation(&'static Operations, &'static Member),
}

impl Target {
    /// The table and the member that the program stands for.
    pub fn operation(&self) -> Option<(&'static Operations, &'static Member)> {
        match self.kind {
            TargetKind::Operation(table, member) => Some((table, member)),
            _ => None,
        }
    }

    /// What stands for a function that returns nothing need return nothing.
    pub fn returns_nothing(&self) -> bool {
        matches!(self.kind, TargetKind::Operation(..)) && self.result == TypeId::VOID
    }

    /// The argument that lies at an offset of the context, by number; one past the last is what is returned, where
    /// it is something.
    fn argument_at(&self, btf: &Btf, off: i64) -> usize {
        let words =
            |id: TypeId| i64::from(btf.size_of(btf.resolve(id)).unwrap_or(8).max(1).next_multiple_of(8));
        let mut end = 0;
        for (number, argument) in self.arguments.iter().enumerate() {
            end += words(*argument);
            if off < end {
                return number;
            }
        }
        let count = self.arguments.len();
        if self.result != TypeId::VOID && off < end + words(self.result) { count } else { count + 1 }
    }

    /// What the argument is beyond its type: what it gives, or whether it may be null.
    fn given(&self, argument: usize) -> Option<Given> {
        match self.kind {
            TargetKind::Iterator(given) => {
                given.iter().find(|row| row.0 as usize == argument).map(|row| row.1)
            }
            TargetKind::Operation(_, member) => (member.maybe_null >> argument & 1 == 1)
                .then_some(Given::Object { trusted: true, maybe_null: true }),
            TargetKind::Tracepoint => None,
        }
    }
}

/// The parameters and the result of a prototype.
fn signature(btf: &Btf, prototype: TypeId) -> Option<(Vec<TypeId>, TypeId)> {
    let Some(Type::Prototype { parameters, result }) = btf.get(prototype) else { return None };
    Some((btf.parameters(parameters).iter().map(|p| p.of).collect(), btf.resolve(*result)))
}

impl<O: Observer> Verifier<O> {
    /// Finds what the program attaches to.
    pub(super) fn find_target(&mut self) -> Result<(), Rejection> {
        let Some(kernel) = self.input.kernel_types.clone() else {
            let name = self.input.program_type.name;
            return Err(not_built(format_args!("program type {name} without the kernel's BTF")));
        };
        let target = match self.input.program_type.number {
            STRUCT_OPS => self.find_operation(&kernel)?,
            _ => self.find_traced(&kernel)?,
        };
        self.target = Some(target);
        Ok(())
    }

    /// The tracepoint or iterator of a tracing program.
    fn find_traced(&self, kernel: &KernelTypes) -> Result<Target, Rejection> {
        let attach = self.input.expected_attach_type;
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
        let Some((arguments, result)) = signature(btf, prototype) else {
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
        let kind = match iterator {
            true => TargetKind::Iterator(tracing::iterator(name).ok_or_else(|| reject(Errno::EINVAL, ""))?),
            false => TargetKind::Tracepoint,
        };
        // A tracepoint's first argument is the kernel's own.
        let skipped = usize::from(!iterator);
        Ok(Target { name: short.to_string(), arguments, skipped, result, kind })
    }

    /// The member of a table of operations that a struct_ops program stands for.
    fn find_operation(&self, kernel: &KernelTypes) -> Result<Target, Rejection> {
        let btf = &kernel.btf;
        let (id, at) = (self.input.attach_type, self.input.expected_attach_type);
        if !self.input.gpl_compatible {
            return Err(reject(Errno::EINVAL, "struct ops programs must have a GPL compatible license"));
        }
        if id == TypeId::VOID {
            return Err(reject(Errno::ENOTSUPP, ""));
        }
        let table = match btf.get(id) {
            Some(Type::Struct { members, .. }) => tracing::operations(btf.name_of(id)).map(|t| (t, members)),
            _ => None,
        };
        let Some((table, members)) = table else {
            let message = format_args!("attach_btf_id {} is not a supported struct", id.0);
            return Err(reject(Errno::ENOTSUPP, message));
        };
        let name = table.name;
        let Some(field) = btf.members(members).get(at as usize) else {
            let message = format_args!("attach to invalid member idx {at} of struct {name}");
            return Err(reject(Errno::EINVAL, message));
        };
        let called = btf.text(field.name);
        let prototype = match btf.get(btf.resolve(field.of)) {
            Some(Type::Pointer { to }) => signature(btf, btf.resolve(*to)),
            _ => None,
        };
        let Some((arguments, result)) = prototype else {
            let message = format_args!("attach to invalid member {called}(@idx {at}) of struct {name}");
            return Err(reject(Errno::EINVAL, message));
        };
        let sleepable = self.input.flags & flag::SLEEPABLE != 0;
        let unsupported = |errno| {
            Err(reject(errno, format_args!("attach to unsupported member {called} of struct {name}")))
        };
        let Some(member) = table.members.iter().find(|m| m.name == called) else {
            return unsupported(Errno::ENOTSUPP);
        };
        if !member.plain && !member.sleepable {
            return unsupported(Errno::ENOTSUPP);
        }
        if (sleepable && !member.sleepable) || (!sleepable && !member.plain) {
            return unsupported(Errno::EINVAL);
        }
        let kind = TargetKind::Operation(table, member);
        Ok(Target { name: called.to_string(), arguments, skipped: 0, result, kind })
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
        if write || off < 0 || off % i64::from(size) != 0 || off >= CONTEXT_LEN {
            return Err(outside());
        }
        let name = &target.name;
        let say = |v: &mut Verifier<O>, text: core::fmt::Arguments| {
            let _ = writeln!(v.log, "{text}");
        };
        if off % 8 != 0 {
            say(self, format_args!("func '{name}' offset {off} is not multiple of 8"));
            return Err(outside());
        }
        let btf = &kernel.btf;
        let at = target.argument_at(btf, off);
        let Some(argument) = target.arguments.get(at + target.skipped) else {
            say(self, format_args!("func '{name}' doesn't have {}-th argument", at + 1));
            return Err(outside());
        };
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
        let object = |trusted| Kind::Typed {
            of: TypeRef { source: TypeSource::Kernel, id: pointed },
            trust: if trusted { Trust::TRUSTED } else { Trust::NONE },
        };
        // What the kernel's hook says of the argument goes before what its type says.
        let given = match target.given(at) {
            Some(Given::Buffer { read_only, maybe_null }) => Some((Kind::Buffer { read_only }, maybe_null)),
            Some(Given::Object { trusted, maybe_null }) => Some((object(trusted), maybe_null)),
            None => None,
        };
        if let Some((kind, maybe_null)) = given {
            let id = if maybe_null { self.new_id() } else { 0 };
            return Ok(Register { maybe_null, id, ..Register::pointer(kind) });
        }
        match btf.get(pointed) {
            Some(Type::Struct { .. } | Type::Union { .. }) => {}
            Some(Type::Void | Type::Int { .. } | Type::Enum { .. }) => return Ok(Register::UNKNOWN),
            _ => {
                let kind = super::function_types::kind_name(btf.get(pointed));
                say(self, format_args!("func '{name}' arg{at} type {kind} is not a struct"));
                return Err(outside());
            }
        }
        let tracepoint = matches!(target.kind, TargetKind::Tracepoint);
        let maybe_null = tracepoint && tracing::may_be_null(name, at as u32);
        let text = btf.name_of(pointed).to_string();
        say(self, format_args!("func '{name}' arg{at} has btf_id {} type STRUCT '{text}'", pointed.0));
        let promoted = target.operation().and_then(|(table, _)| {
            let row = table.promotes.iter().find(|row| row.0 == text)?;
            kernel.structure(row.1)
        });
        let of = TypeRef { source: TypeSource::Kernel, id: promoted.unwrap_or(pointed) };
        let id = if maybe_null { self.new_id() } else { 0 };
        Ok(Register { maybe_null, id, ..Register::pointer(Kind::Typed { of, trust: Trust::TRUSTED }) })
    }

    /// A store to an object of the kernel's: the members that the program may change.
    ///
    /// # Errors
    /// Says which members are not to be written.
    pub(super) fn check_object_store(&self, object: &str, off: u32, size: u32) -> Result<(), Rejection> {
        let refuse = |text: core::fmt::Arguments| Err(reject(Errno::EACCES, text));
        let table = match self.target.as_ref().and_then(Target::operation) {
            Some((table, _)) => table.name,
            None => self.input.program_type.name,
        };
        let (Some(members), Some(kernel)) = (tracing::writable(table, object), &self.input.kernel_types)
        else {
            return refuse(format_args!("only read is supported"));
        };
        // What is set up is written as what it will be.
        let name = object.trim_end_matches("___init");
        let found = members.iter().find_map(|(path, anywhere)| {
            let (start, end) = member_range(&kernel.btf, kernel.structure(name)?, path)?;
            let begins = if *anywhere { (start..end).contains(&off) } else { off == start };
            begins.then_some(end)
        });
        let fits = found.is_some_and(|end| off.saturating_add(size) <= end);
        match (table, found) {
            _ if fits => Ok(()),
            // The one table that words it otherwise.
            ("bpf_dummy_ops", _) => refuse(format_args!("write access at off {off} with size {size}")),
            (_, None) => refuse(format_args!("no write support to {name} at off {off}")),
            (_, Some(end)) => refuse(format_args!(
                "write access at off {off} with size {size} beyond the member of {name} ended at {end}"
            )),
        }
    }
}

/// Where a member lies in a structure, by its names from the outermost; members without a name are looked into.
pub(super) fn member_range(btf: &Btf, of: TypeId, path: &str) -> Option<(u32, u32)> {
    let (mut id, mut start) = (btf.resolve(of), 0);
    let names = path.split('.');
    let mut end = btf.size_of(id)?;
    for name in names {
        let members = match btf.get(id) {
            Some(Type::Struct { members, .. } | Type::Union { members, .. }) => btf.members(members),
            _ => return None,
        };
        let member = members.iter().find(|m| btf.text(m.name) == name)?;
        start += member.bit_offset / 8;
        id = btf.resolve(member.of);
        // A bit field takes the bytes that its bits lie in.
        end = match member.bit_size {
            0 => start + btf.size_of(id)?,
            bits => start + (member.bit_offset % 8 + u32::from(bits)).div_ceil(8),
        };
    }
    Some((start, end))
}
