//! BTF, the type information that clang and the kernel give (`Documentation/bpf/btf.rst`).
//!
//! [`Btf::parse`] reads a blob into typed [`Type`]s once, checks that every reference in it leads
//! somewhere, and answers from then on without failing. `declare` prints types as C; [`ext`] reads
//! the `.BTF.ext` section, which ties types and source lines to instructions.

mod declare;
pub mod ext;
pub mod kernel;
mod parse;
pub mod record;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

/// The number of a type within its BTF; 0 is `void`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TypeId(pub u32);

impl TypeId {
    /// `void`.
    pub const VOID: TypeId = TypeId(0);
}

/// A name: an offset into the string table, read with [`Btf::text`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Name(pub(super) u32);

impl Name {
    /// The name at an offset; one past the string table reads as empty.
    pub fn at(offset: u32) -> Name {
        Name(offset)
    }
    /// Its offset in the string table.
    pub fn offset(self) -> u32 {
        self.0
    }
}

/// Which of a BTF's flat tables a type's parts are: [`Btf::members`] and its siblings read them.
pub type Parts = Range<u32>;

/// A type. Sizes are bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Type {
    Void,
    Int { name: Name, size: u32, bits: u8, bit_offset: u8, encoding: IntEncoding },
    Pointer { to: TypeId },
    Array { element: TypeId, index: TypeId, len: u32 },
    Struct { name: Name, size: u32, members: Parts },
    Union { name: Name, size: u32, members: Parts },
    Enum { name: Name, size: u32, signed: bool, values: Parts },
    Forward { name: Name, union: bool },
    Typedef { name: Name, to: TypeId },
    Volatile { to: TypeId },
    Const { to: TypeId },
    Restrict { to: TypeId },
    Function { name: Name, prototype: TypeId, linkage: Linkage },
    Prototype { result: TypeId, parameters: Parts },
    Variable { name: Name, of: TypeId, linkage: Linkage },
    Section { name: Name, size: u32, variables: Parts },
    Float { name: Name, size: u32 },
    DeclTag { name: Name, of: TypeId, component: i32 },
    TypeTag { name: Name, to: TypeId },
}

/// What an integer's bits mean.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum IntEncoding {
    Unsigned,
    Signed,
    Char,
    Bool,
}

/// How far a function or a variable is seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Linkage {
    Static,
    Global,
    Extern,
}

/// A member of a structure or union.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Member {
    /// Its name; empty for an anonymous structure or union.
    pub name: Name,
    /// Its type.
    pub of: TypeId,
    /// Bits from the start of the structure.
    pub bit_offset: u32,
    /// Width in bits of a bit field, else 0.
    pub bit_size: u8,
}

/// A value of an enumeration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EnumValue {
    /// Its name.
    pub name: Name,
    /// Its number: sign-extended where the enumeration is signed.
    pub value: i64,
}

/// A parameter of a prototype. A last one with neither name nor type stands for `...`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Parameter {
    /// Its name.
    pub name: Name,
    /// Its type.
    pub of: TypeId,
}

/// Where a variable lies in its section.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SectionVariable {
    /// The [`Type::Variable`].
    pub variable: TypeId,
    /// Byte offset; clang leaves it 0 for the loader to fill in.
    pub offset: u32,
    /// Bytes.
    pub size: u32,
}

/// Type information, read and checked.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Btf {
    types: Vec<Type>,
    strings: String,
    members: Vec<Member>,
    values: Vec<EnumValue>,
    parameters: Vec<Parameter>,
    variables: Vec<SectionVariable>,
}

/// Why a blob is not BTF.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum BtfError {
    /// It ends before what is being read.
    Truncated { what: &'static str, offset: usize },
    /// The magic number is not 0xeb9f.
    Magic(u16),
    /// A version other than 1.
    Version(u8),
    /// The string table does not begin and end with a zero byte, or is not UTF-8.
    Strings,
    /// A kind that is not known.
    Kind { id: TypeId, kind: u32 },
    /// A name past the string table.
    Name { id: TypeId, offset: u32 },
    /// A type past the last one.
    Reference { id: TypeId, to: u32 },
    /// A field of a type's description with a value that it can't have.
    Field { id: TypeId, what: &'static str, value: u64 },
    /// Types that contain each other by value.
    Loop { id: TypeId },
}

impl fmt::Display for BtfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BtfError::Truncated { what, offset } => write!(f, "BTF ends within its {what} at byte {offset}"),
            BtfError::Magic(magic) => write!(f, "BTF begins with {magic:#06x}, not 0xeb9f (little-endian)"),
            BtfError::Version(version) => write!(f, "BTF has version {version}, not 1"),
            BtfError::Strings => {
                f.write_str("BTF's strings must be UTF-8 and begin and end with a zero byte")
            }
            BtfError::Kind { id, kind } => write!(f, "BTF type {} has the unknown kind {kind}", id.0),
            BtfError::Name { id, offset } => {
                write!(f, "BTF type {} has its name at {offset}, past the strings", id.0)
            }
            BtfError::Reference { id, to } => {
                write!(f, "BTF type {} refers to type {to}, which is not there", id.0)
            }
            BtfError::Field { id, what, value } => write!(f, "BTF type {} has the {what} {value}", id.0),
            BtfError::Loop { id } => write!(f, "BTF type {} contains itself", id.0),
        }
    }
}

