//! Which loads from a socket pointer are allowed: each gives a number.
//!
//! Written by `native/probes/sockets.py` from the running kernel's answers; not to be edited by hand.

use super::{Access, FieldKind::Scalar};

#[rustfmt::skip]
const fn a(size: u32, first: u32, last: u32, step: u32) -> Access {
    Access { write: false, size, first, last, step, gives: Scalar }
}

#[rustfmt::skip]
pub(super) const COMMON: &[Access] = &[
    a(1, 4, 4, 1),
    a(1, 24, 44, 1),
    a(1, 48, 49, 1),
    a(1, 52, 72, 1),
    a(1, 76, 76, 1),
    a(2, 4, 4, 2),
    a(2, 24, 44, 2),
    a(2, 48, 48, 2),
    a(2, 52, 72, 2),
    a(2, 76, 76, 2),
    a(4, 0, 4, 4),
    a(4, 24, 76, 4),
];
#[rustfmt::skip]
pub(super) const FULL: &[Access] = &[
    a(1, 4, 4, 1),
    a(1, 8, 8, 1),
    a(1, 12, 12, 1),
    a(1, 24, 44, 1),
    a(1, 48, 49, 1),
    a(1, 52, 72, 1),
    a(1, 76, 76, 1),
    a(2, 4, 4, 2),
    a(2, 8, 8, 2),
    a(2, 12, 12, 2),
    a(2, 24, 44, 2),
    a(2, 48, 48, 2),
    a(2, 52, 72, 2),
    a(2, 76, 76, 2),
    a(4, 0, 76, 4),
];
#[rustfmt::skip]
pub(super) const TCP: &[Access] = &[
    a(4, 0, 76, 4),
    a(4, 84, 84, 4),
    a(4, 92, 108, 4),
    a(8, 80, 88, 8),
];
#[rustfmt::skip]
pub(super) const XDP: &[Access] = &[
    a(4, 0, 0, 4),
];
