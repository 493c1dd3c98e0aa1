//! What clang leaves to the loader in BTF: the sizes of data sections, and where their variables lie.

use alloc::vec::Vec;

use super::btf::{Btf, Name, TypeId};
use super::elf::Elf;

const KIND_SECTION: u32 = 15;
/// Bytes of `struct btf_type`, and of a section's entry (`struct btf_var_secinfo`).
const TYPE: usize = 12;
const ENTRY: usize = 12;

/// The same BTF with the sizes and offsets that the file's sections and symbols give.
///
/// `btf` is what `bytes` was parsed to: its layout is known to be right.
pub(super) fn global_data(bytes: &[u8], btf: &Btf, elf: &Elf) -> Vec<u8> {
    let mut out = bytes.to_vec();
    // A blob that parsed has all that is read here; `None` only ends the walk.
    let _ = walk(&mut out, btf, elf);
    out
}

fn walk(bytes: &mut [u8], btf: &Btf, elf: &Elf) -> Option<()> {
    let mut at = (word(bytes, 4)? as usize).checked_add(word(bytes, 8)? as usize)?;
    let end = at.checked_add(word(bytes, 12)? as usize)?;
    while at < end {
        let (name, info) = (word(bytes, at)?, word(bytes, at + 4)?);
        let (kind, len) = (info >> 24 & 31, (info & 0xffff) as usize);
        let parts = at + TYPE;
        // Bytes behind the type by kind: integers, arrays, structures and unions, enumerations,
        // prototypes, variables, sections, tags, 64-bit enumerations; none for the others.
        let behind = match kind {
            1 | 14 | 17 => 4,
            3 => 12,
            4 | 5 | KIND_SECTION | 19 => 12 * len,
            6 | 13 => 8 * len,
            _ => 0,
        };
        if kind == KIND_SECTION {
            let section = elf.section(btf.text(Name::at(name)));
            if let Some(section) = section {
                if word(bytes, at + 8)? == 0 {
                    put(bytes, at + 8, u32::try_from(section.size).ok()?);
                }
                let entries = bytes.get_mut(parts..parts.checked_add(behind)?)?;
                for entry in entries.chunks_exact_mut(ENTRY) {
                    let variable = btf.name_of(TypeId(word(entry, 0)?));
                    let mut symbols = elf.symbols_of(section.index);
                    if let Some(symbol) = symbols.find(|s| s.name == variable && !variable.is_empty()) {
                        put(entry, 4, u32::try_from(symbol.value).ok()?);
                    }
                }
                let mut sorted: Vec<[u8; ENTRY]> = entries.as_chunks().0.to_vec();
                sorted.sort_by_key(|entry| word(entry, 4));
                entries.copy_from_slice(sorted.as_flattened());
            }
        }
        at = parts.checked_add(behind)?;
    }
    Some(())
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|b| u32::from_le_bytes(*b))
}

fn put(bytes: &mut [u8], at: usize, value: u32) {
    if let Some(place) = bytes.get_mut(at..at + 4) {
        place.copy_from_slice(&value.to_le_bytes());
    }
}
