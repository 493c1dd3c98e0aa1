//! Helper calls: whether the program may make them, and what is known of the result.

use alloc::vec::Vec;

use super::arguments::Gathered;
use super::domain::Scalar;
use super::function_types::prototype;
use super::observer::Observer;
use super::register::{DynptrKind, Kind, MapRef, MemoryKind, Register, SocketKind};
use super::typed::{Trust, TypeRef, TypeSource};
use super::{Rejection, Verifier, not_built, reject};
use crate::errno::Errno;
use crate::helper::kernel_functions::KernelFunction;
use crate::helper::{self, Facts, Prototype, Ret};
use crate::isa::{CallTarget, DecodeError, Insn, Pc, RawInsn, Reg};
use crate::object::btf::TypeId;

/// The arguments' registers.
const ARGUMENTS: [Reg; 5] = [Reg::R1, Reg::R2, Reg::R3, Reg::R4, Reg::R5];
/// Helpers that give the number of bytes that they wrote, or an error.
const GIVE_LENGTH: &[i32] = &[45, 67, 114, 115, 141];
/// Greatest error that a helper gives, as a negative number (`MAX_ERRNO`).
const MAX_ERRNO: i64 = 4095;

impl<O: Observer> Verifier<O> {
    /// How many arguments each call of a helper or kernel function has, by slot: all five where the program may
    /// not call it.
    pub(super) fn argument_counts(&self) -> Vec<(u32, u32)> {
        let program_type = self.input.program_type.number;
        let count = |insn: &Result<Insn, DecodeError>| match *insn {
            Ok(Insn::Call(CallTarget::Helper(number))) => {
                let facts = Facts::of(number)?;
                let prototype = helper::prototype_in(number, program_type);
                let count = prototype.map_or_else(|| facts.argument_count(), |p| p.args.len());
                self.may_name(facts).then_some(count)
            }
            Ok(Insn::Call(CallTarget::Kernel { btf_id, .. })) => {
                let function = KernelFunction::by_name(self.kernel_function_name(btf_id)?)?;
                let kernel = self
                    .input
                    .kernel_types
                    .as_ref()
                    .filter(|_| function.allows(program_type, self.input.expected_attach_type))?;
                prototype(&kernel.btf, TypeId(btf_id as u32)).map(|(_, parameters)| parameters.len().min(5))
            }
            _ => None,
        };
        let counts = self.insns.iter().zip(&self.input.code).enumerate();
        let count = |(at, (insn, raw)): (usize, (_, &RawInsn))| {
            // A call with other fields set, which is wrong, is counted all the same.
            let plain = Ok(Insn::Call(CallTarget::Helper(raw.imm)));
            let insn = if raw.code == 0x85 && raw.src == 0 { &plain } else { insn };
            Some((at as u32, count(insn)? as u32))
        };
        counts.filter_map(count).collect()
    }

    /// Whether programs like this one may call a helper.
    fn may_name(&self, facts: &Facts) -> bool {
        let allowed = match self.target.as_ref().and_then(|target| target.operation()) {
            Some((table, member)) => facts.allows_operation(table.name, member.name),
            None => facts.allows(self.input.program_type.number, self.input.expected_attach_type),
        };
        allowed && self.may_call(facts.number)
    }

