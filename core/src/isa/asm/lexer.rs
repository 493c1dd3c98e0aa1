//! Text to tokens, a line at a time.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::AsmError;

/// What a token is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Token {
    /// A word: letters, digits, `_`, `.`, `$`, not beginning with a digit.
    Word(String),
    /// A number without its sign.
    Number(u64),
    /// Text in double quotes, its escapes read.
    Quoted(String),
    /// Punctuation, the longest that fits: one of [`OPERATORS`].
    Op(&'static str),
}

/// A token and the column of its first character, from 1.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Spanned {
    pub token: Token,
    pub column: u32,
}

/// All punctuation; a longer one stands before its beginnings. Those with an `s` are signed.
const OPERATORS: &[&str] = &[
    "s>>=", "s>=", "s<=", "s/=", "s%=", "s>", "s<", ">>=", "<<=", "+=", "-=", "*=", "/=", "%=", "|=", "&=",
    "^=", "==", "!=", ">=", "<=", ">", "<", "=", "&", "+", "-", "*", "(", ")", "[", "]", ",", ":", "#",
];

fn in_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '$')
}

/// Splits a line; a comment (`;`, `//`, or a `#` that numbers no call) ends it. What the log prints
/// before an instruction, `3: (b7) `, is passed over; the opcode is answered.
pub(super) fn line(text: &str, number: u32) -> Result<(Option<u8>, Vec<Spanned>), AsmError> {
    let mut tokens: Vec<Spanned> = Vec::new();
    let (opcode, mut rest) = log_prefix(text);
    // What was passed over is ASCII and white space.
    let passed = text[..text.len() - rest.len()].chars().count();
    let mut column = u32::try_from(passed).unwrap_or(u32::MAX).saturating_add(1);
    while let Some(c) = rest.chars().next() {
        let error = |what: &str, found: &str| AsmError::new(number, column, what, found);
        let (token, len) = if c.is_whitespace() {
            (None, c.len_utf8())
        } else if c == ';' || rest.starts_with("//") || c == '#' && !numbers_a_call(&tokens, rest) {
            break;
        } else if let Some(op) = OPERATORS.iter().find(|op| rest.starts_with(**op)) {
            (Some(Token::Op(op)), op.len())
        } else if c == '"' {
            let (text, len) = quoted(rest).ok_or_else(|| error("a closing `\"`", "the line's end"))?;
            (Some(Token::Quoted(text)), len)
        } else if c.is_ascii_digit() {
            let len = rest.find(|c| !in_word(c)).unwrap_or(rest.len());
            let value = integer(&rest[..len]).ok_or_else(|| {
                error("a decimal or 0x hexadecimal number of at most 64 bits", &format!("`{}`", &rest[..len]))
            })?;
            (Some(Token::Number(value)), len)
        } else if in_word(c) {
            let len = rest.find(|c| !in_word(c)).unwrap_or(rest.len());
            (Some(Token::Word(rest[..len].into())), len)
        } else {
            return Err(error("an instruction, a label or a directive", &format!("`{c}`")));
        };
        if let Some(token) = token {
            tokens.push(Spanned { token, column });
        }
        column = column.saturating_add(u32::try_from(rest[..len].chars().count()).unwrap_or(u32::MAX));
        rest = &rest[len..];
    }
    Ok((opcode, tokens))
}

/// Takes `3: ` and `(b7) ` from the start of a line.
fn log_prefix(text: &str) -> (Option<u8>, &str) {
    let text = text.trim_start();
    let after_digits = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let text = match after_digits.strip_prefix(':') {
        Some(rest) if after_digits.len() < text.len() => rest.trim_start(),
        _ => text,
    };
    let opcode = text.strip_prefix('(').and_then(|rest| rest.split_once(')'));
    match opcode.map(|(digits, rest)| (digits.len(), u8::from_str_radix(digits, 16), rest)) {
        Some((2, Ok(opcode), rest)) => (Some(opcode), rest.trim_start()),
        _ => (None, text),
    }
}

/// Whether the `#` that `rest` begins with is that of `call name#1` or `call #1`.
fn numbers_a_call(before: &[Spanned], rest: &str) -> bool {
    let call = before.iter().rev().take(3).any(|t| t.token == Token::Word("call".into()));
    call && rest[1..].starts_with(|c: char| c.is_ascii_digit())
}

/// The text of the quoted string at the start of `rest`, and its length there.
fn quoted(rest: &str) -> Option<(String, usize)> {
    let mut text = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((text, at + 1)),
            '\\' => match chars.next()?.1 {
                'n' => text.push('\n'),
                'r' => text.push('\r'),
                other => text.push(other),
            },
            c => text.push(c),
        }
    }
    None
}

fn integer(text: &str) -> Option<u64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) if !hex.starts_with('+') => u64::from_str_radix(hex, 16).ok(),
        Some(_) => None,
        None => text.parse().ok(),
    }
}
