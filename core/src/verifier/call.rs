//! Helper calls: arguments against the table, and what is known of the result.

use super::domain::Scalar;
use super::memory::Mode;
use super::observer::Observer;
use super::register::{Kind, MapRef, Register};
use super::{Rejection, Verifier, not_built, policy, reject};
use crate::errno::Errno;
use crate::helper::{self, Arg, Facts, MemoryAccess, Ret};
use crate::isa::{Pc, Reg};
use crate::program::PacketAccess;

/// The arguments' registers.
const ARGUMENTS: [Reg; 5] = [Reg::R1, Reg::R2, Reg::R3, Reg::R4, Reg::R5];

/// What the arguments seen so far said.
#[derive(Default)]
struct Gathered {
    map: Option<MapRef>,
    constant_key: Option<u64>,
    /// Stack bytes that the helper writes: the pointer, the first offset, their number.
    written: Option<(Register, i64, i64)>,
    memory: Option<(Reg, MemoryAccess)>,
    memory_or_null: bool,
}

/// The kinds of pointer that an argument may be, in the order in which the kernel lists them.
fn expected(arg: &Arg) -> &'static str {
    match arg {
        Arg::ConstMap => "map_ptr",
        Arg::MapKey | Arg::MapValue | Arg::UninitMapValue | Arg::Memory(_) | Arg::FixedMemory { .. } => {
            "fp, pkt, pkt_meta, map_key, map_value, mem, ringbuf_mem, buf, trusted_ptr_"
        }
        Arg::Context => "ctx",
        Arg::Size | Arg::SizeOrZero | Arg::AllocationSize => "scalar",
        Arg::Stack => "fp",
        _ => "?",
    }
}

fn accepts(arg: &Arg, register: &Register) -> bool {
    if register.maybe_null {
        return false;
    }
    match arg {
        Arg::ConstMap => matches!(register.kind, Kind::Map(_)),
        Arg::MapKey | Arg::MapValue | Arg::UninitMapValue | Arg::Memory(_) | Arg::FixedMemory { .. } => {
            matches!(register.kind, Kind::Stack { .. } | Kind::Packet | Kind::PacketMeta | Kind::MapValue(_))
        }
        Arg::Context => register.kind == Kind::Context,
        Arg::Size | Arg::SizeOrZero | Arg::AllocationSize => register.is_scalar(),
        Arg::Stack => matches!(register.kind, Kind::Stack { .. }),
        _ => false,
    }
}

impl<O: Observer> Verifier<O> {
    pub(super) fn call_helper(&mut self, _pc: Pc, number: i32) -> Result<(), Rejection> {
        let Some(facts) = Facts::of(number) else {
            return Err(reject(Errno::EINVAL, format_args!("invalid func unknown#{number}")));
        };
        let program_type = self.input.program_type.number;
        let name = facts.name;
        if !facts.allows(program_type) {
            let message = format_args!("program of this type cannot use helper {name}#{number}");
            return Err(reject(Errno::EINVAL, message));
        }
        if facts.gpl_only && !self.input.gpl_compatible {
            let message = "cannot call GPL-restricted function from non-GPL compatible program";
            return Err(reject(Errno::EINVAL, message));
        }
        if helper::unsupported(number, program_type) {
            let message = format_args!("func {name}#{number} not supported for program type {program_type}");
            return Err(reject(Errno::ENOTSUPP, message));
        }
        let Some(prototype) = helper::prototype_in(number, program_type) else {
            return Err(not_built(format_args!("helper {name}#{number}")));
        };
        let mut gathered = Gathered::default();
        for (arg, reg) in prototype.args.iter().zip(ARGUMENTS) {
            self.check_argument(number, arg, reg, &mut gathered, prototype.effects.takes_packet)?;
        }
        if let Some((pointer, from, size)) = gathered.written {
            self.clobber_stack(&pointer, from, size);
        }
        for reg in Reg::all().take(6) {
            self.write(reg, Register::UNINITIALISED);
        }
        let mut result = match prototype.ret {
            Ret::Integer => Register::UNKNOWN,
            Ret::Void => Register::UNINITIALISED,
            Ret::MapValueOrNull => {
                let map = gathered.map.unwrap_or(MapRef(0));
                let spec = &self.maps[usize::from(map.0)].spec;
                // A constant index into an array is always there.
                let there = spec.map_type == 2
                    && number == 1
                    && gathered.constant_key.is_some_and(|key| key < u64::from(spec.max_entries));
                Register { maybe_null: !there, ..Register::pointer(Kind::MapValue(map)) }
            }
            _ => return Err(not_built(format_args!("the result of helper {name}#{number}"))),
        };
        if result.maybe_null {
            result.id = self.new_id();
        }
        if number == 8 {
            // bpf_get_smp_processor_id
            result.var = Scalar { umax: u64::from(self.cpus) - 1, umin: 0, ..result.var };
            (result.var.smin, result.var.smax) = (0, i64::from(self.cpus) - 1);
            (result.var.u32_max, result.var.s32_max) = (self.cpus - 1, self.cpus as i32 - 1);
            (result.var.u32_min, result.var.s32_min) = (0, 0);
            result.var.sync();
        }
        self.write(Reg::R0, result);
        if prototype.effects.moves_packet {
            self.state.forget(|r| r.is_packet() || r.kind == Kind::PacketEnd);
        }
        Ok(())
    }

