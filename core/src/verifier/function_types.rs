//! What BTF says of the program's functions: `func_info` and `line_info` against the code, and the prototypes
//! of functions as the verifier takes them.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Write;

use super::observer::Observer;
use super::typed::{TypeRef, TypeSource};
use super::{Rejection, Verifier, reject};
use crate::errno::Errno;
use crate::isa::{CallTarget, Insn};
use crate::object::btf::{Btf, Linkage, Type, TypeId};

/// Most parameters of a function (`MAX_BPF_FUNC_REG_ARGS`).
const MAX_PARAMETERS: usize = 5;

/// A function's type: a record of `func_info`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FunctionType {
    /// Its first slot.
    pub pc: u32,
    /// A [`Type::Function`] of the program's BTF.
    pub of: TypeId,
}

/// What a parameter of a function may be given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Parameter {
    /// A number.
    Scalar,
    /// The context.
    Context,
    /// So many bytes to read and write, or null where `maybe_null`.
    Memory { size: u32, maybe_null: bool },
    /// Memory of the kernel's that may not be there.
    UntrustedMemory,
    /// A dynptr.
    Dynptr,
    /// An arena's address.
    Arena,
    /// A kernel object.
    Trusted { of: TypeRef, maybe_null: bool },
    /// A kernel object that may not be there.
    Untrusted { of: TypeRef },
}

/// A function, as BTF and the code tell of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct FunctionFacts {
    pub name: String,
    pub of: TypeId,
    pub global: bool,
    /// A global function that was called: it is verified by itself.
    pub called: bool,
    /// It was verified by itself.
    pub verified: bool,
    /// Its prototype does not say what it is called with.
    pub unreliable: bool,
    /// It, or one that it calls, may move the packet.
    pub moves_packet: bool,
    /// It, or one that it calls, may sleep.
    pub sleeps: bool,
    /// Its parameters, once they were asked for.
    pub parameters: Option<Vec<Parameter>>,
}

/// Tags of a parameter (`btf_decl_tag("arg:…")`), as bits.
mod tag {
    pub const CONTEXT: u32 = 1;
    pub const NON_NULL: u32 = 2;
    pub const TRUSTED: u32 = 4;
    pub const NULLABLE: u32 = 8;
    pub const ARENA: u32 = 16;
    pub const UNTRUSTED: u32 = 32;
    pub const ALL: &[(&str, u32)] = &[
        ("ctx", CONTEXT),
        ("nonnull", NON_NULL),
        ("trusted", TRUSTED),
        ("nullable", NULLABLE),
        ("arena", ARENA),
        ("untrusted", UNTRUSTED),
    ];
}

/// The kernel log's word for a kind of type.
pub(super) fn kind_name(ty: Option<&Type>) -> &'static str {
    match ty {
        None | Some(Type::Void) => "UNKNOWN",
        Some(Type::Int { .. }) => "INT",
        Some(Type::Pointer { .. }) => "PTR",
        Some(Type::Array { .. }) => "ARRAY",
        Some(Type::Struct { .. }) => "STRUCT",
        Some(Type::Union { .. }) => "UNION",
        Some(Type::Enum { size: 8, .. }) => "ENUM64",
        Some(Type::Enum { .. }) => "ENUM",
        Some(Type::Forward { .. }) => "FWD",
        Some(Type::Typedef { .. }) => "TYPEDEF",
        Some(Type::Volatile { .. }) => "VOLATILE",
        Some(Type::Const { .. }) => "CONST",
        Some(Type::Restrict { .. }) => "RESTRICT",
        Some(Type::Function { .. }) => "FUNC",
        Some(Type::Prototype { .. }) => "FUNC_PROTO",
        Some(Type::Variable { .. }) => "VAR",
        Some(Type::Section { .. }) => "DATASEC",
        Some(Type::Float { .. }) => "FLOAT",
        Some(Type::DeclTag { .. }) => "DECL_TAG",
        Some(Type::TypeTag { .. }) => "TYPE_TAG",
    }
}

/// Whether it is a number: an integer or an enumeration.
pub(super) fn is_number(btf: &Btf, id: TypeId) -> bool {
    matches!(btf.get(btf.resolve(id)), Some(Type::Int { .. } | Type::Enum { .. }))
}

/// Result and parameters of a function's type.
pub(super) fn prototype(btf: &Btf, function: TypeId) -> Option<(TypeId, Vec<TypeId>)> {
    let Some(Type::Function { prototype, .. }) = btf.get(function) else { return None };
    let Some(Type::Prototype { result, parameters }) = btf.get(*prototype) else { return None };
    Some((*result, btf.parameters(parameters).iter().map(|p| p.of).collect()))
}

