//! `oracle run`: random programs on random packets, on every engine and on the running kernel: the same
//! result, the same packet, the same maps.

mod engines;
mod generate;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use fastrand::Rng;
use glasshive::isa::asm::Assembly;
use glasshive::isa::{RawInsn, asm};
use glasshive::names::{self, Uapi};
use glasshive::object::btf::kernel::KernelTypes;

use engines::{Answer, Engine};

/// Runs `count` programs; whether all engines agreed on all of them.
///
/// # Errors
/// Where an engine can't be had, or a disagreement not be written down.
pub fn run(seed: u64, count: u32) -> Result<bool> {
    // Where it has none, its functions are not called.
    let kernel = std::fs::read("/sys/kernel/btf/vmlinux").ok();
    let kernel = kernel.and_then(|bytes| KernelTypes::parse(&bytes).ok()).map(Arc::new);
    let engines = Engine::all(kernel.as_ref())?;
    let (mut accepted, mut compared, mut differences) = (0_u32, vec![0_u32; engines.len()], 0_u32);
    for number in 0..count {
        let program_seed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(number);
        let packet = packet(&mut Rng::with_seed(program_seed));
        let answers: Vec<Option<Answer>> = engines
            .iter()
            .map(|engine| {
                let make = |other: u64, given: generate::Given| {
                    generate::program(&mut Rng::with_seed(program_seed.wrapping_add(other)), given)
                };
                engine.run(make, kernel.as_deref(), &packet)
            })
            .collect::<Result<_>>()?;
        // The engines of one verifier take the same programs: the first stands for them.
        let Some(expected) = &answers[0] else { continue };
        accepted += 1;
        for (at, (engine, answer)) in engines.iter().zip(&answers).enumerate() {
            match answer {
                // What the kernel does not take it can't judge; `oracle verify` is for that.
                None if engine.may_refuse() => {}
                Some(answer) if answer == expected => compared[at] += 1,
                _ => {
                    differences += 1;
                    let path = keep(program_seed, kernel.as_deref())?;
                    println!("program {program_seed:#x}: {} and {} differ", engines[0].name(), engine.name());
                    println!("  {expected:x?}\n  {answer:x?}\n  {}", path.display());
                }
            }
        }
    }
    println!("{count} programs from seed {seed}, {accepted} accepted, {differences} differences");
    println!("\n| engine | same as the {} |\n| --- | --- |", engines[0].name());
    for (engine, compared) in engines.iter().zip(&compared).skip(1) {
        println!("| {} | {compared} of {accepted} |", engine.name());
    }
    if let Some(why) = engines::kernel_is_absent() {
        println!("\nskipped: the running kernel: {why}");
    }
    Ok(differences == 0 && accepted > count / 2)
}

fn packet(rng: &mut Rng) -> Vec<u8> {
    (0..generate::PACKET + 16).map(|_| rng.u8(..)).collect()
}

/// Writes the program down as a text, its maps named by their descriptors.
fn keep(seed: u64, kernel: Option<&KernelTypes>) -> Result<PathBuf> {
    let folder = PathBuf::from("target/oracle/run");
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let given = generate::Given { hash: 1, array: 2, arena: 3, programs: 4, kernel, everything: true };
    let insns: Vec<RawInsn> = generate::program(&mut Rng::with_seed(seed), given).code;
    let assembly = Assembly {
        program_type: Some("xdp".into()),
        license: Some("GPL".into()),
        insns,
        ..Assembly::default()
    };
    let path = folder.join(format!("{seed:016x}.gh"));
    std::fs::write(&path, asm::print(&assembly, &Uapi, &names::map_type))
        .with_context(|| path.display().to_string())?;
    Ok(path)
}
