//! Loads and stores through pointers: values of maps, contexts, objects of the kernel.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::describe::{self, bytes};
use super::edit::{self, guard, insert};
use super::path::{Place, causes};
use super::{Case, Explanation, Row, because, capital, row};
use crate::helper::{self, Arg};
use crate::isa::{AluOp, AtomicOp, CallTarget, Insn, Operand, Reg};
use crate::verifier::domain::Scalar;
use crate::verifier::register::{Kind, Register};

pub(super) const ROWS: &[Row] = &[
    row("R{r} invalid mem access '{type}'", not_memory),
    row(
        "R{r} min value is negative, either use unsigned index or do a if (index >=0) check.",
        negative_index,
    ),
    row("R{r} min value is outside of the allowed memory range", outside),
    row("R{r} max value is outside of the allowed memory range", outside),
    row("R{r} unbounded memory access, make sure to bounds check any such access", outside),
    row("write into map forbidden, value_size={len} off={off} size={size}", forbidden_write),
    row("read from map forbidden, value_size={len} off={off} size={size}", forbidden_read),
    row("invalid access to map value pointer, value_size={len} off={off}", direct_value),
    row("no direct value access support for this map type", no_direct_value),
    row("invalid bpf_context access off={off} size={size}", context),
    row("dereference of modified {type} ptr R{r} off={off} disallowed", modified),
    row("negative offset {type} ptr R{r} off={off} disallowed", modified),
    row("variable {type} access var_off={var} disallowed", variable),
    row("BPF_ATOMIC stores into R{r} {type} is not allowed", atomic),
    row("BPF_ATOMIC loads from R{r} {type} is not allowed", atomic),
    row("same insn cannot be used with different pointers", two_kinds),
    row("misaligned {what} access off {place} size {size}", misaligned),
    row("invalid access to flow keys off={off} size={size}", fixed_object),
    row("R{r} invalid {what} access off={off} size={size}", fixed_object),
    row("R{r} invalid tracepoint buffer access: off={off}, size={size}", fixed_object),
    row("R{r} invalid {what} buffer access: off={off}, size={size}", fixed_object),
    row("R{r} cannot write into {type}", read_only),
    row("R{r} is {type} invalid negative access: off={off}", fixed_object),
];

/// Bytes that the instruction accesses through a register, as far as it says.
pub(super) fn access_size(case: &Case<'_>, reg: Reg) -> Option<i64> {
    match case.insn? {
        Insn::Load { size, .. } | Insn::Store { size, .. } | Insn::Atomic { size, .. } => {
            Some(size.bytes().into())
        }
        Insn::Call(CallTarget::Helper(number)) => {
            let program = case.trace.program.as_ref()?;
            let state = case.state.as_ref()?;
            let prototype = helper::prototype_in(number, program.input.program_type.number)?;
            let at = usize::from(reg.number()).checked_sub(1)?;
            let map = prototype.args.iter().zip(Reg::all().skip(1)).find_map(|(arg, reg)| {
                match (arg, state.register(reg).kind) {
                    (Arg::ConstMap, Kind::Map(map)) => program.maps.get(usize::from(map.0)),
                    _ => None,
                }
            });
            let mut arg = prototype.args.get(at)?;
            while let Arg::OrNull(inner) | Arg::Release(inner) = arg {
                arg = inner;
            }
            match arg {
                Arg::MapKey => Some(map?.spec.key_size.into()),
                Arg::MapValue | Arg::UninitMapValue => Some(map?.spec.value_size.into()),
                Arg::FixedMemory { size, .. } => Some((*size).into()),
                Arg::Memory(_) => {
                    let size = state.register(Reg::new(reg.number() + 1)?);
                    i64::try_from(size.var.umax).ok()
                }
                _ => None,
            }
        }
        _ => None,
    }
}

/// The constant that the instruction adds to a pointer.
pub(super) fn instruction_offset(insn: Option<Insn>) -> i64 {
    match insn {
        Some(Insn::Load { off, .. } | Insn::Store { off, .. } | Insn::Atomic { off, .. }) => off.into(),
        _ => 0,
    }
}

