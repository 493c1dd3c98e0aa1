//! A cursor over a line's tokens, with errors that say what it expected.

use alloc::format;
use alloc::string::{String, ToString};

use super::AsmError;
use super::lexer::{Spanned, Token};
use crate::isa::insn::{Reg, Width};

pub(super) struct Scanner<'a> {
    tokens: &'a [Spanned],
    at: usize,
    pub line: u32,
    /// The column just past the line.
    end: u32,
}

impl<'a> Scanner<'a> {
    pub fn new(tokens: &'a [Spanned], line: u32, end: u32) -> Scanner<'a> {
        Scanner { tokens, at: 0, line, end }
    }

    pub fn at_end(&self) -> bool {
        self.at >= self.tokens.len()
    }

    pub fn peek(&self) -> Option<&'a Token> {
        self.peek_at(0)
    }

    pub fn peek_at(&self, ahead: usize) -> Option<&'a Token> {
        self.tokens.get(self.at.saturating_add(ahead)).map(|t| &t.token)
    }

    pub fn peek_word(&self) -> Option<&'a str> {
        match self.peek() {
            Some(Token::Word(word)) => Some(word),
            _ => None,
        }
    }

    pub fn skip(&mut self, tokens: usize) {
        self.at = self.at.saturating_add(tokens);
    }

    /// The column of the next token, or just past the line.
    pub fn column(&self) -> u32 {
        self.tokens.get(self.at).map_or(self.end, |t| t.column)
    }

    pub fn error_at(&self, column: u32, expected: &str, found: &str) -> AsmError {
        AsmError::new(self.line, column, expected, found)
    }

    /// An error at the next token.
    pub fn error(&self, expected: &str) -> AsmError {
        let found = match self.peek() {
            None => String::from("the line's end"),
            Some(Token::Word(word)) => format!("`{word}`"),
            Some(Token::Number(number)) => format!("`{number}`"),
            Some(Token::Quoted(text)) => format!("{text:?}"),
            Some(Token::Op(op)) => format!("`{op}`"),
        };
        self.error_at(self.column(), expected, &found)
    }

    pub fn end(&self) -> Result<(), AsmError> {
        if self.at_end() { Ok(()) } else { Err(self.error("the line's end")) }
    }

    /// Takes `NAME :`.
    pub fn label(&mut self) -> Option<(String, u32)> {
        let column = self.column();
        let name = match (self.peek()?, self.peek_at(1)?) {
            (Token::Word(name) | Token::Quoted(name), Token::Op(":")) => name.clone(),
            _ => return None,
        };
        self.skip(2);
        Some((name, column))
    }

    pub fn take_op(&mut self, op: &str) -> bool {
        let there = matches!(self.peek(), Some(Token::Op(o)) if *o == op);
        self.skip(there.into());
        there
    }

    pub fn op(&mut self, op: &str) -> Result<(), AsmError> {
        if self.take_op(op) { Ok(()) } else { Err(self.error(&format!("`{op}`"))) }
    }

    pub fn take_word(&mut self, word: &str) -> bool {
        let there = self.peek_word() == Some(word);
        self.skip(there.into());
        there
    }

    pub fn word(&mut self, word: &str) -> Result<(), AsmError> {
        if self.take_word(word) { Ok(()) } else { Err(self.error(&format!("`{word}`"))) }
    }

    /// A word or a quoted text.
    pub fn name(&mut self, what: &str) -> Result<String, AsmError> {
        match self.peek() {
            Some(Token::Word(name) | Token::Quoted(name)) => {
                self.skip(1);
                Ok(name.clone())
            }
            _ => Err(self.error(what)),
        }
    }

    /// The register that the next token names, and whether as `r` or as `w`.
    pub fn peek_register(&self) -> Option<(Reg, Width)> {
        let word = self.peek_word()?;
        let (width, number) = match word.as_bytes().first()? {
            b'r' => (Width::W64, &word[1..]),
            b'w' => (Width::W32, &word[1..]),
            _ => return None,
        };
        let plain = number.len() <= 2 && number.bytes().all(|b| b.is_ascii_digit());
        let number: u8 = number.parse().ok().filter(|n: &u8| plain && n.to_string().len() == number.len())?;
        Some((Reg::new(number)?, width))
    }

    pub fn register(&mut self) -> Result<(Reg, Width), AsmError> {
        let register =
            self.peek_register().ok_or_else(|| self.error("a register, r0 to r10 or w0 to w10"))?;
        self.skip(1);
        Ok(register)
    }

    /// A register in its 64-bit form.
    pub fn wide_register(&mut self) -> Result<Reg, AsmError> {
        match self.peek_register() {
            Some((reg, Width::W64)) => {
                self.skip(1);
                Ok(reg)
            }
            _ => Err(self.error("a 64-bit register, r0 to r10")),
        }
    }

    /// A register with the given letter.
    pub fn register_of(&mut self, width: Width) -> Result<Reg, AsmError> {
        match self.peek_register() {
            Some((reg, w)) if w == width => {
                self.skip(1);
                Ok(reg)
            }
            _ => Err(self.error(match width {
                Width::W64 => "a 64-bit register, r0 to r10",
                Width::W32 => "a 32-bit register, w0 to w10",
            })),
        }
    }

    /// A register whose value is accessed in memory at a width of `bits`: its 32-bit form is taken too
    /// where no more than 32 bits count.
    pub fn value_register(&mut self, bits: u32) -> Result<Reg, AsmError> {
        if bits > 32 { self.wide_register() } else { Ok(self.register()?.0) }
    }

    /// The same register once more, as in `r1 = -r1`.
    pub fn same(&mut self, (reg, width): (Reg, Width)) -> Result<(), AsmError> {
        match self.peek_register() {
            Some(r) if r == (reg, width) => {
                self.skip(1);
                Ok(())
            }
            _ => Err(self.error(&format!("the same register as before `=`, number {}", reg.number()))),
        }
    }

    /// A number with an optional sign.
    pub fn number(&mut self, what: &str) -> Result<i128, AsmError> {
        let negative = matches!(self.peek(), Some(Token::Op("-")));
        let signed = negative || matches!(self.peek(), Some(Token::Op("+")));
        match self.peek_at(signed.into()) {
            Some(Token::Number(value)) => {
                self.skip(1 + usize::from(signed));
                let value = i128::from(*value);
                Ok(if negative { -value } else { value })
            }
            _ => Err(self.error(what)),
        }
    }

    /// A number within a range, which `what` says.
    pub fn within(&mut self, what: &str, min: i128, max: i128) -> Result<i128, AsmError> {
        let column = self.column();
        let value = self.number(what)?;
        if value < min || value > max {
            return Err(self.error_at(column, what, &format!("{value}")));
        }
        Ok(value)
    }

    /// A number of 32 bits without a sign.
    pub fn unsigned(&mut self, what: &str) -> Result<u32, AsmError> {
        Ok(self.within(what, 0, u32::MAX.into())? as u32)
    }

    /// A number of 32 bits with a sign.
    pub fn signed(&mut self, what: &str) -> Result<i32, AsmError> {
        Ok(self.within(what, i32::MIN.into(), i32::MAX.into())? as i32)
    }
}
