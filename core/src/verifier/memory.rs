//! Loads and stores: what each kind of pointer allows, and what is loaded.

use super::domain::{Scalar, alu, text};
use super::observer::Observer;
use super::register::{Kind, MapRef, MemoryKind, Register, SocketKind};
use super::typed::{Trust, TypeRef, TypeSource};
use super::{Rejection, Verifier, constant_at, flag, not_built, policy, reject};
use crate::errno::Errno;
use crate::isa::{Insn, Operand, Reg, Size, Width};
use crate::map::types::flag as map_flag;
use crate::object::btf::record;
use crate::program::{self, FieldKind, PacketAccess};

/// Bytes of `struct bpf_flow_keys`.
const FLOW_KEYS_LEN: i64 = 56;

/// What is done with memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mode {
    Read,
    Write,
}

/// A piece of memory with two ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Region {
    /// A map's value.
    MapValue(MapRef),
    /// A map's key.
    MapKey(MapRef),
    /// So many bytes.
    Memory(u32),
}

fn outside_context(off: i64, bytes: u32) -> Rejection {
    reject(Errno::EACCES, format_args!("invalid bpf_context access off={off} size={bytes}"))
}

impl<O: Observer> Verifier<O> {
    /// A load into a register that may be written.
    pub(super) fn load(
        &mut self,
        base: Reg,
        off: i64,
        size: Size,
        sign_extend: bool,
        dst: Reg,
    ) -> Result<(), Rejection> {
        let pointer = *self.state.register(base);
        self.access(base, off, size, Mode::Read, Some(dst), sign_extend, None)?;
        self.same_pointer(&pointer)
    }

    /// A store of a register or a constant.
    pub(super) fn store(&mut self, base: Reg, off: i64, size: Size, src: Operand) -> Result<(), Rejection> {
        let pointer = *self.state.register(base);
        self.access(base, off, size, Mode::Write, None, false, Some(src))?;
        self.same_pointer(&pointer)
    }

    /// A read-modify-write: read first, into `fetched` where the old value is kept.
    pub(super) fn access_atomically(
        &mut self,
        base: Reg,
        off: i64,
        size: Size,
        fetched: Option<Reg>,
    ) -> Result<(), Rejection> {
        let pointer = *self.state.register(base);
        self.access(base, off, size, Mode::Read, None, false, None)?;
        if let Some(fetched) = fetched {
            self.access(base, off, size, Mode::Read, Some(fetched), false, None)?;
        }
        // What is written is not tracked: an unknown number.
        *self.state.register_mut(base) =
            if fetched == Some(base) { *self.state.register(base) } else { pointer };
        self.access_with(&pointer, base, off, size, Mode::Write, None, false, None)?;
        // Where one operation has pointers of several kinds, an arena's decides how it runs.
        let seen = &mut self.seen[self.pc.index()].pointer;
        if *seen != Some(Kind::Arena) {
            *seen = Some(pointer.kind);
        }
        Ok(())
    }

    /// An instruction whose access is rewritten by the kind of its pointer can have one kind alone.
    fn same_pointer(&mut self, pointer: &Register) -> Result<(), Rejection> {
        let special = |k: &Kind| matches!(k, Kind::Context | Kind::Socket(_) | Kind::Arena);
        let seen = &mut self.seen[self.pc.index()].pointer;
        match seen {
            None => *seen = Some(pointer.kind),
            Some(before) if *before != pointer.kind && (special(before) || special(&pointer.kind)) => {
                return Err(reject(Errno::EINVAL, "same insn cannot be used with different pointers"));
            }
            _ => {}
        }
        Ok(())
    }

    #[allow(clippy::too_many_arguments)]
    fn access(
        &mut self,
        base: Reg,
        off: i64,
        size: Size,
        mode: Mode,
        dst: Option<Reg>,
        sign_extend: bool,
        src: Option<Operand>,
    ) -> Result<(), Rejection> {
        let pointer = *self.state.register(base);
        self.access_with(&pointer, base, off, size, mode, dst, sign_extend, src)
    }

