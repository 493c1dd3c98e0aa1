//! What a loader without `CAP_PERFMON` may not do: nothing of the kernel's addresses may leave the program.

use super::observer::Observer;
use super::register::{Kind, Register};
use super::{Rejection, Verifier, not_built, reject};
use crate::errno::Errno;
use crate::isa::{AluOp, Reg};

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

    /// The sum of a pointer into the stack or a map's value and a number of a register is followed in paths that
    /// a processor may take by guess: these are not built.
    pub(super) fn check_guessed(
        &self,
        pointer: &Register,
        op: AluOp,
        immediate: bool,
    ) -> Result<(), Rejection> {
        let followed = matches!(pointer.kind, Kind::Stack { .. } | Kind::MapValue(_));
        let adds = matches!(op, AluOp::Add | AluOp::Sub);
        if self.input.perfmon || immediate || !adds || !followed {
            return Ok(());
        }
        Err(not_built("pointer arithmetic in paths that are taken by guess (without CAP_PERFMON)"))
    }
}
