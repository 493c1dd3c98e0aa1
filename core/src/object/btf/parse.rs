//! Reading BTF's bytes.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::{
    Btf, BtfError, EnumValue, IntEncoding, Linkage, Member, Name, Parameter, SectionVariable, Type, TypeId,
};

const MAGIC: u16 = 0xeb9f;
/// Bytes of the header's fields that are read.
const HEADER_LEN: usize = 24;

/// A place in the bytes that are being read.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    what: &'static str,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8], what: &'static str) -> Reader<'a> {
        Reader { bytes, at: 0, what }
    }
    pub(super) fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }
    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], BtfError> {
        let end = self.at.checked_add(len);
        let taken = end.and_then(|end| self.bytes.get(self.at..end));
        let taken = taken.ok_or(BtfError::Truncated { what: self.what, offset: self.at })?;
        self.at += len;
        Ok(taken)
    }
    pub(super) fn u32(&mut self) -> Result<u32, BtfError> {
        let b = self.take(4)?;
        Ok(u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
    }
}

/// A range of `bytes` that a header names, which begins `base` bytes in.
pub(super) fn part<'a>(
    bytes: &'a [u8],
    base: usize,
    offset: u32,
    len: u32,
    what: &'static str,
) -> Result<&'a [u8], BtfError> {
    let start = base.checked_add(offset as usize);
    let end = start.and_then(|start| start.checked_add(len as usize));
    let range = start.zip(end).and_then(|(start, end)| bytes.get(start..end));
    range.ok_or(BtfError::Truncated { what, offset: bytes.len() })
}

/// Checks magic number and version, and gives back the header's length.
pub(super) fn header(bytes: &[u8]) -> Result<usize, BtfError> {
    let mut reader = Reader::new(bytes, "header");
    let start = reader.take(8)?;
    let magic = u16::from_le_bytes([start[0], start[1]]);
    if magic != MAGIC {
        return Err(BtfError::Magic(magic));
    }
    if start[2] != 1 {
        return Err(BtfError::Version(start[2]));
    }
    Ok(u32::from_le_bytes([start[4], start[5], start[6], start[7]]) as usize)
}

impl Btf {
    /// Reads the contents of a `.BTF` section.
    ///
    /// # Errors
    /// A [`BtfError`] that names the first thing wrong. What is accepted has no reference that leads
    /// nowhere and no type that contains itself.
    pub fn parse(bytes: &[u8]) -> Result<Btf, BtfError> {
        let header_len = header(bytes)?;
        let mut fields = Reader::new(bytes.get(8..HEADER_LEN).unwrap_or(&[]), "header");
        let (type_offset, type_len) = (fields.u32()?, fields.u32()?);
        let (string_offset, string_len) = (fields.u32()?, fields.u32()?);
        let types = part(bytes, header_len, type_offset, type_len, "types")?;
        let strings = part(bytes, header_len, string_offset, string_len, "strings")?;
        if strings.first() != Some(&0) || strings.last() != Some(&0) {
            return Err(BtfError::Strings);
        }
        let strings = core::str::from_utf8(strings).map_err(|_| BtfError::Strings)?;
        let mut parser = Parser {
            reader: Reader::new(types, "types"),
            btf: Btf {
                types: vec![Type::Void],
                strings: String::from(strings),
                members: Vec::new(),
                values: Vec::new(),
                parameters: Vec::new(),
                variables: Vec::new(),
            },
        };
        while !parser.reader.is_at_end() {
            parser.one()?;
        }
        let btf = parser.btf;
        btf.check_references()?;
        btf.check_loops()?;
        Ok(btf)
    }

