//! Arrays: values one after another, all there from the start; one, or one per CPU.

use super::ring::PAGE;
use super::types::Update;
use super::types::flag;
use super::{Map, MapContext, MapSpec, Mappable};
use crate::arena::{Arena, Memory, ObjectKind};
use crate::errno::Errno;

/// An array map.
#[derive(Clone)]
pub struct Array {
    spec: MapSpec,
    base: u32,
    stride: u32,
    /// Values of an index: 1, or the number of CPUs.
    copies: u32,
}

/// The index that a key of 4 bytes is.
pub(super) fn index(key: &[u8]) -> u32 {
    key.first_chunk().map_or(u32::MAX, |bytes| u32::from_le_bytes(*bytes))
}

/// The key after another, for types whose every index is a key.
pub(super) fn next_index(key: Option<&[u8]>, entries: u32, out: &mut [u8]) -> Result<(), Errno> {
    let index = key.map_or(u32::MAX, index);
    let next = if index >= entries { 0 } else { index + 1 };
    if next >= entries {
        return Err(Errno::ENOENT);
    }
    out.copy_from_slice(&next.to_le_bytes());
    Ok(())
}

impl Array {
    /// An array of zeroed values; `per_cpu` gives every CPU one of its own.
    ///
    /// # Errors
    /// `ENOMEM` where the arena has no room for it.
    pub fn new<M: Memory>(cx: &mut MapContext<M>, spec: MapSpec, per_cpu: bool) -> Result<Array, Errno> {
        let copies = if per_cpu { cx.cpus } else { 1 };
        let stride = spec.value_size.next_multiple_of(8);
        let len = u64::from(stride) * u64::from(copies);
        let len = len.checked_mul(spec.max_entries.into()).ok_or(Errno::ENOMEM)?;
        let len = u32::try_from(len).map_err(|_| Errno::ENOMEM)?;
        let kind = ObjectKind::MapValues { stride, value_size: spec.value_size };
        // What a process may map has its pages to itself.
        let align = if spec.flags & flag::MMAPABLE != 0 { PAGE } else { 8 };
        let len = len.checked_next_multiple_of(align).ok_or(Errno::ENOMEM)?;
        let object = cx.arena.allocate(len, align, kind, true).map_err(|_| Errno::ENOMEM)?;
        Ok(Array { spec, base: object.address, stride, copies })
    }

    #[inline(always)]
    fn address(&self, key: &[u8], cpu: u32) -> Option<u32> {
        let index = index(key);
        let of_cpu = if self.copies == 1 { 0 } else { cpu * self.stride };
        (index < self.spec.max_entries).then(|| self.base + index * self.stride * self.copies + of_cpu)
    }

    fn write<M: Memory>(
        &self,
        cx: &mut MapContext<M>,
        key: &[u8],
        cpu: u32,
        value: &[u8],
        flags: u64,
    ) -> Result<(), Errno> {
        let update = Update::from_flags(flags)?;
        let address = self.address(key, cpu).ok_or(Errno::E2BIG)?;
        if update == Update::NoExist {
            return Err(Errno::EEXIST);
        }
        cx.arena.memory_mut().write(address.into(), value).map_err(|_| Errno::EFAULT)
    }
}

impl<M: Memory> Map<M> for Array {
    fn spec(&self) -> &MapSpec {
        &self.spec
    }

    fn user_value_size(&self, _cpus: u32) -> u32 {
        if self.copies == 1 && self.spec.map_type == super::types::ARRAY {
            self.spec.value_size
        } else {
            self.stride * self.copies
        }
    }

    fn lookup(&mut self, cx: &mut MapContext<M>, key: &[u8], out: &mut [u8], _: u64) -> Result<(), Errno> {
        let address = self.address(key, 0).ok_or(Errno::ENOENT)?;
        cx.arena.memory().read(address.into(), out).map_err(|_| Errno::EFAULT)
    }

    fn update(&mut self, cx: &mut MapContext<M>, key: &[u8], value: &[u8], flags: u64) -> Result<(), Errno> {
        self.write(cx, key, 0, value, flags)
    }

    fn delete(&mut self, _cx: &mut MapContext<M>, _key: &[u8]) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }

    fn next_key(&mut self, _cx: &mut MapContext<M>, key: Option<&[u8]>, out: &mut [u8]) -> Result<(), Errno> {
        next_index(key, self.spec.max_entries, out)
    }

    #[inline]
    fn program_lookup(&mut self, cx: &mut MapContext<M>, key: &[u8]) -> Option<u32> {
        self.address(key, cx.cpu)
    }

    fn program_lookup_on(&mut self, cx: &mut MapContext<M>, key: &[u8], cpu: u32) -> Option<u32> {
        self.address(key, cpu).filter(|_| cpu < cx.cpus)
    }

    fn program_update(
        &mut self,
        cx: &mut MapContext<M>,
        key: &[u8],
        value: &[u8],
        flags: u64,
    ) -> Result<(), Errno> {
        self.write(cx, key, cx.cpu, value, flags)
    }

    fn direct_value(&self) -> Option<u32> {
        (self.spec.map_type == super::types::ARRAY).then_some(self.base)
    }

    fn mappable(&self) -> Option<Mappable> {
        if self.spec.flags & flag::MMAPABLE == 0 {
            return None;
        }
        let pages = (self.stride * self.spec.max_entries).div_ceil(PAGE);
        Some(Mappable { base: self.base, pages, shown: pages, repeats: pages, writable: 0..pages })
    }

    fn destroy(&mut self, arena: &mut Arena<M>) {
        arena.release(self.base);
    }
}
