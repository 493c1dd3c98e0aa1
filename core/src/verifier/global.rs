//! Global functions: a call takes them by their prototype, and each is verified by itself, with any arguments
//! that the prototype allows.

use core::fmt::Write;

use super::function_types::Parameter;
use super::memory::Mode;
use super::observer::Observer;
use super::register::{DynptrKind, Kind, MemoryKind, Register};
use super::state::State;
use super::typed::Trust;
use super::{Changed, Rejection, Verifier, reject};
use crate::errno::Errno;
use crate::isa::{Pc, Reg};

impl<O: Observer> Verifier<O> {
    /// The program's own prototype is asked for too: the log has what is wrong with it.
    pub(super) fn check_program_prototype(&mut self) {
        if self.function_facts.is_empty() {
            return;
        }
        let fits = self.parameters(0).is_ok_and(|p| p == [Parameter::Context]);
        self.function_facts[0].unreliable = !fits;
    }

    /// The arguments of a call against the function's prototype; `true` where the call is done with that,
    /// as the function is global.
    pub(super) fn call_by_prototype(&mut self, function: usize) -> Result<bool, Rejection> {
        let Some(facts) = self.function_facts.get(function) else { return Ok(false) };
        let (global, name, unreliable) = (facts.global, facts.name.clone(), facts.unreliable);
        let (moves, sleeps) = (facts.moves_packet, facts.sleeps);
        let fits = if unreliable { Err(Errno::EINVAL) } else { self.match_parameters(function)? };
        if fits.is_err() {
            self.function_facts[function].unreliable = true;
        }
        if !global {
            return Ok(false);
        }
        self.may_call_global(sleeps)?;
        if let Err(errno) = fits {
            let message = format_args!("Caller passes invalid args into func#{function} ('{name}')");
            return Err(reject(errno, message));
        }
        let _ = writeln!(self.log, "Func#{function} ('{name}') is global and assumed valid.");
        if moves {
            self.packet_moved();
        }
        self.function_facts[function].called = true;
        for reg in Reg::all().take(6) {
            self.write(reg, Register::UNINITIALISED);
        }
        self.write(Reg::R0, Register::UNKNOWN);
        Ok(true)
    }

    /// Whether the function that a call names is a global one.
    pub(super) fn is_global_at(&self, pc: Pc, offset: i32) -> bool {
        let start = i64::from(pc.0) + 1 + i64::from(offset);
        let function = self.functions.iter().position(|f| i64::from(f.start) == start);
        function.and_then(|f| self.function_facts.get(f)).is_some_and(|f| f.global)
    }

    /// Whether the registers hold what the prototype asks for; what is wrong goes to the log.
    fn match_parameters(&mut self, function: usize) -> Result<Result<(), Errno>, Rejection> {
        let parameters = match self.parameters(function) {
            Ok(parameters) => parameters,
            Err(errno) => return Ok(Err(errno)),
        };
        for (at, parameter) in parameters.iter().enumerate() {
            let reg = Reg::new(at as u8 + 1).unwrap_or(Reg::R1);
            match self.match_parameter(*parameter, at, reg) {
                Ok(()) => {}
                Err(rejection) if rejection.errno == Errno::EOPNOTSUPP => return Err(rejection),
                Err(rejection) => {
                    if !rejection.message.is_empty() && !rejection.logged {
                        let _ = writeln!(self.log, "{}", rejection.message);
                    }
                    return Ok(Err(rejection.errno));
                }
            }
        }
        Ok(Ok(()))
    }

    fn match_parameter(&mut self, parameter: Parameter, at: usize, reg: Reg) -> Result<(), Rejection> {
        let register = *self.state.register(reg);
        let r = reg.number();
        match parameter {
            Parameter::Scalar if !register.is_scalar() => {
                Err(reject(Errno::EINVAL, format_args!("R{r} is not a scalar")).of(reg))
            }
            Parameter::Scalar | Parameter::UntrustedMemory | Parameter::Untrusted { .. } => Ok(()),
            Parameter::Context => {
                self.check_fixed_offset(&register, reg)?;
                if register.kind != Kind::Context {
                    return Err(reject(Errno::EINVAL, format_args!("arg#{at} expects pointer to ctx")));
                }
                Ok(())
            }
            Parameter::Memory { size, maybe_null } => {
                self.check_fixed_offset(&register, reg)?;
                self.check_memory_of_size(reg, size)?;
                if !maybe_null && register.maybe_null {
                    return Err(reject(Errno::EINVAL, format_args!("arg#{at} is expected to be non-NULL")));
                }
                Ok(())
            }
            Parameter::Arena => {
                if !register.is_scalar() && register.kind != Kind::Arena {
                    let message = format_args!("R{r} is not a pointer to arena or scalar.");
                    return Err(reject(Errno::EINVAL, message));
                }
                Ok(())
            }
            Parameter::Dynptr => self.match_dynptr_parameter(&register, reg),
            Parameter::Trusted { of, maybe_null } => {
                if register.is_null() && maybe_null {
                    return Ok(());
                }
                self.match_trusted_parameter(&register, reg, of, maybe_null)
            }
        }
    }

