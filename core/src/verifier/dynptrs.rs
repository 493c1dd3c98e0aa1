//! Dynptrs: pointers with a length and a kind of memory, on the stack.

use super::kernel_call::KernelCall;
use super::observer::Observer;
use super::register::Register;
use super::{Rejection, Verifier, not_built};
use crate::isa::Reg;

impl<O: Observer> Verifier<O> {
    pub(super) fn kernel_dynptr_argument(
        &mut self,
        call: &mut KernelCall,
        _at: usize,
        _reg: Reg,
        _name: &str,
        _register: &Register,
    ) -> Result<(), Rejection> {
        Err(not_built(format_args!("a dynptr (kernel function {})", call.function.name)))
    }

    pub(super) fn match_dynptr_parameter(
        &mut self,
        _register: &Register,
        _reg: Reg,
    ) -> Result<(), Rejection> {
        Err(not_built("a dynptr as an argument"))
    }

    pub(super) fn slice_result(&mut self, call: &KernelCall) -> Result<Register, Rejection> {
        Err(not_built(format_args!("a dynptr (kernel function {})", call.function.name)))
    }
}