    #[allow(clippy::too_many_arguments)]
    fn access_with(
        &mut self,
        pointer: &Register,
        base: Reg,
        off: i64,
        size: Size,
        mode: Mode,
        dst: Option<Reg>,
        sign_extend: bool,
        src: Option<Operand>,
    ) -> Result<(), Rejection> {
        let bytes = size.bytes();
        let full = off + i64::from(pointer.offset);
        let strict = self.input.flags & flag::STRICT_ALIGNMENT != 0
            || matches!(self.insns[self.pc.index()], Ok(Insn::Atomic { .. }));
        self.check_alignment(pointer, off, bytes, strict)?;
        if let (Mode::Write, Some(Operand::Reg(src))) = (mode, src) {
            let into = match pointer.kind {
                _ if pointer.maybe_null => None,
                Kind::MapValue(_) => Some("into map"),
                Kind::Context => Some("into ctx"),
                Kind::Memory { .. } => Some("into mem"),
                Kind::FlowKeys => Some("into flow keys"),
                Kind::Packet | Kind::PacketMeta if self.input.program_type.packet == PacketAccess::Write => {
                    Some("into packet")
                }
                _ => None,
            };
            if let Some(into) = into {
                let value = *self.state.register(src);
                self.check_leak(&value, src, into)?;
            }
        }
        let mut loaded = Register::UNKNOWN;
        match pointer.kind {
            _ if pointer.maybe_null => return Err(self.invalid(pointer, base)),
            Kind::MapValue(map) => {
                self.check_map_mode(map, base, full, bytes, mode)?;
                self.check_region(Region::MapValue(map), pointer, base, full, bytes.into(), false)?;
                if let Some(field) = self.kept_pointer_at(map, pointer, full) {
                    if sign_extend || matches!(self.insns[self.pc.index()], Ok(Insn::Atomic { .. })) {
                        let message = "kptr in map can only be accessed using BPF_MEM instruction mode";
                        return Err(reject(Errno::EACCES, message));
                    }
                    loaded = self.access_kept_pointer(map, field, bytes, mode, src)?;
                    if let Some(dst) = dst {
                        self.write(dst, loaded);
                    }
                    return Ok(());
                }
                self.check_fields(map, pointer, full, bytes.into(), true)?;
                if mode == Mode::Read
                    && let Some(value) = self.constant(map, pointer, full, size)
                {
                    let value = if sign_extend {
                        let shift = 64 - size.bits();
                        (((value << shift) as i64) >> shift) as u64
                    } else {
                        value
                    };
                    loaded = Register::constant(value);
                }
            }
            Kind::Context => {
                self.check_pointer_offset(pointer, base, false)?;
                if self.target.is_some() {
                    let write = mode == Mode::Write;
                    let given = self.tracing_context(off, bytes, write, sign_extend);
                    loaded = given.map_err(|rejection| match rejection.errno {
                        Errno::EACCES => self.reject_with_line(rejection),
                        _ => rejection,
                    })?;
                    if let Some(dst) = dst {
                        if loaded.is_scalar() {
                            loaded.var = resized(&loaded.var, size, sign_extend);
                        }
                        self.write(dst, loaded);
                    }
                    return Ok(());
                }
                let gives = self.context_field(off, bytes, mode);
                // The sign of a pointer can't be extended.
                let gives = gives.filter(|gives| !sign_extend || *gives == FieldKind::Scalar);
                let Some(gives) = gives else {
                    return Err(self.reject_with_line(outside_context(off, bytes).of(base)));
                };
                if mode == Mode::Read {
                    loaded = self.field(gives)?;
                }
            }
            Kind::Stack { .. } => {
                return match mode {
                    Mode::Read => self.load_stack(pointer, base, off, size, sign_extend, dst),
                    Mode::Write => self.store_stack(pointer, base, off, size, src),
                };
            }
            Kind::Packet | Kind::PacketMeta => {
                if mode == Mode::Write && self.input.program_type.packet != PacketAccess::Write {
                    return Err(reject(Errno::EACCES, "cannot write into packet").of(base));
                }
                self.check_packet(pointer, base, full, bytes.into(), false)?;
            }
            Kind::Arena => {}
            Kind::FlowKeys => {
                if full < 0 || full + i64::from(bytes) > FLOW_KEYS_LEN {
                    let message = format_args!("invalid access to flow keys off={full} size={bytes}");
                    return Err(reject(Errno::EACCES, message).of(base));
                }
            }
            Kind::Socket(kind) => {
                let (r, name) = (base.number(), pointer.type_name());
                if mode == Mode::Write {
                    return Err(reject(Errno::EACCES, format_args!("R{r} cannot write into {name}")).of(base));
                }
                if !program::socket_allows(kind, full, bytes) {
                    let message = format_args!("R{r} invalid {name} access off={full} size={bytes}");
                    return Err(reject(Errno::EACCES, message).of(base));
                }
            }
            Kind::Memory { kind: MemoryKind::UntrustedReadOnly, .. } if mode == Mode::Read => {}
            Kind::Memory { kind, size } => {
                let read_only = matches!(kind, MemoryKind::ReadOnly | MemoryKind::UntrustedReadOnly);
                if mode == Mode::Write && read_only {
                    let message =
                        format_args!("R{} cannot write into {}", base.number(), pointer.type_name());
                    return Err(reject(Errno::EACCES, message).of(base));
                }
                self.check_region(Region::Memory(size), pointer, base, full, bytes.into(), false)?;
            }
            Kind::MapKey(map) => {
                if mode == Mode::Write {
                    let message = format_args!("write to change key R{} not allowed", base.number());
                    return Err(reject(Errno::EACCES, message).of(base));
                }
                self.check_region(Region::MapKey(map), pointer, base, full, bytes.into(), false)?;
            }
            Kind::Typed { .. } => loaded = self.access_typed(pointer, base, full, bytes, mode)?,
            Kind::Map(map) => loaded = self.access_map(map, base, full, bytes, mode)?,
            Kind::TracepointBuffer => self.check_buffer(pointer, base, full, bytes.into(), mode)?,
            Kind::Buffer { .. } => self.check_buffer(pointer, base, full, bytes.into(), mode)?,
            _ => return Err(self.invalid(pointer, base)),
        }
        if let Some(dst) = dst {
            if loaded.is_scalar() {
                loaded.var = resized(&loaded.var, size, sign_extend);
            }
            self.write(dst, loaded);
        }
        Ok(())
    }

