//! Programs to the running kernel and to this system: the log at every level, counters, and what test runs answer.

mod cases;

use cases::both::{compare, digest};
use cases::texts::programs;
use glasshive_native::oracle::Bpf;
use glasshive_native::oracle::calls::{TestRun, command, element, errno_name};
use glasshive_native::oracle::log::normalised;
use glasshive_native::oracle::texts::Maps;

/// What is known to differ in logs, by a part of what was asked.
const KNOWN_LOGS: &[(&str, &str)] = &[];

/// What is known to differ in runs.
const KNOWN_RUNS: &[(&str, &str)] = &[
    ("resources_dynptr, ", "dynptrs are not built yet"),
    ("resources_socket, packet", "socket look-ups are not built yet"),
];

#[test]
fn logs_are_the_kernels_line_by_line() {
    compare("logs", KNOWN_LOGS, |side, out| {
        let mut log = vec![0; 1 << 20];
        for (name, text) in programs() {
            let maps = Maps::new(&text, &side).unwrap_or_else(|why| panic!("{side}: {name}: {why}"));
            for level in [0, 1, 2, 4, 6] {
                let loaded = maps.load(&text, level, &mut log);
                side.close(loaded.ret);
                let asked = format!("{name}, level {level}");
                out.ret(asked.clone(), loaded.ret);
                // One line a note: what differs is then the first line that does.
                let log = normalised(&loaded.log);
                out.note(format!("{asked}: lines"), log.lines().count());
                out.lines(&asked, &log);
            }
        }
    });
}

/// A buffer of any size, fixed (level 8 added) or rotating, has what the kernel leaves in it.
#[test]
fn buffers_hold_what_the_kernels_do() {
    compare("log buffers", &[], |side, out| {
        // Addresses of maps differ, and may be cut anywhere.
        for (name, text) in programs().into_iter().filter(|(_, text)| text.maps.is_empty()) {
            let maps = Maps::new(&text, &side).expect("no maps");
            for level in [1, 2, 8, 9, 10] {
                let whole = maps.load(&text, level, &mut vec![0; 1 << 20]);
                side.close(whole.ret);
                let whole = whole.log_true_size as usize;
                for size in [1, 2, 100, 500, whole / 2, whole - 1, whole, whole + 1] {
                    let loaded = maps.load(&text, level, &mut vec![0; size.max(1)]);
                    side.close(loaded.ret);
                    let digest = digest(loaded.log.as_bytes());
                    let answer = (errno_name(loaded.ret.min(0)), loaded.log_true_size, digest);
                    out.note(format!("{name}, level {level}, {size} bytes"), answer);
                }
            }
        }
    });
}

/// Packets that test runs get.
fn packets() -> Vec<Vec<u8>> {
    let mut ipv4 = vec![0; 64];
    ipv4[12..14].copy_from_slice(&[8, 0]);
    ipv4[14] = 0x45;
    ipv4[23] = 17;
    let counting = (0..100).collect();
    vec![vec![0; 14], ipv4, counting, vec![0xff; 300]]
}

#[test]
fn test_runs_answer_as_the_kernels_do() {
    compare("runs of programs", KNOWN_RUNS, |side, out| {
        for (name, text) in programs() {
            // What they return is a matter of time, of chance, or of the kernel's memory.
            if ["calls_helpers", "context_kprobe"].contains(&name.as_str()) {
                continue;
            }
            let maps = Maps::new(&text, &side).expect("maps");
            let fd = maps.load(&text, 0, &mut []).ret;
            for (at, packet) in packets().iter().enumerate() {
                let run = TestRun { data: Some(packet), data_out: 512, repeat: 2, ..TestRun::default() };
                let ran = run.call(&side, fd);
                let answer = (errno_name(ran.ret), ran.value, digest(&ran.data), ran.data_size);
                out.note(format!("{name}, packet {at}"), answer);
            }
            for (map, fd) in text.maps.iter().zip(&maps.fds) {
                // Which CPU the kernel ran on is its own matter.
                if map.name == "per_cpu" {
                    continue;
                }
                for key in 0..8_u64 {
                    let mut value = vec![0; map.value_size as usize];
                    let key = key.to_le_bytes();
                    let at = value.as_mut_ptr() as u64;
                    let ret = element(&side, command::MAP_LOOKUP_ELEM, *fd, key.as_ptr() as u64, at, 0);
                    let asked = format!("{name}, map {}, key {}", map.name, key[0]);
                    out.note(asked, (errno_name(ret), value));
                }
            }
            side.close(fd);
        }
    });
}
