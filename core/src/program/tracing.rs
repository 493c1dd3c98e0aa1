//! What programs attach to by the kernel's BTF: tracepoints, iterators, tables of operations.

use super::tracing_facts::{ITERATORS, NULLABLE, OPERATIONS, WRITABLE};

/// An argument that is more or less than the trusted object that its type says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Given {
    /// Memory whose size the iterator's target says.
    Buffer {
        /// It is to be read alone.
        read_only: bool,
        /// It may be null.
        maybe_null: bool,
    },
    /// An object of the argument's type.
    Object {
        /// The kernel holds it valid.
        trusted: bool,
        /// It may be null.
        maybe_null: bool,
    },
}

/// A kernel structure of functions that programs may stand for (`struct_ops`).
#[derive(Debug)]
pub struct Operations {
    /// The structure's name.
    pub name: &'static str,
    /// Arguments' types that are another's start: the first is given as the second.
    pub promotes: &'static [(&'static str, &'static str)],
    /// Its functions.
    pub members: &'static [Member],
}

/// A function of [`Operations`].
#[derive(Debug)]
pub struct Member {
    /// The member's name.
    pub name: &'static str,
    /// Programs that may not sleep can stand for it.
    pub plain: bool,
    /// Programs that may sleep can.
    pub sleepable: bool,
    /// Arguments that may be null: bit N is argument N.
    pub maybe_null: u32,
}

/// What programs of [`Operations`], or of a type, may write of an object.
#[derive(Debug)]
pub(super) struct Writable {
    /// The operations' structure, or the program type.
    pub table: &'static str,
    /// The object's structure.
    pub object: &'static str,
    /// Members, and whether a write may begin anywhere in it, not at its start alone.
    pub members: &'static [(&'static str, bool)],
}

/// Whether an argument of a tracepoint may be null.
pub fn may_be_null(tracepoint: &str, argument: u32) -> bool {
    let row = NULLABLE.iter().find(|row| row.0 == tracepoint);
    row.is_some_and(|row| row.1.checked_shr(argument).is_some_and(|mask| mask & 1 == 1))
}

/// The arguments of an iterator that are not as their types say, or `None` where there is no such iterator.
pub fn iterator(function: &str) -> Option<&'static [(u32, Given)]> {
    ITERATORS.iter().find(|row| row.0 == function).map(|row| row.1)
}

/// The table of operations whose structure has that name.
pub fn operations(structure: &str) -> Option<&'static Operations> {
    OPERATIONS.iter().find(|row| row.name == structure)
}

/// The members of an object that programs of a table of operations, or of a type, may write; `None` where they may write none.
pub fn writable(table: &str, object: &str) -> Option<&'static [(&'static str, bool)]> {
    WRITABLE.iter().find(|row| row.table == table && row.object == object).map(|row| row.members)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_found_by_name() {
        assert!(may_be_null("sched_pi_setprio", 1) && !may_be_null("sched_pi_setprio", 0));
        assert!(!may_be_null("no_such_tracepoint", 0) && !may_be_null("sched_pi_setprio", 40));
        assert!(iterator("bpf_iter_task").is_some_and(|given| given.len() == 1));
        assert!(iterator("bpf_iter_num_new").is_none());
        let cubic = operations("tcp_congestion_ops").unwrap();
        assert!(cubic.members.iter().any(|m| m.name == "ssthresh" && m.plain));
        assert!(writable("tcp_congestion_ops", "tcp_sock").is_some_and(|m| m.contains(&("snd_cwnd", false))));
        assert!(writable("tcp_congestion_ops", "task_struct").is_none());
    }
}