    pub(super) fn call_helper(&mut self, pc: Pc, number: i32) -> Result<(), Rejection> {
        if number == 0 {
            return Err(reject(Errno::EINVAL, "program of this type cannot use helper bpf_unspec#0"));
        }
        let Some(facts) = Facts::of(number) else {
            return Err(reject(Errno::EINVAL, format_args!("invalid func unknown#{number}")));
        };
        let program_type = self.input.program_type.number;
        let name = facts.name;
        if !self.may_name(facts) {
            let message = format_args!("program of this type cannot use helper {name}#{number}");
            return Err(reject(Errno::EINVAL, message));
        }
        if facts.gpl_only && !self.input.gpl_compatible {
            let message = "cannot call GPL-restricted function from non-GPL compatible program";
            return Err(reject(Errno::EINVAL, message));
        }
        if helper::needs_target(number, program_type, self.input.expected_attach_type) {
            return Err(reject(Errno::EINVAL, "helper call is not allowed in probe"));
        }
        let Some(prototype) = helper::prototype_in(number, program_type) else {
            return Err(not_built(format_args!("helper {name}#{number}")));
        };
        if prototype.effects.sleeps && !self.is_sleepable() {
            return Err(reject(Errno::EINVAL, "helper call might sleep in a non-sleepable prog"));
        }
        if self.state.sections.locks > 0 && number != 94 {
            return Err(reject(Errno::EINVAL, "function calls are not allowed while holding a lock"));
        }
        self.check_sections_of_helper(number, name, prototype.effects.sleeps)?;
        let mut gathered = Gathered::default();
        for (arg, reg) in prototype.args.iter().zip(ARGUMENTS) {
            self.check_argument(number, arg, reg, &mut gathered, prototype.effects.takes_packet)?;
        }
        if let Some(map) = gathered.map {
            self.check_map_use(number, map)?;
        }
        if let Some((pointer, from, size)) = gathered.written {
            self.clobber_stack(&pointer, from, size)?;
        }
        if let Some(released) = gathered.released.filter(|r| !r.is_null()) {
            self.release(released.reference)?;
        }
        // Submitting or discarding a reservation gives it back.
        if let (199 | 200, Some(dynptr)) = (number, gathered.dynptr) {
            self.release_dynptr(dynptr.reference);
        }
        self.check_special_call(number, facts, &gathered)?;
        if let Some((callback, start)) = gathered.callback {
            self.call_back(pc, callback, start, gathered.map)?;
        }
        for reg in Reg::all().take(6) {
            self.write(reg, Register::UNINITIALISED);
        }
        let result = self.result(pc, facts, prototype, &gathered)?;
        self.write(Reg::R0, result);
        if let Some(map) = gathered.map {
            self.check_map_call(number, name, map)?;
        }
        let writes_packet = number == 202
            && gathered.dynptr.is_some_and(|d| matches!(d.kind, DynptrKind::Skb | DynptrKind::SkbMeta));
        if prototype.effects.moves_packet || writes_packet {
            self.packet_moved();
        }
        Ok(())
    }

    /// What single helpers ask beyond their arguments' kinds.
    fn check_special_call(
        &mut self,
        number: i32,
        facts: &Facts,
        gathered: &Gathered,
    ) -> Result<(), Rejection> {
        match number {
            // bpf_tail_call
            12 => {
                let r3 = self.state.register(Reg::R3).as_constant();
                let entries = gathered.map.map_or(0, |map| self.maps[usize::from(map.0)].spec.max_entries);
                if r3.is_some_and(|index| index < entries.into()) {
                    self.mark_precise(Reg::R3)?;
                }
                self.check_resources("tail_call", true)
            }
            // bpf_dynptr_from_mem
            197 if !matches!(self.state.register(Reg::R1).kind, Kind::MapValue(_)) => {
                let name = self.state.register(Reg::R1).type_name();
                let message = format_args!("Unsupported reg type {name} for bpf_dynptr_from_mem data");
                Err(reject(Errno::EACCES, message))
            }
            // bpf_get_local_storage
            81 if !self.state.register(Reg::R2).is_null() => {
                Err(reject(Errno::EINVAL, "get_local_storage() doesn't support non-zero flags"))
            }
            _ if helper::unsupported(facts.number, self.input.program_type.number) => {
                let (name, program_type) = (facts.name, self.input.program_type.number);
                let message = match program_type {
                    26 => alloc::format!(
                        "func {name}#{number} supported only for fentry/fexit/fmod_ret programs"
                    ),
                    _ => alloc::format!("func {name}#{number} not supported for program type {program_type}"),
                };
                Err(reject(Errno::ENOTSUPP, message))
            }
            _ => Ok(()),
        }
    }