    /// Every id that a type names is there.
    fn check_references(&self) -> Result<(), BtfError> {
        for (id, ty) in self.types() {
            let check = |to: TypeId| match self.get(to) {
                Some(_) => Ok(()),
                None => Err(BtfError::Reference { id, to: to.0 }),
            };
            match ty {
                Type::Void
                | Type::Int { .. }
                | Type::Enum { .. }
                | Type::Forward { .. }
                | Type::Float { .. } => {}
                Type::Pointer { to }
                | Type::Typedef { to, .. }
                | Type::Volatile { to }
                | Type::Const { to }
                | Type::Restrict { to }
                | Type::TypeTag { to, .. } => check(*to)?,
                Type::Array { element, index, .. } => {
                    check(*element)?;
                    check(*index)?;
                }
                Type::Struct { members, .. } | Type::Union { members, .. } => {
                    self.members(members).iter().try_for_each(|m| check(m.of))?;
                }
                Type::Function { prototype: of, .. }
                | Type::Variable { of, .. }
                | Type::DeclTag { of, .. } => {
                    check(*of)?;
                }
                Type::Prototype { result, parameters } => {
                    check(*result)?;
                    self.parameters(parameters).iter().try_for_each(|p| check(p.of))?;
                }
                Type::Section { variables, .. } => {
                    self.variables(variables).iter().try_for_each(|v| check(v.variable))?;
                }
            }
        }
        Ok(())
    }

    /// No type contains itself by value: a walk over the types with an explicit stack, for a chain may
    /// be as long as the blob.
    fn check_loops(&self) -> Result<(), BtfError> {
        #[derive(Clone, Copy, PartialEq)]
        enum Mark {
            New,
            Open,
            Done,
        }
        let mut marks = vec![Mark::New; self.types.len()];
        let mut stack: Vec<(TypeId, u32)> = Vec::new();
        for start in 0..self.len() {
            stack.push((TypeId(start), 0));
            while let Some((id, next)) = stack.last_mut() {
                let (id, part) = (*id, *next);
                *next += 1;
                if part == 0 {
                    match marks[id.0 as usize] {
                        Mark::Done => {
                            stack.pop();
                            continue;
                        }
                        Mark::Open => return Err(BtfError::Loop { id }),
                        Mark::New => marks[id.0 as usize] = Mark::Open,
                    }
                }
                match self.contained(id, part) {
                    Some(inner) => stack.push((inner, 0)),
                    None => {
                        marks[id.0 as usize] = Mark::Done;
                        stack.pop();
                    }
                }
            }
        }
        Ok(())
    }

    /// The `part`th type that a value of the type has inside it.
    fn contained(&self, id: TypeId, part: u32) -> Option<TypeId> {
        match self.get(id)? {
            Type::Struct { members, .. } | Type::Union { members, .. } => {
                self.members(members).get(part as usize).map(|m| m.of)
            }
            Type::Array { element: of, .. }
            | Type::Typedef { to: of, .. }
            | Type::Volatile { to: of }
            | Type::Const { to: of }
            | Type::Restrict { to: of }
            | Type::TypeTag { to: of, .. }
            | Type::Variable { of, .. }
                if part == 0 =>
            {
                Some(*of)
            }
            _ => None,
        }
    }
}

struct Parser<'a> {
    reader: Reader<'a>,
    btf: Btf,
}

