//! Local calls: a frame more, a frame less.

use super::observer::Observer;
use super::register::{Kind, Register};
use super::state::{Frame, MAX_FRAMES};
use super::walk::Next;
use super::{Changed, Rejection, Verifier, reject};
use crate::errno::Errno;
use crate::isa::{Pc, Reg};
use core::fmt::Write;

impl<O: Observer> Verifier<O> {
    pub(super) fn call_local(&mut self, pc: Pc, offset: i32) -> Result<Next, Rejection> {
        let target = Pc((i64::from(pc.0) + 1 + i64::from(offset)) as u32);
        let function = self.functions.iter().position(|f| f.start == target.0).unwrap_or(0);
        if self.call_by_prototype(function)? {
            return Ok(self.next_insn(pc));
        }
        let depth = self.state.frames.len();
        if depth >= MAX_FRAMES {
            let message = format_args!("the call stack of {} frames is too deep", depth + 1);
            return Err(reject(Errno::E2BIG, message));
        }
        let mut callee = Frame::new(depth as u8, function as u16, Some(pc));
        for reg in 1..=5 {
            callee.registers[reg] = self.state.frame().registers[reg];
        }
        for reg in Reg::all().take(6) {
            self.write(reg, Register::UNINITIALISED);
        }
        callee.instance = self.live_stack.enter(self.state.frame().instance, pc, function as u16);
        self.state.frames.push(callee);
        self.changed = Changed::ALL;
        if self.log.shows_instructions() {
            let _ = self.log.write_str("caller:\n");
            self.log_frame(depth - 1, None);
            let _ = self.log.write_str("callee:\n");
            self.log_frame(depth, None);
        }
        Ok(Next::At(target))
    }

    pub(super) fn return_local(&mut self, _pc: Pc) -> Result<Next, Rejection> {
        let current = self.state.current();
        self.live_stack.update(&self.state, &mut self.log);
        let r0 = *self.state.register(Reg::R0);
        if matches!(r0.kind, Kind::Stack { .. }) {
            return Err(reject(Errno::EINVAL, "cannot return stack pointer to the caller").of(Reg::R0));
        }
        let callback = self.state.frame().callback;
        if let Some(callback) = callback {
            self.check_callback_result(callback)?;
        }
        // A callback comes back to the call, which may call it once more.
        let after = u32::from(callback.is_none());
        let back = Pc(self.state.frame().call_site.map_or(0, |pc| pc.0 + after));
        if self.log.shows_instructions() {
            let _ = self.log.write_str("returning from callee:\n");
            self.log_frame(current, None);
        }
        self.state.frames.truncate(current);
        if callback.is_none() {
            *self.state.register_mut(Reg::R0) = r0;
        }
        if self.log.shows_instructions() {
            let _ = writeln!(self.log, "to caller at {back}:");
            self.log_frame(current - 1, None);
        }
        if callback.is_some() {
            self.widen_turn(back);
        }
        self.show_state = true;
        Ok(Next::At(back))
    }

    /// The instruction may end its function with that result: that is walked first, what follows it later.
    pub(super) fn may_return(&mut self, pc: Pc, result: Register) -> Result<Next, Rejection> {
        if self.state.current() == 0 {
            return Ok(self.next_insn(pc));
        }
        self.put_aside(Pc(pc.0 + 1), pc)?;
        *self.state.register_mut(Reg::R0) = result;
        let next = self.return_local(pc)?;
        // The log goes on in the caller with the result alone.
        self.show_state = false;
        self.changed = Changed { registers: 1, slots: 0 };
        Ok(next)
    }
}