    /// What r0 holds after the call.
    fn result(
        &mut self,
        pc: Pc,
        facts: &Facts,
        prototype: &Prototype,
        gathered: &Gathered,
    ) -> Result<Register, Rejection> {
        let number = facts.number;
        let map = gathered.map.unwrap_or(MapRef(0));
        let maybe = |kind| Register { maybe_null: true, ..Register::pointer(kind) };
        let mut result = match prototype.ret {
            Ret::Integer => Register::scalar(self.number_given(number, gathered)),
            Ret::Void => Register::UNINITIALISED,
            Ret::MapValue => Register::pointer(Kind::MapValue(map)),
            Ret::MapValueOrNull => {
                let spec = &self.maps[usize::from(map.0)].spec;
                // A constant index into an array is always there.
                let there = (number == 1 && matches!(spec.map_type, 2 | 6))
                    && gathered.constant_key.is_some_and(|key| key < u64::from(spec.max_entries));
                Register { maybe_null: !there, ..Register::pointer(Kind::MapValue(map)) }
            }
            Ret::SocketOrNull => maybe(Kind::Socket(SocketKind::Full)),
            Ret::SocketCommonOrNull => maybe(Kind::Socket(SocketKind::Common)),
            Ret::TcpSocketOrNull => maybe(Kind::Socket(SocketKind::Tcp)),
            Ret::DynptrDataOrNull => {
                let Some(dynptr) = gathered.dynptr else {
                    return Err(not_built(format_args!("the result of helper {}#{number}", facts.name)));
                };
                Register {
                    reference: dynptr.reference,
                    slice_of: dynptr.id,
                    ..maybe(Kind::Memory { kind: MemoryKind::Plain, size: gathered.allocated })
                }
            }
            Ret::AllocatedMemoryOrNull => {
                maybe(Kind::Memory { kind: MemoryKind::RingBuffer, size: gathered.allocated })
            }
            Ret::KernelTypeOrNull("") if gathered.slot.is_some() => {
                let Some((_, of)) = gathered.slot else { return Ok(Register::UNKNOWN) };
                let allocated = of.source != TypeSource::Kernel;
                let trust = if allocated { Trust::ALLOCATED } else { Trust::NONE };
                maybe(Kind::Typed { of, trust })
            }
            Ret::KernelType(name) | Ret::KernelTypeOrNull(name) if !name.is_empty() => {
                let kernel = self.input.kernel_types.as_ref().and_then(|k| k.structure(name));
                let Some(id) = kernel else {
                    return Err(not_built(format_args!(
                        "helper {}#{number} without the kernel's BTF",
                        facts.name
                    )));
                };
                let of = TypeRef { source: TypeSource::Kernel, id };
                let trust = if number == 158 { Trust::TRUSTED } else { Trust::NONE };
                let maybe_null = matches!(prototype.ret, Ret::KernelTypeOrNull(_));
                Register { maybe_null, ..Register::pointer(Kind::Typed { of, trust }) }
            }
            _ => return Err(not_built(format_args!("the result of helper {}#{number}", facts.name))),
        };
        // A lock in a value is told from others by the value's id.
        if result.maybe_null || self.may_hold_lock(&result) {
            result.id = self.new_id();
        }
        let looks_up_socket =
            number == 1 && gathered.map.is_some_and(|map| matches!(self.map_type(map), 15 | 18));
        if prototype.effects.casts {
            result.reference = gathered.reference;
        } else if prototype.effects.acquires || looks_up_socket {
            let id = self.acquire(pc);
            result.id = id;
            result.reference = id;
        }
        Ok(result)
    }

    fn map_type(&self, map: MapRef) -> u32 {
        self.maps[usize::from(map.0)].spec.map_type
    }

    /// The numbers that a helper may give.
    fn number_given(&self, number: i32, gathered: &Gathered) -> Scalar {
        let mut var = Scalar::UNKNOWN;
        let (min, max) = match (number, gathered.greatest_size) {
            // bpf_get_smp_processor_id
            (8, _) => (0, i64::from(self.cpus) - 1),
            (_, Some(size)) if GIVE_LENGTH.contains(&number) => (-MAX_ERRNO, size as i64),
            _ => return var,
        };
        (var.smin, var.smax) = (min, max);
        if min >= 0 {
            (var.umin, var.umax) = (min as u64, max as u64);
            (var.u32_min, var.u32_max) = (min as u32, max as u32);
        }
        (var.s32_min, var.s32_max) = (min as i32, max as i32);
        var.sync();
        var
    }
}
