//! The program as rows: source lines over their instructions.

use crate::protocol::Program;

/// A row of the listing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Row {
    /// A function begins: index of its first instruction.
    Function(usize),
    /// A source line: index into the program's.
    Source(usize),
    /// An instruction: index into the program's.
    Instruction(usize),
}

/// The rows of a program.
pub fn rows(program: &Program) -> Vec<Row> {
    let mut rows = Vec::with_capacity(program.listing.len() * 2);
    let mut last = None;
    // The document's own lines are instructions themselves: there is nothing to put above them.
    let sources = program.source.iter().any(|line| !line.file.is_empty());
    for (at, instruction) in program.listing.iter().enumerate() {
        if instruction.function.is_some() {
            rows.push(Row::Function(at));
            last = None;
        }
        // Line 0 is what the compiler made without a line of the source.
        let line = instruction.source.and_then(|source| program.source.get(source as usize));
        if sources && line.is_some_and(|line| line.line > 0) && instruction.source != last {
            last = instruction.source;
            rows.extend(instruction.source.map(|source| Row::Source(source as usize)));
        }
        rows.push(Row::Instruction(at));
    }
    rows
}

/// A phrase for each node's edge from its parent: which way a branch went.
pub fn edge_labels(program: &Program, tree: &crate::protocol::Tree) -> Vec<String> {
    let text_at = |pc: u32| {
        let at = program.listing.binary_search_by_key(&pc, |i| i.pc).ok()?;
        Some(program.listing[at].text.as_str())
    };
    (0..tree.len())
        .map(|node| {
            let parent = tree.parent[node] as usize;
            if parent >= tree.len() || tree.kind[parent] != crate::protocol::NodeKind::Fork {
                return String::new();
            }
            let branch = tree.last_pc[parent];
            text_at(branch).map_or(String::new(), |text| condition(text, tree.pc[node] != branch + 1))
        })
        .collect()
}

/// A phrase for each edge of the control-flow graph: what holds on it; empty where it is the only way.
pub fn way_labels(program: &Program, graph: &crate::protocol::Graph) -> Vec<String> {
    let label = |edge: &crate::protocol::Edge| {
        let branch = graph.blocks.get(edge.from as usize)?.last_pc;
        let at = program.listing.binary_search_by_key(&branch, |i| i.pc).ok()?;
        Some(condition(&program.listing[at].text, edge.taken?))
    };
    graph.edges.iter().map(|edge| label(edge).unwrap_or_default()).collect()
}

/// What holds on a side of a branch: `if r0 == 0x0 goto pc+4` becomes `r0 == 0x0` or `r0 != 0x0`.
fn condition(text: &str, taken: bool) -> String {
    let Some(rest) = text.strip_prefix("if ") else { return String::new() };
    let Some((condition, _)) = rest.split_once(" goto ") else { return String::new() };
    if taken {
        return condition.into();
    }
    const OPPOSITES: [(&str, &str); 10] = [
        (" == ", " != "),
        (" != ", " == "),
        (" s<= ", " s> "),
        (" s>= ", " s< "),
        (" s< ", " s>= "),
        (" s> ", " s<= "),
        (" <= ", " > "),
        (" >= ", " < "),
        (" < ", " >= "),
        (" > ", " <= "),
    ];
    for (sign, opposite) in OPPOSITES {
        if let Some((left, right)) = condition.split_once(sign) {
            return format!("{left}{opposite}{right}");
        }
    }
    format!("not {condition}")
}

#[cfg(test)]
mod tests {
    use super::condition;

    #[test]
    fn either_side_of_a_branch() {
        assert_eq!(condition("if r0 == 0x0 goto pc+4", true), "r0 == 0x0");
        assert_eq!(condition("if r0 == 0x0 goto pc+4", false), "r0 != 0x0");
        assert_eq!(condition("if w1 s> 0x5 goto pc-4", false), "w1 s<= 0x5");
        assert_eq!(condition("if r1 & 0x1 goto pc+1", false), "not r1 & 0x1");
        assert_eq!(condition("goto pc+1", true), "");
    }
}
