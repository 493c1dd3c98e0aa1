//! How many arguments each helper has, whether it is built or not.
//!
//! Written by `native/probes/argument_counts.py` from the running kernel's answers; not to be edited by hand.

/// By number from 1. `bpf_get_cgroup_classid` has one argument more in the types that have a row of their own for it.
#[rustfmt::skip]
pub(super) const ARGUMENT_COUNTS: &[u8] = &[
    2, 4, 2, 3, 0, 2, 0, 0, 5, 5, 5, 3, 3, 0, 0, 2, 0, 3, 1, 4, 4, 2, 2, 1, 5, 4, 3, 5, 3, 3, 3, 2,
    3, 1, 0, 5, 2, 3, 2, 2, 1, 0, 3, 2, 3, 1, 1, 2, 5, 4, 3, 4, 4, 2, 4, 3, 5, 5, 2, 4, 2, 2, 4, 5,
    2, 5, 4, 5, 4, 4, 4, 4, 4, 4, 3, 4, 5, 5, 1, 0, 2, 4, 2, 5, 5, 1, 3, 2, 2, 4, 4, 5, 1, 1, 1, 1,
    1, 1, 5, 5, 4, 3, 3, 3, 4, 4, 4, 2, 1, 5, 5, 3, 3, 3, 3, 2, 1, 0, 4, 4, 5, 1, 1, 3, 0, 5, 3, 1,
    2, 4, 3, 2, 2, 2, 2, 1, 1, 1, 1, 1, 4, 4, 4, 3, 5, 5, 3, 3, 5, 4, 1, 4, 2, 1, 2, 4, 2, 0, 5, 0,
    5, 1, 5, 4, 5, 3, 4, 1, 3, 2, 3, 1, 1, 1, 1, 2, 4, 1, 4, 5, 4, 3, 5, 5, 5, 0, 1, 1, 4, 4, 5, 3,
    5, 2, 3, 1, 4, 4, 2, 2, 5, 5, 3, 3, 3, 2, 2, 0, 4, 4, 2,
];
