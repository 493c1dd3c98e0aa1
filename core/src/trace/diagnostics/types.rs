//! Objects of the kernel: typed pointers, kernel functions, fields of values.

use alloc::format;

use super::{Case, Explanation, Row, because, row};

pub(super) const ROWS: &[Row] = &[
    row("Possibly NULL pointer passed to trusted arg{n}", maybe_null),
    row("Possibly NULL pointer passed to helper arg{n}", maybe_null),
    row("R{r} must be referenced or trusted", untrusted),
    row("R{r} must be a rcu pointer", untrusted),
    row("R{r} must be referenced", untrusted),
    row("R{r} is of type {type} but {expected} is expected", wrong_struct),
    row("access beyond struct {struct} at off {off} size {size}", beyond),
    row("access beyond the end of member {member} in struct {struct} with off {off} size {size}", beyond),
    row(
        "cannot access ptr member {member} with moff {at} in struct {struct} with off {off} size {size}",
        in_pointer,
    ),
    row("calling kernel function {name} is not allowed", not_allowed),
    row("kernel function {name} args#{n} expected {expected} but R{r} has {found}", wrong_argument),
    row("release kernel function {name} expects refcounted PTR_TO_BTF_ID", not_held),
    row("ldimm64 failed to find the address for kernel symbol '{name}'.", no_symbol),
    row("direct access to {what} is disallowed", direct),
    row("{what} not found at offset={off}", not_there),
    row("off={off} doesn't point to kptr", not_there),
    row("off={off} kptr isn't referenced kptr", kptr),
    row("kptr {rest}", kptr),
    row("store to {what} disallowed", kptr),
    row("invalid kptr access, R{r} type={type} expected={expected}", kptr_type),
    row("R{r} doesn't have constant offset. {what} has to be at the constant offset", constant_offset),
    row("arg#{n} expected pointer to allocated object", allocated),
    row("arg#{n} doesn't point to map value or allocated object", allocated),
    row("arg#{n} doesn't point to a map value", allocated),
    row("arg#{n} pointer type {type} must point to scalar, or struct with scalar", plain_memory),
    row("arg#{n} arg#{m} memory, len pair leads to invalid memory access", pair),
    row("operation on {what} expects {expected}, but {found}", wrong_node),
    row("bpf_rbtree_remove can only take non-owning or refcounted bpf_rb_node pointer", wrong_node),
    row("local type ID argument must be in range [0, U32_MAX]", type_id),
    row("{what} type ID argument must be of a struct", type_id),
    row("{what} type ID argument must be of a struct or void", type_id),
    row("{what} pointer in R{r} map_uid={a} doesn't match map pointer in R{m} map_uid={b}", other_map),
    row("pointer in R{r} isn't map pointer", other_map),
];

fn maybe_null(case: &Case<'_>) -> Explanation {
    because(
        format!("{} takes a pointer that is not null, and this one may be.", case.called()),
        "The pointer must have been compared with 0.",
    )
    .say("Compare it with 0 first.")
}

fn untrusted(case: &Case<'_>) -> Explanation {
    because(
        format!("{} is {}, and nothing keeps it alive during the call.", case.r(), case.words()),
        "The object must be held by a reference, or be an argument of the program, or read in an RCU section.",
    )
    .say("Acquire it first.")
}

fn wrong_struct(case: &Case<'_>) -> Explanation {
    because(
        format!(
            "{} points to a struct {}, and a struct {} is taken.",
            case.r(),
            case.hole("type"),
            case.hole("expected")
        ),
        "The object must be of that type.",
    )
}

fn beyond(case: &Case<'_>) -> Explanation {
    because(
        format!(
            "{} bytes at offset {} are outside of struct {}, or of the field there.",
            case.hole("size"),
            case.hole("off"),
            case.hole("struct")
        ),
        "The access must lie within one field.",
    )
}

fn in_pointer(case: &Case<'_>) -> Explanation {
    because(
        format!("A part of the pointer {} in struct {} is read.", case.hole("member"), case.hole("struct")),
        "A pointer is read whole, with eight bytes at its offset.",
    )
}

fn not_allowed(case: &Case<'_>) -> Explanation {
    because(
        format!("{} can't be called by {}.", case.hole("name"), case.program_type()),
        "Each kernel function is registered for certain program types.",
    )
}

fn wrong_argument(case: &Case<'_>) -> Explanation {
    because(
        format!(
            "{} takes {} in {}, and gets {}.",
            case.hole("name"),
            case.hole("expected"),
            case.r(),
            case.hole("found")
        ),
        "The argument must be of that type.",
    )
}

fn not_held(case: &Case<'_>) -> Explanation {
    because(
        format!("{} gives something back that the program does not hold.", case.hole("name")),
        "Only what the program acquired can be given back.",
    )
}

fn no_symbol(case: &Case<'_>) -> Explanation {
    because(
        format!("The kernel has no variable {} that programs can use.", case.hole("name")),
        "The name must be a variable's in the kernel's BTF and symbols.",
    )
}

fn direct(case: &Case<'_>) -> Explanation {
    because(format!("A load or store hits a {}.", case.hole("what")), "It is changed by its helpers alone.")
}

fn not_there(case: &Case<'_>) -> Explanation {
    because(
        format!("There is no such field at offset {} of the value.", case.hole("off")),
        "The pointer must be a field's of that kind, by the value's BTF.",
    )
}

fn kptr(case: &Case<'_>) -> Explanation {
    because(
        format!(
            "{} holds a place where a pointer to a kernel object is kept, and it can't be accessed so.",
            case.r()
        ),
        "Such a place is read and written whole, at its constant offset; a referenced one is exchanged by bpf_kptr_xchg.",
    )
}

fn kptr_type(case: &Case<'_>) -> Explanation {
    because(
        format!(
            "{} is of type {}, and the place keeps {}.",
            case.r(),
            case.hole("type"),
            case.hole("expected")
        ),
        "What is stored must be of the field's type.",
    )
}

fn constant_offset(case: &Case<'_>) -> Explanation {
    because(
        format!("{} points into a value at an offset that is not known.", case.r()),
        format!("{} must be at a constant offset.", case.hole("what")),
    )
}

fn allocated(case: &Case<'_>) -> Explanation {
    because(
        format!("{} takes an object of another kind.", case.called()),
        "The argument must be an object from bpf_obj_new, or a value of a map, as the function says.",
    )
}

fn plain_memory(case: &Case<'_>) -> Explanation {
    because(
        format!("{} takes memory of plain numbers, and {} is none.", case.called(), case.hole("type")),
        "The argument must point to memory without pointers in it.",
    )
}

fn pair(case: &Case<'_>) -> Explanation {
    because(
        format!("{} is given memory that is shorter than the size beside it.", case.called()),
        "The size must be at most that of the memory.",
    )
}

fn wrong_node(case: &Case<'_>) -> Explanation {
    because(
        format!("{} is given a node that does not belong there.", case.called()),
        "The node must be of the type, and at the offset, that the list or tree is declared to contain.",
    )
}

fn type_id(case: &Case<'_>) -> Explanation {
    because(
        format!(
            "{} takes a type of the program's own BTF, and the number is none of a struct.",
            case.called()
        ),
        "The argument must be the constant id of a struct.",
    )
}

fn other_map(_: &Case<'_>) -> Explanation {
    because(
        "The object in a map's value and the map that is named are not of the same look-up.",
        "Both must be the same map.",
    )
}