    fn check_argument(
        &mut self,
        _helper: i32,
        arg: &Arg,
        reg: Reg,
        gathered: &mut Gathered,
        takes_packet: bool,
    ) -> Result<(), Rejection> {
        let register = self.read(reg)?;
        let r = reg.number();
        if *arg == Arg::Anything {
            return Ok(());
        }
        if register.is_packet() {
            let allowed = takes_packet && self.input.program_type.packet != PacketAccess::None;
            if !allowed || self.input.program_type.number == 1 {
                return Err(reject(Errno::EACCES, "helper access to the packet is not allowed").of(reg));
            }
        }
        let (arg, or_null) = match arg {
            Arg::OrNull(inner) => (*inner, true),
            arg => (arg, false),
        };
        if or_null && register.is_null() {
            gathered.memory = None;
            gathered.memory_or_null = true;
            return Ok(());
        }
        if !accepts(arg, &register) {
            let name = register.type_name();
            let message = format_args!("R{r} type={name} expected={}", expected(arg));
            return Err(reject(Errno::EACCES, message).of(reg));
        }
        match *arg {
            Arg::ConstMap => {
                self.check_pointer_offset(&register, reg, false)?;
                if let Kind::Map(map) = register.kind {
                    gathered.map = Some(map);
                }
            }
            Arg::Context => self.check_pointer_offset(&register, reg, false)?,
            Arg::MapKey => {
                let Some(map) = gathered.map else {
                    return Err(reject(Errno::EACCES, "invalid map_ptr to access map->key").of(reg));
                };
                let (size, map_type) = {
                    let spec = &self.maps[usize::from(map.0)].spec;
                    (spec.key_size, spec.map_type)
                };
                self.check_helper_memory(reg, size.into(), MemoryAccess::Read, false, gathered)?;
                if map_type == 2 {
                    gathered.constant_key = self.constant_key(&register, size)?;
                }
            }
            Arg::MapValue | Arg::UninitMapValue => {
                let Some(map) = gathered.map else {
                    return Err(reject(Errno::EACCES, "invalid map_ptr to access map->value").of(reg));
                };
                let size = self.maps[usize::from(map.0)].spec.value_size;
                let uninit = *arg == Arg::UninitMapValue;
                let access = if uninit { MemoryAccess::Uninit } else { MemoryAccess::Read };
                self.check_helper_memory(reg, size.into(), access, false, gathered)?;
            }
            Arg::Memory(access) => gathered.memory = Some((reg, access)),
            Arg::FixedMemory { size, align, access } => {
                self.check_helper_memory(reg, size.into(), access, false, gathered)?;
                if align > 1 {
                    self.check_alignment(&register, 0, align, true)?;
                }
            }
            Arg::Size => self.check_size(reg, &register, false, gathered)?,
            Arg::SizeOrZero => self.check_size(reg, &register, true, gathered)?,
            Arg::Stack => {}
            _ => return Err(not_built("an argument of this kind")),
        }
        Ok(())
    }

    fn check_size(
        &mut self,
        reg: Reg,
        size: &Register,
        zero_allowed: bool,
        gathered: &mut Gathered,
    ) -> Result<(), Rejection> {
        let (r, var) = (reg.number(), size.var);
        let refuse = |text: core::fmt::Arguments| Err(reject(Errno::EACCES, text).of(reg));
        if var.smin < 0 {
            return refuse(format_args!("R{r} min value is negative, either use unsigned or 'var &= const'"));
        }
        if var.umin == 0 && !zero_allowed {
            return refuse(format_args!("R{r} invalid zero-sized read: u64=[{},{}]", var.umin, var.umax));
        }
        if var.umax >= policy::MAX_OFFSET as u64 {
            return refuse(format_args!(
                "R{r} unbounded memory access, use 'var &= const' or 'if (var < const)'"
            ));
        }
        let (memory, mut access) = match gathered.memory.take() {
            Some(memory) => memory,
            None if gathered.memory_or_null && var.umax == 0 => {
                gathered.memory_or_null = false;
                return self.mark_precise(reg);
            }
            None => {
                let pointer = Reg::new(r - 1).unwrap_or(Reg::R1);
                let name = self.state.register(pointer).type_name();
                return refuse(format_args!("R{} type={name} expected=fp", r - 1));
            }
        };
        // Memory whose size is not known can't be taken to be written whole.
        if access == MemoryAccess::Uninit && var.as_constant().is_none() {
            access = MemoryAccess::ReadWrite;
        }
        self.check_helper_memory(memory, var.umax as i64, access, zero_allowed, gathered)?;
        self.mark_precise(reg)
    }

    /// Memory that a helper reads or writes.
    fn check_helper_memory(
        &mut self,
        reg: Reg,
        size: i64,
        access: MemoryAccess,
        zero_allowed: bool,
        gathered: &mut Gathered,
    ) -> Result<(), Rejection> {
        let pointer = *self.state.register(reg);
        let off = i64::from(pointer.offset);
        let mode = if access == MemoryAccess::Read { Mode::Read } else { Mode::Write };
        match pointer.kind {
            Kind::Packet | Kind::PacketMeta => self.check_packet(&pointer, reg, off, size, zero_allowed),
            Kind::MapValue(map) => {
                self.check_map_mode(map, reg, off, size as u32, mode)?;
                self.check_map_value(map, &pointer, reg, off, size, zero_allowed)
            }
            Kind::Stack { .. } => {
                if size == 0 && !zero_allowed {
                    return Err(reject(Errno::EACCES, "invalid zero-sized read").of(reg));
                }
                let uninit = access == MemoryAccess::Uninit;
                if let Some(from) = self.check_initialised(&pointer, reg, off, size, mode, uninit)? {
                    gathered.written = Some((pointer, from, size));
                }
                Ok(())
            }
            _ => {
                let message = format_args!("R{} type={} expected=fp", reg.number(), pointer.type_name());
                Err(reject(Errno::EACCES, message).of(reg))
            }
        }
    }
}
