//! The kernel's lines with holes: `R{r} invalid mem access '{type}'`.

/// Most holes of a pattern.
const MOST: usize = 8;

/// What the holes of a pattern stand for in a message, by name.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Captures<'a> {
    found: [(&'a str, &'a str); MOST],
    count: usize,
}

impl<'a> Captures<'a> {
    /// What a hole stands for; empty for a hole that the pattern does not have.
    pub fn get(&self, name: &str) -> &'a str {
        self.found[..self.count].iter().find(|(hole, _)| *hole == name).map_or("", |(_, text)| text)
    }

    /// A hole that is a number.
    pub fn number(&self, name: &str) -> Option<i64> {
        let text = self.get(name);
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let value = match digits.strip_prefix("0x") {
            Some(hex) => u64::from_str_radix(hex, 16).ok()? as i64,
            None => digits.parse().ok()?,
        };
        Some(if negative { -value } else { value })
    }
}

/// Matches a whole message. A hole takes as little as the text behind it allows; the last one takes the rest.
pub(super) fn matches<'a>(pattern: &'a str, message: &'a str) -> Option<Captures<'a>> {
    let mut captures = Captures::default();
    let (mut pattern, mut rest) = (pattern, message);
    loop {
        let Some(open) = pattern.find('{') else {
            return (pattern == rest).then_some(captures);
        };
        rest = rest.strip_prefix(&pattern[..open])?;
        let close = open + pattern[open..].find('}')?;
        let name = &pattern[open + 1..close];
        pattern = &pattern[close + 1..];
        let literal = &pattern[..pattern.find('{').unwrap_or(pattern.len())];
        let end = match literal {
            "" => rest.len(),
            _ if literal.len() == pattern.len() => rest.len().checked_sub(literal.len())?,
            _ => rest.find(literal)?,
        };
        if !rest.is_char_boundary(end) || captures.count == MOST {
            return None;
        }
        captures.found[captures.count] = (name, &rest[..end]);
        captures.count += 1;
        rest = &rest[end..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_are_filled() {
        let message = "R4 pointer arithmetic on map_value_or_null prohibited, null-check it first";
        let found =
            matches("R{r} pointer arithmetic on {type} prohibited, null-check it first", message).unwrap();
        assert_eq!((found.number("r"), found.get("type")), (Some(4), "map_value_or_null"));
        assert!(matches("R{r} pointer arithmetic on {type} prohibited", message).is_none());
        let found = matches("value {n} makes {type} pointer", "value -0x10 makes fp pointer").unwrap();
        assert_eq!(found.number("n"), Some(-16));
        let found = matches("{what} uses reserved fields", "BPF_ALU uses reserved fields").unwrap();
        assert_eq!(found.get("what"), "BPF_ALU");
        assert!(matches("R{r} !read_ok", "R3 !read").is_none());
        assert_eq!(matches("a {rest}", "a b c").unwrap().get("rest"), "b c");
    }
}