    /// What an access to the context gives, where it is allowed.
    fn context_field(&self, off: i64, bytes: u32, mode: Mode) -> Option<FieldKind> {
        let attach = self.input.expected_attach_type;
        self.input.program_type.access(attach, off, bytes, mode == Mode::Write)
    }

    /// An access to the context as memory.
    pub(super) fn check_context(&mut self, off: i64, bytes: u32, mode: Mode) -> Result<(), Rejection> {
        if self.target.is_some() {
            return self.tracing_context(off, bytes, mode == Mode::Write, false).map(|_| ());
        }
        self.context_field(off, bytes, mode).map(|_| ()).ok_or_else(|| outside_context(off, bytes))
    }

    /// An access to a buffer whose length is not known: it begins in it at a place that is known.
    pub(super) fn check_buffer(
        &self,
        pointer: &Register,
        base: Reg,
        off: i64,
        size: i64,
        mode: Mode,
    ) -> Result<(), Rejection> {
        let r = base.number();
        let refuse = |text: core::fmt::Arguments| Err(reject(Errno::EACCES, text).of(base));
        let what = match pointer.kind {
            Kind::Buffer { read_only: true } if mode == Mode::Write => {
                return refuse(format_args!("R{r} cannot write into {}", pointer.type_name()));
            }
            Kind::Buffer { read_only: true } => "rdonly",
            Kind::Buffer { read_only: false } => "rdwr",
            _ => "tracepoint",
        };
        if off < 0 {
            return refuse(format_args!("R{r} invalid {what} buffer access: off={off}, size={size}"));
        }
        if pointer.var.as_constant().is_none() {
            let mut var = alloc::string::String::new();
            let _ = text::write_tnum(pointer.var.var, &mut var);
            return refuse(format_args!("R{r} invalid variable buffer offset: off={off}, var_off={var}"));
        }
        Ok(())
    }

