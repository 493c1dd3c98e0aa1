//! Lines that begin with a dot: what the log's syntax can't say.

use alloc::format;
use alloc::vec::Vec;

use super::lexer::Token;
use super::scanner::Scanner;
use super::{AsmError, Assembler, MapDirective};
use crate::isa::RawInsn;

impl Assembler<'_> {
    pub(super) fn directive(&mut self, s: &mut Scanner) -> Result<(), AsmError> {
        let column = s.column();
        let directive = s.name("a directive")?;
        match directive.as_str() {
            ".type" => {
                once(s, column, self.out.program_type.is_some())?;
                let (expected, column) = ("a program type, as in `.type xdp`", s.column());
                let name = s.name(expected)?;
                if !self.resolver.is_program_type(&name) {
                    return Err(s.error_at(column, expected, &format!("`{name}`, which is none")));
                }
                self.out.program_type = Some(name);
            }
            ".attach" => {
                once(s, column, self.out.attach_type.is_some())?;
                self.out.attach_type = Some(s.unsigned("an attach type's number")?);
            }
            ".flags" => {
                once(s, column, self.out.program_flags.is_some())?;
                self.out.program_flags = Some(s.unsigned("load flags")?);
            }
            ".license" => {
                once(s, column, self.out.license.is_some())?;
                self.out.license =
                    Some(s.name("a licence, as in `.license GPL` or `.license \"Dual MIT/GPL\"`")?);
            }
            ".map" => self.map(s)?,
            ".contents" => self.contents(s)?,
            ".func" => {
                let column = s.column();
                let name = s.name("a function's name")?;
                self.define(name, column, s.line, true)?;
            }
            ".bytes" => {
                let mut bytes = [0_u8; 8];
                for byte in &mut bytes {
                    *byte = s.within("8 bytes, as 0x8f", 0, 255)? as u8;
                }
                self.slot(RawInsn::from_bytes(bytes), s.line);
            }
            _ => {
                let expected = ".type, .attach, .flags, .license, .map, .contents, .func or .bytes";
                return Err(s.error_at(column, expected, &format!("`{directive}`")));
            }
        }
        Ok(())
    }

    fn map(&mut self, s: &mut Scanner) -> Result<(), AsmError> {
        let column = s.column();
        let name = s.name("a map's name, as in `.map counts array 4 8 256`")?;
        if self.out.maps.iter().any(|map| map.name == name) {
            return Err(s.error_at(
                column,
                "a new map's name",
                &format!("`{name}`, which an earlier line has"),
            ));
        }
        let map_type = match s.peek() {
            Some(Token::Number(_)) => s.unsigned("a map type's number")?,
            _ => {
                let column = s.column();
                let name = s.name("a map type, as `hash` or `array`")?;
                self.resolver.map_type(&name).ok_or_else(|| {
                    s.error_at(column, "a map type, as `hash` or `array`", &format!("`{name}`"))
                })?
            }
        };
        let key_size = s.unsigned("the key's size in bytes")?;
        let value_size = s.unsigned("the value's size in bytes")?;
        let max_entries = s.unsigned("the most entries")?;
        let flags = match s.peek() {
            Some(Token::Number(_)) => s.unsigned("creation flags")?,
            _ => 0,
        };
        let mut inner = None;
        if s.take_word("inner") {
            let column = s.column();
            let name = s.name("the name of another map")?;
            self.inner_maps.push((name.clone(), s.line, column));
            inner = Some(name);
        }
        let contents = Vec::new();
        let map = MapDirective { name, map_type, key_size, value_size, max_entries, flags, inner, contents };
        self.out.maps.push(map);
        Ok(())
    }

    fn contents(&mut self, s: &mut Scanner) -> Result<(), AsmError> {
        let column = s.column();
        let name = s.name("a map's name")?;
        let Some(map) = self.out.maps.iter_mut().find(|m| m.name == name) else {
            return Err(s.error_at(column, "a map that a `.map` line above names", &format!("`{name}`")));
        };
        let (expected, column) = ("bytes in quotes, two hexadecimal digits each", s.column());
        let text = match s.peek() {
            Some(Token::Quoted(text)) => text,
            _ => return Err(s.error(expected)),
        };
        let bytes = hex(text).ok_or_else(|| s.error_at(column, expected, "something else"))?;
        if map.contents.len() + bytes.len() > map.value_size as usize {
            let expected = format!("at most {} bytes in all", map.value_size);
            let found = format!("{}", map.contents.len() + bytes.len());
            return Err(s.error_at(column, &expected, &found));
        }
        s.skip(1);
        map.contents.extend(bytes);
        Ok(())
    }
}

fn once(s: &Scanner, column: u32, again: bool) -> Result<(), AsmError> {
    if again { Err(s.error_at(column, "this directive once", "a second one")) } else { Ok(()) }
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let digit = |c: u8| char::from(c).to_digit(16);
    let byte = |pair: &[u8; 2]| Some((digit(pair[0])? << 4 | digit(pair[1])?) as u8);
    if rest.is_empty() { pairs.iter().map(byte).collect() } else { None }
}
