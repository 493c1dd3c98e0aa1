//! `BPF_MAP_CREATE`.

use alloc::string::String;

use super::attr::{Attr, UserMemory, read_bytes};
use super::descriptors::{Access, Object};
use super::{Kernel, LoadedBtf, capability, map_btf};
use crate::arena::Memory;
use crate::errno::Errno;
use crate::map::types::{BtfUse, Family, MapType, Values, flag};
use crate::map::{MapSpec, create as rules, record};
use crate::object::btf::{Btf, Type, TypeId};

/// Offsets of the command's fields in `union bpf_attr`.
mod field {
    pub const INNER_MAP_FD: usize = 20;
    pub const NUMA_NODE: usize = 24;
    pub const NAME: usize = 28;
    pub const IFINDEX: usize = 44;
    pub const BTF_FD: usize = 48;
    pub const BTF_KEY_TYPE: usize = 52;
    pub const BTF_VALUE_TYPE: usize = 56;
    pub const BTF_KERNEL_VALUE_TYPE: usize = 60;
    pub const EXTRA: usize = 64;
    pub const EXCLUSIVE_HASH: usize = 80;
    pub const EXCLUSIVE_HASH_SIZE: usize = 88;
}

/// Bytes of a SHA-256.
const HASH_LEN: u32 = 32;

/// A node that is none: the memory may be anywhere.
const NO_NODE: u32 = u32::MAX;

/// What comes with a specification and is looked at once.
#[derive(Default)]
struct Extras {
    inner_map_fd: i32,
    interface: u32,
    btf_fd: i32,
    /// Whether the node of memory that a flag says is given is none.
    any_node: bool,
    /// What is wrong with the digest of the one program that may use the map: a right one is not built yet.
    exclusive: Option<Errno>,
    /// The name, where it is not the specification's; it is looked at once the rest is known to be right.
    name: Option<Result<String, Errno>>,
}

