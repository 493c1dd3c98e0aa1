//! Fields of maps' values whose work is done later: timers, workqueues, a task's work.

use super::observer::Observer;
use super::register::{Kind, MapRef, Register};
use super::state::CallbackFrame;
use super::{Rejection, Verifier, not_built, reject};
use crate::errno::Errno;
use crate::isa::{Pc, Reg};
use crate::object::btf::record::FieldKind;

/// Kernel functions that set what is called later.
pub(super) const CALL_BACK_LATER: &[&str] =
    &["bpf_wq_set_callback_impl", "bpf_task_work_schedule_signal_impl", "bpf_task_work_schedule_resume_impl"];

impl<O: Observer> Verifier<O> {
    /// The field of that kind that a register points to: the map whose value it is in.
    pub(super) fn deferred_field(
        &self,
        register: &Register,
        reg: Reg,
        kind: FieldKind,
    ) -> Result<Option<MapRef>, Rejection> {
        let refuse = |text: core::fmt::Arguments| Err(reject(Errno::EINVAL, text).of(reg));
        let Kind::MapValue(map) = register.kind else { return Ok(None) };
        let (r, what) = (reg.number(), kind.name());
        let Some(variable) = register.var.as_constant() else {
            return refuse(format_args!(
                "R{r} doesn't have constant offset. {what} has to be at the constant offset"
            ));
        };
        let info = &self.maps[usize::from(map.0)];
        let name = &info.spec.name;
        if info.types.is_none() {
            return refuse(format_args!("map '{name}' has to have BTF in order to use {what}"));
        }
        let Some(field) = info.fields.iter().find(|f| f.kind == kind) else {
            return refuse(format_args!("map '{name}' has no valid {what}"));
        };
        let at = i64::from(register.offset) + variable as i64;
        if at != i64::from(field.offset) {
            let start = field.offset;
            return refuse(format_args!("off {at} doesn't point to 'struct {what}' that is at {start}"));
        }
        if info.is_inner {
            return Err(not_built(format_args!("a {what} in a map of a map of maps")));
        }
        Ok(Some(map))
    }

    /// A function that a kernel function has called later, in a context that may sleep.
    pub(super) fn call_back_later(
        &mut self,
        pc: Pc,
        start: u32,
        kind: FieldKind,
        map: MapRef,
    ) -> Result<(), Rejection> {
        let mut registers = [Register::UNINITIALISED; 5];
        registers[0] = Register::pointer(Kind::Map(map));
        registers[1] = Register::pointer(Kind::MapKey(map));
        registers[2] = Register::pointer(Kind::MapValue(map));
        // What a task's work returns is not looked at.
        let returns = if kind == FieldKind::TaskWork { (i64::MIN, i64::MAX) } else { (0, 0) };
        self.enter_callback(pc, start, registers, CallbackFrame { later: true, returns })?;
        if let Some(waiting) = self.pending.last_mut() {
            waiting.state.sections.sleepable_callback = true;
        }
        Ok(())
    }
}
