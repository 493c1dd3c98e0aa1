//! The tables.

use std::string::String;

/// The tables' rows, each with a line that it matches, do not stand in each other's way.
#[test]
fn each_row_is_the_first_that_takes_its_own_line() {
    for (family, rows) in super::FAMILIES.iter().enumerate() {
        for row in *rows {
            let line: String = fill(row.pattern);
            let first = super::FAMILIES
                .iter()
                .copied()
                .flatten()
                .find(|other| super::pattern::matches(other.pattern, &line).is_some());
            let found = first.map_or("none", |other| other.pattern);
            assert_eq!(found, row.pattern, "family {family}");
        }
    }
}

fn fill(pattern: &str) -> String {
    let mut out = String::new();
    let mut rest = pattern;
    while let Some(open) = rest.find('{') {
        let close = open + rest[open..].find('}').unwrap();
        out.push_str(&rest[..open]);
        out.push('7');
        rest = &rest[close + 1..];
    }
    out + rest
}
