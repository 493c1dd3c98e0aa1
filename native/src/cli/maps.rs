//! Maps before and after a run.

use glasshive::errno::Errno;
use glasshive::loader::MapFds;
use glasshive::names;
use glasshive::object::Object;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write};

use super::system::System;

/// A map's entries by key; an error where its type has none to list.
type Entries = Result<BTreeMap<Vec<u8>, Vec<u8>>, Errno>;

/// What the maps hold, by index into [`Object::maps`].
pub type Snapshot = BTreeMap<usize, Entries>;

/// Reads all maps.
pub fn snapshot(kernel: &mut System, maps: &MapFds) -> Snapshot {
    let entries = |fd: i32, kernel: &mut System| {
        let mut entries = BTreeMap::new();
        for key in kernel.map_keys(fd)? {
            // An entry of a map of maps or programs may be empty.
            if let Ok(value) = kernel.map_lookup(fd, &key, 0) {
                entries.insert(key, value);
            }
        }
        Ok(entries)
    };
    maps.iter().map(|(index, fd)| (*index, entries(*fd, kernel))).collect()
}

/// Shows every map, and of those that changed each entry that did.
///
/// # Errors
/// Where the output can't be written.
pub fn show_changes(
    object: &Object,
    before: &Snapshot,
    after: &Snapshot,
    out: &mut dyn Write,
) -> io::Result<()> {
    let nothing = BTreeMap::new();
    for (index, entries) in after {
        let Some(map) = object.maps.get(*index) else { continue };
        let number = map.spec.map_type;
        let type_name = names::map_type(number).map_or_else(|| number.to_string(), String::from);
        write!(out, "map {} ({type_name}):", map.name)?;
        let entries = match entries {
            Ok(entries) => entries,
            Err(errno) => {
                writeln!(out, " entries can't be listed: {errno}")?;
                continue;
            }
        };
        let old = before.get(index).and_then(|entries| entries.as_ref().ok()).unwrap_or(&nothing);
        let changed: Vec<&Vec<u8>> =
            entries.keys().filter(|key| old.get(*key) != entries.get(*key)).collect();
        let gone: Vec<&Vec<u8>> = old.keys().filter(|key| !entries.contains_key(*key)).collect();
        if changed.is_empty() && gone.is_empty() {
            writeln!(out, " unchanged")?;
            continue;
        }
        writeln!(out)?;
        for key in changed {
            let value = bytes(&entries[key]);
            match old.get(key) {
                Some(old) => writeln!(out, "  {}: {} -> {value}", bytes(key), bytes(old))?,
                None => writeln!(out, "  {}: new {value}", bytes(key))?,
            }
        }
        for key in gone {
            writeln!(out, "  {}: deleted", bytes(key))?;
        }
    }
    Ok(())
}

/// Bytes in hex, and the number where they are 4 or 8.
fn bytes(bytes: &[u8]) -> String {
    let mut out = String::new();
    for (at, byte) in bytes.iter().enumerate() {
        let space = if at > 0 && at.is_multiple_of(8) { " " } else { "" };
        // A string takes all that is written.
        let _ = write!(out, "{space}{byte:02x}");
    }
    let number = match bytes {
        [_, _, _, _] => bytes.first_chunk().map(|b| u64::from(u32::from_le_bytes(*b))),
        [_, _, _, _, _, _, _, _] => bytes.first_chunk().map(|b| u64::from_le_bytes(*b)),
        _ => None,
    };
    match number {
        Some(number) => format!("{out} ({number})"),
        None => out,
    }
}
