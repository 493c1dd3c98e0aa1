//! The stack: spills and fills, bytes known and unknown, and what a helper may read of it.

use super::domain::text;
use super::memory::{Mode, resized};
use super::observer::Observer;
use super::register::{Kind, Register};
use super::state::{Byte, MAX_SLOTS, MAX_STACK, Slot};
use super::{Rejection, Verifier, policy, reject};
use crate::errno::Errno;
use crate::isa::{Operand, Reg, Size};

/// The slot and the byte in it of an offset from the frame pointer.
fn place(off: i64) -> (usize, usize) {
    let at = (-off - 1) as usize;
    (at / 8, at % 8)
}

/// The frame that a stack pointer points into.
fn frame_of(pointer: &Register) -> usize {
    match pointer.kind {
        Kind::Stack { frame } => frame.into(),
        _ => 0,
    }
}

impl<O: Observer> Verifier<O> {
    /// The access stays within the stack; makes room for it. `off` includes the fixed offset.
    fn check_stack_bounds(
        &mut self,
        pointer: &Register,
        reg: Reg,
        off: i64,
        size: i64,
        mode: Mode,
    ) -> Result<(), Rejection> {
        let what = if mode == Mode::Read { "read from" } else { "write to" };
        let r = reg.number();
        let known = pointer.var.as_constant();
        let (least, end) = match known {
            Some(value) => (value as i64 + off, value as i64 + off + size),
            None => {
                let (min, max) = (pointer.var.smin, pointer.var.smax);
                if max >= policy::MAX_OFFSET || min <= -policy::MAX_OFFSET {
                    let message = format_args!("invalid unbounded variable-offset {what} stack R{r}");
                    return Err(reject(Errno::EACCES, message).of(reg));
                }
                (min + off, max + off + size)
            }
        };
        // Without the right to read what was never written, there is no stack but for what was.
        let depth = match mode {
            Mode::Read if !self.input.perfmon => self.state.frames[frame_of(pointer)].stack.len() as i64 * 8,
            _ => i64::from(MAX_STACK),
        };
        let errno = if least < -depth || least > -1 {
            Some(Errno::EACCES)
        } else if end > 0 {
            Some(Errno::EINVAL)
        } else if size < 0 {
            Some(Errno::EFAULT)
        } else {
            None
        };
        if let Some(errno) = errno {
            if known.is_some() {
                let message = format_args!("invalid {what} stack R{r} off={least} size={size}");
                return Err(reject(errno, message).of(reg));
            }
            let mut var = alloc::string::String::new();
            let _ = text::write_tnum(pointer.var.var, &mut var);
            let message =
                format_args!("invalid variable-offset {what} stack R{r} var_off={var} off={off} size={size}");
            return Err(reject(errno, message).of(reg));
        }
        let frame = &mut self.state.frames[frame_of(pointer)];
        frame.reach(place(least).0);
        let function = &mut self.functions[usize::from(frame.function)];
        function.stack_depth = function.stack_depth.max((-least) as u32).next_multiple_of(8);
        // Of whichever frame, the function that runs is the one that does it.
        if size > 0 {
            self.fast_calls.touched(self.state.frame().function.into(), self.pc, least);
        }
        Ok(())
    }

