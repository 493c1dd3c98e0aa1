//! A program as a text that can be edited, with lines put in.

use super::document::Source;
use glasshive::isa::asm::{Assembly, assemble, print};
use glasshive::loader::to_assembly;
use glasshive::names::{self, Uapi};
use std::collections::BTreeSet;

/// The chosen program as a text with lines put in before a slot; `None` where its instructions can't be made.
///
/// A text stays as it was typed but for the new lines, unless it counts slots (`goto pc+2`), which new lines
/// would put out of step: it is printed anew with labels then.
pub fn text(source: &Source, chosen: usize, insert: &[String], at: u32) -> Option<String> {
    let typed = source.text.as_ref().filter(|typed| insert.is_empty() || !counts_slots(&typed.text));
    let text = match typed {
        Some(typed) => typed.text.clone(),
        None => {
            print(&to_assembly(&source.object, source.object.programs.get(chosen)?)?, &Uapi, &names::map_type)
        }
    };
    if insert.is_empty() {
        return Some(text);
    }
    let assembly = assemble(&text, &Uapi).ok()?;
    Some(put_in(&text, &assembly, insert, at))
}

/// Whether a jump or call of the text says how many slots away its target is.
fn counts_slots(text: &str) -> bool {
    text.lines().any(|line| {
        let code = line.split([';', '#']).next().unwrap_or_default();
        code.contains("pc+") || code.contains("pc-")
    })
}

fn put_in(text: &str, assembly: &Assembly, insert: &[String], at: u32) -> String {
    let taken: BTreeSet<&str> = assembly.labels.iter().map(|label| label.name.as_str()).collect();
    let insert = with_own_labels(insert, &taken);
    // Behind the last instruction: at the end.
    let target = assembly.lines.get(at as usize).map_or(usize::MAX, |line| *line as usize);
    let mut out = String::with_capacity(text.len() + 80);
    let mut add = |line: &str| {
        out.push_str(line);
        out.push('\n');
    };
    let mut done = false;
    for (number, line) in (1..).zip(text.lines()) {
        if number != target {
            add(line);
            continue;
        }
        done = true;
        // Who jumps here comes through the new lines too: they stand behind the labels.
        let (labels, rest) = line.split_at(after_labels(line));
        let indent: String = match labels.trim().is_empty() {
            true => line.chars().take_while(|c| c.is_whitespace()).collect(),
            false => "    ".into(),
        };
        if !labels.trim().is_empty() {
            add(labels.trim_end());
        }
        for new in &insert {
            let is_label = new.trim_end().ends_with(':');
            add(&if is_label { new.clone() } else { format!("{indent}{new}") });
        }
        add(&if labels.trim().is_empty() { line.into() } else { format!("{indent}{}", rest.trim_start()) });
    }
    if !done {
        insert.iter().for_each(|new| add(new));
    }
    out
}

/// Bytes that the labels at a line's beginning take. A number there is what the log prints, and no label.
fn after_labels(line: &str) -> usize {
    let mut end = 0;
    while let Some((label, _)) = line[end..].split_once(':') {
        let name = label.trim();
        let word = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '$'));
        if name.is_empty() || !word || name.starts_with(|c: char| c.is_ascii_digit()) {
            break;
        }
        end += label.len() + 1;
    }
    end
}

/// The lines, with labels that the text has already given another name.
fn with_own_labels(insert: &[String], taken: &BTreeSet<&str>) -> Vec<String> {
    let mut lines = insert.to_vec();
    let defined: Vec<String> =
        insert.iter().filter_map(|line| Some(line.trim().strip_suffix(':')?.to_owned())).collect();
    for name in &defined {
        let mut own = name.clone();
        let mut number = 2_u32;
        while taken.contains(own.as_str()) || own != *name && defined.contains(&own) {
            own = format!("{name}_{number}");
            number += 1;
        }
        for line in &mut lines {
            let words: Vec<&str> = line.split(' ').collect();
            let renamed = words.into_iter().map(|word| match word.strip_suffix(':') {
                Some(label) if label == name => format!("{own}:"),
                _ if word == name => own.clone(),
                _ => word.to_owned(),
            });
            *line = renamed.collect::<Vec<_>>().join(" ");
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Document;

    fn forked(text: &str, insert: &[&str], at: u32) -> String {
        let source =
            Source::read(Document::Assembly { text: text.into() }).unwrap_or_else(|_| panic!("{text}"));
        let insert: Vec<String> = insert.iter().map(|line| String::from(*line)).collect();
        super::text(&source, 0, &insert, at).unwrap()
    }

    #[test]
    fn what_was_typed_stays() {
        let text = ".type xdp ; a packet\n\n  r0 = 2   ; pass\nout:\n  exit\n";
        assert_eq!(forked(text, &[], 0), text);
        let after = ".type xdp ; a packet\n\n  r0 = 2   ; pass\nout:\n  r0 = 1\n  exit\n";
        assert_eq!(forked(text, &["r0 = 1"], 1), after);
    }

    #[test]
    fn jumps_to_the_line_go_through_what_is_new() {
        let text = ".type xdp\nif r1 == 0 goto out\nout: exit\n";
        assert_eq!(
            forked(text, &["r0 = 2"], 1),
            ".type xdp\nif r1 == 0 goto out\nout:\n    r0 = 2\n    exit\n"
        );
    }

    #[test]
    fn slots_that_were_counted_become_labels() {
        let text = ".type xdp\nr0 = 0\nif r0 == 0 goto pc+1\nr0 = 1\nexit\n";
        let after = forked(text, &["r0 = 2"], 2);
        assert!(after.contains("goto L3\n") && after.contains("r0 = 2\n"), "{after}");
        let (old, new) = (assemble(text, &Uapi).unwrap(), assemble(&after, &Uapi).unwrap());
        assert_eq!(new.insns.len(), old.insns.len() + 1);
        assert_eq!(new.insns[1].off, 2);
    }

    #[test]
    fn a_label_that_is_taken_gets_another_name() {
        let lines = ["if r0 != 0 goto checked", "exit", "checked:"];
        let once = forked(".type xdp\nr0 = 2\nexit\n", &lines, 1);
        assert_eq!(once, ".type xdp\nr0 = 2\nif r0 != 0 goto checked\nexit\nchecked:\nexit\n");
        let twice = forked(&once, &lines, 1);
        assert!(twice.contains("goto checked_2\n") && twice.contains("checked_2:\n"), "{twice}");
        assert!(assemble(&twice, &Uapi).is_ok());
    }
}
