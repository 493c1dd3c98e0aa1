//! The terms of the verifier's log and what they mean: the rows of `www/terms.tsv`.

use std::sync::LazyLock;

/// A term and its explanation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Term {
    /// How the log writes it: `#` stands for a number, a trailing `_` takes the rest of a word.
    pub pattern: &'static str,
    /// One or two sentences.
    pub meaning: &'static str,
}

/// The terms, longest patterns first, so that a phrase wins over its words.
static TERMS: LazyLock<Vec<Term>> = LazyLock::new(|| {
    let rows = include_str!("../../www/terms.tsv").lines().filter(|line| !line.starts_with("# "));
    let mut terms: Vec<Term> = rows
        .filter_map(|line| line.split_once('\t'))
        .map(|(pattern, meaning)| Term { pattern, meaning })
        .collect();
    terms.sort_by_key(|term| std::cmp::Reverse((term.pattern.len(), !term.pattern.contains('#'))));
    terms
});

/// A piece of a line: a term with its number in [`all`], or what stands between two.
pub type Part<'a> = (&'a str, Option<usize>);

/// Every term; the order is fixed within a build.
pub fn all() -> &'static [Term] {
    &TERMS
}

/// Cuts a line into terms and what stands between them. Joined, the parts are the line.
pub fn parts(line: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    // Where the text begins that is in no part yet, and where a term is looked for next.
    let (mut begin, mut at) = (0, 0);
    while at < line.len() {
        let rest = &line[at..];
        let found = TERMS.iter().enumerate().find_map(|(n, term)| Some((n, matched(term.pattern, rest)?)));
        if let Some((term, length)) = found {
            if begin < at {
                parts.push((&line[begin..at], None));
            }
            parts.push((&rest[..length], Some(term)));
            at += length;
            begin = at;
        } else {
            // On to the next word, or the next character where this is none.
            let word = word_length(rest);
            at += if word > 0 { word } else { rest.chars().next().map_or(1, char::len_utf8) };
        }
    }
    if begin < line.len() {
        parts.push((&line[begin..], None));
    }
    parts
}

/// How much of a text's beginning a pattern takes.
fn matched(pattern: &str, text: &str) -> Option<usize> {
    let mut rest = text;
    let mut literal = pattern.strip_suffix('_').unwrap_or(pattern);
    while !literal.is_empty() {
        if let Some(after) = literal.strip_prefix('#') {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            if digits == 0 {
                return None;
            }
            (literal, rest) = (after, &rest[digits..]);
        } else {
            let length = literal.find('#').unwrap_or(literal.len());
            rest = rest.strip_prefix(&literal[..length])?;
            literal = &literal[length..];
        }
    }
    if pattern.ends_with('_') {
        rest = rest.strip_prefix('_')?;
        rest = &rest[word_length(rest)..];
    }
    let taken = text.len() - rest.len();
    let last_is_word = text[..taken].chars().next_back().is_some_and(is_word);
    let goes_on = rest.chars().next().is_some_and(is_word);
    (!(last_is_word && goes_on)).then_some(taken)
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn word_length(text: &str) -> usize {
    text.find(|c: char| !is_word(c)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms_of(line: &str) -> Vec<(&str, &str)> {
        let found = parts(line);
        assert_eq!(found.iter().map(|p| p.0).collect::<String>(), line);
        found.into_iter().filter_map(|(text, term)| Some((text, all()[term?].pattern))).collect()
    }

    #[test]
    fn finds_the_terms_of_a_state() {
        let line = "10: R0=map_value_or_null(id=1,map=counts,ks=4,vs=8) R10=fp0 fp-8=mmmm????";
        let found = terms_of(line);
        assert_eq!(found[0], ("R0", "R0"));
        assert_eq!(found[1], ("map_value_or_null", "map_value_or_null"));
        assert!(found.contains(&("R10", "R10")) && found.contains(&("fp0", "fp#")));
        assert!(found.contains(&("fp-8", "fp-#")) && !found.iter().any(|f| f.0 == "counts"));
    }

    #[test]
    fn a_phrase_wins_over_its_words() {
        assert_eq!(terms_of("from 6 to 9: safe")[0], ("from 6 to 9", "from # to #"));
        assert_eq!(terms_of("processed 21 insns (limit 1000000)")[0].1, "processed # insns");
        assert_eq!(terms_of("R7=trusted_ptr_task_struct()")[1], ("trusted_ptr_task_struct", "trusted_ptr_"));
    }

    #[test]
    fn part_of_a_word_is_none() {
        assert_eq!(terms_of("mapping identity exits"), []);
        assert_eq!(terms_of("ünïcode 🐝"), []);
    }

    #[test]
    fn every_row_explains() {
        assert!(all().len() > 90);
        for term in all() {
            assert!(term.meaning.ends_with('.') && term.meaning.len() > 12, "{}", term.pattern);
        }
    }
}
