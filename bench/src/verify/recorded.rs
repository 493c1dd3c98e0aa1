//! The large programs of the recorded cases, as texts: their instructions and maps, without their BTF.

use anyhow::{Context, Result, anyhow};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use glasshive::isa::asm::{Assembly, MapDirective, MapReference};
use glasshive::isa::{Pc, slots};
use glasshive::map::types::MapType;
use serde::Deserialize;
use std::io::Read;
use std::path::Path;

/// Instructions that a program takes to verify at least, to count as large.
const LARGE: u32 = 20_000;

#[derive(Deserialize)]
struct Case {
    id: String,
    prog: Program,
    #[serde(default)]
    maps: Vec<Map>,
    live: Answer,
}

#[derive(Deserialize)]
struct Answer {
    ret: i64,
    processed: Option<u32>,
}

#[derive(Deserialize)]
struct Program {
    prog_type: String,
    #[serde(default)]
    expected_attach_type: u32,
    prog_flags: u32,
    license: String,
    insns: String,
    #[serde(default)]
    map_refs: Vec<(usize, usize, String)>,
}

#[derive(Deserialize)]
struct Map {
    #[serde(rename = "type")]
    map_type: String,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    flags: u32,
    #[serde(default)]
    init: Vec<Update>,
}

#[derive(Deserialize)]
struct Update {
    value: Option<String>,
}

/// Hex digits, or `z:` and base64 of what zlib packed.
fn bytes(text: &str) -> Result<Vec<u8>> {
    let Some(packed) = text.strip_prefix("z:") else {
        let byte = |pair: &[u8]| Ok(u8::from_str_radix(std::str::from_utf8(pair)?, 16)?);
        return text.as_bytes().chunks(2).map(byte).collect();
    };
    let mut bytes = Vec::new();
    flate2::read::ZlibDecoder::new(&BASE64_STANDARD.decode(packed)?[..]).read_to_end(&mut bytes)?;
    Ok(bytes)
}

impl Case {
    fn assembly(&self) -> Result<Assembly> {
        let code = bytes(&self.prog.insns)?;
        let mut insns = slots(&code).context("not a whole number of slots")?;
        let mut map_references = Vec::new();
        for (slot, map, kind) in &self.prog.map_refs {
            let second = insns.get(slot + 1).context("a reference past the end")?.imm as u32;
            (insns[*slot].imm, insns[slot + 1].imm) = (0, 0);
            map_references.push(MapReference {
                at: Pc(*slot as u32),
                map: *map as u32,
                value_offset: (kind == "value").then_some(second),
            });
        }
        let maps = self.maps.iter().enumerate().map(|(number, map)| {
            let row = MapType::by_name(&map.map_type.to_ascii_lowercase());
            let value = map.init.first().and_then(|update| update.value.as_deref());
            Ok(MapDirective {
                name: format!("map{number}"),
                map_type: row.ok_or_else(|| anyhow!("no map type {}", map.map_type))?.number,
                key_size: map.key_size,
                value_size: map.value_size,
                max_entries: map.max_entries,
                flags: map.flags,
                inner: None,
                contents: value.map_or(Ok(Vec::new()), bytes)?,
            })
        });
        Ok(Assembly {
            program_type: Some(self.prog.prog_type.to_ascii_lowercase()),
            attach_type: Some(self.prog.expected_attach_type).filter(|number| *number != 0),
            program_flags: Some(self.prog.prog_flags).filter(|flags| *flags != 0),
            license: Some(self.prog.license.clone()),
            maps: maps.collect::<Result<_>>()?,
            insns,
            map_references,
            ..Assembly::default()
        })
    }
}

/// The programs that the kernel accepted after many instructions.
///
/// # Errors
/// Where the file can't be read.
pub fn programs(file: &Path) -> Result<Vec<(String, Assembly)>> {
    let packed = std::fs::read(file).with_context(|| file.display().to_string())?;
    let mut lines = Vec::new();
    lzma_rs::xz_decompress(&mut &packed[..], &mut lines).map_err(|error| anyhow!("{error:?}"))?;
    let mut programs = Vec::new();
    for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let case: Case = serde_json::from_slice(line)?;
        if case.live.ret == 0 && case.live.processed.is_some_and(|processed| processed >= LARGE) {
            programs.push((case.id.clone(), case.assembly().with_context(|| case.id.clone())?));
        }
    }
    Ok(programs)
}
