//! Programs to both verifiers: verdict, errno, message, counters and the whole log at level 2.

mod given;
pub(crate) mod grow;
pub(crate) mod mutate;
pub(crate) mod shrink;

use crate::system::{Answer, LogBuffer, load};
use anyhow::Context;
use fastrand::Rng;
use glasshive::isa::asm::{self, Assembly};
use glasshive::names::{self, Uapi};
use glasshive_native::oracle::Side;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How two answers differ, the worst first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Difference {
    /// glasshive panicked.
    Panic,
    /// glasshive accepts what the kernel rejects.
    Unsafe,
    /// glasshive rejects what the kernel accepts.
    Verdict,
    Errno,
    Message,
    Processed,
    Log,
}

/// Both answers.
struct Pair {
    kernel: Answer,
    /// `None` where it panicked.
    library: Option<Answer>,
}

impl Pair {
    /// Asks both, glasshive first: it is the quicker one, and tells a program that is too long.
    fn of(assembly: &Assembly, most: u32, log: &mut LogBuffer) -> Result<Pair, String> {
        let library = catch_unwind(AssertUnwindSafe(|| load(Side::Glasshive, assembly, log)));
        let library = library.ok().transpose()?;
        if library.as_ref().and_then(Answer::processed).is_some_and(|n| n > most) {
            return Err(format!("it takes more than {most} instructions to verify"));
        }
        Ok(Pair { kernel: load(Side::Kernel, assembly, log)?, library })
    }

    fn difference(&self) -> Option<Difference> {
        let kernel = &self.kernel;
        let Some(library) = &self.library else { return Some(Difference::Panic) };
        let rejected = |answer: &Answer| answer.result < 0;
        let first = [
            (rejected(kernel) && !rejected(library), Difference::Unsafe),
            (!rejected(kernel) && rejected(library), Difference::Verdict),
            (kernel.result != library.result, Difference::Errno),
            (kernel.message() != library.message(), Difference::Message),
            (kernel.processed() != library.processed(), Difference::Processed),
            (kernel.log != library.log, Difference::Log),
        ];
        first.into_iter().find(|(differs, _)| *differs).map(|(_, difference)| difference)
    }

    fn is_not_built(&self) -> bool {
        self.library.as_ref().is_some_and(Answer::is_not_built)
    }
}

/// A row of the table.
#[derive(Default)]
struct Area {
    cases: u32,
    accepted: u32,
    not_built: u32,
    /// Too long, or with a map that one of them can't create.
    left_out: u32,
    by_difference: BTreeMap<Difference, u32>,
}

impl Area {
    /// Cases that differ no worse than `from` on.
    fn same(&self, from: Difference) -> u32 {
        self.cases - self.by_difference.range(..=from).map(|(_, n)| n).sum::<u32>()
    }
}

