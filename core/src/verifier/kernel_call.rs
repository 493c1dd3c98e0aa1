//! Calls of kernel functions (kfuncs), by their BTF prototypes.

use super::observer::Observer;
use super::register::Register;
use super::typed::TypeRef;
use super::{Rejection, Verifier, not_built};
use crate::isa::Reg;

impl<O: Observer> Verifier<O> {
    /// Whether the kernel function called at a slot moves the packet, and whether it may sleep.
    pub(super) fn kernel_function_effects(&self, _pc: u32) -> (bool, bool) {
        (false, false)
    }

    pub(super) fn match_dynptr_parameter(
        &mut self,
        _register: &Register,
        _reg: Reg,
    ) -> Result<(), Rejection> {
        Err(not_built("a dynptr as an argument"))
    }

    pub(super) fn match_trusted_parameter(
        &mut self,
        _register: &Register,
        _reg: Reg,
        _of: TypeRef,
        _maybe_null: bool,
    ) -> Result<(), Rejection> {
        Err(not_built("a kernel object as an argument"))
    }
}