    /// A pointer to so many bytes that can be read and written, or null.
    pub(super) fn check_memory_of_size(&mut self, reg: Reg, size: u32) -> Result<(), Rejection> {
        self.check_memory_of_type(reg, size).map_err(|mut rejection| {
            if rejection.errno != Errno::EOPNOTSUPP {
                rejection.errno = Errno::EINVAL;
            }
            rejection
        })
    }

    /// The same, with what the access itself answers.
    pub(super) fn check_memory_of_type(&mut self, reg: Reg, size: u32) -> Result<(), Rejection> {
        let register = *self.state.register(reg);
        if register.is_null() {
            return Ok(());
        }
        if register.kind == Kind::Uninitialised {
            let message = format_args!("R{} type={} expected=fp", reg.number(), register.type_name());
            return Err(reject(Errno::EACCES, message));
        }
        let unset = Register { maybe_null: false, ..register };
        *self.state.register_mut(reg) = unset;
        let checked = self
            .check_memory_either_way(reg, size.into(), Mode::Read)
            .and_then(|()| self.check_memory_either_way(reg, size.into(), Mode::Write));
        *self.state.register_mut(reg) = register;
        checked
    }

    /// Takes up the next global function that was called and not verified yet; `false` where there is none.
    pub(super) fn next_global_function(&mut self) -> Result<bool, Rejection> {
        let shows = self.log.shows_instructions();
        if !self.log.shows_all() {
            self.log.reset(0);
        }
        let last = self.verifying;
        if last != 0 {
            if shows {
                let name = &self.function_facts[last].name;
                let _ = writeln!(
                    self.log,
                    "Func#{last} ('{name}') is safe for any args that match its prototype"
                );
            }
            self.function_facts[last].verified = true;
        }
        let waits = |at: &usize| {
            let f = &self.function_facts[*at];
            f.global && f.called && !f.verified
        };
        let count = self.function_facts.len();
        // In order, and from the beginning as long as a round found any.
        let next = (last + 1..count).find(waits).or_else(|| (1..count).find(waits));
        let Some(next) = next else { return Ok(false) };
        self.verifying = next;
        self.begin_function(next)?;
        Ok(true)
    }

    fn begin_function(&mut self, function: usize) -> Result<(), Rejection> {
        self.kept.clear();
        self.kept_at.iter_mut().for_each(alloc::vec::Vec::clear);
        self.entered.clear();
        self.pc = Pc(self.functions[function].start);
        self.previous = None;
        self.show_state = false;
        self.changed = Changed::ALL;
        self.last_line = None;
        self.line_end = None;
        let name = &self.function_facts[function].name;
        let _ = writeln!(self.log, "Validating {name}() func#{function}...");
        let parameters = self.parameters(function).map_err(|errno| reject(errno, ""))?;
        self.check_exception_parameters(function, &parameters)?;
        self.state = State::entry();
        self.state.first = self.pc;
        self.state.frame_mut().function = function as u16;
        self.state.frame_mut().instance = self.live_stack.begin(function as u16);
        for (at, parameter) in parameters.iter().enumerate() {
            let register = self.parameter_register(*parameter)?;
            self.state.frame_mut().registers[at + 1] = register;
        }
        Ok(())
    }

    /// What a function's parameter holds when it is verified by itself.
    fn parameter_register(&mut self, parameter: Parameter) -> Result<Register, Rejection> {
        let mut register = match parameter {
            Parameter::Scalar => Register::UNKNOWN,
            Parameter::Context => Register::pointer(Kind::Context),
            Parameter::Memory { size, maybe_null } => {
                Register { maybe_null, ..Register::pointer(Kind::Memory { kind: MemoryKind::Plain, size }) }
            }
            Parameter::UntrustedMemory => {
                Register::pointer(Kind::Memory { kind: MemoryKind::UntrustedReadOnly, size: 0 })
            }
            Parameter::Arena => Register::pointer(Kind::Arena),
            Parameter::Dynptr => {
                let id = self.new_id();
                Register { id, ..Register::pointer(Kind::DynptrPointer(DynptrKind::Local)) }
            }
            Parameter::Trusted { of, maybe_null } => {
                let id = self.new_id();
                Register { maybe_null, id, ..Register::pointer(Kind::Typed { of, trust: Trust::TRUSTED }) }
            }
            Parameter::Untrusted { of } => {
                let id = self.new_id();
                Register { id, ..Register::pointer(Kind::Typed { of, trust: Trust::UNTRUSTED }) }
            }
        };
        if register.maybe_null && register.id == 0 {
            register.id = self.new_id();
        }
        Ok(register)
    }

    /// At the exit of a function that is verified by itself: it returns a number.
    pub(super) fn check_function_result(&mut self) -> Result<(), Rejection> {
        let r0 = self.read(Reg::R0)?;
        if !r0.is_scalar() {
            let name = r0.type_name();
            let message = format_args!("At subprogram exit the register R0 is not a scalar value ({name})");
            return Err(reject(Errno::EINVAL, message).of(Reg::R0));
        }
        Ok(())
    }
}
