//! Clang's ELF objects: programs, maps, relocations, BTF and line information.

pub mod btf;
