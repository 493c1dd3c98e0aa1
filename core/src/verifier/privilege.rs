//! What a loader without `CAP_PERFMON` may not do: nothing of the kernel's addresses may leave the program.

use core::fmt::Write;

use super::domain::text;
use super::memory::Region;
use super::observer::Observer;
use super::register::{Kind, Register};
use super::state::MAX_STACK;
use super::{Rejection, Verifier, reject};
use crate::errno::Errno;
use crate::isa::Reg;

/// Helpers that show memory of the kernel or of tasks, found by calling each without the right to
/// (`native/probes/helpers.py` lists what programs with it may call).
const NEED_PERFMON: &[i32] = &[
    4, 6, 16, 22, 27, 35, 45, 55, 56, 67, 109, 112, 113, 114, 115, 117, 119, 136, 137, 138, 139, 140, 141,
    148, 149, 158, 165, 166, 173, 174, 175, 176, 177, 178, 180, 191, 196,
];

impl<O: Observer> Verifier<O> {
    /// Whether the loader's rights are enough for a helper.
    pub(super) fn may_call(&self, helper: i32) -> bool {
        self.input.perfmon || !NEED_PERFMON.contains(&helper)
    }

    /// Whether the register's value may not get out.
    fn is_secret(&self, register: &Register) -> bool {
        !self.input.perfmon && register.is_pointer()
    }

    /// A pointer may not be given away there.
    ///
    /// # Errors
    /// `EACCES` where it is one and the loader may not see it.
    pub(super) fn check_leak(&self, register: &Register, reg: Reg, into: &str) -> Result<(), Rejection> {
        if !self.is_secret(register) {
            return Ok(());
        }
        Err(reject(Errno::EACCES, format_args!("R{} leaks addr {into}", reg.number())).of(reg))
    }

    /// An operation that makes a number of a pointer.
    pub(super) fn check_exposes(&self, register: &Register, reg: Reg, what: &str) -> Result<(), Rejection> {
        if !self.is_secret(register) {
            return Ok(());
        }
        Err(reject(Errno::EACCES, format_args!("R{} {what}", reg.number())).of(reg))
    }

    /// Pointers may be compared with null and, within the packet, with each other.
    pub(super) fn check_comparison(
        &self,
        a: &Register,
        b: Option<(&Register, Reg)>,
    ) -> Result<(), Rejection> {
        let in_packet = |r: &Register| r.is_packet() || r.kind == Kind::PacketEnd;
        match b {
            Some((b, reg)) if !(in_packet(a) && in_packet(b)) => {
                self.check_exposes(b, reg, "pointer comparison prohibited")
            }
            _ => Ok(()),
        }
    }

    /// Without the right to see addresses, pointers stay within what they point to.
    pub(super) fn check_within(&mut self, result: &Register, dst: Reg) -> Result<(), Rejection> {
        if self.input.perfmon {
            return Ok(());
        }
        let (r, offset) = (dst.number(), i64::from(result.offset));
        match result.kind {
            Kind::Stack { .. } => {
                if result.var.as_constant().is_none() {
                    let mut var = alloc::string::String::new();
                    let _ = text::write_tnum(result.var.var, &mut var);
                    let off = offset.wrapping_add(result.var.var.value as i64) as i32;
                    let message = format_args!(
                        "R{r} variable stack access prohibited for !root, var_off={var} off={off}"
                    );
                    return Err(reject(Errno::EACCES, message).of(dst));
                }
                let at = offset + result.var.as_constant().unwrap_or(0) as i64;
                if (-i64::from(MAX_STACK)..0).contains(&at) {
                    return Ok(());
                }
                let message = format_args!(
                    "R{r} stack pointer arithmetic goes out of range, prohibited for !root; off={at}"
                );
                Err(reject(Errno::EACCES, message).of(dst))
            }
            Kind::MapValue(map) => {
                let region = Region::MapValue(map);
                let checked = self.check_region(region, result, dst, offset, 1, false);
                let checked = checked.and_then(|()| self.check_fields(map, result, offset, 1, false));
                let Err(outside) = checked else { return Ok(()) };
                let _ = writeln!(self.log, "{}", outside.message);
                let message = format_args!(
                    "R{r} pointer arithmetic of map value goes out of range, prohibited for !root"
                );
                Err(reject(Errno::EACCES, message).of(dst))
            }
            _ => Ok(()),
        }
    }

    /// What may not be used any more, after its reference was given back or the packet moved.
    pub(super) fn forget(&mut self, which: impl Fn(&Register) -> bool) {
        if self.input.perfmon {
            self.state.forget(which);
            return;
        }
        self.state.each_register(|r| {
            if which(r) {
                *r = Register::UNINITIALISED;
            }
        });
    }
}