/// The texts of the tags on a declaration, or on one of its components.
pub(super) fn tags(btf: &Btf, of: TypeId, component: i32) -> impl Iterator<Item = &str> {
    btf.types().filter_map(move |(_, ty)| match ty {
        Type::DeclTag { name, of: on, component: at } if *on == of && *at == component => {
            Some(btf.text(*name))
        }
        _ => None,
    })
}

impl<O: Observer> Verifier<O> {
    /// `func_info` against the functions that the code has.
    pub(super) fn check_function_types(&mut self) -> Result<(), Rejection> {
        let Some(btf) = self.input.types.clone().filter(|_| !self.input.functions.is_empty()) else {
            return self.check_abnormal_return(|_| false);
        };
        let refuse = |text: core::fmt::Arguments| Err(reject(Errno::EINVAL, text));
        let records = core::mem::take(&mut self.input.functions);
        let mut before: Option<u32> = None;
        for record in &records {
            match before {
                None if record.pc != 0 => {
                    let pc = record.pc;
                    return refuse(format_args!("nonzero insn_off {pc} for the first func info record"));
                }
                Some(before) if record.pc <= before => {
                    let pc = record.pc;
                    return refuse(format_args!(
                        "same or smaller insn offset ({pc}) than previous func info record ({before})"
                    ));
                }
                _ => {}
            }
            let Some(Type::Function { prototype, .. }) = btf.get(record.of) else {
                return refuse(format_args!("invalid type id {} in func info", record.of.0));
            };
            if !matches!(btf.get(*prototype), Some(Type::Prototype { .. })) {
                return Err(reject(Errno::EINVAL, ""));
            }
            before = Some(record.pc);
        }
        if records.len() != self.functions.len() {
            return refuse(format_args!("number of funcs in func_info doesn't match number of subprogs"));
        }
        for (record, function) in records.iter().zip(&self.functions) {
            if record.pc != function.start {
                return refuse(format_args!(
                    "func_info BTF section doesn't match subprog layout in BPF program"
                ));
            }
            let global = matches!(btf.get(record.of), Some(Type::Function { linkage: Linkage::Global, .. }));
            self.function_facts.push(FunctionFacts {
                name: btf.name_of(record.of).to_string(),
                of: record.of,
                global,
                called: false,
                verified: false,
                unreliable: false,
                moves_packet: false,
                sleeps: false,
                parameters: None,
            });
        }
        self.input.functions = records;
        let facts = core::mem::take(&mut self.function_facts);
        let returns = |at: usize| prototype(&btf, facts[at].of).is_some_and(|(r, _)| is_number(&btf, r));
        let checked = self.check_abnormal_return(returns);
        self.function_facts = facts;
        checked
    }

    /// A function that may return from its midst returns a number.
    fn check_abnormal_return(&self, returns_number: impl Fn(usize) -> bool) -> Result<(), Rejection> {
        for (number, function) in self.functions.iter().enumerate().skip(1) {
            if returns_number(number) {
                continue;
            }
            let code = &self.input.code[function.start as usize..function.end as usize];
            let what = if code.iter().any(|i| matches!(i.code & 7, 0) && matches!(i.code & 0xe0, 0x20 | 0x40))
            {
                "LD_ABS"
            } else if code.iter().any(|i| i.code == 0x85 && i.src == 0 && i.imm == 12) {
                "tail_call"
            } else {
                continue;
            };
            let message = match self.input.functions.is_empty() && self.function_facts.is_empty() {
                true => alloc::format!("{what} is not allowed in subprogs without BTF"),
                false => alloc::format!("{what} is only allowed in functions that return 'int'."),
            };
            return Err(reject(Errno::EINVAL, message));
        }
        Ok(())
    }

    /// `line_info` against the code.
    pub(super) fn check_source_lines(&self) -> Result<(), Rejection> {
        let (mut before, mut function) = (0u32, 0usize);
        if self.input.lines.is_empty() {
            return Ok(());
        }
        let len = self.input.code.len();
        for (number, line) in self.input.lines.iter().enumerate() {
            let pc = line.pc;
            if (pc <= before && before != 0) || pc as usize >= len {
                let message = format_args!(
                    "Invalid line_info[{number}].insn_off:{pc} (prev_offset:{before} prog->len:{len})"
                );
                return Err(reject(Errno::EINVAL, message));
            }
            if self.input.code[pc as usize].code == 0 {
                let message = format_args!("Invalid insn code at line_info[{number}].insn_off");
                return Err(reject(Errno::EINVAL, message));
            }
            if self.input.nameless_line == Some(number as u32) {
                let message = format_args!("Invalid line_info[{number}].line_off or .file_name_off");
                return Err(reject(Errno::EINVAL, message));
            }
            if let Some(next) = self.functions.get(function) {
                if pc == next.start {
                    function += 1;
                } else if next.start < pc {
                    let message = format_args!("missing bpf_line_info for func#{function}");
                    return Err(reject(Errno::EINVAL, message));
                }
            }
            before = pc;
        }
        let missing = self.functions.len() - function;
        if missing > 0 {
            let message =
                format_args!("missing bpf_line_info for {missing} funcs starting from func#{function}");
            return Err(reject(Errno::EINVAL, message));
        }
        Ok(())
    }