    pub(super) fn load_stack(
        &mut self,
        pointer: &Register,
        base: Reg,
        off: i64,
        size: Size,
        sign_extend: bool,
        dst: Option<Reg>,
    ) -> Result<(), Rejection> {
        let off = off + i64::from(pointer.offset);
        let bytes = i64::from(size.bytes());
        self.check_stack_bounds(pointer, base, off, bytes, Mode::Read)?;
        let Some(value) = pointer.var.as_constant() else {
            let (min, max) = (pointer.var.smin + off, pointer.var.smax + off);
            self.slots_read(frame_of(pointer), min, max + bytes);
            self.mark_slot(place(min).0);
            self.check_initialised(pointer, base, off, bytes, Mode::Read, false)?;
            if let Some(dst) = dst {
                let zero = self.all_zero(frame_of(pointer), min, max + bytes);
                let loaded = if zero { Register::constant(0) } else { Register::UNKNOWN };
                self.write(dst, Register { var: resized(&loaded.var, size, sign_extend), ..loaded });
            }
            return Ok(());
        };
        let off = off + value as i64;
        let frame = frame_of(pointer);
        self.slots_read(frame, off, off + bytes);
        self.mark_slot(place(off).0);
        let (number, first) = place(off);
        let slot = self.state.frames[frame].slot(number);
        let mut from_slot = false;
        if slot.is_spill()
            && !slot.spilled.is_scalar()
            && (bytes != 8 || slot.bytes.iter().any(|b| *b != Byte::Spill))
        {
            return Err(reject(Errno::EACCES, "invalid size of register fill").of(base));
        }
        // What is read into no register, as by an atomic sum, is asked nothing where a number was spilled.
        let asked = dst.is_some() || !slot.is_spilled_scalar();
        if !self.input.perfmon && asked {
            self.check_readable(pointer, None, off, bytes, dst.is_some())?;
        }
        for at in 0..bytes {
            let (n, b) = place(off + at);
            if self.state.frames[frame].peek(n).bytes[b].is_object() {
                let message = format_args!("invalid read from stack off {off}+{at} size {bytes}");
                return Err(reject(Errno::EACCES, message).of(base));
            }
        }
        let loaded = if slot.is_spill() {
            let spilled_bytes = slot.bytes.iter().filter(|b| **b == Byte::Spill).count() as i64;
            if bytes != 8 || spilled_bytes != 8 {
                if bytes <= spilled_bytes && off % 8 == 0 {
                    from_slot = true;
                    let mut filled = self.state.frames[frame].slot(number).spilled;
                    if i64::from(filled.width()) > bytes * 8 {
                        filled.untie();
                    }
                    filled
                } else {
                    let (mut spills, mut zeros) = (0, 0);
                    for at in 0..bytes {
                        let (n, b) = place(off + at);
                        match self.state.frames[frame].peek(n).bytes[b] {
                            Byte::Spill => spills += 1,
                            Byte::Zero => zeros += 1,
                            _ => {}
                        }
                    }
                    if spills == bytes && slot.spilled.is_null() {
                        // What was spilled made it zero.
                        from_slot = true;
                        Register::constant(0)
                    } else if zeros == bytes {
                        Register::constant(0)
                    } else {
                        Register::UNKNOWN
                    }
                }
            } else {
                from_slot = true;
                self.state.frames[frame].slot(number).spilled
            }
        } else if self.all_zero(frame, off, off + bytes) {
            Register::constant(0)
        } else {
            Register::UNKNOWN
        };
        let _ = first;
        if from_slot {
            self.record(Some((frame as u8, number as u8)), None);
        }
        if let Some(dst) = dst {
            let mut loaded = loaded;
            if loaded.is_scalar() {
                loaded.var = resized(&loaded.var, size, sign_extend);
            }
            self.write(dst, loaded);
        }
        Ok(())
    }

    /// Bytes of a frame's stack are read.
    pub(super) fn slots_read(&mut self, frame: usize, from: i64, to: i64) {
        let (low, high) = (place(to - 1).0, place(from).0);
        if from >= to || high >= MAX_SLOTS {
            return;
        }
        let slots = (u64::MAX >> (63 - (high - low))) << low;
        let instance = self.state.frame().instance;
        self.live_stack.read(instance, self.pc, frame, slots);
    }

    fn all_zero(&self, frame: usize, from: i64, to: i64) -> bool {
        (from..to).all(|off| {
            let (slot, byte) = place(off);
            self.state.frames[frame].peek(slot).bytes[byte] == Byte::Zero
        })
    }

    pub(super) fn store_stack(
        &mut self,
        pointer: &Register,
        base: Reg,
        off: i64,
        size: Size,
        src: Option<Operand>,
    ) -> Result<(), Rejection> {
        let off = off + i64::from(pointer.offset);
        let bytes = i64::from(size.bytes());
        self.check_stack_bounds(pointer, base, off, bytes, Mode::Write)?;
        self.destroy_objects(pointer, off, bytes)?;
        let frame = frame_of(pointer);
        let value = match src {
            Some(Operand::Reg(src)) => Some(*self.state.register(src)),
            Some(Operand::Imm(imm)) => Some(Register::constant(i64::from(imm) as u64)),
            None => None,
        };
        let Some(variable) = pointer.var.as_constant() else {
            return self.store_stack_somewhere(pointer, off, bytes, src, value);
        };
        let off = off + variable as i64;
        let (number, first) = place(off);
        self.mark_slot(number);
        if bytes == 8 && off % 8 == 0 {
            self.overwrite_slot(frame, number);
        }
        if !self.input.perfmon && bytes != 8 {
            let slot = self.state.frames[frame].slot(number);
            if slot.is_spill() && !slot.spilled.is_scalar() {
                return Err(reject(Errno::EACCES, "attempt to corrupt spilled pointer on stack").of(base));
            }
        }
        self.bar_store(frame, off, bytes, value.is_some_and(|v| v.is_pointer()));
        let spillable = value.filter(|v| v.is_scalar() && off % 8 == 0);
        if let Some(scalar) = spillable {
            let mut scalar = scalar;
            if let Some(Operand::Reg(src)) = src {
                let fits = i64::from(scalar.width()) <= bytes * 8;
                if fits {
                    self.tie(src);
                }
                scalar = *self.state.register(src);
                if !fits {
                    scalar.untie();
                }
            }
            self.spill(frame, number, scalar, bytes as usize);
            self.record(Some((frame as u8, number as u8)), None);
            return Ok(());
        }
        if let Some(held) = value.filter(Register::is_pointer) {
            if bytes != 8 {
                return Err(reject(Errno::EACCES, "invalid size of register spill").of(base));
            }
            if frame != self.state.current() && matches!(held.kind, Kind::Stack { .. }) {
                let message = "cannot spill pointers to stack into stack frame of the caller";
                return Err(reject(Errno::EINVAL, message).of(base));
            }
            self.spill(frame, number, held, 8);
            self.record(Some((frame as u8, number as u8)), None);
            return Ok(());
        }
        let mut byte = Byte::Misc;
        if value.is_some_and(|v| v.is_null()) {
            if let Some(Operand::Reg(src)) = src {
                self.mark_precise(src)?;
            }
            byte = Byte::Zero;
        }
        let slot = &mut self.state.frames[frame].stack[number];
        if slot.is_special() {
            slot.scrub();
        }
        slot.spilled = Register::UNINITIALISED;
        for at in 0..bytes as usize {
            slot.bytes[first - at] = byte;
        }
        Ok(())
    }

