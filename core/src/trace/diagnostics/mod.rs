//! Why a program was rejected, in plain words.

use alloc::vec::Vec;

use super::recorder::Trace;
use super::view::{Diagnostic, Step};

/// Why the program was rejected; `None` where it was not.
pub fn diagnose(trace: &Trace) -> Option<Diagnostic> {
    let (rejection, pc) = trace.rejection.as_ref()?;
    let last = trace.steps().checked_sub(1).map(Step);
    let step = last.filter(|step| Some(trace.pc(*step)) == *pc);
    Some(Diagnostic {
        reason: rejection.message.clone(),
        message: rejection.message.clone(),
        pc: pc.map(|pc| pc.0),
        step,
        register: rejection.register.map(|register| register.number()),
        path: Vec::new(),
        required: Default::default(),
        suggestion: None,
    })
}
