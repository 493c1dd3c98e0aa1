//! Dynptrs: pointers with a length and a kind of memory, in two slots of the stack.

use super::kernel_call::KernelCall;
use super::memory::Mode;
use super::observer::Observer;
use super::references;
use super::register::{DynptrKind, Kind, MemoryKind, Register};
use super::state::{Byte, Reference, ReferenceKind, Slot};
use super::{Rejection, Verifier, not_built, reject};
use crate::errno::Errno;
use crate::isa::Reg;
use crate::program::PacketAccess;

/// Bytes of `struct bpf_dynptr`.
const SIZE: i64 = 16;

/// What a call does with a dynptr.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Use {
    /// Makes one of that kind; a clone belongs to the reference of what it was cloned from.
    Make { kind: DynptrKind, of: u32 },
    /// Takes one, of that kind where it asks for one, and leaves it as it is where `constant`.
    Take { kind: Option<DynptrKind>, constant: bool },
}

/// A dynptr that a call was given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Taken {
    pub kind: DynptrKind,
    pub id: u32,
    pub reference: u32,
}

impl<O: Observer> Verifier<O> {
    /// The frame and the number of the lower-addressed slot; an error where it can't be one; `None` where it
    /// lies outside what the stack has.
    fn dynptr_place(&self, register: &Register, reg: Reg) -> Result<Option<(usize, usize)>, Rejection> {
        let Kind::Stack { frame } = register.kind else { return Ok(None) };
        let refuse = |text: core::fmt::Arguments| Err(reject(Errno::EINVAL, text).of(reg));
        let Some(variable) = register.var.as_constant() else {
            return refuse(format_args!("dynptr has to be at a constant offset"));
        };
        let offset = i64::from(register.offset) + variable as i64;
        if offset % 8 != 0 {
            return refuse(format_args!("cannot pass in dynptr at an offset={offset}"));
        }
        let slot = -offset / 8 - 1;
        if slot < 1 {
            return refuse(format_args!("cannot pass in dynptr at an offset={offset}"));
        }
        Ok((slot < 64).then_some((frame.into(), slot as usize)))
    }

    /// The dynptr whose first slot this is.
    fn dynptr_at(&self, frame: usize, slot: usize) -> Option<Taken> {
        let (low, high) = (self.state.frames[frame].slot(slot), self.state.frames[frame].slot(slot - 1));
        let Kind::Dynptr { kind, first: true } = low.spilled.kind else { return None };
        let whole = low.bytes == [Byte::Dynptr; 8] && high.bytes == [Byte::Dynptr; 8];
        whole.then_some(Taken { kind, id: low.spilled.id, reference: low.spilled.reference })
    }

    /// Checks a dynptr among a call's arguments; gives back what it was where it was one already.
    pub(super) fn use_dynptr(&mut self, reg: Reg, what: Use) -> Result<Option<Taken>, Rejection> {
        let register = *self.state.register(reg);
        let argument = reg.number() - 1;
        let refuse = |text: core::fmt::Arguments| Err(reject(Errno::EINVAL, text).of(reg));
        if !matches!(register.kind, Kind::Stack { .. } | Kind::DynptrPointer(_)) {
            return refuse(format_args!(
                "arg#{argument} expected pointer to stack or const struct bpf_dynptr"
            ));
        }
        match what {
            Use::Make { kind, of } => {
                if matches!(register.kind, Kind::DynptrPointer(_)) {
                    return refuse(format_args!("Dynptr has to be an uninitialized dynptr"));
                }
                let place = match self.dynptr_place(&register, reg) {
                    Ok(place) => place,
                    Err(rejection) => {
                        self.say_rejection(&rejection);
                        return refuse(format_args!("Dynptr has to be an uninitialized dynptr"));
                    }
                };
                // Stores, as of any memory: they destroy what is there.
                self.destroy_objects(&register, i64::from(register.offset), SIZE)?;
                self.clobber_by_stores(&register, reg, SIZE)?;
                let Some((frame, slot)) = place else { return Ok(None) };
                let (id, acquired) = (self.new_id(), self.pc);
                let reference = match (kind, of) {
                    (_, of) if of != 0 => of,
                    (DynptrKind::Ringbuf, _) => {
                        let reference = self.new_id();
                        self.state.references.push(Reference {
                            id: reference,
                            acquired,
                            kind: ReferenceKind::Object,
                            owner: None,
                        });
                        reference
                    }
                    _ => 0,
                };
                self.state.frames[frame].reach(slot);
                for (number, first) in [(slot, true), (slot - 1, false)] {
                    let spilled =
                        Register { id, reference, ..Register::pointer(Kind::Dynptr { kind, first }) };
                    self.state.frames[frame].stack[number] = Slot { bytes: [Byte::Dynptr; 8], spilled };
                    self.overwrite_slot(frame, number);
                }
                Ok(None)
            }
            Use::Take { kind, constant } => {
                let taken = match register.kind {
                    Kind::DynptrPointer(kind) => {
                        if !constant {
                            return refuse(format_args!(
                                "cannot pass pointer to const bpf_dynptr, the helper mutates it"
                            ));
                        }
                        Some(Taken { kind, id: register.id, reference: register.reference })
                    }
                    _ => {
                        let place = self.dynptr_place(&register, reg).unwrap_or_else(|rejection| {
                            self.say_rejection(&rejection);
                            None
                        });
                        if let Some((frame, slot)) = place {
                            let low = -8 * (slot as i64 + 1);
                            if self.dynptr_at(frame, slot).is_some() {
                                self.slots_read(frame, low, low + SIZE);
                                self.mark_slot(slot);
                                self.mark_slot(slot - 1);
                            }
                        }
                        place.and_then(|(frame, slot)| self.dynptr_at(frame, slot))
                    }
                };
                let Some(taken) = taken else {
                    return refuse(format_args!("Expected an initialized dynptr as arg #{argument}"));
                };
                if let Some(wanted) = kind.filter(|k| *k != taken.kind) {
                    let name = wanted.name();
                    return refuse(format_args!("Expected a dynptr of type {name} as arg #{argument}"));
                }
                Ok(Some(taken))
            }
        }
    }