    /// The access hits no field of the value that is more than bytes.
    pub(super) fn check_fields(
        &self,
        map: MapRef,
        pointer: &Register,
        off: i64,
        size: i64,
        direct: bool,
    ) -> Result<(), Rejection> {
        for field in &self.maps[usize::from(map.0)].fields {
            let (start, end) = (i64::from(field.offset), i64::from(field.offset + field.size));
            let (min, max) = (pointer.var.smin.saturating_add(off), pointer.var.umax as i64 + off + size);
            if min >= end || max <= start {
                continue;
            }
            let name = field.kind.name();
            if matches!(field.kind, record::FieldKind::Pointer { .. }) {
                let what = match (direct, pointer.var.as_constant()) {
                    (false, _) => "cannot be accessed indirectly by helper",
                    (true, None) => "access cannot have variable offset",
                    (true, Some(at)) => {
                        let at = at.wrapping_add(off as u64);
                        let message = format_args!("{name} access misaligned expected={start} off={at}");
                        return Err(reject(Errno::EACCES, message));
                    }
                };
                return Err(reject(Errno::EACCES, format_args!("{name} {what}")));
            }
            let message = format_args!("{name} cannot be accessed directly by load/store");
            return Err(reject(Errno::EACCES, message));
        }
        Ok(())
    }

    fn invalid(&self, pointer: &Register, base: Reg) -> Rejection {
        let message = format_args!("R{} invalid mem access '{}'", base.number(), pointer.type_name());
        reject(Errno::EACCES, message).of(base)
    }

    /// What a load of a context's field gives.
    fn field(&mut self, gives: FieldKind) -> Result<Register, Rejection> {
        let maybe_null = |kind, id| Register { maybe_null: true, id, ..Register::pointer(kind) };
        Ok(match gives {
            FieldKind::Scalar => Register::UNKNOWN,
            FieldKind::PacketData => Register::pointer(Kind::Packet),
            FieldKind::PacketMeta => Register::pointer(Kind::PacketMeta),
            FieldKind::PacketEnd => Register::pointer(Kind::PacketEnd),
            FieldKind::SocketCommonOrNull => maybe_null(Kind::Socket(SocketKind::Common), self.new_id()),
            FieldKind::SocketOrNull => maybe_null(Kind::Socket(SocketKind::Full), self.new_id()),
            FieldKind::Socket => Register::pointer(Kind::Socket(SocketKind::Full)),
            FieldKind::FlowKeys => Register::pointer(Kind::FlowKeys),
            FieldKind::TracepointBuffer => Register::pointer(Kind::TracepointBuffer),
            FieldKind::KernelType(name) => {
                let Some(id) = self.input.kernel_types.as_ref().and_then(|k| k.structure(name)) else {
                    let what = format_args!("a pointer to struct {name} without the kernel's BTF");
                    return Err(not_built(what));
                };
                let of = TypeRef { source: TypeSource::Kernel, id };
                Register::pointer(Kind::Typed { of, trust: Trust::TRUSTED })
            }
        })
    }

