//! The words that the editor completes and explains, from the engine's tables.

use crate::protocol::Word;
use glasshive::helper::Facts;
use glasshive::map::types::TYPES as MAP_TYPES;
use glasshive::names::return_value;
use glasshive::program::types::TYPES as PROGRAM_TYPES;
use std::collections::BTreeMap;

/// Program types that are named for a helper, before the rest is counted.
const NAMED: usize = 4;

/// Every word.
pub fn all() -> Vec<Word> {
    let word = |kind: &str, name: &str, detail: String, info: String| Word {
        kind: kind.into(),
        name: name.into(),
        detail,
        info,
    };
    let mut words = Vec::new();
    for facts in (1..).map_while(Facts::of) {
        let licence = if facts.gpl_only { ", GPL" } else { "" };
        let detail = format!("helper {}, {}{licence}", facts.number, arguments(facts.argument_count()));
        let types: Vec<&str> = PROGRAM_TYPES
            .iter()
            .filter(|row| facts.programs >> row.number & 1 == 1)
            .map(|row| row.name)
            .collect();
        let mut info = format!("In {}", types[..types.len().min(NAMED)].join(", "));
        if types.len() > NAMED {
            info += &format!(" and {} more program types", types.len() - NAMED);
        }
        words.push(word("helper", facts.name, detail, if types.is_empty() { String::new() } else { info }));
    }
    for row in PROGRAM_TYPES {
        words.push(word("program", row.name, format!("program type {}", row.number), String::new()));
    }
    for row in MAP_TYPES {
        words.push(word("map", row.name, format!("map type {}", row.number), String::new()));
    }
    let mut constants: BTreeMap<&str, (u32, &str)> = BTreeMap::new();
    for row in PROGRAM_TYPES {
        for value in (0..64).chain([u32::MAX]) {
            if let Some(name) = return_value(row.number, value) {
                constants.entry(name).or_insert((value, row.name));
            }
        }
    }
    for (name, (value, of)) in constants {
        words.push(word("constant", name, format!("what {of} may return"), (value as i32).to_string()));
    }
    words
}

fn arguments(count: usize) -> String {
    match count {
        0 => "no arguments".into(),
        1 => "1 argument".into(),
        _ => format!("{count} arguments"),
    }
}