impl core::error::Error for BtfError {}

impl Btf {
    /// The number of types, `void` included: the first id that is not there.
    pub fn len(&self) -> u32 {
        self.types.len() as u32
    }

    /// Whether there is no type but `void`.
    pub fn is_empty(&self) -> bool {
        self.types.len() <= 1
    }

    /// A type by id.
    pub fn get(&self, id: TypeId) -> Option<&Type> {
        self.types.get(id.0 as usize)
    }

    /// The types in order, from `void` on.
    pub fn types(&self) -> impl Iterator<Item = (TypeId, &Type)> {
        self.types.iter().enumerate().map(|(id, ty)| (TypeId(id as u32), ty))
    }

    /// Whether a name lies in the string table.
    pub fn has_name(&self, name: Name) -> bool {
        (name.0 as usize) < self.strings.len()
    }

    /// A name's text.
    pub fn text(&self, name: Name) -> &str {
        let rest = self.strings.get(name.0 as usize..).unwrap_or("");
        rest.split('\0').next().unwrap_or("")
    }

    /// A type's name; empty where it has none.
    pub fn name_of(&self, id: TypeId) -> &str {
        match self.get(id) {
            Some(
                Type::Int { name, .. }
                | Type::Struct { name, .. }
                | Type::Union { name, .. }
                | Type::Enum { name, .. }
                | Type::Forward { name, .. }
                | Type::Typedef { name, .. }
                | Type::Function { name, .. }
                | Type::Variable { name, .. }
                | Type::Section { name, .. }
                | Type::Float { name, .. }
                | Type::DeclTag { name, .. }
                | Type::TypeTag { name, .. },
            ) => self.text(*name),
            _ => "",
        }
    }

    /// The members of a [`Type::Struct`] or [`Type::Union`].
    pub fn members(&self, parts: &Parts) -> &[Member] {
        slice(&self.members, parts)
    }
    /// The values of a [`Type::Enum`].
    pub fn values(&self, parts: &Parts) -> &[EnumValue] {
        slice(&self.values, parts)
    }
    /// The parameters of a [`Type::Prototype`].
    pub fn parameters(&self, parts: &Parts) -> &[Parameter] {
        slice(&self.parameters, parts)
    }
    /// The variables of a [`Type::Section`].
    pub fn variables(&self, parts: &Parts) -> &[SectionVariable] {
        slice(&self.variables, parts)
    }

    /// The first type with that name which `accept` takes.
    pub fn find(&self, name: &str, accept: impl Fn(&Type) -> bool) -> Option<TypeId> {
        self.types().find(|(id, ty)| accept(ty) && self.name_of(*id) == name).map(|(id, _)| id)
    }

    /// The type behind typedefs, qualifiers and type tags.
    pub fn resolve(&self, mut id: TypeId) -> TypeId {
        // Every chain of these is finite: `parse` refuses one that comes round.
        while let Some(
            Type::Typedef { to, .. }
            | Type::Volatile { to }
            | Type::Const { to }
            | Type::Restrict { to }
            | Type::TypeTag { to, .. },
        ) = self.get(id)
        {
            id = *to;
        }
        id
    }

    /// Bytes of a value of that type; `None` for one that has no size (`void`, a function) or whose size
    /// is past 32 bits.
    pub fn size_of(&self, id: TypeId) -> Option<u32> {
        let mut id = self.resolve(id);
        let mut count: u32 = 1;
        loop {
            let size = match self.get(id)? {
                Type::Int { size, .. }
                | Type::Struct { size, .. }
                | Type::Union { size, .. }
                | Type::Enum { size, .. }
                | Type::Float { size, .. }
                | Type::Section { size, .. } => *size,
                Type::Pointer { .. } => 8,
                Type::Array { element, len, .. } => {
                    count = count.checked_mul(*len)?;
                    id = self.resolve(*element);
                    continue;
                }
                Type::Variable { of, .. } => {
                    id = self.resolve(*of);
                    continue;
                }
                _ => return None,
            };
            return count.checked_mul(size);
        }
    }
}

fn slice<'a, T>(all: &'a [T], parts: &Parts) -> &'a [T] {
    all.get(parts.start as usize..parts.end as usize).unwrap_or(&[])
}