/// Whether the instruction writes memory.
pub(super) fn writes(insn: Option<Insn>) -> bool {
    match insn {
        Some(Insn::Store { .. }) => true,
        Some(Insn::Atomic { op, .. }) => op != AtomicOp::LoadAcquire,
        _ => false,
    }
}

fn not_memory(case: &Case<'_>) -> Explanation {
    let (r, Some(value), Some(reg)) = (case.r(), case.value(), case.reg()) else {
        return because("The register is no pointer to memory.", "");
    };
    if value.maybe_null {
        let what = case.words_of(&Register { maybe_null: false, ..value });
        return because(
            format!("{r} may be null here: it is {what}, or null."),
            format!("{r} must have been compared with 0 on every path to this instruction."),
        )
        .suggest(edit::null_check(case, reg));
    }
    if value.is_null() {
        return because(
            format!("{r} is null here, and is used as a pointer."),
            format!("{r} must be a pointer to memory."),
        )
        .say(format!("Use {r} on the path alone where it is not null."));
    }
    if value.is_scalar() {
        return because(
            format!("{r} is a number here ({}), and is used as a pointer.", case.words()),
            format!("{r} must be a pointer to memory."),
        )
        .say("Take the address from where a pointer comes from: the context, a map, the stack, a helper.");
    }
    because(
        format!("{r} is {}, and memory can't be accessed through that.", case.words()),
        "A load or store needs a pointer to memory: the stack, the context, the packet, a map's value.",
    )
}

/// What a pointer points into, and how many bytes that has.
fn target(case: &Case<'_>, value: &Register) -> (String, Option<i64>) {
    match value.kind {
        Kind::MapValue(map) => {
            let maps = case.trace.program.as_ref().map_or(&[][..], |program| &program.maps);
            let size = maps.get(usize::from(map.0)).map(|info| i64::from(info.spec.value_size));
            (format!("a value of map {}", describe::map_name(map, maps)), size)
        }
        Kind::Memory { size, .. } => {
            let start = Register { offset: 0, var: Scalar::constant(0), maybe_null: false, ..*value };
            (case.words_of(&start), Some(size.into()))
        }
        _ => (case.words_of(&Register { offset: 0, var: Scalar::constant(0), ..*value }), None),
    }
}

fn negative_index(case: &Case<'_>) -> Explanation {
    let Some(value) = case.value() else { return because("An offset may be negative.", "") };
    let least = value.var.smin.saturating_add(value.offset.into());
    let (what, _) = target(case, &value);
    let found = match value.var.smin {
        i64::MIN => "may be any number, negative ones too".into(),
        _ => format!("can be as low as {}", describe::number(least)),
    };
    let explanation = because(
        format!("{} points into {what} at an offset that {found}.", case.r()),
        "The offset must be known not to be negative.",
    );
    explanation.suggest(bound_index(case))
}

fn outside(case: &Case<'_>) -> Explanation {
    let (Some(value), Some(reg)) = (case.value(), case.reg()) else {
        return because("The access may lie outside of its memory.", "");
    };
    let (what, len) = target(case, &value);
    let size = access_size(case, reg);
    let fixed = i64::from(value.offset) + instruction_offset(case.insn);
    let least = fixed.saturating_add(value.var.smin);
    let most = fixed.saturating_add_unsigned(value.var.umax);
    let count = size.map_or_else(|| "the accessed bytes".into(), bytes);
    let subject = if value.var.as_constant().is_some() { "the offset is" } else { "the offset can be" };
    let found = match (least, most) {
        (least, most) if least == most => format!("{subject} {}", describe::number(least)),
        (least, i64::MAX) => format!("{subject} anything from {} up", describe::number(least)),
        (least, most) => format!("{subject} [{}, {}]", describe::number(least), describe::number(most)),
    };
    let last = len.zip(size).map(|(len, size)| len - size);
    let allowed = match (last, len) {
        (Some(last), _) if last >= 0 => {
            format!("{count} of {what} can be accessed on [0, {}]", describe::number(last))
        }
        (_, Some(len)) => format!("{what} has {}", bytes(len)),
        _ => format!("{count} must lie within {what}"),
    };
    let explanation = because(
        format!("{}, while {allowed}.", capital(&found)),
        match last {
            Some(last) if last >= 0 => format!(
                "The offset of the access, {}, must be known to be at most {}.",
                case.operand(),
                describe::number(last)
            ),
            _ => "The whole access must lie within the memory.".into(),
        },
    );
    explanation.suggest(bound_index(case))
}

