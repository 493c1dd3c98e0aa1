//! Accesses to the packet.

use alloc::format;

use super::describe::{self, bytes};
use super::edit::{self, packet_check};
use super::memory::{access_size, instruction_offset};
use super::{Case, Explanation, Row, because, row};
use crate::verifier::register::Kind;

pub(super) const ROWS: &[Row] = &[
    row("R{r} offset is outside of the packet", outside),
    row("cannot write into packet", read_only),
    row("helper access to the packet is not allowed", helper_access),
    row("at the time of BPF_LD_ABS|IND R6 != pointer to skb", legacy_context),
    row("BPF_LD_[ABS|IND] instructions not allowed for this program type", legacy_type),
];

fn outside(case: &Case<'_>) -> Explanation {
    let (Some(value), Some(reg)) = (case.value(), case.reg()) else {
        return because("The packet may be shorter than that.", "");
    };
    let fixed = i64::from(value.offset) + instruction_offset(case.insn);
    let size = access_size(case, reg);
    let end = fixed + size.unwrap_or(0);
    let origin = match (value.kind, value.var.as_constant()) {
        (Kind::PacketMeta, _) => "the metadata's start",
        (_, Some(0)) => "the packet's start",
        _ => "where its variable part ends",
    };
    let there = match value.range {
        range if range < 0 => "the pointer was found to be at or beyond the packet's end".into(),
        0 => "no byte there is known to be within the packet".into(),
        range => format!("only {} from there are known to be within the packet", bytes(range.into())),
    };
    let count = size.map_or_else(|| "The access".into(), |size| format!("The access to {}", bytes(size)));
    let explanation = because(
        format!("{count} at {} reaches to {} from {origin}, but {there}.", case.operand(), bytes(end)),
        format!(
            "A comparison with the packet's end must have shown that {} from {origin} are there.",
            bytes(end)
        ),
    );
    if value.range < 0 {
        return explanation.say("Access the packet on the side of the comparison where it is long enough.");
    }
    if value.kind != Kind::Packet || fixed < 0 || size.is_none() {
        return explanation.say("Compare the pointer with the packet's end first.");
    }
    if value.var.umax.saturating_add(end as u64) > 0xffff {
        let range = describe::numbers(&value.var);
        return explanation.say(format!(
            "Bound the offset that was added to the pointer first ({range} is more than a packet has), then compare the pointer with the packet's end."
        ));
    }
    // From the register on.
    explanation.suggest(packet_check(case, reg, end - i64::from(value.offset)))
}

fn read_only(case: &Case<'_>) -> Explanation {
    because(
        format!("The packet is written, and {} may read it alone.", case.program_type()),
        "Programs of this type can't change the packet through a pointer.",
    )
    .suggest(edit::say("Use a program type that may write packets, or a helper that does."))
}

fn helper_access(case: &Case<'_>) -> Explanation {
    because(
        format!(
            "{} is given a pointer into the packet ({}), which it does not take.",
            case.called(),
            case.r()
        ),
        "Only some helpers take packet memory.",
    )
    .say("Copy the bytes to the stack, and pass a pointer to them there.")
}

fn legacy_context(_: &Case<'_>) -> Explanation {
    because(
        "A legacy packet load takes the context from r6, and r6 is something else here.",
        "r6 must be the context.",
    )
    .say("Begin the program with r6 = r1.")
}

fn legacy_type(case: &Case<'_>) -> Explanation {
    because(
        format!("Legacy packet loads do not exist in {}.", case.program_type()),
        "Only socket filters and traffic control have them.",
    )
    .say("Read the packet through the context's data pointers, or by bpf_skb_load_bytes.")
}
