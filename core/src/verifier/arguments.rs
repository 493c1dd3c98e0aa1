//! A helper's arguments against what its row asks of them.

use super::dynptrs::{Taken, Use};
use super::kernel_types::is_same_type;
use super::locks::LockUse;
use super::memory::{Mode, Region};
use super::observer::Observer;
use super::register::{DynptrKind, Kind, MapRef, MemoryKind, Register, SocketKind};
use super::state::ReferenceKind;
use super::typed::{Trust, TypeRef, TypeSource};
use super::{Rejection, Verifier, not_built, policy, reject};
use crate::errno::Errno;
use crate::helper::{Arg, Callback, DynptrUse, Facts, MemoryAccess};
use crate::isa::Reg;
use crate::map::types::flag as map_flag;
use crate::object::btf::record::{FieldKind, PointerTag};
use crate::program::PacketAccess;

/// What the arguments seen so far said.
#[derive(Default)]
pub(super) struct Gathered {
    pub map: Option<MapRef>,
    pub constant_key: Option<u64>,
    /// Stack bytes that the helper writes: the pointer, the first offset, their number.
    pub written: Option<(Register, i64, i64)>,
    /// The reference that an argument belongs to.
    pub reference: u32,
    /// The argument whose reference the call gives back.
    pub released: Option<Register>,
    /// A constant size of memory that the result has.
    pub allocated: u32,
    /// The greatest size of the memory that the helper fills.
    pub greatest_size: Option<u64>,
    /// Where a kernel pointer is exchanged.
    pub slot: Option<(PointerTag, TypeRef)>,
    /// The timer's map.
    pub timer_map: Option<MapRef>,
    /// The dynptr among the arguments.
    pub dynptr: Option<Taken>,
    /// The function to be called back, by its first slot.
    pub callback: Option<(Callback, u32)>,
    memory: Option<(Reg, MemoryAccess)>,
    memory_or_null: bool,
}

const MEMORY: &str = "fp, pkt, pkt_meta, map_key, map_value, mem, ringbuf_mem, buf, trusted_ptr_";
const SOCKETS: &str = "sock_common, sock, tcp_sock, xdp_sock";

/// The kinds of pointer that an argument may be, in the order in which the kernel lists them.
fn expected(arg: &Arg) -> &'static str {
    match arg {
        Arg::ConstMap => "map_ptr",
        Arg::MapKey | Arg::MapValue | Arg::UninitMapValue | Arg::Memory(_) | Arg::FixedMemory { .. } => {
            MEMORY
        }
        Arg::Context => "ctx",
        Arg::Size | Arg::SizeOrZero | Arg::AllocationSize => "scalar",
        Arg::Stack => "fp",
        Arg::Dynptr(_) => "fp, dynptr_ptr",
        Arg::Function(_) => "func",
        Arg::Timer | Arg::ConstString => "map_value",
        Arg::SpinLock | Arg::KernelPointerSlot => "map_value, ptr_",
        Arg::RingBufferRecord => "ringbuf_mem",
        Arg::SocketCommon => SOCKETS,
        Arg::AnySocket => "sock_common, sock, tcp_sock, xdp_sock, ptr_, trusted_ptr_",
        Arg::Socket => "sock",
        Arg::KernelType(_) => "ptr_, trusted_ptr_, rcu_ptr_",
        Arg::PerCpuVariable => "percpu_ptr_, percpu_rcu_ptr_, percpu_trusted_ptr_",
        Arg::OrNull(inner) | Arg::Release(inner) => expected(inner),
        Arg::Anything => "",
    }
}

/// Program types whose contexts programs see as they are: helpers may be given them as memory. Facts of the running
/// kernel.
const PLAIN_CONTEXTS: &[u32] = &[2, 5, 17, 24, 26, 27, 29, 31];

/// Memory that an argument of that access may point to.
fn is_memory(register: &Register, access: MemoryAccess) -> bool {
    match register.kind {
        Kind::Stack { .. } | Kind::Packet | Kind::PacketMeta | Kind::MapValue(_) => true,
        Kind::MapKey(_) => access == MemoryAccess::Read,
        Kind::Memory { kind: MemoryKind::UntrustedReadOnly, .. } => false,
        Kind::Memory { kind, .. } => kind != MemoryKind::ReadOnly || access == MemoryAccess::Read,
        Kind::Buffer { read_only } => !read_only || access == MemoryAccess::Read,
        Kind::Typed { trust, .. } => trust == Trust::TRUSTED,
        _ => false,
    }
}

