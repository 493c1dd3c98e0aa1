//! `BPF_MAP_TYPE_ARRAY`: values one after another, all there from the start.

use super::types::Update;
use super::{Map, MapContext, MapSpec};
use crate::arena::{Arena, Memory, ObjectKind};
use crate::errno::Errno;

/// An array map.
#[derive(Clone)]
pub struct Array {
    spec: MapSpec,
    base: u32,
    stride: u32,
}

impl Array {
    /// An array of zeroed values.
    ///
    /// # Errors
    /// `ENOMEM` where the arena has no room for it.
    pub fn new<M: Memory>(cx: &mut MapContext<M>, spec: MapSpec) -> Result<Array, Errno> {
        let stride = spec.value_size.next_multiple_of(8);
        let len = u64::from(stride) * u64::from(spec.max_entries);
        let len = u32::try_from(len).map_err(|_| Errno::ENOMEM)?;
        let kind = ObjectKind::MapValues { stride, value_size: spec.value_size };
        let object = cx.arena.allocate(len, 8, kind, true).map_err(|_| Errno::ENOMEM)?;
        Ok(Array { spec, base: object.address, stride })
    }

    fn address(&self, key: &[u8]) -> Option<u32> {
        let index = u32::from_le_bytes(key.try_into().ok()?);
        (index < self.spec.max_entries).then(|| self.base + index * self.stride)
    }
}

impl<M: Memory> Map<M> for Array {
    fn spec(&self) -> &MapSpec {
        &self.spec
    }

    fn lookup(
        &mut self,
        cx: &mut MapContext<M>,
        key: &[u8],
        out: &mut [u8],
        flags: u64,
    ) -> Result<(), Errno> {
        if flags != 0 {
            return Err(Errno::EINVAL);
        }
        let address = self.address(key).ok_or(Errno::ENOENT)?;
        cx.arena.memory().read(address.into(), out).map_err(|_| Errno::EFAULT)
    }

    fn update(&mut self, cx: &mut MapContext<M>, key: &[u8], value: &[u8], flags: u64) -> Result<(), Errno> {
        let update = Update::from_flags(flags)?;
        let address = self.address(key).ok_or(Errno::E2BIG)?;
        if update == Update::NoExist {
            return Err(Errno::EEXIST);
        }
        cx.arena.memory_mut().write(address.into(), value).map_err(|_| Errno::EFAULT)
    }

    fn delete(&mut self, _cx: &mut MapContext<M>, _key: &[u8]) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }

    fn next_key(&mut self, _cx: &mut MapContext<M>, key: Option<&[u8]>, out: &mut [u8]) -> Result<(), Errno> {
        let index = key.and_then(|k| k.try_into().ok()).map_or(u32::MAX, u32::from_le_bytes);
        let next = if index >= self.spec.max_entries { 0 } else { index + 1 };
        if next >= self.spec.max_entries {
            return Err(Errno::ENOENT);
        }
        out.copy_from_slice(&next.to_le_bytes());
        Ok(())
    }

    fn program_lookup(&mut self, _cx: &mut MapContext<M>, key: &[u8]) -> Option<u32> {
        self.address(key)
    }

    fn direct_value(&self) -> Option<u32> {
        Some(self.base)
    }

    fn destroy(&mut self, arena: &mut Arena<M>) {
        arena.release(self.base);
    }
}
