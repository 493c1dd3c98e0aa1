//! The program's maps: what the page is told of them, and their rows.

use crate::protocol::{Map, Row};
use glasshive::arena::VecMemory;
use glasshive::errno::Errno;
use glasshive::loader::MapFds;
use glasshive::map::MapSpec;
use glasshive::map::types::{Family, MapType, flag};
use glasshive::names;
use glasshive::object::Object;
use glasshive::syscall::Kernel;
use std::collections::{HashMap, HashSet};

/// Most entries of a map whose changes are marked: what an action changed in a larger one is not.
const MOST_REMEMBERED: u32 = 1 << 16;

/// A map of the program.
struct Handle {
    fd: i32,
    name: String,
    spec: MapSpec,
    /// Bytes of a value as the system call sees it.
    value_size: usize,
    /// Written once and frozen, as read-only data is.
    frozen: bool,
}

impl Handle {
    /// Whether its elements are all there, always.
    fn is_array(&self) -> bool {
        let row = MapType::by_number(self.spec.map_type);
        row.is_some_and(|row| matches!(row.family, Family::Array { .. }))
    }
    /// Whether the system call may write it.
    fn writable(&self) -> bool {
        !self.frozen && self.spec.flags & flag::RDONLY == 0
    }
}

/// The program's maps, in the object's order.
#[derive(Default)]
pub struct MapTable {
    handles: Vec<Handle>,
    /// What stood in each map before the last action, zeros left out of an array; `None` for a map that
    /// is too large.
    before: Vec<Option<HashMap<Vec<u8>, Vec<u8>>>>,
    /// The keys that were shown last: of which map, with zeros or without.
    shown: Option<(usize, bool, Vec<Vec<u8>>)>,
}

impl MapTable {
    /// The maps that were created.
    pub fn new(kernel: &mut Kernel<VecMemory>, object: &Object, fds: &MapFds) -> MapTable {
        let handle = |(index, fd): (&usize, &i32)| {
            let map = object.maps.get(*index)?;
            let value_size = kernel.map_value_size(*fd).ok()?;
            let (name, spec) = (map.name.clone(), map.spec.clone());
            Some(Handle { fd: *fd, name, spec, value_size, frozen: map.frozen })
        };
        MapTable { handles: fds.iter().filter_map(handle).collect(), before: Vec::new(), shown: None }
    }

    /// What the page is told of them.
    pub fn described(&self) -> Vec<Map> {
        let describe = |handle: &Handle| Map {
            name: handle.name.clone(),
            map_type: names::map_type(handle.spec.map_type).unwrap_or("unknown").into(),
            key_size: handle.spec.key_size,
            value_size: handle.value_size as u32,
            max_entries: handle.spec.max_entries,
            deletes: !handle.is_array(),
            writable: handle.writable(),
        };
        self.handles.iter().map(describe).collect()
    }

    /// The name of a descriptor's map.
    pub fn name_of(&self, fd: i32) -> Option<&str> {
        self.handles.iter().find(|handle| handle.fd == fd).map(|handle| handle.name.as_str())
    }

    /// The descriptor of a map by name.
    pub fn fd(&self, name: &str) -> Option<i32> {
        self.handles.iter().find(|handle| handle.name == name).map(|handle| handle.fd)
    }

    /// Something wrote to them.
    pub fn touched(&mut self) {
        self.shown = None;
    }

    /// Keeps what stands in them, as what the next action is compared with.
    pub fn remember(&mut self, kernel: &mut Kernel<VecMemory>) {
        let remember = |handle: &Handle| {
            if handle.is_array() && handle.spec.max_entries > MOST_REMEMBERED {
                return None;
            }
            let keys = keys(kernel, handle, false, MOST_REMEMBERED as usize + 1);
            let small = keys.len() <= MOST_REMEMBERED as usize;
            let value = |key: Vec<u8>| Some((kernel.map_lookup(handle.fd, &key, 0).ok()?, key));
            small.then(|| keys.into_iter().filter_map(value).map(|(value, key)| (key, value)).collect())
        };
        self.before = self.handles.iter().map(remember).collect();
    }

    /// Rows of a map from `first` on, and how many there are. `zeros` also shows an array's elements that are
    /// all zero; those that the last action made so are shown anyway.
    pub fn rows(
        &mut self,
        kernel: &mut Kernel<VecMemory>,
        map: usize,
        first: u32,
        count: u32,
        zeros: bool,
    ) -> Option<(u32, Vec<Row>)> {
        let handle = self.handles.get(map)?;
        let zeros = zeros || !handle.is_array();
        let before = self.before.get(map).and_then(Option::as_ref);
        if self.shown.as_ref().is_none_or(|shown| (shown.0, shown.1) != (map, zeros)) {
            let mut all = keys(kernel, handle, zeros, usize::MAX);
            if !zeros && let Some(before) = before {
                let there: HashSet<&Vec<u8>> = all.iter().collect();
                let gone: Vec<_> = before.keys().filter(|key| !there.contains(key)).cloned().collect();
                all.extend(gone);
                // An array's keys are little-endian numbers.
                all.sort_by(|a, b| a.iter().rev().cmp(b.iter().rev()));
            }
            self.shown = Some((map, zeros, all));
        }
        let (.., keys) = self.shown.as_ref()?;
        let from = keys.get(first as usize..).unwrap_or_default();
        let row = |key: &Vec<u8>| {
            let value = kernel.map_lookup(handle.fd, key, 0).ok()?;
            let changed = before.and_then(|before| {
                let old = before.get(key).cloned();
                // What is not remembered of an array was zero.
                let old =
                    old.unwrap_or_else(|| if handle.is_array() { vec![0; value.len()] } else { Vec::new() });
                (old != value).then_some(old)
            });
            Some(Row { key: key.clone(), value, before: changed })
        };
        let rows = from.iter().take(count as usize).filter_map(row).collect();
        Some((keys.len() as u32, rows))
    }
}

/// Keys of a map in its order, at most `most`; without `zeros`, those of an array whose value is not zero.
fn keys(kernel: &mut Kernel<VecMemory>, handle: &Handle, zeros: bool, most: usize) -> Vec<Vec<u8>> {
    let mut keys: Vec<Vec<u8>> = Vec::new();
    let mut last: Option<Vec<u8>> = None;
    // A type without keys has no rows.
    while keys.len() < most
        && let Ok(key) = kernel.map_next_key(handle.fd, last.as_deref())
    {
        let shown = zeros
            || !handle.is_array()
            || kernel.map_lookup(handle.fd, &key, 0).is_ok_and(|value| value.iter().any(|byte| *byte != 0));
        if shown {
            keys.push(key.clone());
        }
        last = Some(key);
    }
    keys
}

/// An error of the system in words: what was tried, and what it answered.
pub fn refusal(what: &str, map: &str, errno: Errno) -> String {
    format!("{what} map {map}: {errno}")
}
