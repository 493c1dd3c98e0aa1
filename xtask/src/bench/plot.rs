//! The tables of times per instruction as a picture: a panel per program, a bar per engine, on a logarithmic scale.

const ROW: usize = 18;
const LEFT: usize = 250;
const WIDTH: usize = 420;
/// Nanoseconds at the scale's beginning and end.
const SCALE: (f64, f64) = (0.03, 100.0);

/// A bar: the engine, and its nanoseconds; `None` where it does not run the program.
type Bar<'a> = (&'a str, Option<f64>);

/// What a table that begins with `| engine | a_alu …` says: the bars of each program.
fn panels(tables: &str) -> Vec<(&str, Vec<Bar<'_>>)> {
    let mut panels: Vec<(&str, Vec<Bar>)> = Vec::new();
    let mut columns: Vec<&str> = Vec::new();
    for line in tables.lines() {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        match cells.as_slice() {
            ["engine", programs @ ..] if programs.first() == Some(&"a_alu") => {
                columns = programs.to_vec();
                for program in programs {
                    if panels.iter().all(|panel| panel.0 != *program) {
                        panels.push((program, Vec::new()));
                    }
                }
            }
            ["---", ..] => {}
            [engine, times @ ..] if line.starts_with('|') && times.len() == columns.len() => {
                for (program, time) in columns.iter().zip(times) {
                    if let Some(panel) = panels.iter_mut().find(|panel| panel.0 == *program) {
                        panel.1.push((engine, time.parse().ok()));
                    }
                }
            }
            _ => columns.clear(),
        }
    }
    panels
}

/// The picture.
pub fn svg(tables: &str) -> String {
    let panels = panels(tables);
    let height: usize = panels.iter().map(|panel| (panel.1.len() + 2) * ROW).sum::<usize>() + 2 * ROW;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{height}\" viewBox=\"0 0 {0} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"8\" y=\"{ROW}\">ns per eBPF instruction, logarithmic; shorter is better</text>\n",
        LEFT + WIDTH + 60
    );
    let mut top = 2 * ROW;
    for (program, bars) in panels {
        out += &format!("<text x=\"8\" y=\"{}\" font-weight=\"bold\">{program}</text>\n", top + 13);
        top += ROW;
        for (engine, time) in bars {
            let colour = if engine.starts_with("glasshive") { "#d98a00" } else { "#8a94a0" };
            out +=
                &format!("<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{engine}</text>\n", LEFT - 8, top + 13);
            let len = time.map_or(0.0, |time| share(time) * WIDTH as f64);
            let text = time.map_or("does not run it".into(), |time| format!("{time:.2}"));
            out += &format!(
                "<rect x=\"{LEFT}\" y=\"{}\" width=\"{len:.1}\" height=\"{}\" fill=\"{colour}\"/>\n\
                 <text x=\"{:.1}\" y=\"{}\">{text}</text>\n",
                top + 2,
                ROW - 4,
                LEFT as f64 + len + 6.0,
                top + 13
            );
            top += ROW;
        }
        top += ROW;
    }
    out + "</svg>\n"
}

/// How far along the scale a time lies.
fn share(time: f64) -> f64 {
    let (from, to) = SCALE;
    ((time / from).ln() / (to / from).ln()).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_cell_of_both_tables_is_a_bar() {
        let tables = "| engine | sort |\n| --- | --- |\n| other | 5 |\n\n| engine | a_alu | b_mem |\n| --- | --- | --- |\n\
                      | kernel JIT | 0.2 | none |\n\n| engine | a_alu | b_mem |\n| --- | --- | --- |\n\
                      | glasshive WebAssembly in Node | 0.3 | 1 |\n\n| compiling in | M |\n| --- | --- |\n| Node | 3 |\n";
        let panels = super::panels(tables);
        assert_eq!(panels.len(), 2);
        assert_eq!(
            panels[1],
            ("b_mem", vec![("kernel JIT", None), ("glasshive WebAssembly in Node", Some(1.0))])
        );
        let svg = super::svg(tables);
        assert_eq!(svg.matches("<rect x=").count(), 4);
        assert!(svg.contains("does not run it") && svg.ends_with("</svg>\n"));
    }
}
