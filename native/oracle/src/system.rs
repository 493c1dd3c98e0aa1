//! Two systems behind one interface: the running kernel's `bpf(2)` and glasshive's, over the same bytes.

use glasshive::isa::asm::Assembly;
use glasshive_native::oracle::texts::Maps;
use glasshive_native::oracle::{Bpf, Side, log};

/// What a system answered to a load.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Answer {
    /// 0, or `-errno`.
    pub result: i64,
    /// The whole log at level 2, with what differs from load to load taken out.
    pub log: String,
}

impl Answer {
    /// The line that says why: the last one that is no statistics. Empty for an accepted program.
    pub fn message(&self) -> &str {
        if self.result >= 0 {
            return "";
        }
        let is_statistics = |line: &&str| {
            ["processed ", "verification time ", "stack depth "].iter().any(|start| line.starts_with(start))
        };
        self.log.lines().rev().find(|line| !line.is_empty() && !is_statistics(line)).unwrap_or("")
    }

    /// Instructions walked.
    pub fn processed(&self) -> Option<u32> {
        log::stats(&self.log).map(|stats| stats.processed)
    }

    /// Whether it was refused as not built, by name.
    pub fn is_not_built(&self) -> bool {
        self.message().starts_with("glasshive: ")
    }
}

/// Where logs are written: 8 MiB, made once.
pub struct LogBuffer(Vec<u8>);

impl Default for LogBuffer {
    fn default() -> LogBuffer {
        LogBuffer(vec![0; 1 << 23])
    }
}

/// Makes a program's maps, loads it, and closes everything again.
///
/// # Errors
/// A map that this system can't create: nothing can be said of the program.
pub fn load(side: Side, assembly: &Assembly, buffer: &mut LogBuffer) -> Result<Answer, String> {
    let maps = Maps::new(assembly, &side).map_err(|why| format!("{side}: {why}"))?;
    let loaded = maps.load(assembly, 2, &mut buffer.0);
    side.close(loaded.ret);
    let lines = loaded.log.lines().map(log::without_addresses);
    Ok(Answer { result: loaded.ret.min(0), log: lines.map(|line| line + "\n").collect() })
}
