//! The running kernel's types, found by name.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};

use super::{Btf, BtfError, Type, TypeId};

/// The kernel's BTF with an index of its names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KernelTypes {
    /// The types.
    pub btf: Btf,
    structures: BTreeMap<String, TypeId>,
    unions: BTreeMap<String, TypeId>,
    functions: BTreeMap<String, TypeId>,
    typedefs: BTreeMap<String, TypeId>,
    variables: BTreeMap<String, TypeId>,
}

impl KernelTypes {
    /// Reads the kernel's BTF: what `/sys/kernel/btf/vmlinux` holds.
    ///
    /// # Errors
    /// As [`Btf::parse`].
    pub fn parse(bytes: &[u8]) -> Result<KernelTypes, BtfError> {
        let btf = Btf::parse(bytes)?;
        let mut types = KernelTypes {
            structures: BTreeMap::new(),
            unions: BTreeMap::new(),
            functions: BTreeMap::new(),
            typedefs: BTreeMap::new(),
            variables: BTreeMap::new(),
            btf: Btf::default(),
        };
        for (id, ty) in btf.types() {
            let names = match ty {
                Type::Struct { .. } => &mut types.structures,
                Type::Union { .. } => &mut types.unions,
                Type::Function { .. } => &mut types.functions,
                Type::Typedef { .. } => &mut types.typedefs,
                Type::Variable { .. } => &mut types.variables,
                _ => continue,
            };
            // The first of a name is the one that counts.
            let name = btf.name_of(id);
            if !names.contains_key(name) {
                names.insert(name.to_string(), id);
            }
        }
        types.btf = btf;
        Ok(types)
    }

    /// The structure of that name.
    pub fn structure(&self, name: &str) -> Option<TypeId> {
        self.structures.get(name).copied()
    }
    /// The union of that name.
    pub fn union(&self, name: &str) -> Option<TypeId> {
        self.unions.get(name).copied()
    }
    /// The function of that name.
    pub fn function(&self, name: &str) -> Option<TypeId> {
        self.functions.get(name).copied()
    }
    /// The typedef of that name.
    pub fn typedef(&self, name: &str) -> Option<TypeId> {
        self.typedefs.get(name).copied()
    }
    /// The variable of that name.
    pub fn variable(&self, name: &str) -> Option<TypeId> {
        self.variables.get(name).copied()
    }
}