/// Memory that a helper does not promise to read alone.
fn is_written(arg: &Arg) -> bool {
    match arg {
        Arg::Memory(access) | Arg::FixedMemory { access, .. } => *access != MemoryAccess::Read,
        Arg::MapKey | Arg::MapValue | Arg::UninitMapValue => true,
        _ => false,
    }
}

fn helper_name(helper: i32) -> &'static str {
    Facts::of(helper).map_or("", |facts| facts.name)
}

fn accepts(arg: &Arg, register: &Register) -> bool {
    match arg {
        Arg::ConstMap => matches!(register.kind, Kind::Map(_)),
        Arg::MapKey | Arg::MapValue => is_memory(register, MemoryAccess::Read),
        Arg::UninitMapValue => is_memory(register, MemoryAccess::Uninit),
        Arg::Memory(access) | Arg::FixedMemory { access, .. } => is_memory(register, *access),
        Arg::Context => register.kind == Kind::Context,
        Arg::Size | Arg::SizeOrZero | Arg::AllocationSize => register.is_scalar(),
        Arg::Stack => matches!(register.kind, Kind::Stack { .. }),
        Arg::Dynptr(_) => matches!(register.kind, Kind::Stack { .. } | Kind::DynptrPointer(_)),
        Arg::SpinLock => match register.kind {
            Kind::MapValue(_) => true,
            Kind::Typed { trust, .. } => trust.has(Trust::ALLOCATED) && !trust.has(Trust::UNTRUSTED),
            _ => false,
        },
        Arg::KernelPointerSlot => match register.kind {
            Kind::MapValue(_) => true,
            Kind::Typed { trust, .. } => trust.has(Trust::ALLOCATED),
            _ => false,
        },
        Arg::Timer | Arg::ConstString => matches!(register.kind, Kind::MapValue(_)),
        Arg::RingBufferRecord => {
            matches!(register.kind, Kind::Memory { kind: MemoryKind::RingBuffer, .. })
        }
        Arg::SocketCommon | Arg::AnySocket => matches!(register.kind, Kind::Socket(_)),
        Arg::Socket => register.kind == Kind::Socket(SocketKind::Full),
        Arg::Function(_) => matches!(register.kind, Kind::Function(_)),
        Arg::OrNull(inner) | Arg::Release(inner) => accepts(inner, register),
        Arg::KernelType(_) | Arg::PerCpuVariable | Arg::Anything => false,
    }
}

impl<O: Observer> Verifier<O> {
    pub(super) fn check_argument(
        &mut self,
        helper: i32,
        arg: &'static Arg,
        reg: Reg,
        gathered: &mut Gathered,
        takes_packet: bool,
    ) -> Result<(), Rejection> {
        let register = self.read(reg)?;
        if *arg == Arg::Anything {
            self.check_leak(&register, reg, "into helper function")?;
            return Ok(());
        }
        if register.is_packet() {
            let allowed = takes_packet && self.input.program_type.packet != PacketAccess::None;
            if !allowed || self.input.program_type.number == 1 {
                return Err(reject(Errno::EACCES, "helper access to the packet is not allowed").of(reg));
            }
        }
        let (mut arg, or_null) = match arg {
            Arg::OrNull(inner) => (*inner, true),
            arg => (arg, false),
        };
        let (release, inner) = match arg {
            Arg::Release(inner) => (true, *inner),
            arg => (false, arg),
        };
        arg = inner;
        if matches!(arg, Arg::MapValue | Arg::UninitMapValue) {
            arg = self.map_value_argument(arg, gathered)?;
        }
        let null = or_null && register.is_null();
        // A reference that is given back is one, or null for certain.
        if or_null && release && register.maybe_null && matches!(register.kind, Kind::Typed { .. }) {
            let message = format_args!("Possibly NULL pointer passed to helper arg{}", reg.number());
            return Err(reject(Errno::EACCES, message).of(reg));
        }
        if let (false, Arg::KernelType(""), Some((tag, of))) = (null, arg, gathered.slot) {
            self.match_kept_pointer(&register, reg, of, tag)?;
            self.check_released(&register, reg)?;
        } else if !null {
            self.check_kind(arg, or_null, &register, reg)?;
            if matches!(register.kind, Kind::Typed { .. }) && is_written(arg) {
                let (name, r) = (helper_name(helper), reg.number());
                let kind = register.type_name();
                let message = format_args!("{name}() may write into memory pointed by R{r} type={kind}");
                return Err(reject(Errno::EACCES, message).of(reg));
            }
            if release && matches!(arg, Arg::Dynptr(_)) {
                self.check_released_dynptr(&register, reg)?;
            } else if release {
                self.check_released(&register, reg)?;
            } else {
                self.check_fixed_offset(&register, reg)?;
            }
        }
        if release && !matches!(arg, Arg::Dynptr(_)) {
            gathered.released = Some(register);
        }
        if register.reference != 0 && !null {
            if gathered.reference != 0 {
                let (r, a, b) = (reg.number(), register.reference, gathered.reference);
                let message = format_args!("more than one arg with ref_obj_id R{r} {a} {b}");
                return Err(reject(Errno::EACCES, message).of(reg));
            }
            gathered.reference = register.reference;
        }
        if null {
            gathered.memory = None;
            gathered.memory_or_null = true;
            return Ok(());
        }
        self.check_kind_of_argument(helper, arg, &register, reg, gathered)
    }

