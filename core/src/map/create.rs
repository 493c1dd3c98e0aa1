//! The rules of creation that the table's columns mean, in the order in which the kernel looks at them.

use alloc::boxed::Box;

use super::array::Array;
use super::bloom::Bloom;
use super::hash::Hash;
use super::lpm::Lpm;
use super::pages::Pages;
use super::queue::Queue;
use super::redirect::Targets;
use super::references::{ReferenceArray, ReferenceHash};
use super::ring::{PAGE, Ring};
use super::sockets::Sockets;
use super::stack_trace::StackTrace;
use super::storage::{CgroupStorage, ObjectStorage};
use super::types::{self, Entries, Family, MOST_ELEMENT, MapType, Sizes, flag};
use super::{AnyMap, MapContext, MapSpec};
use crate::arena::Memory;
use crate::errno::Errno;

/// Frames of the deepest stack.
const MOST_FRAMES: u32 = 127;

/// `EINVAL` for a size that the type never has; `E2BIG` comes after all of these.
fn size_is_possible(sizes: Sizes, size: u32, flags: u32) -> bool {
    match sizes {
        Sizes::None => size == 0,
        Sizes::OneOf(sizes) => sizes.contains(&size),
        Sizes::Between(least, most) => (least..=most).contains(&size),
        Sizes::UpTo(_) => size != 0,
        Sizes::Stack => {
            let frame = if flags & flag::STACK_BUILD_ID != 0 { 32 } else { 8 };
            size != 0 && size.is_multiple_of(frame) && size / frame <= MOST_FRAMES
        }
    }
}

fn size_is_too_large(sizes: Sizes, size: u32) -> bool {
    matches!(sizes, Sizes::UpTo(most) if size > most)
}

/// Checks a specification.
///
/// # Errors
/// As the running kernel answers: `EINVAL` for an unknown type, a flag that the type does not take, or a
/// size that it can't have, `E2BIG` for one that is too large, `ENOTSUPP` where the type can't be made so.
pub fn check(spec: &MapSpec) -> Result<&'static MapType, Errno> {
    let row = MapType::by_number(spec.map_type).ok_or(Errno::EINVAL)?;
    if row.number == types::STRUCT_OPS {
        // Without the kernel's type of it there is nothing to make one of.
        return Err(Errno::EINVAL);
    }
    let both = |pair: u32| spec.flags & pair == pair;
    let extra_is_possible = match row.family {
        Family::Bloom => spec.extra & !0xf == 0,
        Family::Pages => spec.extra.is_multiple_of(PAGE.into()),
        _ => spec.extra == 0,
    };
    let entries_are_possible = match row.entries {
        Entries::Any | Entries::UpTo(..) => spec.max_entries != 0,
        Entries::None => spec.max_entries == 0,
        Entries::RingBytes => spec.max_entries.is_power_of_two() && spec.max_entries.is_multiple_of(PAGE),
    };
    // A filter looks at its value's size before anything else.
    if row.family == Family::Bloom && size_is_too_large(row.value, spec.value_size) && extra_is_possible {
        return Err(Errno::E2BIG);
    }
    // Storage of cgroups looks at its sizes before its flags.
    if matches!(row.family, Family::CgroupStorage { .. })
        && size_is_possible(row.key, spec.key_size, spec.flags)
        && size_is_too_large(row.value, spec.value_size)
    {
        return Err(Errno::E2BIG);
    }
    if spec.flags & !row.flags != 0
        || both(flag::NUMA_NODE | flag::NO_COMMON_LRU)
        || spec.flags & row.needs != row.needs
        || both(flag::RDONLY | flag::WRONLY)
        || both(flag::RDONLY_PROG | flag::WRONLY_PROG)
        || !extra_is_possible
    {
        return Err(Errno::EINVAL);
    }
    if matches!(row.family, Family::Hash { evicts: true, .. }) && spec.flags & flag::NO_PREALLOC != 0 {
        return Err(Errno::ENOTSUPP);
    }
    if !entries_are_possible
        || !size_is_possible(row.key, spec.key_size, spec.flags)
        || !size_is_possible(row.value, spec.value_size, spec.flags)
    {
        return Err(Errno::EINVAL);
    }
    let is_hash = matches!(row.family, Family::Hash { .. } | Family::MapHash);
    let element = u64::from(spec.key_size) + u64::from(spec.value_size);
    if size_is_too_large(row.key, spec.key_size)
        || size_is_too_large(row.value, spec.value_size)
        || is_hash && element > MOST_ELEMENT
    {
        return Err(Errno::E2BIG);
    }
    // All pages share the upper half of their addresses.
    let last = spec.extra.wrapping_add(u64::from(spec.max_entries) * u64::from(PAGE)).wrapping_sub(1);
    if row.family == Family::Pages && spec.extra != 0 && spec.extra >> 32 != last >> 32 {
        return Err(Errno::ERANGE);
    }
    match row.entries {
        Entries::UpTo(most, errno) if spec.max_entries > most => Err(errno),
        _ => Ok(row),
    }
}