impl<M: Memory + 'static> Kernel<M> {
    /// Makes a map; gives back its descriptor.
    ///
    /// # Errors
    /// As [`rules::check`]; `ENOMEM` where there is no room for it, `EMFILE` where the host has no descriptor
    /// left. A map of maps takes [`Kernel::create_map_of_maps`].
    pub fn create_map(&mut self, spec: MapSpec) -> Result<i32, Errno> {
        self.create(spec, Extras::default())
    }

    /// Makes a map of maps, which have to be like the one of `inner`.
    ///
    /// # Errors
    /// As [`Kernel::create_map`]; `EBADF` or `EINVAL` where `inner` is no map, or none that can be in one.
    pub fn create_map_of_maps(&mut self, spec: MapSpec, inner: i32) -> Result<i32, Errno> {
        self.create(spec, Extras { inner_map_fd: inner, ..Extras::default() })
    }

    /// Makes a map whose specification names types of the BTF that `types` is a descriptor of; `inner` is what
    /// a map of maps is made like, else 0.
    ///
    /// # Errors
    /// As [`Kernel::create_map_of_maps`]; `EINVAL` where the types do not fit.
    pub fn create_map_with_types(&mut self, spec: MapSpec, inner: i32, types: i32) -> Result<i32, Errno> {
        self.create(spec, Extras { inner_map_fd: inner, btf_fd: types, ..Extras::default() })
    }

    fn create(&mut self, spec: MapSpec, extras: Extras) -> Result<i32, Errno> {
        if extras.interface != 0 {
            // Offload to a device, which no device here does.
            let can = matches!(spec.map_type, 1 | 2) && self.resources.interfaces.contains(&extras.interface);
            rules::check_sizes(&spec)?;
            return Err(if can { Errno::EOPNOTSUPP } else { Errno::EINVAL });
        }
        if spec.flags & flag::TOKEN_FD != 0 {
            // No descriptor here is a token's; that is looked at after the sizes.
            let without = MapSpec { flags: spec.flags & !flag::TOKEN_FD, ..spec };
            // Storage of cgroups has no sizes that are looked at before.
            let sizes = rules::check_sizes(&without).err();
            let storage = matches!(spec.map_type, 19 | 21);
            return Err(sizes.filter(|_| !storage).unwrap_or(Errno::EINVAL));
        }
        let row = rules::check(&spec_to_check(&spec, extras.any_node))?;
        self.check_capability(row)?;
        let inner = match row.values {
            Values::Map => Some(self.inner_spec(extras.inner_map_fd)?),
            _ => None,
        };
        let cost = rules::cost(row, &spec, self.resources.cpus);
        self.resources.check_limit(cost)?;
        if let Some(errno) = extras.exclusive {
            return Err(errno);
        }
        let name = extras.name.unwrap_or_else(|| Ok(spec.name.clone()))?;
        let btf = if spec.btf_key_type_id != 0 || spec.btf_value_type_id != 0 {
            Some(self.check_btf(row, &spec, extras.btf_fd)?)
        } else if row.btf == BtfUse::Required {
            return Err(Errno::EINVAL);
        } else {
            None
        };
        let access = Access { read: spec.flags & flag::WRONLY == 0, write: spec.flags & flag::RDONLY == 0 };
        // What the system call may do is the descriptor's business, not the map's.
        let flags = spec.flags & !flag::SYSTEM_ACCESS | row.always;
        // Every CPU's list of an LRU hash has the same room.
        let whole = if flags & flag::NO_COMMON_LRU != 0 { self.resources.cpus } else { 1 };
        let max_entries = spec.max_entries.next_multiple_of(whole);
        let spec = MapSpec { flags, name, max_entries, ..spec };
        let map = rules::make(&mut self.resources.map_context(), row, spec, inner)?;
        let id = self.resources.add_map(map, cost)?;
        if let Some(btf) = btf {
            self.resources.maps.set_btf(id, btf);
            self.hold(Object::Btf(btf));
        }
        self.note_map_types(id, extras.btf_fd);
        if row.values == Values::Map {
            self.note_inner_types(id, extras.inner_map_fd);
        }
        let fd = self.insert_map(id, access);
        self.resources.release_map(id);
        self.settle();
        fd
    }

    /// A descriptor of a map.
    pub(super) fn insert_map(&mut self, id: crate::map::MapId, access: Access) -> Result<i32, Errno> {
        let fd = self.table.insert(Object::Map(id), access)?;
        self.resources.hold_map_for_user(id);
        Ok(fd)
    }

    fn check_capability(&self, row: &MapType) -> Result<(), Errno> {
        if !self.has(capability::BPF) || (row.network && !self.has(capability::NET_ADMIN)) {
            return Err(Errno::EPERM);
        }
        Ok(())
    }

    /// What maps in a map of maps have to be like.
    fn inner_spec(&self, fd: i32) -> Result<MapSpec, Errno> {
        // A zeroed field is descriptor 0, which is never one of ours.
        let (id, _) = if fd == 0 { return Err(Errno::EINVAL) } else { self.table.map(fd)? };
        let spec = self.resources.maps.spec(id).ok_or(Errno::EBADF)?;
        let row = MapType::by_number(spec.map_type).ok_or(Errno::EINVAL)?;
        row.as_inner.map_or_else(|| Ok(spec.clone()), Err)
    }

    /// Whether BTF types fit the map; the id of their BTF.
    fn check_btf(&self, row: &MapType, spec: &MapSpec, fd: i32) -> Result<u32, Errno> {
        let id = match self.table.get(fd) {
            Ok(Object::Btf(id)) => id,
            Ok(_) => return Err(Errno::EINVAL),
            // 0 is never one of ours.
            Err(_) if fd == 0 => return Err(Errno::EINVAL),
            Err(errno) => return Err(errno),
        };
        let LoadedBtf { btf, .. } = self.btfs.get(&id).ok_or(Errno::EBADF)?;
        let (key, value) = (TypeId(spec.btf_key_type_id), TypeId(spec.btf_value_type_id));
        if value == TypeId::VOID || btf.size_of(value) != Some(spec.value_size) {
            return Err(Errno::EINVAL);
        }
        if key == TypeId::VOID {
            // Global data has no key.
            let section = matches!(btf.get(value), Some(Type::Section { .. }));
            let is_data = matches!(row.family, Family::Array { .. }) && spec.max_entries == 1 && section;
            if !is_data {
                return Err(Errno::EINVAL);
            }
        } else if btf.size_of(key) != Some(spec.key_size) || !key_fits(row, spec, btf, key)? {
            return Err(Errno::EINVAL);
        }
        if record::has_special_field(btf, value) {
            map_btf::check_fields(row.number, btf, value)?;
        }
        Ok(id)
    }
}

