//! Printing types as C declarations.

use alloc::format;
use alloc::string::{String, ToString};

use super::{Btf, Type, TypeId};

/// A declarator nests as deep as the type: deeper ones end in `…`, so that no blob exhausts the stack.
const DEEPEST: u32 = 32;

/// Types that one declaration may print: prototypes that name each other would print for ever.
const MOST: u32 = 1000;

impl Btf {
    /// A type as C names it, on one line: `__u32`, `struct iphdr *`, `char [16]`.
    pub fn type_name(&self, id: TypeId) -> String {
        self.declare(id, "")
    }

    /// A declaration of `name` with that type, on one line and without its semicolon: `char comm[16]`.
    pub fn declare(&self, id: TypeId, name: &str) -> String {
        Printer { btf: self, left: MOST }.declarator(id, name.to_string(), 0)
    }
}

struct Printer<'a> {
    btf: &'a Btf,
    left: u32,
}

impl Printer<'_> {
    fn declarator(&mut self, id: TypeId, inner: String, depth: u32) -> String {
        if depth > DEEPEST || self.left == 0 {
            return format!("… {inner}");
        }
        self.left -= 1;
        let btf = self.btf;
        let spaced =
            |words: &str| if inner.is_empty() { words.to_string() } else { format!("{words} {inner}") };
        let tagged = |keyword: &str| match btf.name_of(id) {
            "" => spaced(&format!("{keyword} {{…}}")),
            name => spaced(&format!("{keyword} {name}")),
        };
        match btf.get(id) {
            None | Some(Type::Void) => spaced("void"),
            Some(Type::Struct { .. }) => tagged("struct"),
            Some(Type::Union { .. }) => tagged("union"),
            Some(Type::Enum { .. }) => tagged("enum"),
            Some(Type::Forward { union, .. }) => tagged(if *union { "union" } else { "struct" }),
            Some(Type::Const { to }) => self.qualified("const", *to, inner, depth),
            Some(Type::Volatile { to }) => self.qualified("volatile", *to, inner, depth),
            Some(Type::Restrict { to }) => self.qualified("restrict", *to, inner, depth),
            Some(Type::TypeTag { to, .. }) => self.declarator(*to, inner, depth + 1),
            Some(Type::Pointer { to }) => {
                let suffixed = matches!(btf.get(*to), Some(Type::Array { .. } | Type::Prototype { .. }));
                let inner = if suffixed { format!("(*{inner})") } else { format!("*{inner}") };
                self.declarator(*to, inner, depth + 1)
            }
            Some(Type::Array { element, len, .. }) => {
                self.declarator(*element, format!("{inner}[{len}]"), depth + 1)
            }
            Some(Type::Prototype { result, parameters }) => {
                let mut list = String::new();
                for (at, parameter) in btf.parameters(parameters).iter().enumerate() {
                    if at > 0 {
                        list.push_str(", ");
                    }
                    if self.left == 0 {
                        list.push('…');
                        break;
                    }
                    if parameter.of == TypeId::VOID {
                        list.push_str("...");
                    } else {
                        let name = btf.text(parameter.name).to_string();
                        list.push_str(&self.declarator(parameter.of, name, depth + 1));
                    }
                }
                let list = if list.is_empty() { "void" } else { &list };
                self.declarator(*result, format!("{inner}({list})"), depth + 1)
            }
            Some(Type::Function { name, prototype, .. }) => {
                self.declarator(*prototype, btf.text(*name).to_string(), depth + 1)
            }
            Some(Type::Variable { name, of, .. }) => {
                self.declarator(*of, btf.text(*name).to_string(), depth + 1)
            }
            Some(Type::Int { .. } | Type::Typedef { .. } | Type::Float { .. }) => spaced(btf.name_of(id)),
            Some(Type::Section { .. } | Type::DeclTag { .. }) => spaced(btf.name_of(id)),
        }
    }

    /// A qualifier stands before what it qualifies, but after the star of a pointer.
    fn qualified(&mut self, qualifier: &str, to: TypeId, inner: String, depth: u32) -> String {
        if let Some(Type::Pointer { .. }) = self.btf.get(to) {
            let inner = if inner.is_empty() { qualifier.to_string() } else { format!("{qualifier} {inner}") };
            return self.declarator(to, inner, depth + 1);
        }
        format!("{qualifier} {}", self.declarator(to, inner, depth + 1))
    }
}