impl Parser<'_> {
    /// Reads the next type.
    fn one(&mut self) -> Result<(), BtfError> {
        let id = TypeId(self.btf.len());
        let name = self.name(id)?;
        let info = self.reader.u32()?;
        let last = self.reader.u32()?;
        let (kind, count, flag) = (info >> 24 & 31, info & 0xffff, info >> 31 == 1);
        let (size, to) = (last, TypeId(last));
        let field = |what, value: u32| BtfError::Field { id, what, value: value.into() };
        let ty = match kind {
            1 => {
                let word = self.reader.u32()?;
                let encoding = match word >> 24 & 15 {
                    0 => IntEncoding::Unsigned,
                    1 => IntEncoding::Signed,
                    2 => IntEncoding::Char,
                    4 => IntEncoding::Bool,
                    other => return Err(field("integer encoding", other)),
                };
                if !matches!(size, 1 | 2 | 4 | 8 | 16) {
                    return Err(field("integer size", size));
                }
                Type::Int { name, size, bits: word as u8, bit_offset: (word >> 16) as u8, encoding }
            }
            2 => Type::Pointer { to },
            3 => {
                let (element, index, len) = (self.reader.u32()?, self.reader.u32()?, self.reader.u32()?);
                Type::Array { element: TypeId(element), index: TypeId(index), len }
            }
            4 | 5 => {
                let start = self.btf.members.len() as u32;
                for _ in 0..count {
                    let (name, of, place) = (self.name(id)?, self.reader.u32()?, self.reader.u32()?);
                    let (bit_size, bit_offset) =
                        if flag { ((place >> 24) as u8, place & 0xff_ffff) } else { (0, place) };
                    self.btf.members.push(Member { name, of: TypeId(of), bit_offset, bit_size });
                }
                let members = start..self.btf.members.len() as u32;
                if kind == 4 {
                    Type::Struct { name, size, members }
                } else {
                    Type::Union { name, size, members }
                }
            }
            6 | 19 => {
                let start = self.btf.values.len() as u32;
                for _ in 0..count {
                    let (name, low) = (self.name(id)?, self.reader.u32()?);
                    let value = match kind {
                        19 => (u64::from(self.reader.u32()?) << 32 | u64::from(low)) as i64,
                        _ if flag => i64::from(low as i32),
                        _ => i64::from(low),
                    };
                    self.btf.values.push(EnumValue { name, value });
                }
                if !matches!(size, 1 | 2 | 4 | 8) {
                    return Err(field("enumeration size", size));
                }
                Type::Enum { name, size, signed: flag, values: start..self.btf.values.len() as u32 }
            }
            7 => Type::Forward { name, union: flag },
            8 => Type::Typedef { name, to },
            9 => Type::Volatile { to },
            10 => Type::Const { to },
            11 => Type::Restrict { to },
            12 => Type::Function { name, prototype: to, linkage: linkage(id, count)? },
            13 => {
                let start = self.btf.parameters.len() as u32;
                for _ in 0..count {
                    let (name, of) = (self.name(id)?, self.reader.u32()?);
                    self.btf.parameters.push(Parameter { name, of: TypeId(of) });
                }
                Type::Prototype { result: to, parameters: start..self.btf.parameters.len() as u32 }
            }
            14 => Type::Variable { name, of: to, linkage: linkage(id, self.reader.u32()?)? },
            15 => {
                let start = self.btf.variables.len() as u32;
                for _ in 0..count {
                    let (variable, offset, size) =
                        (self.reader.u32()?, self.reader.u32()?, self.reader.u32()?);
                    self.btf.variables.push(SectionVariable { variable: TypeId(variable), offset, size });
                }
                Type::Section { name, size, variables: start..self.btf.variables.len() as u32 }
            }
            16 => Type::Float { name, size },
            17 => Type::DeclTag { name, of: to, component: self.reader.u32()? as i32 },
            18 => Type::TypeTag { name, to },
            _ => return Err(BtfError::Kind { id, kind }),
        };
        self.btf.types.push(ty);
        Ok(())
    }

    fn name(&mut self, id: TypeId) -> Result<Name, BtfError> {
        let offset = self.reader.u32()?;
        // Not a boundary of characters only where the strings hold more than ASCII and the offset points
        // into one.
        if !self.btf.strings.is_char_boundary(offset as usize) || offset as usize >= self.btf.strings.len() {
            return Err(BtfError::Name { id, offset });
        }
        Ok(Name(offset))
    }
}

fn linkage(id: TypeId, number: u32) -> Result<Linkage, BtfError> {
    match number {
        0 => Ok(Linkage::Static),
        1 => Ok(Linkage::Global),
        2 => Ok(Linkage::Extern),
        other => Err(BtfError::Field { id, what: "linkage", value: other.into() }),
    }
}