/// What is checked of a specification: lists and values of each CPU take no node of memory, but the flag where
/// the node is none.
fn spec_to_check(spec: &MapSpec, any_node: bool) -> MapSpec {
    let row = MapType::by_number(spec.map_type);
    let per_cpu = spec.flags & flag::NO_COMMON_LRU != 0
        || row.is_some_and(|row| {
            matches!(row.family, Family::Array { per_cpu: true } | Family::Hash { per_cpu: true, .. })
        });
    let flags = match per_cpu && any_node {
        true => spec.flags & !flag::NUMA_NODE,
        false => spec.flags,
    };
    MapSpec { flags, ..spec.clone() }
}

/// Whether a key's type is one that the map's type takes.
///
/// # Errors
/// `ENOTSUPP` where it takes no BTF at all.
fn key_fits(row: &MapType, spec: &MapSpec, btf: &Btf, key: TypeId) -> Result<bool, Errno> {
    let kind = btf.get(btf.resolve(key));
    let whole = |size: u32| {
        matches!(kind, Some(Type::Int { bits, bit_offset: 0, size: bytes, .. })
            if u32::from(*bits) == size * 8 && *bytes == size)
    };
    Ok(match row.btf {
        BtfUse::None => return Err(Errno::ENOTSUPP),
        BtfUse::Any => true,
        BtfUse::IntegerKey | BtfUse::Required => whole(4),
        BtfUse::StructKey => matches!(kind, Some(Type::Struct { .. })),
        BtfUse::CgroupKey if spec.key_size == 8 => whole(8),
        BtfUse::CgroupKey => matches!(kind, Some(Type::Struct { members, .. }) if members.len() == 2),
    })
}

pub(super) fn create<M: Memory + 'static>(
    kernel: &mut Kernel<M>,
    attr: &mut Attr,
    user: &mut dyn UserMemory,
) -> Result<i64, Errno> {
    let spec = MapSpec {
        map_type: attr.u32(0),
        key_size: attr.u32(4),
        value_size: attr.u32(8),
        max_entries: attr.u32(12),
        flags: attr.u32(16),
        name: String::new(),
        extra: attr.u64(field::EXTRA),
        btf_key_type_id: attr.u32(field::BTF_KEY_TYPE),
        btf_value_type_id: attr.u32(field::BTF_VALUE_TYPE),
    };
    let extras = Extras {
        inner_map_fd: attr.i32(field::INNER_MAP_FD),
        interface: attr.u32(field::IFINDEX),
        btf_fd: attr.i32(field::BTF_FD),
        any_node: attr.u32(field::NUMA_NODE) == NO_NODE,
        name: Some(attr.name(field::NAME)),
        exclusive: None,
    };
    if attr.u32(field::BTF_KERNEL_VALUE_TYPE) != 0 {
        // Only structures of operations have a type of the kernel's, and they are not built yet.
        let ops = spec.map_type == crate::map::types::STRUCT_OPS;
        return Err(if ops { Errno::ENOTSUPP } else { Errno::EINVAL });
    }
    if spec.btf_key_type_id != 0 && spec.btf_value_type_id == 0 {
        return Err(Errno::EINVAL);
    }
    let node = attr.u32(field::NUMA_NODE);
    if spec.flags & flag::NUMA_NODE != 0 && node != 0 && node != NO_NODE {
        return Err(Errno::EINVAL);
    }
    let (hash, size) = (attr.u64(field::EXCLUSIVE_HASH), attr.u32(field::EXCLUSIVE_HASH_SIZE));
    let exclusive = match (hash, size) {
        (0, 0) => Ok(()),
        (0, _) => Err(Errno::EINVAL),
        (_, HASH_LEN) => Err(read_bytes(user, hash, size as usize).err().unwrap_or(Errno::EOPNOTSUPP)),
        _ => Err(Errno::EINVAL),
    };
    let extras = Extras { exclusive: exclusive.err(), ..extras };
    kernel.create(spec, extras).map(i64::from)
}
