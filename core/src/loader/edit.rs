//! Lines of text, inserted into a program.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::isa::Pc;
use crate::isa::asm::{AsmError, Assembly, assemble, print};
use crate::names::{Uapi, map_type};

/// The program as text, with lines inserted before the instruction at a slot: jumps to that instruction go to
/// the first of the lines. Labels of the lines that the program has already get other names.
///
/// The program's jumps have to be by labels, as [`to_assembly`](super::to_assembly) makes them: an offset in
/// numbers would not reach over what is inserted.
///
/// # Errors
/// Where the lines can't be assembled.
pub fn insert(program: &Assembly, at: Pc, lines: &[String]) -> Result<String, Vec<AsmError>> {
    let text = print(program, &Uapi, &map_type);
    let taken: BTreeSet<&str> = program.labels.iter().map(|label| label.name.as_str()).collect();
    let mut lines: Vec<String> = lines.to_vec();
    let own: Vec<String> =
        lines.iter().filter_map(|line| line.trim().strip_suffix(':')).map(String::from).collect();
    for name in own {
        if !taken.contains(name.as_str()) {
            continue;
        }
        let mut number = 2_u32;
        while taken.contains(format!("{name}.{number}").as_str()) {
            number += 1;
        }
        for line in &mut lines {
            let word = |word: &str| match word.strip_suffix(':').unwrap_or(word) == name {
                true => word.replace(name.as_str(), &format!("{name}.{number}")),
                false => String::from(word),
            };
            *line = line.split(' ').map(word).collect::<Vec<_>>().join(" ");
        }
    }
    let inserted = lines.iter().map(|line| match line.ends_with(':') {
        true => line.clone(),
        false => format!("    {line}"),
    });
    let printed = assemble(&text, &Uapi)?;
    let line = printed.lines.get(at.index()).map_or(usize::MAX, |line| *line as usize - 1);
    let mut all: Vec<String> = text.lines().map(String::from).collect();
    let line = line.min(all.len());
    all.splice(line..line, inserted);
    let mut text = all.join("\n");
    text.push('\n');
    assemble(&text, &Uapi)?;
    Ok(text)
}
