//! Bytes as people type and read them.

/// Reads hexadecimal bytes: with or without spaces, line breaks, commas, `0x`, `\x` and offsets such as
/// `0010:` before a line.
///
/// # Errors
/// Names the first thing that is no byte, and its line.
pub fn parse(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = match line.split_once(':') {
            Some((offset, rest)) if offset.trim().len() >= 3 && is_hex(offset.trim()) => rest,
            _ => line,
        };
        let at =
            |what: &str| format!("line {}: expected pairs of hexadecimal digits, found `{what}`", number + 1);
        for word in line.split(|c: char| c.is_whitespace() || matches!(c, ',' | ':' | '-')) {
            let word = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")).unwrap_or(word);
            let digits: String = word.replace("\\x", "");
            if !is_hex(&digits) || digits.len() % 2 == 1 && digits.len() > 1 {
                return Err(at(word));
            }
            if digits.len() == 1 {
                bytes.push(u8::from_str_radix(&digits, 16).map_err(|_| at(word))?);
                continue;
            }
            for pair in digits.as_bytes().chunks(2) {
                let pair = core::str::from_utf8(pair).map_err(|_| at(word))?;
                bytes.push(u8::from_str_radix(pair, 16).map_err(|_| at(word))?);
            }
        }
    }
    Ok(bytes)
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Bytes in pairs with spaces between.
pub fn spaced(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 3);
    for (at, byte) in bytes.iter().enumerate() {
        if at > 0 {
            out.push(' ');
        }
        out.push_str(&format!("{byte:02x}"));
    }
    out
}

/// Bytes in rows of 16, in two groups of eight.
pub fn rows(bytes: &[u8]) -> String {
    let row = |row: &[u8]| match row.split_at_checked(8) {
        Some((left, right)) if !right.is_empty() => format!("{}  {}", spaced(left), spaced(right)),
        _ => spaced(row),
    };
    bytes.chunks(16).map(row).collect::<Vec<_>>().join("\n")
}

/// A little-endian number of 1, 2, 4 or 8 bytes.
pub fn number(bytes: &[u8]) -> Option<u64> {
    if !matches!(bytes.len(), 1 | 2 | 4 | 8) {
        return None;
    }
    let mut wide = [0; 8];
    wide[..bytes.len()].copy_from_slice(bytes);
    Some(u64::from_le_bytes(wide))
}

/// What a user typed for a key or value of `size` bytes: a number (decimal, or `0x` and hexadecimal),
/// or as many bytes in hexadecimal, separated by spaces.
///
/// # Errors
/// What would be right.
pub fn value(text: &str, size: usize) -> Result<Vec<u8>, String> {
    let text = text.trim();
    let expected = || {
        let numbers = if matches!(size, 1 | 2 | 4 | 8) { "a number, or " } else { "" };
        format!("expected {numbers}{size} bytes in hexadecimal such as `{}`", spaced(&vec![0; size.min(4)]))
    };
    if matches!(size, 1 | 2 | 4 | 8) && !text.contains(char::is_whitespace) {
        let number = match text.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16).ok(),
            None => match text.strip_prefix('-') {
                Some(digits) => digits.parse::<u64>().ok().map(u64::wrapping_neg),
                None => text.parse().ok(),
            },
        };
        if let Some(number) = number {
            let fits = size == 8
                || number >> (size * 8) == 0
                || (number as i64) < 0 && number as i64 >= -(1 << (size * 8 - 1));
            if fits {
                return Ok(number.to_le_bytes()[..size].to_vec());
            }
            return Err(format!("{text} does not fit in {size} bytes"));
        }
    }
    let bytes = parse(text).map_err(|_| expected())?;
    if bytes.len() == size { Ok(bytes) } else { Err(format!("{}, found {} bytes", expected(), bytes.len())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_paste() {
        for text in [
            "deadbeef",
            "de ad be ef",
            "0xde, 0xad, 0xbe, 0xef",
            "0000: de ad be ef",
            "de:ad:be:ef",
            "\\xde\\xad\\xbe\\xef",
        ] {
            assert_eq!(parse(text), Ok(vec![0xde, 0xad, 0xbe, 0xef]), "{text}");
        }
        assert!(parse("de ad\nxy").unwrap_err().starts_with("line 2"));
        assert!(parse("dea").is_err());
        assert_eq!(parse(""), Ok(vec![]));
    }

    #[test]
    fn rows_read_back() {
        let bytes: Vec<u8> = (0..40).collect();
        assert_eq!(parse(&rows(&bytes)), Ok(bytes));
    }

    #[test]
    fn values_are_numbers_or_bytes() {
        assert_eq!(value("6", 4), Ok(vec![6, 0, 0, 0]));
        assert_eq!(value("0x1ff", 2), Ok(vec![0xff, 1]));
        assert_eq!(value("-1", 2), Ok(vec![0xff, 0xff]));
        assert_eq!(value("01 02 03", 3), Ok(vec![1, 2, 3]));
        assert_eq!(value("0a 00 00 01", 4), Ok(vec![10, 0, 0, 1]));
        assert!(value("300", 1).is_err());
        assert!(value("01 02", 4).is_err());
        assert!(value("", 4).is_err());
    }
}
