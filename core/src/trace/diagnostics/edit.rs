//! Changes that answer a rejection, as lines of assembly.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::super::view::Suggestion;
use super::Case;
use crate::isa::{Insn, Operand, Pc, Reg};
use crate::program::Returns;
use crate::verifier::register::{Kind, Register};
use crate::verifier::state::State;

/// What a program of a type returns to let things be: a packet passes, a call is allowed. Other types
/// return 0.
const HARMLESS: &[(&str, i64, &str)] = &[
    ("xdp", 2, "XDP_PASS"),
    ("sched_cls", 0, "TC_ACT_OK"),
    ("sched_act", 0, "TC_ACT_OK"),
    ("cgroup_skb", 1, "allow"),
    ("cgroup_sock", 1, "allow"),
    ("cgroup_device", 1, "allow"),
    ("cgroup_sock_addr", 1, "allow"),
    ("cgroup_sysctl", 1, "allow"),
    ("cgroup_sockopt", 1, "allow"),
    ("sk_skb", 1, "SK_PASS"),
    ("sk_msg", 1, "SK_PASS"),
    ("sk_lookup", 1, "SK_PASS"),
    ("sk_reuseport", 1, "SK_PASS"),
    ("netfilter", 1, "NF_ACCEPT"),
];

/// A suggestion without an edit.
pub(super) fn say(text: impl Into<String>) -> Option<Suggestion> {
    Some(Suggestion { text: text.into(), insert: Vec::new(), at: 0 })
}

/// A suggestion with lines to insert before a slot.
pub(super) fn insert(text: impl Into<String>, at: Pc, lines: Vec<String>) -> Option<Suggestion> {
    Some(Suggestion { text: text.into(), insert: lines, at: at.0 })
}

/// The number that a program of the case's type returns to let things be.
pub(super) fn harmless(case: &Case<'_>) -> i64 {
    let Some(program) = &case.trace.program else { return 0 };
    let kind = program.input.program_type;
    let usual = HARMLESS.iter().find(|row| row.0 == kind.name).map_or(0, |row| row.1);
    match kind.returns(program.input.expected_attach_type) {
        Returns::Between(min, max) => usual.clamp(min, max),
        Returns::Any => usual,
    }
}

/// Returns unless a condition holds. `None` where what is held there would leak.
pub(super) fn guard(case: &Case<'_>, state: &State, at: Pc, condition: &str) -> Option<Vec<String>> {
    guard_of(case, state, at, condition, 0)
}

/// As [`guard`], where the reference of that id is not held if the condition fails.
fn guard_of(case: &Case<'_>, state: &State, at: Pc, condition: &str, reference: u32) -> Option<Vec<String>> {
    if state.references.iter().any(|held| held.id != reference) {
        return None;
    }
    let returned = if state.frames.len() > 1 { 0 } else { harmless(case) };
    let label = format!("checked_{at}");
    Some(vec![
        format!("if {condition} goto {label}"),
        format!("r0 = {returned}"),
        "exit".into(),
        format!("{label}:"),
    ])
}

/// A null check before the instruction.
pub(super) fn null_check(case: &Case<'_>, reg: Reg) -> Option<Suggestion> {
    let (state, pc) = (case.state.as_ref()?, case.pc?);
    let r = reg.number();
    let text = format!("Compare r{r} with 0 before it is used, and return where it is null.");
    let reference = state.register(reg).reference;
    match guard_of(case, state, pc, &format!("r{r} != 0"), reference) {
        Some(lines) => insert(text, pc, lines),
        None => say(text),
    }
}

/// Whether some instruction jumps to a slot.
fn is_target(case: &Case<'_>, slot: u32) -> bool {
    let insns = case.trace.program.as_ref().map_or(&[][..], |program| &program.insns);
    insns.iter().enumerate().any(|(at, insn)| {
        let off = match insn {
            Ok(Insn::Goto { off, .. }) => i64::from(*off),
            Ok(Insn::Branch { off, .. } | Insn::MayGoto { off }) => i64::from(*off),
            _ => return false,
        };
        at as i64 + 1 + off == i64::from(slot)
    })
}

/// The registers that an instruction uses.
fn used(insn: &Insn) -> u16 {
    let bit = |reg: Reg| 1 << reg.number();
    let operand = |operand: &Operand| match operand {
        Operand::Reg(reg) => bit(*reg),
        Operand::Imm(_) => 0,
    };
    match insn {
        Insn::Alu { dst, src, .. } | Insn::Branch { dst, src, .. } => bit(*dst) | operand(src),
        Insn::MovSx { dst, src, .. } | Insn::AddrSpaceCast { dst, src, .. } => bit(*dst) | bit(*src),
        Insn::Load { dst, base, .. } => bit(*dst) | bit(*base),
        Insn::Store { base, src, .. } => bit(*base) | operand(src),
        Insn::Atomic { base, src, .. } => bit(*base) | bit(*src) | 1,
        Insn::Call(_) => 0x3f,
        _ => 0x3ff,
    }
}