/// A check of the number that was added to the pointer, before it was added.
fn bound_index(case: &Case<'_>) -> Option<super::Suggestion> {
    const GENERAL: &str = "Compare the index with its limit before it is added to the pointer.";
    let value = case.value()?;
    let reg = case.reg()?;
    if value.var.as_constant().is_some() {
        return edit::say("Use an offset within the memory, or larger memory.");
    }
    let program = case.trace.program.as_ref()?;
    let step = case.trace.last()?;
    let (_, len) = target(case, &value);
    let (Some(len), Some(size)) = (len, access_size(case, reg)) else { return edit::say(GENERAL) };
    // The one step that added an unknown number.
    let frame = case.state.as_ref()?.current();
    let path = causes(case.trace, &[Place::Register { frame, number: reg.number() }], step);
    let added = path.iter().rev().find_map(|cause| match program.insns.get(cause.pc as usize)? {
        Ok(Insn::Alu { op: AluOp::Add, dst, src: Operand::Reg(src), .. }) => {
            let state = case.trace.state_at(cause.step)?;
            let (pointer, number) = (*state.register(*dst), *state.register(*src));
            let (pointer, number, index) = match pointer.is_pointer() {
                true => (pointer, number, *src),
                false => (number, pointer, *dst),
            };
            (number.is_scalar() && number.as_constant().is_none() && pointer.kind == value.kind)
                .then_some((cause, state, pointer, index))
        }
        _ => None,
    });
    let Some((cause, state, pointer, index)) = added else { return edit::say(GENERAL) };
    // What else is in the offset by then.
    let other = pointer.var.as_constant()? as i64;
    let fixed = i64::from(value.offset) + instruction_offset(case.insn) + other;
    let most = len - size - fixed;
    if most < 0 {
        return edit::say("Access memory that is large enough.");
    }
    let (r, at) = (format!("r{}", index.number()), crate::isa::Pc(cause.pc));
    let text = format!("Let {r} be at most {} before it is added to the pointer.", describe::number(most));
    match guard(case, &state, at, &format!("{r} <= {most}")) {
        Some(lines) => insert(text, at, lines),
        None => edit::say(text),
    }
}

fn map_at_fault(case: &Case<'_>) -> String {
    let value = case.value().or_else(|| Some(*case.state.as_ref()?.register(base(case.insn?)?)));
    value.map_or_else(|| "the map".into(), |value| target(case, &value).0)
}

/// The register through which an instruction accesses memory.
pub(super) fn base(insn: Insn) -> Option<Reg> {
    match insn {
        Insn::Load { base, .. } | Insn::Store { base, .. } | Insn::Atomic { base, .. } => Some(base),
        _ => None,
    }
}

fn forbidden_write(case: &Case<'_>) -> Explanation {
    because(
        format!("{} is written, but the map is read-only to programs.", capital(&map_at_fault(case))),
        "A map made with BPF_F_RDONLY_PROG can be read by programs, and written by user space alone.",
    )
    .say("Make the map without BPF_F_RDONLY_PROG (0x80), or write to another one.")
}

fn forbidden_read(case: &Case<'_>) -> Explanation {
    because(
        format!("{} is read, but the map is write-only to programs.", capital(&map_at_fault(case))),
        "A map made with BPF_F_WRONLY_PROG can be written by programs, and read by user space alone.",
    )
    .say("Make the map without BPF_F_WRONLY_PROG (0x100), or read from another one.")
}

fn direct_value(case: &Case<'_>) -> Explanation {
    because(
        format!(
            "An address at byte {} of a map's value is loaded, and the value has {}.",
            case.number("off"),
            case.holes.number("len").map_or_else(String::new, bytes)
        ),
        "The offset must lie within the value.",
    )
}