    /// Which functions, by themselves or by what they call, move the packet or sleep.
    pub(super) fn find_function_effects(&mut self) {
        if self.function_facts.is_empty() {
            return;
        }
        let program_type = self.input.program_type.number;
        loop {
            let mut changed = false;
            for at in 0..self.functions.len() {
                let (mut moves, mut sleeps) = (false, false);
                for pc in self.functions[at].start..self.functions[at].end {
                    match self.insns[pc as usize] {
                        Ok(Insn::Call(CallTarget::Helper(number))) => {
                            if let Some(p) = crate::helper::prototype_in(number, program_type) {
                                moves |= p.effects.moves_packet;
                                sleeps |= p.effects.sleeps;
                            }
                            // A tail call ends in a program that may.
                            moves |= number == 12;
                        }
                        Ok(Insn::Call(CallTarget::Local(offset))) => {
                            let to = i64::from(pc) + 1 + i64::from(offset);
                            let callee = self.functions.iter().position(|f| i64::from(f.start) == to);
                            if let Some(callee) = callee {
                                moves |= self.function_facts[callee].moves_packet;
                                sleeps |= self.function_facts[callee].sleeps;
                            }
                        }
                        Ok(Insn::Call(CallTarget::Kernel { .. })) => {
                            let (moved, slept) = self.kernel_function_effects(pc);
                            moves |= moved;
                            sleeps |= slept;
                        }
                        _ => {}
                    }
                }
                let facts = &mut self.function_facts[at];
                changed |= (facts.moves_packet, facts.sleeps) != (moves, sleeps);
                (facts.moves_packet, facts.sleeps) = (moves, sleeps);
            }
            if !changed {
                return;
            }
        }
    }

    fn say(&mut self, text: core::fmt::Arguments) {
        let _ = self.log.write_fmt(text);
        let _ = self.log.write_char('\n');
    }

    /// The parameters of a function by its prototype; a function that has another kind is refused, with the
    /// reason in the log where it is global.
    pub(super) fn parameters(&mut self, function: usize) -> Result<Vec<Parameter>, Errno> {
        if let Some(known) = self.function_facts.get(function).and_then(|f| f.parameters.clone()) {
            return Ok(known);
        }
        let (Some(btf), Some(facts)) = (self.input.types.clone(), self.function_facts.get(function)) else {
            return Err(Errno::EINVAL);
        };
        let (name, global, of) = (facts.name.clone(), facts.global, facts.of);
        let Some((result, given)) = prototype(&btf, of) else { return Err(Errno::EINVAL) };
        if given.len() > MAX_PARAMETERS {
            if global {
                let count = given.len();
                self.say(format_args!(
                    "Global function {name}() with {count} > {MAX_PARAMETERS} args. Buggy compiler."
                ));
            }
            return Err(Errno::EINVAL);
        }
        if !is_number(&btf, result) {
            if global {
                self.say(format_args!(
                    "Global function {name}() doesn't return scalar. Only those are supported."
                ));
            }
            return Err(Errno::EINVAL);
        }
        let mut parameters = Vec::new();
        for (at, given) in given.iter().enumerate() {
            match self.parameter(&btf, of, at, *given, global, &name) {
                Ok(parameter) => parameters.push(parameter),
                Err((errno, text)) => {
                    if !text.is_empty() {
                        self.say(format_args!("{text}"));
                    }
                    return Err(errno);
                }
            }
        }
        self.function_facts[function].parameters = Some(parameters.clone());
        Ok(parameters)
    }