/// Registers that may be written before the instruction without harm: nothing reads them on.
pub(super) fn free_registers(case: &Case<'_>, at: Pc) -> Vec<Reg> {
    let Some(program) = &case.trace.program else { return Vec::new() };
    let live = program.live.get(at.index()).copied().unwrap_or(u16::MAX);
    let used = program.insns.get(at.index()).and_then(|i| i.as_ref().ok()).map_or(u16::MAX, used);
    let free = |reg: &Reg| (live | used) >> reg.number() & 1 == 0;
    Reg::all().take(10).filter(free).collect()
}

/// The first register of the current frame that holds such a value as it is.
pub(super) fn holding(state: &State, wanted: impl Fn(&Register) -> bool) -> Option<Reg> {
    Reg::all().take(10).find(|reg| wanted(state.register(*reg)))
}

/// Where a context has the packet's end, by the context's structure.
const PACKET_END: &[(&str, i32)] = &[("xdp_md", 4), ("__sk_buff", 80)];

/// A check that the packet reaches at least to `end` bytes behind where a register points.
pub(super) fn packet_check(case: &Case<'_>, reg: Reg, end: i64) -> Option<Suggestion> {
    let (state, pc) = (case.state.as_ref()?, case.pc?);
    let (r, fixed) = (reg.number(), i64::from(state.register(reg).offset));
    let total = crate::trace::describe::bytes(fixed + end);
    let text = format!(
        "Compare r{r} + {end} with the packet's end first, and return where the packet is shorter than {total}."
    );
    let mut free = free_registers(case, pc).into_iter();
    let mut lines = Vec::new();
    let compared = 'lines: {
        let Some(pointer) = free.next() else { break 'lines None };
        let limit = match holding(state, |r| r.kind == Kind::PacketEnd) {
            Some(limit) => limit,
            None => {
                let context =
                    |r: &Register| *r == Register { precise: r.precise, ..Register::pointer(Kind::Context) };
                let structure = case.trace.program.as_ref().map_or("", |p| p.input.program_type.context);
                let field = PACKET_END.iter().find(|row| row.0 == structure);
                let (Some(limit), Some(context), Some((_, off))) =
                    (free.next(), holding(state, context), field)
                else {
                    break 'lines None;
                };
                lines.push(format!("r{} = *(u32 *)(r{} +{off})", limit.number(), context.number()));
                limit
            }
        };
        lines.push(format!("r{} = r{r}", pointer.number()));
        lines.push(format!("r{} += {end}", pointer.number()));
        let condition = format!("r{} <= r{}", pointer.number(), limit.number());
        guard(case, state, pc, &condition)
    };
    match compared {
        Some(check) => insert(text, pc, lines.into_iter().chain(check).collect()),
        None => say(text),
    }
}

/// The kernel log's type names of what is acquired, and how it is given back.
const RELEASES: &[(&str, &str, bool)] = &[
    ("sock", "bpf_sk_release", false),
    ("sock_common", "bpf_sk_release", false),
    ("tcp_sock", "bpf_sk_release", false),
    ("ringbuf_mem", "bpf_ringbuf_discard", true),
];

/// Gives back the one reference that is held, before the instruction, where a callee-saved register is free.
pub(super) fn release(case: &Case<'_>) -> Option<Suggestion> {
    let (state, pc) = (case.state.as_ref()?, case.pc?);
    let [reference] = state.references.as_slice() else { return None };
    let held = holding(state, |r| r.reference == reference.id && r.offset == 0)?;
    let value = *state.register(held);
    let name = value.type_name().trim_end_matches("_or_null");
    let row = RELEASES.iter().find(|row| row.0 == name)?;
    let r = held.number();
    let text = format!("Give r{r} back by {} before.", row.1);
    // Other paths that come here need not hold it: none may join this one on the way.
    let mut step = case.trace.last();
    while let Some(at) = step.filter(|at| case.trace.pc(*at) != reference.acquired) {
        if is_target(case, case.trace.pc(at).0) {
            return say(text);
        }
        step = case.trace.previous(at);
    }
    // r0 is what the exit returns.
    let keep = (6..10u8).find(|number| *number != r).filter(|_| case.insn == Some(Insn::Exit));
    let Some(keep) = keep else { return say(text) };
    let mut lines = vec![format!("r{keep} = r0")];
    if value.maybe_null {
        lines.push(format!("if r{r} == 0 goto released_{pc}"));
    }
    if r != 1 {
        lines.push(format!("r1 = r{r}"));
    }
    if row.2 {
        lines.push("r2 = 0".into());
    }
    lines.push(format!("call {}", row.1));
    if value.maybe_null {
        lines.push(format!("released_{pc}:"));
    }
    lines.push(format!("r0 = r{keep}"));
    insert(text, pc, lines)
}
