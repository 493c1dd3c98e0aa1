//! Reading verifiers' logs: messages, counters, and what differs from load to load.

use glasshive::verifier::Stats;

/// Beginnings of lines that are instructions, states and statistics, not messages.
const NOT_MESSAGES: &[&str] = &[
    "; ",
    "from ",
    "parent didn't",
    "last_idx",
    "first_idx",
    "regs=",
    "mark_precise",
    "verification time",
    "stack depth",
    "processed ",
    "func#",
    "Func#",
    "caller:",
    "callee:",
    "returning",
    "propagating",
    "  frame",
    "frame",
    "live regs",
    "Live regs",
    "cur state:",
    "old state:",
    "reg type unsupported",
];

/// The lines that are messages.
pub fn messages(log: &str) -> Vec<&str> {
    log.lines().filter(|line| is_message(line)).collect()
}

/// The last message; empty where there is none.
pub fn last_message(log: &str) -> String {
    log.lines().rev().find(|line| is_message(line)).map(without_addresses).unwrap_or_default()
}

fn is_message(line: &str) -> bool {
    let text = line.trim_start();
    if text.is_empty() {
        return false;
    }
    // `12: (b7) …`, `12: R0=…`, `   3: .1........ (b7) …`: a slot's number, alone or indented.
    let after = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let numbered = after.len() < text.len() && after.starts_with(": ");
    let indented = text.len() < line.len();
    if numbered && (!indented || after[2..].starts_with(|c: char| c == '.' || c.is_ascii_digit())) {
        return false;
    }
    !NOT_MESSAGES.iter().any(|start| match *start {
        "from " | "frame" | "  frame" | "func#" | "Func#" | "processed " => {
            line.strip_prefix(start).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        }
        start => line.starts_with(start),
    })
}

/// The line with the addresses of kernel objects replaced.
pub fn without_addresses(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find("0xffff") {
        let digits = rest[at + 6..].bytes().take_while(u8::is_ascii_hexdigit).count();
        out.push_str(&rest[..at]);
        if digits == 12 {
            out.push_str("<address>");
        } else {
            out.push_str(&rest[at..at + 6 + digits]);
        }
        rest = &rest[at + 6 + digits..];
    }
    out.push_str(rest);
    out
}

/// The log with what differs from load to load replaced: addresses of maps, and times.
pub fn normalised(log: &str) -> String {
    let mut out = String::with_capacity(log.len());
    for line in log.lines() {
        if line.starts_with("verification time") {
            out.push_str("verification time");
        } else if line.contains("(18) r") {
            out.push_str(&without_addresses(line));
        } else {
            out.push_str(line);
        }
        out.push('\n');
    }
    out
}

/// The counters of a log's last lines.
pub fn stats(log: &str) -> Option<Stats> {
    let line = log.lines().rev().find(|line| line.starts_with("processed "))?;
    let after = |word: &str| {
        let mut words = line.split(' ');
        words.find(|w| *w == word)?;
        words.next()?.parse().ok()
    };
    Some(Stats {
        processed: after("processed")?,
        max_states_per_insn: after("max_states_per_insn")?,
        total_states: after("total_states")?,
        peak_states: after("peak_states")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "func#0 @0
Live regs before insn:
      0: .......... (b7) r1 = 0
0: R1=ctx() R10=fp0
0: (18) r1 = 0xffff888000001100       ; R1=map_ptr(map=counts,ks=4,vs=8)
from 3 to 5: R0=0
; int main() @ a.c:3
R0 !read_ok
verification time 12 usec
stack depth 8
processed 11 insns (limit 1000000) max_states_per_insn 2 total_states 3 peak_states 4 mark_read 0
";

    #[test]
    fn a_log_is_read() {
        assert_eq!(messages(LOG), ["R0 !read_ok"]);
        assert_eq!(last_message(LOG), "R0 !read_ok");
        let stats = stats(LOG).unwrap();
        assert_eq!(
            (stats.processed, stats.max_states_per_insn, stats.total_states, stats.peak_states),
            (11, 2, 3, 4)
        );
        assert!(normalised(LOG).contains("r1 = <address>       ;"));
        assert_eq!(without_addresses("a 0xffff888000001100 b 0xffff"), "a <address> b 0xffff");
        assert_eq!(messages("from 3 to 5: R0=0\nfrom there\n"), ["from there"]);
    }
}
