//! Exceptions: `bpf_throw` ends all frames, and the program returns what its exception callback does, or what was
//! thrown. Facts of the running kernel (`native/probes/exceptions.py`).

use core::fmt::Write;

use super::function_types::{Parameter, tags};
use super::observer::Observer;
use super::walk::Next;
use super::{Rejection, Verifier, reject};
use crate::errno::Errno;
use crate::isa::{CallTarget, Insn, Pc, Reg};
use crate::object::btf::{Linkage, Type};

/// The tag on the program's own function that names another.
const TAG: &str = "exception_callback:";

impl<O: Observer> Verifier<O> {
    /// The first slot of the exception callback, where a tag names one.
    pub(super) fn find_exception_callback(&self) -> Result<Option<u32>, Rejection> {
        let records = &self.input.functions;
        let (Some(btf), Some(main)) = (&self.input.types, records.first()) else { return Ok(None) };
        let mut names = tags(btf, main.of, -1).filter_map(|tag| tag.strip_prefix(TAG));
        let Some(name) = names.next() else { return Ok(None) };
        if names.next().is_some() {
            return Err(reject(Errno::EEXIST, "multiple exception callback tags for main subprog"));
        }
        let named = |ty: &Type| matches!(ty, Type::Function { name: at, .. } if btf.text(*at) == name);
        let Some((id, function)) = btf.types().find(|(_, ty)| named(ty)) else {
            let message = format_args!("exception callback '{name}' could not be found in BTF");
            return Err(reject(Errno::ENOENT, message));
        };
        if !matches!(function, Type::Function { linkage: Linkage::Global, .. }) {
            let message = format_args!("exception callback '{name}' must have global linkage");
            return Err(reject(Errno::EINVAL, message));
        }
        let Some(record) = records.iter().find(|record| record.of == id) else {
            return Err(reject(Errno::EINVAL, "exception callback type id not found in func_info"));
        };
        let start = record.pc;
        if start == 0 || start as usize >= self.input.code.len() {
            let message = format_args!("invalid exception callback insn_off in func_info: {start}");
            return Err(reject(Errno::EINVAL, message));
        }
        Ok(Some(start))
    }

    /// The exception callback is verified whether it is reached or not.
    pub(super) fn take_exception_callback(&mut self, start: Option<u32>) {
        self.exception_callback =
            start.and_then(|start| self.functions.iter().position(|f| f.start == start));
        if let Some(function) = self.exception_callback
            && let Some(facts) = self.function_facts.get_mut(function)
        {
            facts.called = true;
        }
    }

    /// The exception callback is given one number.
    pub(super) fn check_exception_parameters(
        &self,
        function: usize,
        parameters: &[Parameter],
    ) -> Result<(), Rejection> {
        if self.exception_callback == Some(function) && parameters != [Parameter::Scalar] {
            return Err(reject(Errno::EINVAL, "exception cb only supports single integer argument"));
        }
        Ok(())
    }

    /// No function calls the exception callback.
    pub(super) fn check_exception_calls(&mut self, function: usize) -> Result<(), Rejection> {
        let Some(callback) = self.exception_callback else { return Ok(()) };
        let to = i64::from(self.functions[callback].start);
        let (start, end) = (self.functions[function].start, self.functions[function].end);
        for pc in start..end {
            if let Ok(Insn::Call(CallTarget::Local(offset))) = self.insns[pc as usize]
                && i64::from(pc) + 1 + i64::from(offset) == to
            {
                // The kernel's line has no end.
                let _ = write!(self.log, "insn {pc} cannot call exception cb directly");
                return Err(reject(Errno::EINVAL, ""));
            }
        }
        Ok(())
    }

    /// `bpf_throw`: the path ends. What is thrown is what the program returns, where nothing is called back.
    pub(super) fn throw(&mut self) -> Result<Next, Rejection> {
        self.check_resources("bpf_throw", true)?;
        if self.exception_callback.is_none() {
            self.check_return_value(Reg::R1)?;
        }
        Ok(Next::Exit)
    }

    /// The exception callback's first slot, for engines.
    pub(super) fn exception_callback_of_image(&self) -> Option<Pc> {
        self.exception_callback.map(|function| Pc(self.functions[function].start))
    }
}