    fn parameter(
        &self,
        btf: &Btf,
        function: TypeId,
        at: usize,
        given: TypeId,
        global: bool,
        name: &str,
    ) -> Result<Parameter, (Errno, String)> {
        let invalid = |text: String| Err((Errno::EINVAL, text));
        let combination = || (Errno::EINVAL, format!("arg#{at} has invalid combination of tags"));
        let mut found = 0;
        for text in tags(btf, function, at as i32).filter_map(|t| t.strip_prefix("arg:")) {
            if !global {
                let text = format!("arg#{at} type tag is not supported in static functions");
                return Err((Errno::EOPNOTSUPP, text));
            }
            match tag::ALL.iter().find(|(name, _)| *name == text) {
                Some((_, bit)) => found |= bit,
                None => return Err((Errno::EOPNOTSUPP, format!("arg#{at} has unsupported set of tags"))),
            }
        }
        let id = btf.resolve(given);
        let Some(Type::Pointer { to }) = btf.get(id) else {
            if found != 0 {
                return invalid(format!("arg#{at} has pointer tag, but is not a pointer type"));
            }
            if is_number(btf, id) {
                return Ok(Parameter::Scalar);
            }
            if !global {
                return invalid(String::new());
            }
            let kind = kind_name(btf.get(id));
            return invalid(format!("Arg#{at} type {kind} in {name}() is not supported yet."));
        };
        let pointed = btf.resolve(*to);
        if found & tag::CONTEXT != 0 || self.is_context_type(btf, *to) {
            if found & !tag::CONTEXT != 0 {
                return Err(combination());
            }
            return Ok(Parameter::Context);
        }
        if matches!(btf.get(pointed), Some(Type::Struct { .. })) && btf.name_of(pointed) == "bpf_dynptr" {
            return if found != 0 { Err(combination()) } else { Ok(Parameter::Dynptr) };
        }
        if found & tag::TRUSTED != 0 {
            if found & tag::NON_NULL != 0 {
                return Err(combination());
            }
            let of = self.kernel_type_of(btf, at, pointed)?;
            return Ok(Parameter::Trusted { of, maybe_null: found & tag::NULLABLE != 0 });
        }
        if found & tag::UNTRUSTED != 0 {
            if found & !tag::UNTRUSTED != 0 {
                return invalid(format!("arg#{at} untrusted cannot be combined with any other tags"));
            }
            let ty = btf.get(pointed);
            if matches!(ty, Some(Type::Void | Type::Int { .. } | Type::Enum { .. })) {
                return Ok(Parameter::UntrustedMemory);
            }
            let of = self.kernel_type_of(btf, at, pointed)?;
            if !matches!(ty, Some(Type::Struct { .. })) {
                let (kind, name) = (kind_name(ty), btf.name_of(pointed));
                return invalid(format!(
                    "arg#{at} has type {kind} '{name}', but only struct or primitive types are allowed"
                ));
            }
            return Ok(Parameter::Untrusted { of });
        }
        if found & tag::ARENA != 0 {
            return if found & !tag::ARENA != 0 { Err(combination()) } else { Ok(Parameter::Arena) };
        }
        if !global {
            return invalid(String::new());
        }
        let Some(size) = btf.size_of(pointed) else {
            let (kind, name) = (kind_name(btf.get(pointed)), btf.name_of(pointed));
            return invalid(format!(
                "arg#{at} reference type('{kind} {name}') size cannot be determined: -22"
            ));
        };
        Ok(Parameter::Memory { size, maybe_null: found & tag::NON_NULL == 0 })
    }

    /// The kernel's type of that name.
    fn kernel_type_of(&self, btf: &Btf, at: usize, id: TypeId) -> Result<TypeRef, (Errno, String)> {
        // A flavour of a type is that type.
        let name = btf.name_of(id).split("___").next().unwrap_or("");
        let found = self.input.kernel_types.as_ref().and_then(|kernel| {
            let union = matches!(btf.get(id), Some(Type::Union { .. }));
            match union {
                true => kernel.union(name),
                false => kernel.structure(name),
            }
        });
        match found {
            Some(id) => Ok(TypeRef { source: TypeSource::Kernel, id }),
            None => Err((Errno::ENOENT, format!("arg#{at} couldn't find kernel BTF type STRUCT {name}"))),
        }
    }

    /// Whether a pointer to that type is the context of the program's type.
    fn is_context_type(&self, btf: &Btf, to: TypeId) -> bool {
        // Tracepoints' contexts are no structures of that name to the kernel.
        let canonical = match self.input.program_type.number {
            5 | 26 | 27 | 28 | 29 | 31 => return false,
            _ => self.input.program_type.context,
        };
        let mut id = to;
        while let Some(ty) = btf.get(id) {
            id = match ty {
                Type::Typedef { to, .. } => {
                    if self.input.program_type.number == 2 && btf.name_of(id) == "bpf_user_pt_regs_t" {
                        return true;
                    }
                    *to
                }
                Type::Const { to }
                | Type::Volatile { to }
                | Type::Restrict { to }
                | Type::TypeTag { to, .. } => *to,
                Type::Struct { .. } => {
                    let name = btf.name_of(id);
                    let kprobe = self.input.program_type.number == 2;
                    return name == canonical || (kprobe && name == "bpf_user_pt_regs_t");
                }
                _ => return false,
            };
        }
        false
    }
}