fn table(areas: &BTreeMap<&'static str, Area>) {
    println!(
        "| area | cases | left out | accepted | not built | unsafe | panics | verdict | errno | message | processed | log |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    let mut all = Area::default();
    for (name, area) in areas {
        row(name, area);
        all.cases += area.cases;
        all.left_out += area.left_out;
        all.accepted += area.accepted;
        all.not_built += area.not_built;
        for (difference, count) in &area.by_difference {
            *all.by_difference.entry(*difference).or_default() += count;
        }
    }
    row("all", &all);
    let percent = |n: u32| f64::from(n) * 100.0 / f64::from(all.cases.max(1));
    println!(
        "verdict {:.2} %, message {:.2} %, processed {:.2} %, log {:.2} %, unsafe {}, panics {}",
        percent(all.same(Difference::Verdict)),
        percent(all.same(Difference::Message)),
        percent(all.same(Difference::Processed)),
        percent(all.same(Difference::Log)),
        all.by_difference.get(&Difference::Unsafe).unwrap_or(&0),
        all.by_difference.get(&Difference::Panic).unwrap_or(&0),
    );
}

fn row(name: &str, area: &Area) {
    let count = |difference| area.by_difference.get(&difference).copied().unwrap_or(0);
    println!(
        "| {name} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
        area.cases,
        area.left_out,
        area.accepted,
        area.not_built,
        count(Difference::Unsafe),
        count(Difference::Panic),
        area.same(Difference::Verdict),
        area.same(Difference::Errno),
        area.same(Difference::Message),
        area.same(Difference::Processed),
        area.same(Difference::Log),
    );
}

/// Disagreements that are shrunk and written, of each kind in each area.
const WRITTEN: u32 = 2;

/// Most instructions that a program to be shrunk may take to verify: it is asked for a thousand times.
const SHRUNK: u32 = 5_000;

/// Most instructions that a generated program may take to verify: one that lost its loop's end takes a
/// million, and the kernel a minute where no two states are alike.
const LONGEST: u32 = 50_000;

/// How long one program is being shrunk.
const PATIENCE: Duration = Duration::from_millis(1_500);

/// The least that still differs in the same way.
fn smallest(assembly: &Assembly, difference: Difference, log: &mut LogBuffer) -> Assembly {
    let begin = Instant::now();
    shrink::shrink(assembly, |candidate| {
        if begin.elapsed() > PATIENCE {
            return false;
        }
        let pair = Pair::of(candidate, SHRUNK, log);
        pair.is_ok_and(|pair| pair.difference() == Some(difference) && !pair.is_not_built())
    })
}

/// Generated programs; whether none was accepted that the kernel rejects, and none made glasshive panic.
pub fn generated(seed: u64, count: u32) -> anyhow::Result<bool> {
    let folder = Path::new("target/oracle/verify");
    let _ = std::fs::remove_dir_all(folder);
    std::fs::create_dir_all(folder).with_context(|| format!("{} can't be made", folder.display()))?;
    // What is being looked for is written to a file; the panic's own words would drown the table.
    std::panic::set_hook(Box::new(|_| {}));
    let (mut areas, mut log) = (BTreeMap::<&'static str, Area>::new(), LogBuffer::default());
    let given = given::programs()?;
    let mut parents: Vec<(Assembly, &'static str)> = Vec::new();
    for number in 0..count {
        let mut rng =
            Rng::with_seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(u64::from(number)));
        let (mut assembly, name) = match rng.u8(..6) {
            0 | 1 if parents.len() > 20 => {
                let (parent, name) = &parents[rng.usize(..parents.len())];
                (mutate::mutate(&mut rng, parent), *name)
            }
            2 | 3 => {
                let (parent, name) = &given[rng.usize(..given.len())];
                (mutate::mutate(&mut rng, parent), *name)
            }
            _ => grow::grow(&mut rng),
        };
        shrink::drop_unused_maps(&mut assembly);
        let area = areas.entry(name).or_default();
        area.cases += 1;
        let Ok(pair) = Pair::of(&assembly, LONGEST, &mut log) else {
            area.cases -= 1;
            area.left_out += 1;
            continue;
        };
        if pair.kernel.result >= 0 && parents.len() < 500 {
            parents.push((assembly.clone(), name));
        }
        area.accepted += u32::from(pair.kernel.result >= 0);
        area.not_built += u32::from(pair.is_not_built());
        let Some(difference) = pair.difference() else { continue };
        let seen = area.by_difference.entry(difference).or_default();
        *seen += 1;
        if *seen > WRITTEN || pair.is_not_built() {
            continue;
        }
        let long = pair.kernel.processed().is_some_and(|n| n > SHRUNK);
        let small = if long { assembly } else { smallest(&assembly, difference, &mut log) };
        let file = folder.join(format!("{difference:?}-{name}-{seed}-{number}.bpf").to_lowercase());
        write(&file, &small, &mut log)?;
    }
    let _ = std::panic::take_hook();
    table(&areas);
    println!("disagreements, shrunk: {}; one again: cargo xtask oracle verify FILE", folder.display());
    let bad = [Difference::Unsafe, Difference::Panic];
    Ok(areas.values().all(|area| bad.iter().all(|d| !area.by_difference.contains_key(d))))
}

/// A disagreement as a text that both are asked with again.
fn write(file: &Path, assembly: &Assembly, log: &mut LogBuffer) -> anyhow::Result<()> {
    let pair = Pair::of(assembly, u32::MAX, log).map_err(anyhow::Error::msg)?;
    let mut text = format!("; kernel:    {} {}\n", pair.kernel.result, pair.kernel.message());
    text += &match &pair.library {
        Some(answer) => format!("; glasshive: {} {}\n", answer.result, answer.message()),
        None => "; glasshive: panicked\n".into(),
    };
    text += &asm::print(assembly, &Uapi, &names::map_type);
    std::fs::write(file, text).with_context(|| format!("{} can't be written", file.display()))
}

/// Texts given as files, with both logs where they differ; whether all agree.
pub fn files(files: &[PathBuf]) -> anyhow::Result<bool> {
    let (mut agree, mut log) = (true, LogBuffer::default());
    for file in files {
        let text =
            std::fs::read_to_string(file).with_context(|| format!("{} can't be read", file.display()))?;
        let assembly = asm::assemble(&text, &Uapi).map_err(|errors| {
            let first = errors.first().map(ToString::to_string).unwrap_or_default();
            anyhow::anyhow!("{}: {first}", file.display())
        })?;
        let pair = Pair::of(&assembly, u32::MAX, &mut log).map_err(anyhow::Error::msg)?;
        let library = pair.library.clone().unwrap_or_default();
        match pair.difference() {
            None => println!("{}: the same answer, {}", file.display(), pair.kernel.result),
            Some(difference) => {
                agree = false;
                println!("{}: {difference:?}", file.display());
                println!("kernel:    {} {}", pair.kernel.result, pair.kernel.message());
                println!("glasshive: {} {}", library.result, library.message());
                difference_of_logs(&pair.kernel.log, &library.log);
            }
        }
    }
    Ok(agree)
}

/// The first line in which two logs differ, and what stands around it.
fn difference_of_logs(kernel: &str, library: &str) {
    let (kernel, library): (Vec<&str>, Vec<&str>) = (kernel.lines().collect(), library.lines().collect());
    let same = kernel.iter().zip(&library).take_while(|(a, b)| a == b).count();
    for line in &kernel[same.saturating_sub(12)..same] {
        println!("  {line}");
    }
    for (sign, lines) in [('-', &kernel), ('+', &library)] {
        for line in lines[same.min(lines.len())..].iter().take(6) {
            println!("{sign} {line}");
        }
    }
}
