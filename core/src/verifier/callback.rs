//! Functions that helpers call back.

use super::observer::Observer;
use super::register::{Kind, Register};
use super::{Rejection, Verifier, reject};
use crate::errno::Errno;
use crate::isa::{Imm64, Pc};

impl<O: Observer> Verifier<O> {
    /// A 64-bit immediate that names a local function.
    pub(super) fn function_pointer(&mut self, pc: Pc, value: Imm64) -> Result<Register, Rejection> {
        let Imm64::Function { offset } = value else { return Err(reject(Errno::EINVAL, "")) };
        let start = (i64::from(pc.0) + 1 + i64::from(offset)) as u32;
        let number = self.functions.iter().position(|f| f.start == start).unwrap_or(0);
        match self.function_facts.get(number) {
            None => Err(reject(Errno::EINVAL, "missing btf func_info")),
            Some(facts) if facts.global => Err(reject(Errno::EINVAL, "callback function not static")),
            Some(_) => Ok(Register::pointer(Kind::Function(start))),
        }
    }
}