    /// What a store overwrites might still be read by guess. Where that was no number, or what is stored is
    /// none, guessed paths end behind it.
    fn bar_store(&mut self, frame: usize, off: i64, bytes: i64, pointer: bool) {
        if !self.guesses() {
            return;
        }
        let number = |off| {
            let (slot, byte) = place(off);
            matches!(self.state.frames[frame].peek(slot).bytes[byte], Byte::Misc | Byte::Zero)
        };
        if pointer || !(off..off + bytes).all(number) {
            self.barriers().after = true;
        }
    }

    /// A slot has something else now, all of it.
    pub(super) fn overwrite_slot(&mut self, frame: usize, slot: usize) {
        self.mark_slot(slot);
        if slot < MAX_SLOTS {
            self.overwritten[frame] |= 1 << slot;
        }
    }

    /// A slot is shown with the next state, whichever frame it was of.
    pub(super) fn mark_slot(&mut self, slot: usize) {
        if slot < 64 {
            self.changed.slots |= 1 << slot;
        }
    }

    fn spill(&mut self, frame: usize, number: usize, value: Register, bytes: usize) {
        let slot = &mut self.state.frames[frame].stack[number];
        slot.spilled = value;
        for (at, byte) in slot.bytes.iter_mut().enumerate() {
            if at >= 8 - bytes {
                *byte = Byte::Spill;
            } else if *byte == Byte::Spill {
                *byte = Byte::Misc;
            }
        }
    }

    /// A store whose place in the stack is not known: every byte that it may hit is unknown afterwards.
    fn store_stack_somewhere(
        &mut self,
        pointer: &Register,
        off: i64,
        bytes: i64,
        src: Option<Operand>,
        value: Option<Register>,
    ) -> Result<(), Rejection> {
        let frame = frame_of(pointer);
        let (min, max) = (pointer.var.smin + off, pointer.var.smax + off + bytes);
        let zero = value.is_some_and(|v| v.is_null());
        let mut zero_mattered = false;
        for at in min..max {
            let (number, byte) = place(at);
            self.mark_slot(number);
            let slot = &mut self.state.frames[frame].stack[number];
            if zero && slot.bytes[byte] == Byte::Spill && slot.spilled.is_null() {
                zero_mattered = true;
                continue;
            }
            if slot.is_special() {
                slot.scrub();
            }
            slot.spilled.kind = if slot.is_spill() { slot.spilled.kind } else { Kind::Uninitialised };
            slot.bytes[byte] = if zero && slot.bytes[byte] == Byte::Zero {
                zero_mattered = true;
                Byte::Zero
            } else {
                Byte::Misc
            };
            if !slot.is_spill() {
                slot.scrub();
            }
        }
        if zero_mattered && let Some(Operand::Reg(src)) = src {
            self.mark_precise(src)?;
        }
        Ok(())
    }