/// As [`check`], but for the number of entries being too large, which the kernel finds out later.
///
/// # Errors
/// As [`check`].
pub fn check_sizes(spec: &MapSpec) -> Result<&'static MapType, Errno> {
    let few = match MapType::by_number(spec.map_type).map(|row| row.entries) {
        Some(Entries::Any | Entries::UpTo(..)) => spec.max_entries.min(1),
        _ => spec.max_entries,
    };
    check(&MapSpec { max_entries: few, ..spec.clone() })
}

/// Bytes that a map may come to hold: what a limit is compared with before it is made.
pub fn cost(row: &MapType, spec: &MapSpec, cpus: u32) -> u64 {
    let entries = u64::from(spec.max_entries);
    let value = u64::from(spec.value_size.next_multiple_of(8));
    let key = u64::from(spec.key_size.next_multiple_of(8));
    let on_demand = spec.flags & flag::NO_PREALLOC != 0;
    let copies = |per_cpu: bool| if per_cpu { u64::from(cpus) } else { 1 };
    match row.family {
        Family::Array { per_cpu } => entries.saturating_mul(value * copies(per_cpu)),
        Family::Hash { .. } | Family::MapHash | Family::Lpm if on_demand => 0,
        Family::Hash { per_cpu, .. } => entries.saturating_mul(16 + key + value * copies(per_cpu)),
        Family::MapHash => entries.saturating_mul(16 + key + value),
        Family::Queue { .. } => entries.saturating_mul(value),
        Family::Ring => 2 * entries + 2 * u64::from(PAGE),
        Family::References | Family::Targets | Family::Sockets => entries * 8,
        Family::StackTrace => entries.saturating_mul(8 + value),
        _ => 0,
    }
}

/// Makes a map of a specification that [`check`] took. `inner` is what the maps in it have to be like.
///
/// # Errors
/// `ENOMEM` where the arena has no room for it, `EINVAL` for a map of maps without `inner`.
pub fn make<M: Memory + 'static>(
    cx: &mut MapContext<M>,
    row: &MapType,
    spec: MapSpec,
    inner: Option<MapSpec>,
) -> Result<AnyMap<M>, Errno> {
    Ok(match row.family {
        Family::Array { per_cpu } => Box::new(Array::new(cx, spec, per_cpu)?),
        Family::Hash { per_cpu, evicts } => Box::new(Hash::new(cx, spec, per_cpu, evicts)),
        Family::Lpm => Box::new(Lpm::new(spec)),
        Family::References => Box::new(ReferenceArray::new(spec, inner)),
        Family::MapHash => Box::new(ReferenceHash::new(cx, spec, inner.ok_or(Errno::EINVAL)?)),
        Family::StackTrace => Box::new(StackTrace::new(spec)),
        Family::Targets => Box::new(Targets::new(spec)),
        Family::Sockets => Box::new(Sockets::new(spec)),
        Family::CgroupStorage { per_cpu } => Box::new(CgroupStorage::new(spec, per_cpu)),
        Family::ObjectStorage => Box::new(ObjectStorage::new(spec)),
        Family::Queue { newest_first } => Box::new(Queue::new(spec, newest_first)),
        Family::Ring => Box::new(Ring::new(cx, spec)?),
        Family::Bloom => Box::new(Bloom::new(spec)),
        Family::Pages => Box::new(Pages::new(spec)),
        Family::StructOps => return Err(Errno::EOPNOTSUPP),
    })
}