    /// A value of a socket map is a socket; of any other map it is memory.
    fn map_value_argument(
        &mut self,
        arg: &'static Arg,
        gathered: &Gathered,
    ) -> Result<&'static Arg, Rejection> {
        let Some(map) = gathered.map else {
            return Err(reject(Errno::EACCES, "invalid map_ptr to access map->type"));
        };
        match (self.maps[usize::from(map.0)].spec.map_type, arg) {
            (15 | 18, Arg::MapValue) => Ok(&Arg::AnySocket),
            (15 | 18, _) => Err(reject(Errno::EINVAL, "invalid arg_type for sockmap/sockhash")),
            // Whether a filter holds a value is asked by the value.
            (30, Arg::UninitMapValue) => Ok(&Arg::MapValue),
            _ => Ok(arg),
        }
    }

    fn check_kind(&self, arg: &Arg, or_null: bool, register: &Register, reg: Reg) -> Result<(), Rejection> {
        if accepts(arg, register) && (or_null || !register.maybe_null) {
            return Ok(());
        }
        let named = match arg {
            Arg::KernelType(name) => Some(*name),
            Arg::AnySocket => Some("sock_common"),
            _ => None,
        };
        if let (Some(name), Kind::Typed { of, trust }) = (named, register.kind)
            && !name.is_empty()
            && (or_null || !register.maybe_null)
            && !trust.has(Trust::UNTRUSTED.with(Trust::USER).with(Trust::PER_CPU).with(Trust::ALLOCATED))
        {
            return self.check_kernel_type(name, of, register, reg);
        }
        let name = register.type_name();
        let message = format_args!("R{} type={name} expected={}", reg.number(), expected(arg));
        Err(reject(Errno::EACCES, message).of(reg))
    }

    /// A typed pointer to an object of that name.
    fn check_kernel_type(
        &self,
        name: &str,
        of: TypeRef,
        register: &Register,
        reg: Reg,
    ) -> Result<(), Rejection> {
        let kernel = self.input.kernel_types.as_ref().filter(|_| of.source == TypeSource::Kernel);
        let wanted = kernel.and_then(|k| Some((k, k.structure(name)?)));
        let same = wanted.is_some_and(|(k, id)| is_same_type(&k.btf, of.id, register.offset, id, false));
        if same {
            return self.check_object_offset(register, reg);
        }
        let is = self.type_name(of);
        let message = format_args!("R{} is of type {is} but {name} is expected", reg.number());
        Err(reject(Errno::EACCES, message).of(reg))
    }

    /// Pointers into memory may have any offset, all others none.
    pub(super) fn check_fixed_offset(&self, register: &Register, reg: Reg) -> Result<(), Rejection> {
        match register.kind {
            Kind::Stack { .. }
            | Kind::Packet
            | Kind::PacketMeta
            | Kind::MapValue(_)
            | Kind::MapKey(_)
            | Kind::Memory { .. }
            | Kind::Buffer { .. }
            | Kind::Scalar => Ok(()),
            Kind::Typed { trust, .. } => {
                let fixed = !trust.has(Trust::UNTRUSTED.with(Trust::USER).with(Trust::PER_CPU));
                self.check_pointer_offset(register, reg, fixed && !register.maybe_null)
            }
            _ => self.check_pointer_offset(register, reg, false),
        }
    }

    fn check_kind_of_argument(
        &mut self,
        helper: i32,
        arg: &Arg,
        register: &Register,
        reg: Reg,
        gathered: &mut Gathered,
    ) -> Result<(), Rejection> {
        match *arg {
            Arg::ConstMap => {
                if let Kind::Map(map) = register.kind {
                    if gathered.timer_map.is_some_and(|timer| timer != map) {
                        let message =
                            "timer pointer in R1 map_uid=0 doesn't match map pointer in R2 map_uid=0";
                        return Err(reject(Errno::EINVAL, message).of(reg));
                    }
                    gathered.map = Some(map);
                }
            }
            Arg::MapKey => {
                let Some(map) = gathered.map else {
                    return Err(reject(Errno::EACCES, "invalid map_ptr to access map->key").of(reg));
                };
                let (size, map_type) = {
                    let spec = &self.maps[usize::from(map.0)].spec;
                    (spec.key_size, spec.map_type)
                };
                self.check_helper_memory(reg, size.into(), MemoryAccess::Read, false, gathered)?;
                if matches!(map_type, 2 | 6) {
                    gathered.constant_key = self.constant_key(register, size)?;
                }
            }
            Arg::MapValue | Arg::UninitMapValue => {
                let map = gathered.map.unwrap_or(MapRef(0));
                let size = self.maps[usize::from(map.0)].spec.value_size;
                let uninit = *arg == Arg::UninitMapValue;
                let access = if uninit { MemoryAccess::Uninit } else { MemoryAccess::Read };
                self.check_helper_memory(reg, size.into(), access, false, gathered)?;
            }
            Arg::Memory(access) => gathered.memory = Some((reg, access)),
            Arg::FixedMemory { size, align, access } => {
                self.check_helper_memory(reg, size.into(), access, false, gathered)?;
                if align > 1 {
                    self.check_alignment(register, 0, align, true)?;
                }
            }
            Arg::Size => self.check_size(reg, register, false, gathered)?,
            Arg::SizeOrZero => self.check_size(reg, register, true, gathered)?,
            Arg::AllocationSize => {
                let Some(size) = register.as_constant() else {
                    let message = format_args!("R{} is not a known constant'", reg.number());
                    return Err(reject(Errno::EACCES, message).of(reg));
                };
                gathered.allocated = size as u32;
                self.mark_precise(reg)?;
            }
            Arg::ConstString => self.check_constant_string(register, reg)?,
            Arg::Context
            | Arg::Stack
            | Arg::AnySocket
            | Arg::SocketCommon
            | Arg::Socket
            | Arg::KernelType(_)
            | Arg::RingBufferRecord => {}
            Arg::SpinLock => {
                if self.in_node_comparison() {
                    return Err(reject(Errno::EACCES, "can't spin_{lock,unlock} in rbtree cb").of(reg));
                }
                let lock = LockUse { kind: ReferenceKind::Lock, takes: helper == 93 };
                self.use_lock(reg, lock)?;
            }
            Arg::KernelPointerSlot => gathered.slot = Some(self.pointer_slot(register, reg)?),
            Arg::Timer => gathered.timer_map = self.deferred_field(register, reg, FieldKind::Timer)?,
            Arg::Function(callback) => {
                if let Kind::Function(start) = register.kind {
                    gathered.callback = Some((callback, start));
                }
            }
            Arg::Dynptr(used) => {
                let make = |kind| Use::Make { kind, of: 0 };
                let take = |kind| Use::Take { kind, constant: used == DynptrUse::Any };
                let what = match used {
                    DynptrUse::InitLocal => make(DynptrKind::Local),
                    DynptrUse::InitRingbuf => make(DynptrKind::Ringbuf),
                    DynptrUse::Any => take(None),
                    DynptrUse::Ringbuf => take(Some(DynptrKind::Ringbuf)),
                };
                gathered.dynptr = self.use_dynptr(reg, what)?;
            }
            _ => return Err(not_built("an argument of this kind")),
        }
        Ok(())
    }

    /// A text that is known and ends, in a map that nobody can change.
    pub(super) fn check_constant_string(&mut self, register: &Register, reg: Reg) -> Result<(), Rejection> {
        let r = reg.number();
        let Kind::MapValue(map) = register.kind else { return Ok(()) };
        let info = &self.maps[usize::from(map.0)];
        let refuse = |text: core::fmt::Arguments| Err(reject(Errno::EACCES, text).of(reg));
        if info.spec.flags & map_flag::RDONLY_PROG == 0 || info.constant.is_none() {
            return refuse(format_args!("R{r} does not point to a readonly map'"));
        }
        let Some(variable) = register.var.as_constant() else {
            return refuse(format_args!("R{r} is not a constant address'"));
        };
        let at = i64::from(register.offset) + variable as i64;
        let size = i64::from(info.spec.value_size) - at;
        self.check_region(Region::MapValue(map), register, reg, at - variable as i64, size, false)?;
        let bytes = self.maps[usize::from(map.0)].constant.as_deref().unwrap_or(&[]);
        let ends = usize::try_from(at).is_ok_and(|at| bytes.get(at..).is_some_and(|rest| rest.contains(&0)));
        if !ends {
            return Err(reject(Errno::EINVAL, "string is not zero-terminated").of(reg));
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
        gathered.greatest_size = Some(var.umax);
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

    /// Memory with its size in another register, to read and write.
    pub(super) fn check_sized_memory(
        &mut self,
        memory: Reg,
        size: Reg,
        held: &Register,
    ) -> Result<(), Rejection> {
        let register = *self.state.register(memory);
        *self.state.register_mut(memory) = Register { maybe_null: false, ..register };
        let mut checked = Ok(());
        for access in [MemoryAccess::Read, MemoryAccess::ReadWrite] {
            let mut gathered = Gathered {
                memory: Some((memory, access)),
                memory_or_null: register.is_null(),
                ..Gathered::default()
            };
            if register.is_null() {
                gathered.memory = None;
            }
            checked = checked.and_then(|()| self.check_size(size, held, true, &mut gathered));
        }
        *self.state.register_mut(memory) = register;
        checked
    }

    /// Memory that is read or written, outside a helper's call.
    pub(super) fn check_memory_either_way(
        &mut self,
        reg: Reg,
        size: i64,
        mode: Mode,
    ) -> Result<(), Rejection> {
        let access = if mode == Mode::Read { MemoryAccess::Read } else { MemoryAccess::ReadWrite };
        self.check_helper_memory(reg, size, access, false, &mut Gathered::default())
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
                self.check_region(Region::MapValue(map), &pointer, reg, off, size, zero_allowed)?;
                self.check_fields(map, &pointer, off, size, false)
            }
            Kind::MapKey(map) => {
                self.check_region(Region::MapKey(map), &pointer, reg, off, size, zero_allowed)
            }
            Kind::Memory { size: len, .. } => {
                self.check_region(Region::Memory(len), &pointer, reg, off, size, zero_allowed)
            }
            Kind::Buffer { .. } => self.check_buffer(&pointer, reg, off, size, mode),
            Kind::Typed { .. } => self.access_typed(&pointer, reg, off, size as u32, Mode::Read).map(|_| ()),
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
            // A context that is memory as the program sees it: its last byte is accessed.
            Kind::Context
                if !pointer.maybe_null && PLAIN_CONTEXTS.contains(&self.input.program_type.number) =>
            {
                if size == 0 {
                    return if zero_allowed { Ok(()) } else { Err(reject(Errno::EACCES, "").of(reg)) };
                }
                self.check_context(off + size - 1, 1, mode).map(|_| ())
            }
            _ => {
                let message = format_args!("R{} type={} expected=fp", reg.number(), pointer.type_name());
                Err(reject(Errno::EACCES, message).of(reg))
            }
        }
    }
}