    /// The packet may have moved: what points into it, by itself or by a dynptr, is void.
    pub(super) fn packet_moved(&mut self) {
        let mut ids = alloc::vec::Vec::new();
        for slot in self.state.frames.iter().flat_map(|f| &f.stack).filter(|s| s.bytes[7] == Byte::Dynptr) {
            if let Kind::Dynptr { kind: DynptrKind::Skb | DynptrKind::Xdp | DynptrKind::SkbMeta, .. } =
                slot.spilled.kind
            {
                ids.push(slot.spilled.id);
            }
        }
        self.forget(|r| {
            r.is_packet() || r.kind == Kind::PacketEnd || (r.slice_of != 0 && ids.contains(&r.slice_of))
        });
    }

    fn say_rejection(&mut self, rejection: &Rejection) {
        use core::fmt::Write;
        if !rejection.message.is_empty() {
            let _ = writeln!(self.log, "{}", rejection.message);
        }
    }

    /// A store destroys the dynptrs that it hits; one that has to be given back may not be lost.
    pub(super) fn destroy_objects(
        &mut self,
        pointer: &Register,
        off: i64,
        size: i64,
    ) -> Result<(), Rejection> {
        let Kind::Stack { frame } = pointer.kind else { return Ok(()) };
        let frame = usize::from(frame);
        let (min, max) = match pointer.var.as_constant() {
            Some(value) => (off + value as i64, off + value as i64 + size),
            None => (pointer.var.smin + off, pointer.var.smax + off + size),
        };
        for at in (min.max(-512)..max.min(0)).step_by(1) {
            let number = ((-at - 1) / 8) as usize;
            let slot = self.state.frames[frame].slot(number);
            if slot.bytes[7] != Byte::Dynptr {
                continue;
            }
            let Kind::Dynptr { first, .. } = slot.spilled.kind else { continue };
            let low = if first { number } else { number + 1 };
            let Some(dynptr) = self.dynptr_at(frame, low) else { continue };
            if dynptr.reference != 0 {
                let same = |s: &&Slot| {
                    matches!(s.spilled.kind, Kind::Dynptr { first: true, .. })
                        && s.bytes[7] == Byte::Dynptr
                        && s.spilled.reference == dynptr.reference
                };
                let count: usize =
                    self.state.frames.iter().map(|f| f.stack.iter().filter(same).count()).sum();
                if count <= 1 {
                    return Err(reject(Errno::EINVAL, "cannot overwrite referenced dynptr"));
                }
            }
            self.forget_dynptr(frame, low, dynptr.id);
        }
        Ok(())
    }

    /// The first byte of a dynptr that lies where a helper would write whatever is there.
    pub(super) fn dynptr_within(&self, pointer: &Register, off: i64, size: i64) -> Option<i64> {
        let Kind::Stack { frame } = pointer.kind else { return None };
        let at = off + pointer.var.as_constant()? as i64;
        (at.max(-512)..(at + size).min(0)).find(|at| {
            let number = ((-at - 1) / 8) as usize;
            self.state.frames[usize::from(frame)].slot(number).bytes[7] == Byte::Dynptr
        })
    }

