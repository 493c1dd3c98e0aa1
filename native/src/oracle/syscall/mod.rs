//! Random sequences of calls, put to two systems.
//!
//! [`generate`] makes a [`Sequence`] of a seed, [`run`] puts it to a system and keeps all that came back,
//! [`shrink`] looks for the shortest sequence that two systems still answer differently.

pub mod generate;
pub mod run;
pub mod shrink;

use serde::{Deserialize, Serialize};
use std::fmt;

/// Calls in order; their descriptors are the numbers of slots.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Sequence(pub Vec<Action>);

impl Sequence {
    /// Bytes of the caller's memory in it.
    pub fn memory(&self) -> usize {
        let of_call = |call: &Call| -> usize {
            let bytes = |field: &Field| match field {
                Field::Memory(bytes) => bytes.len(),
                Field::FdMemory(_, len) => *len,
                _ => 0,
            };
            call.fields.iter().map(|(_, field)| bytes(field)).sum()
        };
        let of_action = |action: &Action| match action {
            Action::Call(call) => of_call(call),
            _ => 0,
        };
        self.0.iter().map(of_action).sum()
    }
}

/// A sequence, and what a system answered.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Recorded {
    /// Possible CPUs of the system.
    pub cpus: usize,
    /// The sequence.
    pub sequence: Sequence,
    /// What it answered, action by action.
    pub answers: Vec<run::Answer>,
}

/// One thing that a sequence does.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Action {
    /// A call; where it gives a descriptor, that goes into the slot of its own number in the sequence.
    Call(Call),
    /// Closes a slot's descriptor.
    Close(usize),
    /// Reads all that is in a map, key by key, whatever its order.
    Dump {
        /// The map.
        slot: usize,
        /// Bytes of a key.
        key_size: usize,
        /// Bytes of a value as the system call sees it.
        value_size: usize,
        /// Whether only keys are compared: values are numbers of objects.
        keys_only: bool,
    },
}

/// A call of `bpf(2)`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Call {
    /// The command.
    pub command: i32,
    /// Bytes of the attribute.
    pub size: u32,
    /// Its fields that are not zero, by offset.
    pub fields: Vec<(usize, Field)>,
    /// What of the answer may differ.
    pub loose: Loose,
}

/// A field of an attribute.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Field {
    /// A 32-bit number.
    U32(u32),
    /// A 64-bit number.
    U64(u64),
    /// The descriptor in a slot, -1 where there is none.
    Fd(usize),
    /// A pointer to memory of the caller's that holds these bytes.
    Memory(Vec<u8>),
    /// A pointer to memory that holds a slot's descriptor, and zeros up to a length.
    FdMemory(usize, usize),
}

/// What of an answer may differ between two systems.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Loose {
    /// Nothing.
    #[default]
    Nothing,
    /// What is written to memory: it hangs on an order that is random in the kernel.
    Memory,
    /// The order of the elements of a batch, each a key and a value of these sizes, and its cursor.
    Order {
        /// Bytes of a key.
        key_size: usize,
        /// Bytes of a value.
        value_size: usize,
    },
    /// Numbers of objects in what is written to memory: the 32-bit words at these offsets.
    Words([usize; 2]),
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, action) in self.0.iter().enumerate() {
            match action {
                Action::Close(slot) => writeln!(f, "  {at}: close {slot}")?,
                Action::Dump { slot, .. } => writeln!(f, "  {at}: dump {slot}")?,
                Action::Call(call) => {
                    write!(f, "  {at}: command {} size {}", call.command, call.size)?;
                    for (offset, field) in &call.fields {
                        write!(f, " {offset}:{field:?}")?;
                    }
                    writeln!(f)?;
                }
            }
        }
        Ok(())
    }
}
