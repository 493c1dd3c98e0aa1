//! The maps of an object, made in a system.

use alloc::format;
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

use super::load::{LoadError, MapFds};
use crate::arena::Memory;
use crate::errno::Errno;
use crate::map::MapSpec;
use crate::map::types::{BtfUse, MapType};
use crate::names;
use crate::object::{Code, Inner, Object, ObjectMap, Slot};
use crate::syscall::Kernel;

/// `BPF_MAP_TYPE_PERF_EVENT_ARRAY`
const PERF_EVENT_ARRAY: u32 = 4;

/// Creates the maps that the program uses and that `fds` does not have yet, with their types and contents, and
/// with the maps that maps of maps begin with. The programs of a program array are for the caller to put
/// there.
///
/// # Errors
/// The first map that can't be made; what was made before it is closed again.
pub fn create_maps<M: Memory + 'static>(
    kernel: &mut Kernel<M>,
    object: &Object,
    code: &Code,
    fds: &mut MapFds,
) -> Result<(), LoadError> {
    let mut maker = Maker { kernel, object, fds, made: Vec::new(), types: None };
    let done = code.map_uses.iter().try_for_each(|used| maker.make(used.map).map(|_| ()));
    let Maker { kernel, fds, made, types, .. } = maker;
    // Maps hold their types; what was made here can be closed.
    if let Some(types) = types.flatten() {
        let _ = kernel.close(types);
    }
    if done.is_err() {
        for fd in made.iter().filter_map(|map| fds.remove(map)) {
            let _ = kernel.close(fd);
        }
    }
    done
}

/// Makes maps, each once.
struct Maker<'a, M> {
    kernel: &'a mut Kernel<M>,
    object: &'a Object,
    fds: &'a mut MapFds,
    /// Those that were made here.
    made: Vec<usize>,
    /// The object's BTF in the system, once it was asked for; `None` within where there is none.
    types: Option<Option<i32>>,
}

impl<M: Memory + 'static> Maker<'_, M> {
    /// The descriptor of a map, made where it is not there.
    fn make(&mut self, index: usize) -> Result<i32, LoadError> {
        if let Some(fd) = self.fds.get(&index) {
            return Ok(*fd);
        }
        let object = self.object;
        let Some(map) = object.maps.get(index) else {
            let map = format!("{index}");
            return Err(LoadError::Map {
                map,
                map_type: "unknown".into(),
                what: "finding",
                errno: Errno::ENOENT,
            });
        };
        let inner = match &map.inner {
            Some(Inner::Map(inner)) => Some(self.make(*inner)?),
            Some(Inner::Spec(spec)) => Some(
                self.create((**spec).clone(), map, None)
                    .map_err(error(map, "creating what it is a map of"))?,
            ),
            None => None,
        };
        let made = self.create(map.spec.clone(), map, inner).map_err(error(map, "creating"));
        // What is defined in place is a model alone.
        if let (Some(Inner::Spec(_)), Some(fd)) = (&map.inner, inner) {
            let _ = self.kernel.close(fd);
        }
        let fd = made?;
        self.fds.insert(index, fd);
        self.made.push(index);
        self.fill(fd, map)?;
        Ok(fd)
    }

    fn fill(&mut self, fd: i32, map: &ObjectMap) -> Result<(), LoadError> {
        if !map.contents.is_empty() {
            let mut value = map.contents.clone();
            value.resize(map.spec.value_size as usize, 0);
            let key = vec![0; map.spec.key_size as usize];
            self.kernel.map_update(fd, &key, &value, 0).map_err(error(map, "filling"))?;
        }
        for (key, slot) in &map.slots {
            if let Slot::Map(element) = slot {
                let element = self.make(*element)?;
                let (key, value) = (key.to_le_bytes(), element.to_le_bytes());
                self.kernel.map_update(fd, &key, &value, 0).map_err(error(map, "filling"))?;
            }
        }
        if map.frozen { self.kernel.map_freeze(fd).map_err(error(map, "freezing")) } else { Ok(()) }
    }

    /// Creates a map: with its types where its type takes any and the system takes these, else without.
    fn create(&mut self, spec: MapSpec, map: &ObjectMap, inner: Option<i32>) -> Result<i32, Errno> {
        // A perf event array is as large as there are CPUs where its size is left to the loader.
        let max_entries = match (spec.map_type, spec.max_entries) {
            (PERF_EVENT_ARRAY, 0) => self.kernel.resources.cpus,
            (_, entries) => entries,
        };
        let plain = MapSpec { max_entries, ..spec };
        let takes_types = MapType::by_number(plain.map_type).is_some_and(|row| row.btf != BtfUse::None);
        // An inner map that is defined in place has types of its own, which the object does not keep.
        let is_map = plain.name == map.spec.name && plain.map_type == map.spec.map_type;
        if let (Some(value), true) = (map.value_type, takes_types && is_map)
            && let Some(types) = self.types()
        {
            let typed = MapSpec {
                btf_key_type_id: map.key_type.map_or(0, |key| key.0),
                btf_value_type_id: value.0,
                ..plain.clone()
            };
            if let Ok(fd) = self.kernel.create_map_with_types(typed, inner.unwrap_or(0), types) {
                return Ok(fd);
            }
        }
        match inner {
            Some(inner) => self.kernel.create_map_of_maps(plain, inner),
            None => self.kernel.create_map(plain),
        }
    }

    /// The object's BTF in the system.
    fn types(&mut self) -> Option<i32> {
        if self.types.is_none() {
            let bytes = &self.object.btf_bytes;
            self.types = Some(if bytes.is_empty() { None } else { self.kernel.load_btf(bytes).ok() });
        }
        self.types.flatten()
    }
}

/// What the system answered, with the map that it was about.
fn error(map: &ObjectMap, what: &'static str) -> impl FnOnce(Errno) -> LoadError {
    let (number, map) = (map.spec.map_type, map.name.clone());
    move |errno| {
        let map_type = names::map_type(number).map_or_else(|| format!("{number}"), ToString::to_string);
        LoadError::Map { map, map_type, what, errno }
    }
}