    /// Without the right to see addresses, only what was written may be read, and of pointers nothing but the
    /// whole. `helper` is the argument's register where a helper reads.
    fn check_readable(
        &self,
        pointer: &Register,
        helper: Option<Reg>,
        off: i64,
        bytes: i64,
        into_register: bool,
    ) -> Result<(), Rejection> {
        let frame = frame_of(pointer);
        for at in 0..bytes {
            let (number, byte) = place(off + at);
            let slot = self.state.frames[frame].slot(number);
            let pointer = slot.is_spill() && !slot.spilled.is_scalar();
            let hidden = slot.bytes[byte] == Byte::Spill && pointer;
            let whole = hidden && into_register && bytes == 8 && off % 8 == 0;
            match helper {
                _ if whole => {}
                None if hidden => {
                    return Err(reject(Errno::EACCES, format_args!("leaking pointer from stack off {off}")));
                }
                None if slot.bytes[byte] == Byte::Invalid => {
                    let message = format_args!("invalid read from stack off {off}+{at} size {bytes}");
                    return Err(reject(Errno::EACCES, message));
                }
                Some(reg) if hidden || slot.bytes[byte] == Byte::Invalid => {
                    let r = reg.number();
                    let message = format_args!("invalid read from stack R{r} off {off}+{at} size {bytes}");
                    return Err(reject(Errno::EACCES, message).of(reg));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A helper does not write over pointers.
    fn check_no_pointers(&self, frame: usize, from: i64, to: i64) -> Result<(), Rejection> {
        for at in from..to {
            let slot = self.state.frames[frame].slot(place(at).0);
            if slot.is_spill() && !slot.spilled.is_scalar() {
                return Err(reject(Errno::EACCES, "attempt to corrupt spilled pointer on stack"));
            }
        }
        Ok(())
    }

    /// A helper's memory on the stack: initialised where it reads, forgotten where it writes. `off` includes
    /// the fixed offset. With `uninit` the helper writes all of it: the answer is the first byte's offset,
    /// for the stores that follow the call's checks.
    pub(super) fn check_initialised(
        &mut self,
        pointer: &Register,
        reg: Reg,
        off: i64,
        size: i64,
        mode: Mode,
        uninit: bool,
    ) -> Result<Option<i64>, Rejection> {
        self.check_stack_bounds(pointer, reg, off, size, mode)?;
        let frame = frame_of(pointer);
        let known = pointer.var.as_constant();
        let (min, max) = match known {
            Some(value) => (off + value as i64, off + value as i64),
            None => (pointer.var.smin + off, pointer.var.smax + off),
        };
        if uninit && known.is_some() {
            if let Some(at) = self.dynptr_within(pointer, off, size) {
                let message = format_args!("potential write to dynptr at off={at} disallowed");
                return Err(reject(Errno::EACCES, message).of(reg));
            }
            return Ok(Some(min));
        }
        if !self.input.perfmon {
            self.check_readable(pointer, Some(reg), min, max + size - min, false)?;
        }
        self.slots_read(frame, min, max + size);
        for at in min..max + size {
            let (number, byte) = place(at);
            let slot = &mut self.state.frames[frame].stack[number];
            if slot.bytes[byte].is_object() {
                let (r, within) = (reg.number(), at - min);
                let message = format_args!("invalid read from stack R{r} off {min}+{within} size {size}");
                return Err(reject(Errno::EACCES, message).of(reg));
            }
            if mode == Mode::Write {
                match slot.bytes[byte] {
                    Byte::Spill => slot.scrub(),
                    Byte::Zero | Byte::Invalid => slot.bytes[byte] = Byte::Misc,
                    _ => {}
                }
            }
        }
        Ok(None)
    }

    /// The bytes of the current frames' stack that a helper wrote are unknown.
    ///
    /// # Errors
    /// `EACCES` where it would overwrite a pointer, and the loader may not see those.
    pub(super) fn clobber_stack(
        &mut self,
        pointer: &Register,
        from: i64,
        size: i64,
    ) -> Result<(), Rejection> {
        let frame = frame_of(pointer);
        if !self.input.perfmon {
            self.check_no_pointers(frame, from, from + size)?;
        }
        self.bar_store(frame, from, size, false);
        for at in from..from + size {
            let (number, byte) = place(at);
            self.mark_slot(number);
            let slot = &mut self.state.frames[frame].stack[number];
            if slot.is_special() {
                slot.scrub();
            }
            slot.spilled = Register::UNINITIALISED;
            slot.bytes[byte] = Byte::Misc;
        }
        Ok(())
    }

    /// The constant that a key on the stack is, where it is one: of `size` bytes.
    pub(super) fn constant_key(&mut self, pointer: &Register, size: u32) -> Result<Option<u64>, Rejection> {
        let Kind::Stack { frame } = pointer.kind else { return Ok(None) };
        let Some(value) = pointer.var.as_constant() else { return Ok(None) };
        let off = i64::from(pointer.offset) + value as i64;
        let (number, first) = place(off);
        let slot: Slot = self.state.frames[usize::from(frame)].slot(number);
        let run = |wanted: Byte| (0..=first).rev().take_while(|at| slot.bytes[*at] == wanted).count() as u32;
        if run(Byte::Zero) >= size {
            return Ok(Some(0));
        }
        if !slot.is_spilled_scalar() || run(Byte::Spill) != size {
            return Ok(None);
        }
        let Some(key) = slot.spilled.as_constant() else { return Ok(None) };
        self.mark_slot_precise(usize::from(frame), number)?;
        Ok(Some(key))
    }
}
