//! The programs that the page brings: the rows of `www/examples/gallery.tsv`.

/// A program of the gallery.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Example {
    /// Names its files: `ID.c` and `ID.o`.
    pub id: &'static str,
    /// What people read.
    pub title: &'static str,
    /// Whether Linux 6.18 accepts it.
    pub accepted: bool,
    /// The name of the packet of [`crate::packets::SAMPLES`] to run it on first; empty for a program
    /// that has none.
    pub packet: &'static str,
    /// Of a rejected one, the id of the program as it should be; empty for others.
    pub fixed: &'static str,
    /// One sentence: what one learns from it.
    pub teaches: &'static str,
}

impl Example {
    /// Whether it is there as a rejected program's fix, and not in the list by itself.
    pub fn fixes(&self) -> bool {
        self.id.ends_with("-fixed")
    }
}

/// The program that the page opens on.
pub const FIRST: &str = "protocols-unchecked";

/// The programs, in the order that they are shown.
pub fn examples() -> impl Iterator<Item = Example> {
    include_str!("../../www/examples/gallery.tsv").lines().filter_map(|line| {
        let mut columns = line.split('\t');
        let example = Example {
            id: columns.next()?,
            accepted: columns.next()? == "accepted",
            packet: columns.next()?,
            fixed: columns.next()?,
            title: columns.next()?,
            teaches: columns.next()?,
        };
        (!line.starts_with('#')).then_some(example)
    })
}

/// The program with that id.
pub fn example(id: &str) -> Option<Example> {
    examples().find(|example| example.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_whole() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../www/examples");
        assert!(example(FIRST).is_some_and(|first| !first.accepted));
        assert!(examples().filter(|e| e.accepted && !e.fixes()).count() >= 12);
        assert!(examples().filter(|e| !e.accepted).count() >= 12);
        for example in examples() {
            for kind in ["c", "o"] {
                let path = format!("{folder}/{}.{kind}", example.id);
                assert!(std::fs::exists(&path).unwrap_or(false), "{path}");
            }
            let fixed = super::example(example.fixed);
            assert_eq!(fixed.is_some_and(|fixed| fixed.accepted), !example.accepted, "{}", example.id);
            let packet = example.packet;
            assert!(
                packet.is_empty() || crate::packets::SAMPLES.iter().any(|s| s.name == packet),
                "{packet}"
            );
        }
    }
}