    fn forget_dynptr(&mut self, frame: usize, slot: usize, id: u32) {
        for number in [slot, slot - 1] {
            self.state.frames[frame].stack[number] = Slot::EMPTY;
            self.overwrite_slot(frame, number);
        }
        self.state.forget(|r| r.slice_of != 0 && r.slice_of == id);
    }

    /// A dynptr whose reference the call gives back has one.
    pub(super) fn check_released_dynptr(&mut self, register: &Register, reg: Reg) -> Result<(), Rejection> {
        let refuse = |text: core::fmt::Arguments| Err(reject(Errno::EINVAL, text).of(reg));
        if !matches!(register.kind, Kind::Stack { .. }) {
            return refuse(format_args!("cannot release unowned const bpf_dynptr"));
        }
        let place = self.dynptr_place(register, reg).unwrap_or_else(|rejection| {
            self.say_rejection(&rejection);
            None
        });
        let referenced =
            place.is_some_and(|(frame, slot)| self.state.frames[frame].slot(slot).spilled.reference != 0);
        match referenced {
            true => Ok(()),
            false => refuse(format_args!("arg {} is an unacquired reference", reg.number())),
        }
    }

    /// Gives a dynptr's reference back: all that belong to it are gone, and their slices.
    pub(super) fn release_dynptr(&mut self, reference: u32) {
        references::release(&mut self.state, reference);
        self.state.forget(|r| r.reference == reference);
        for frame in 0..self.state.frames.len() {
            for slot in 1..self.state.frames[frame].stack.len() {
                if let Some(dynptr) = self.dynptr_at(frame, slot)
                    && dynptr.reference == reference
                {
                    self.forget_dynptr(frame, slot, dynptr.id);
                }
            }
        }
    }

    pub(super) fn kernel_dynptr_argument(
        &mut self,
        call: &mut KernelCall,
        at: usize,
        reg: Reg,
        name: &str,
        _register: &Register,
    ) -> Result<(), Rejection> {
        let function = call.function.name;
        if name.ends_with("__uninit") {
            let kind = match function {
                "bpf_dynptr_from_skb" => DynptrKind::Skb,
                "bpf_dynptr_from_skb_meta" => DynptrKind::SkbMeta,
                "bpf_dynptr_from_xdp" => DynptrKind::Xdp,
                "bpf_dynptr_clone" => match call.dynptr {
                    Some(taken) => taken.kind,
                    None => return Err(reject(Errno::EINVAL, "")),
                },
                _ => return Err(not_built(format_args!("kernel function {function}"))),
            };
            let of = match function {
                "bpf_dynptr_clone" => call.dynptr.map_or(0, |taken| taken.reference),
                _ => 0,
            };
            self.use_dynptr(reg, Use::Make { kind, of })?;
            return Ok(());
        }
        let _ = at;
        // The functions' prototypes say `const` where they leave it as it is.
        let taken = self.use_dynptr(reg, Use::Take { kind: None, constant: true })?;
        call.dynptr = taken.or(call.dynptr);
        Ok(())
    }

    pub(super) fn match_dynptr_parameter(&mut self, register: &Register, reg: Reg) -> Result<(), Rejection> {
        if !matches!(register.kind, Kind::Stack { .. }) {
            self.check_fixed_offset(register, reg)?;
        }
        self.use_dynptr(reg, Use::Take { kind: None, constant: true }).map(|_| ())
    }

    /// What `bpf_dynptr_slice` and its sibling give: memory of the dynptr's, of constant size.
    pub(super) fn slice_result(&mut self, call: &KernelCall) -> Result<Register, Rejection> {
        let (Some(size), Some(dynptr)) = (call.constant, call.dynptr) else {
            return Err(reject(Errno::EFAULT, ""));
        };
        let read_only = call.function.name == "bpf_dynptr_slice";
        if !read_only && self.input.program_type.packet != PacketAccess::Write {
            return Err(reject(Errno::EINVAL, "the prog does not allow writes to packet data"));
        }
        let kind = if read_only { MemoryKind::ReadOnly } else { MemoryKind::Plain };
        let _ = Mode::Read;
        Ok(Register { slice_of: dynptr.id, ..Register::pointer(Kind::Memory { kind, size: size as u32 }) })
    }
}