fn no_direct_value(_: &Case<'_>) -> Explanation {
    because(
        "An address in a map's value is loaded, which maps of this type do not have.",
        "Only array maps with one element have a value at a fixed address.",
    )
    .say("Look the value up with bpf_map_lookup_elem.")
}

fn context(case: &Case<'_>) -> Explanation {
    let (Some(off), Some(size)) = (case.holes.number("off"), case.holes.number("size")) else {
        return because("The context can't be accessed so.", "");
    };
    let Some(program) = &case.trace.program else { return because("The context can't be accessed so.", "") };
    let kind = program.input.program_type;
    let write = writes(case.insn);
    let attach_type = program.input.expected_attach_type;
    let access = |at: i64, size: u32, write| kind.access(attach_type, at, size, write).is_some();
    let verb = if write { "written" } else { "read" };
    let place = match kind.context {
        "" => "the context".into(),
        context => format!("struct {context}, the context of {},", case.program_type()),
    };
    let reason = format!("{} at offset {off} of {place} can't be {verb}.", bytes(size));
    let sizes: Vec<String> =
        [1, 2, 4, 8].into_iter().filter(|s| access(off, *s, write)).map(|s| format!("{s}")).collect();
    let required = match (sizes.is_empty(), write && [1, 2, 4, 8].into_iter().any(|s| access(off, s, false)))
    {
        (false, _) => format!("At offset {off}, {} bytes can be {verb}.", sizes.join(" or ")),
        (true, true) => format!("The field at offset {off} can be read, not written."),
        (true, false) => format!("No field that can be {verb} begins at offset {off}."),
    };
    let explanation = because(reason, required);
    if sizes.is_empty() {
        return explanation.say("Use a field that programs of this type have.");
    }
    explanation.say("Access the field at its own size.")
}

fn modified(case: &Case<'_>) -> Explanation {
    because(
        format!("{} is {}, and is used where it has to be as it was given.", case.r(), case.words()),
        "This kind of pointer can be used at the offset 0 alone; offsets belong in the instruction.",
    )
    .say("Use the pointer before it was changed, and put the offset into the load or store.")
}

fn variable(case: &Case<'_>) -> Explanation {
    because(
        format!("{} is {}, at an offset that is not known.", case.r(), case.words()),
        "This kind of pointer can be accessed at constant offsets alone.",
    )
    .say("Branch on the number, and access each place with a constant offset.")
}

fn atomic(case: &Case<'_>) -> Explanation {
    because(
        format!("{} is {}, and atomic operations can't be done there.", case.r(), case.words()),
        "Atomic operations work on the stack, on values of maps and on memory of the kernel's.",
    )
    .say("Load, change and store, or count in a map.")
}

fn two_kinds(case: &Case<'_>) -> Explanation {
    let explanation = because(
        "On another path this instruction accesses memory through another kind of pointer.",
        "A load or store whose access is rewritten for its kind of pointer can have one kind alone.",
    )
    .say("Do the access on each path by an instruction of its own.");
    match case.insn.and_then(base) {
        Some(base) => explanation.about(case.place(base)),
        None => explanation,
    }
}

fn misaligned(case: &Case<'_>) -> Explanation {
    let explanation = because(
        format!(
            "{} are accessed at an offset ({}) that is no multiple of that.",
            case.holes.number("size").map_or_else(String::new, bytes),
            case.hole("place")
        ),
        match case.hole("what") {
            "stack" => "The stack is accessed at multiples of the access's size.",
            _ => "With BPF_F_STRICT_ALIGNMENT every access is at a multiple of its size.",
        },
    )
    .say("Access the bytes one by one, or move them to an aligned place.");
    match case.insn.and_then(base) {
        Some(base) => explanation.about(case.place(base)),
        None => explanation,
    }
}

fn fixed_object(case: &Case<'_>) -> Explanation {
    because(
        format!(
            "{} points to {}, which has nothing at offset {} that can be accessed so.",
            case.r(),
            case.words(),
            case.number("off")
        ),
        "The access must lie within the object, on one of its fields.",
    )
}

fn read_only(case: &Case<'_>) -> Explanation {
    because(
        format!("{} is {}, which a program can't write.", case.r(), case.words()),
        "It can be read alone.",
    )
}