    fn constant(&self, map: MapRef, pointer: &Register, offset: i64, size: Size) -> Option<u64> {
        let bytes = self.maps[usize::from(map.0)].constant.as_ref()?;
        constant_at(bytes, offset + pointer.var.as_constant()? as i64, size)
    }

    pub(super) fn check_alignment(
        &self,
        pointer: &Register,
        off: i64,
        bytes: u32,
        strict: bool,
    ) -> Result<(), Rejection> {
        let what = match pointer.kind {
            Kind::Arena => return Ok(()),
            _ if pointer.maybe_null => "",
            Kind::Packet | Kind::PacketMeta => "packet",
            Kind::Stack { .. } => "stack",
            Kind::MapValue(_) => "value",
            Kind::Context => "context",
            Kind::FlowKeys => "flow keys",
            Kind::Socket(SocketKind::Common) => "sock_common",
            Kind::Socket(SocketKind::Full) => "sock",
            Kind::Socket(SocketKind::Tcp) => "tcp_sock",
            Kind::Socket(SocketKind::Xdp) => "xdp_sock",
            _ => "",
        };
        if bytes == 1 || (!strict && what != "stack") {
            return Ok(());
        }
        // The network layer places packets so that the header behind 14 bytes of Ethernet is aligned.
        let shift = if what == "packet" { 2 } else { 0 };
        let fixed = i64::from(pointer.offset) + off + shift;
        let place = alu::apply(
            crate::isa::AluOp::Add,
            Width::W64,
            &Scalar { var: pointer.var.var, ..Scalar::UNKNOWN },
            &Scalar::constant(fixed as u64),
        );
        if place.var.is_aligned(bytes.into()) {
            return Ok(());
        }
        let mut var = alloc::string::String::new();
        let _ = match pointer.var.as_constant() {
            Some(value) => text::write_unsigned(value, &mut var),
            None => text::write_tnum(pointer.var.var, &mut var),
        };
        let start = if shift != 0 { alloc::format!("{shift}+") } else { alloc::string::String::new() };
        let space = if what.is_empty() { "" } else { " " };
        let offset = pointer.offset;
        let message =
            format_args!("misaligned {what}{space}access off {start}{var}+{offset}+{off} size {bytes}");
        Err(reject(Errno::EACCES, message))
    }

    /// A pointer that has to be used as it was given: without a variable part, and without an offset where
    /// `fixed` does not allow one.
    pub(super) fn check_pointer_offset(&self, p: &Register, reg: Reg, fixed: bool) -> Result<(), Rejection> {
        let (r, name, offset) = (reg.number(), p.type_name(), p.offset);
        if offset < 0 {
            let message = format_args!("negative offset {name} ptr R{r} off={offset} disallowed");
            return Err(reject(Errno::EACCES, message).of(reg));
        }
        if !fixed && offset != 0 {
            let message = format_args!("dereference of modified {name} ptr R{r} off={offset} disallowed");
            return Err(reject(Errno::EACCES, message).of(reg));
        }
        if p.var.as_constant() != Some(0) {
            let mut var = alloc::string::String::new();
            let _ = text::write_tnum(p.var.var, &mut var);
            let message = format_args!("variable {name} access var_off={var} disallowed");
            return Err(reject(Errno::EACCES, message).of(reg));
        }
        Ok(())
    }

    /// The map lets a program do that.
    pub(super) fn check_map_mode(
        &self,
        map: MapRef,
        reg: Reg,
        off: i64,
        size: u32,
        mode: Mode,
    ) -> Result<(), Rejection> {
        let spec = &self.maps[usize::from(map.0)].spec;
        let (what, forbidden) = match mode {
            Mode::Read => ("read from", map_flag::WRONLY_PROG),
            Mode::Write => ("write into", map_flag::RDONLY_PROG),
        };
        if spec.flags & forbidden == 0 {
            return Ok(());
        }
        let message =
            format_args!("{what} map forbidden, value_size={} off={off} size={size}", spec.value_size);
        Err(reject(Errno::EACCES, message).of(reg))
    }

