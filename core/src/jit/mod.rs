//! Compilers: from an [`Image`](crate::image::Image) to bytes of machine code. Nothing is mapped or run here;
//! that is the host's.

pub mod x86_64;
