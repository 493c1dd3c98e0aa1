//! Putting a sequence to a system.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Action, Call, Field, Loose, Sequence};
use crate::oracle::Bpf;
use crate::oracle::calls::{ATTR_LEN, errno_name};

/// Commands that give a descriptor.
const GIVES_DESCRIPTOR: &[i32] = &[0, 5, 7, 13, 14, 18, 19];
/// Most keys of a dump.
const MOST_KEYS: usize = 4096;

/// What came back of an action, without what differs from system to system.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Answer {
    /// `ok`, or the error's name.
    pub result: String,
    /// The attribute's bytes that the call changed, by offset.
    pub attr: BTreeMap<usize, u8>,
    /// The caller's memory afterwards, pointer by pointer; a dump's elements.
    pub memory: Vec<Vec<u8>>,
}

/// Runs a sequence, and closes what it opened.
pub fn run(sequence: &Sequence, system: &impl Bpf) -> Vec<Answer> {
    let mut slots: Vec<Option<i64>> = vec![None; sequence.0.len()];
    let mut answers = Vec::with_capacity(sequence.0.len());
    for (at, action) in sequence.0.iter().enumerate() {
        answers.push(match action {
            Action::Close(slot) => {
                if let Some(fd) = slots.get_mut(*slot).and_then(Option::take) {
                    system.close(fd);
                }
                Answer { result: "ok".into(), attr: BTreeMap::new(), memory: Vec::new() }
            }
            Action::Dump { slot, key_size, value_size, keys_only } => {
                let fd = slots.get(*slot).copied().flatten().unwrap_or(-1);
                dump(system, fd, *key_size, *value_size, *keys_only)
            }
            Action::Call(call) => {
                let (ret, answer) = one(system, call, &slots);
                if ret >= 0 && GIVES_DESCRIPTOR.contains(&call.command) {
                    slots[at] = Some(ret);
                }
                answer
            }
        });
    }
    for fd in slots.into_iter().flatten() {
        system.close(fd);
    }
    answers
}

fn one(system: &impl Bpf, call: &Call, slots: &[Option<i64>]) -> (i64, Answer) {
    let fd = |slot: usize| slots.get(slot).copied().flatten().unwrap_or(-1) as i32;
    let mut attr = vec![0; ATTR_LEN.max(call.size as usize)];
    let mut memory: Vec<Vec<u8>> = Vec::new();
    for (offset, field) in &call.fields {
        let bytes: Vec<u8> = match field {
            Field::U32(number) => number.to_le_bytes().into(),
            Field::U64(number) => number.to_le_bytes().into(),
            Field::Fd(slot) => fd(*slot).to_le_bytes().into(),
            Field::Memory(bytes) => point(&mut memory, bytes.clone()),
            Field::FdMemory(slot, len) => {
                let mut bytes: Vec<u8> = fd(*slot).to_le_bytes().into();
                bytes.resize((*len).max(4), 0);
                point(&mut memory, bytes)
            }
        };
        let end = (offset + bytes.len()).min(attr.len());
        if *offset < end {
            attr[*offset..end].copy_from_slice(&bytes[..end - offset]);
        }
    }
    let before = attr.clone();
    let ret = system.bpf(call.command, &mut attr, call.size);
    let changed = attr.iter().zip(&before).enumerate().filter(|(_, (after, before))| after != before);
    let mut changed: BTreeMap<usize, u8> = changed.map(|(at, (after, _))| (at, *after)).collect();
    match call.loose {
        Loose::Nothing => {}
        Loose::Memory => memory.clear(),
        Loose::Order { key_size, value_size } => sort(&mut memory, &attr, key_size, value_size),
        Loose::Words(offsets) => {
            for offset in offsets {
                for bytes in &mut memory {
                    bytes.get_mut(offset..offset + 4).into_iter().for_each(|word| word.fill(0));
                }
            }
        }
    }
    // Numbers of objects.
    if matches!(call.command, 11 | 12 | 23 | 31) {
        changed.clear();
    }
    (ret, Answer { result: errno_name(ret), attr: changed, memory })
}

/// Keeps bytes alive and gives their address.
fn point(memory: &mut Vec<Vec<u8>>, bytes: Vec<u8>) -> Vec<u8> {
    // An empty vector's address is no memory.
    let bytes = if bytes.is_empty() { vec![0] } else { bytes };
    let address = bytes.as_ptr() as u64;
    memory.push(bytes);
    address.to_le_bytes().into()
}

/// Orders the elements of a batch: memory is cursor in, cursor out, keys, values, as far as they are there.
fn sort(memory: &mut Vec<Vec<u8>>, attr: &[u8], key_size: usize, value_size: usize) {
    let count = attr[32..36].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes)) as usize;
    let (Some(values), Some(keys)) = (memory.pop(), memory.pop()) else { return };
    let mut elements: Vec<(Vec<u8>, Vec<u8>)> = keys
        .chunks(key_size.max(1))
        .zip(values.chunks(value_size.max(1)))
        .take(count)
        .map(|(key, value)| (key.into(), value.into()))
        .collect();
    elements.sort();
    memory.clear();
    memory.extend(elements.into_iter().flat_map(|(key, value)| [key, value]));
}

/// All elements of a map, in order of their keys.
fn dump(system: &impl Bpf, fd: i64, key_size: usize, value_size: usize, keys_only: bool) -> Answer {
    let mut elements: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    let mut key: Option<Vec<u8>> = None;
    let result = loop {
        let mut next = vec![0; key_size.max(1)];
        let at = key.as_ref().map_or(0, |key| key.as_ptr() as u64);
        let mut attr = vec![0; 32];
        attr[..4].copy_from_slice(&(fd as i32).to_le_bytes());
        attr[8..16].copy_from_slice(&at.to_le_bytes());
        attr[16..24].copy_from_slice(&(next.as_mut_ptr() as u64).to_le_bytes());
        let ret = system.bpf(4, &mut attr, 32);
        if ret < 0 || elements.len() > MOST_KEYS {
            break errno_name(ret);
        }
        let mut value = vec![0; value_size.max(1)];
        attr[8..16].copy_from_slice(&(next.as_ptr() as u64).to_le_bytes());
        attr[16..24].copy_from_slice(&(value.as_mut_ptr() as u64).to_le_bytes());
        let ret = system.bpf(1, &mut attr, 32);
        if keys_only {
            value.clear();
        }
        value.extend(errno_name(ret).into_bytes());
        elements.insert(next.clone(), value);
        key = Some(next);
    };
    let memory = elements.into_iter().flat_map(|(key, value)| [key, value]).collect();
    Answer { result, attr: BTreeMap::new(), memory }
}