    /// The access stays within a region. `off` includes the pointer's fixed offset.
    pub(super) fn check_region(
        &mut self,
        region: Region,
        pointer: &Register,
        reg: Reg,
        off: i64,
        size: i64,
        zero_allowed: bool,
    ) -> Result<(), Rejection> {
        use core::fmt::Write;
        let len = match region {
            Region::MapValue(map) => i64::from(self.maps[usize::from(map.0)].spec.value_size),
            Region::MapKey(map) => i64::from(self.maps[usize::from(map.0)].spec.key_size),
            Region::Memory(len) => i64::from(len),
        };
        let (r, min, max) = (reg.number(), pointer.var.smin, pointer.var.umax);
        let refuse = |text: core::fmt::Arguments| Err(reject(Errno::EACCES, text).of(reg));
        let least = off.checked_add(min).filter(|x| i32::try_from(*x).is_ok());
        if min < 0 && least.is_none_or(|x| x < 0) {
            return refuse(format_args!(
                "R{r} min value is negative, either use unsigned index or do a if (index >=0) check."
            ));
        }
        let fits = |at: i64| at >= 0 && (size > 0 || (size == 0 && zero_allowed)) && at + size <= len;
        let complain = |log: &mut super::Log, at: i64| {
            let _ = match region {
                Region::MapValue(_) => {
                    writeln!(log, "invalid access to map value, value_size={len} off={at} size={size}")
                }
                Region::MapKey(_) => {
                    writeln!(log, "invalid access to map key, key_size={len} off={at} size={size}")
                }
                Region::Memory(_) => {
                    writeln!(log, "invalid access to memory, mem_size={len} off={at} size={size}")
                }
            };
        };
        let least = off.wrapping_add(min);
        if !fits(least) {
            complain(&mut self.log, i64::from(least as i32));
            return refuse(format_args!("R{r} min value is outside of the allowed memory range"));
        }
        if max >= policy::MAX_OFFSET as u64 {
            return refuse(format_args!(
                "R{r} unbounded memory access, make sure to bounds check any such access"
            ));
        }
        let greatest = off + max as i64;
        if !fits(greatest) {
            complain(&mut self.log, greatest);
            return refuse(format_args!("R{r} max value is outside of the allowed memory range"));
        }
        Ok(())
    }

    /// The access stays within the part of the packet that is known to be there.
    pub(super) fn check_packet(
        &mut self,
        pointer: &Register,
        reg: Reg,
        off: i64,
        size: i64,
        zero_allowed: bool,
    ) -> Result<(), Rejection> {
        use core::fmt::Write;
        let r = reg.number();
        if pointer.var.smin < 0 {
            let message = format_args!(
                "R{r} min value is negative, either use unsigned index or do a if (index >=0) check."
            );
            return Err(reject(Errno::EACCES, message).of(reg));
        }
        let range = i64::from(pointer.range);
        let fits = range >= 0 && off >= 0 && (size > 0 || (size == 0 && zero_allowed)) && off + size <= range;
        if fits {
            return Ok(());
        }
        let errno = if range < 0 { Errno::EINVAL } else { Errno::EACCES };
        if range >= 0 {
            let id = pointer.id;
            let _ = writeln!(
                self.log,
                "invalid access to packet, off={off} size={size}, R{r}(id={id},off={off},r={range})"
            );
        }
        Err(reject(errno, format_args!("R{r} offset is outside of the packet")).of(reg))
    }
}

/// A number loaded from `size` bytes, as a register holds it.
pub(super) fn resized(var: &Scalar, size: Size, sign_extend: bool) -> Scalar {
    if size == Size::Dw {
        return *var;
    }
    if sign_extend {
        return alu::sign_extend(Width::W64, size, var);
    }
    let mut var = *var;
    var.zero_extend(size.bytes());
    var
}
