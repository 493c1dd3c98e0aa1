//! A concrete run: forward and back, with its way through the exploration.

use super::path::Follower;
use crate::protocol::{Claimed, NONE, RunEnd, RunView};
use glasshive::arena::{Memory, VecMemory};
use glasshive::errno::Errno;
use glasshive::interp::{Stop, Trap};
use glasshive::program::TestRun;
use glasshive::program::returns::return_name;
use glasshive::program::test_run::Input;
use glasshive::syscall::Kernel;
use glasshive::syscall::programs::LoadRequest;
use glasshive::syscall::recorded_run::RecordedRun;
use glasshive::trace::{Claims, Trace};

/// Instructions that a run may take.
const MOST: u64 = 1 << 24;
/// Instructions between two looks at the clock.
const STRIDE: u32 = 512;

/// A run that was begun.
pub struct Concrete {
    run: RecordedRun<VecMemory>,
    follower: Follower,
    program_type: u32,
    /// What had been printed before it.
    printed: usize,
    /// Why it was given up, where it was.
    stopped: Option<String>,
    /// The verifier's step of each instruction, as far as there are so many.
    steps: Vec<u32>,
    claimed: Claimed,
}

/// Longest run that is held against the verifier's claims, and that breakpoints are looked for in.
const MOST_LOOKED_AT: u64 = 1 << 16;

impl Concrete {
    /// Lays a run out.
    ///
    /// # Errors
    /// What the system answers.
    pub fn start(
        kernel: &mut Kernel<VecMemory>,
        trace: &Trace,
        request: &LoadRequest,
        fd: i32,
        data: &[u8],
    ) -> Result<Concrete, Errno> {
        let on_context = matches!(
            request.program_type.test_run,
            TestRun::RawTracepoint | TestRun::Syscall | TestRun::SkLookup
        );
        let given = (!data.is_empty()).then_some(data);
        let input = Input {
            data: given.filter(|_| !on_context),
            context: given.filter(|_| on_context),
            expected_attach_type: request.expected_attach_type,
            ..Input::default()
        };
        let printed = kernel.resources.printed.len();
        let run = kernel.record_run(fd, &input)?;
        let program_type = request.program_type.number;
        Ok(Concrete {
            run,
            follower: Follower::new(trace),
            program_type,
            printed,
            stopped: None,
            steps: Vec::new(),
            claimed: Claimed::Unknown,
        })
    }

    /// Runs on for a while: until `pause` says so, or to the end. Whether it is over.
    pub fn work(
        &mut self,
        kernel: &mut Kernel<VecMemory>,
        trace: &Trace,
        pause: &mut dyn FnMut() -> bool,
    ) -> bool {
        while self.stopped.is_none() && !self.run.recording().at_end() {
            for _ in 0..STRIDE {
                let recording = self.run.recording();
                let (pc, point) = (recording.machine().pc.0, recording.position() as u32);
                let step = self.follower.step(trace, pc, point);
                if self.steps.len() < 1 << 20 {
                    self.steps.push(step.unwrap_or(NONE));
                }
                if !self.run.step_forward(kernel) {
                    break;
                }
            }
            if self.run.recording().position() >= MOST && !self.run.recording().at_end() {
                self.stopped = Some(format!("not at its end after {MOST} instructions"));
            }
            if pause() {
                break;
            }
        }
        let over = self.stopped.is_some() || self.run.recording().at_end();
        if over {
            self.claimed = self.hold(kernel, trace);
        }
        over
    }

    /// Holds every value of the run against what the verifier claimed along its path.
    fn hold(&mut self, kernel: &mut Kernel<VecMemory>, trace: &Trace) -> Claimed {
        let length = self.run.recording().length();
        let Some(mut claims) = Claims::new(trace).filter(|_| length <= MOST_LOOKED_AT) else {
            return Claimed::Unknown;
        };
        self.run.seek(kernel, 0);
        for _ in 0..length {
            let (machine, context) = (self.run.recording().machine(), self.run.context());
            if let Err(broken) = claims.check(machine, &kernel.resources, context) {
                return Claimed::Broken(broken.to_string());
            }
            if !self.run.step_forward(kernel) {
                break;
            }
        }
        Claimed::Kept(claims.checked() as u32)
    }

    /// Goes on until a slot is about to be run, or a register has changed; to an end of the run where neither
    /// happens.
    pub fn travel(
        &mut self,
        kernel: &mut Kernel<VecMemory>,
        back: bool,
        slots: &[u32],
        registers: u16,
    ) -> RunView {
        let before = self.run.recording().machine().registers;
        for _ in 0..MOST_LOOKED_AT {
            let moved = if back { self.run.step_back(kernel) } else { self.run.step_forward(kernel) };
            let machine = self.run.recording().machine();
            let changed = (0..11).any(|at| registers >> at & 1 == 1 && machine.registers[at] != before[at]);
            let at_end = self.run.recording().at_end();
            if !moved || changed || !at_end && slots.contains(&machine.pc.0) {
                break;
            }
        }
        let at = self.run.recording().position() as u32;
        self.seek(kernel, at)
    }

    /// Gives up where it is.
    pub fn stop(&mut self) {
        let at = self.run.recording().length();
        self.stopped.get_or_insert_with(|| format!("stopped after {at} instructions"));
    }

    /// Goes to a point, and shows it.
    pub fn seek(&mut self, kernel: &mut Kernel<VecMemory>, at: u32) -> RunView {
        let at = u64::from(at).min(self.run.recording().length());
        // What the instruction before changed is what differs from the point before.
        let before = at.checked_sub(1).map(|point| {
            self.run.seek(kernel, point);
            self.run.recording().machine().registers
        });
        self.run.seek(kernel, at);
        self.view(kernel, before)
    }

    fn view(&self, kernel: &Kernel<VecMemory>, before: Option<[u64; 11]>) -> RunView {
        let recording = self.run.recording();
        let machine = recording.machine();
        let at = recording.position() as u32;
        let differs = |(number, value): (usize, &u64)| before.is_some_and(|before| before[number] != *value);
        let bits = machine.registers.iter().enumerate().map(|(n, v)| u16::from(differs((n, v))) << n);
        RunView {
            at,
            length: recording.length() as u32,
            pc: (!recording.at_end()).then_some(machine.pc.0),
            registers: machine.registers,
            changed: bits.fold(0, |all, bit| all | bit),
            frame: machine.depth() as u32,
            end: self.end(),
            // At a point, the segment of the instruction to come is the one that the run is in.
            path: self.follower.path(at),
            step: self.steps.get(at as usize).copied().filter(|step| *step != NONE),
            claimed: self.claimed.clone(),
            printed: kernel.resources.printed.get(self.printed..).unwrap_or_default().to_vec(),
            packet: self.packet(kernel),
        }
    }

    fn end(&self) -> RunEnd {
        let failed = |message: String| RunEnd::Failed { message };
        match (self.run.recording().end(), &self.stopped) {
            (Some(Stop::Exit(value)), _) => {
                let value = value as u32;
                RunEnd::Returned { value, name: return_name(self.program_type, value).map(String::from) }
            }
            (Some(Stop::Trap(trap)), _) => failed(trapped(trap)),
            (_, Some(why)) => failed(format!("the run was {why}")),
            (Some(Stop::Budget) | None, None) => failed("the run is not at its end yet".into()),
        }
    }

    fn packet(&self, kernel: &Kernel<VecMemory>) -> Vec<u8> {
        let Some(packet) = self.run.context().packet else { return Vec::new() };
        let piece = |from: u32, len: u32| {
            let mut bytes = vec![0; len as usize];
            let read = kernel.resources.arena.memory().read(from.into(), &mut bytes);
            read.map_or_else(|_| Vec::new(), |()| bytes)
        };
        let mut bytes = piece(packet.data, packet.end.saturating_sub(packet.data));
        bytes.extend(piece(packet.pages, packet.pages_len));
        bytes
    }

    /// Ends the recording; all that the run did is done.
    pub fn finish(mut self, kernel: &mut Kernel<VecMemory>) {
        let end = self.run.recording().length();
        self.run.seek(kernel, end);
        // How it ended was shown; a run that was given up leaves what it did so far.
        let _ = self.run.finish(kernel);
    }
}

fn trapped(trap: Trap) -> String {
    format!("the run was stopped {trap}")
}

/// What the system's refusal of a run means.
pub fn refusal(request: &LoadRequest, data: &[u8], errno: Errno) -> String {
    let packet =
        matches!(request.program_type.test_run, TestRun::Skb { .. } | TestRun::Xdp | TestRun::FlowDissector);
    let why = match errno {
        Errno::EINVAL if packet && data.len() < 14 => {
            "; a packet has at least the 14 bytes of an Ethernet header"
        }
        Errno::ENOTSUPP => "; programs of this type can't be run by hand",
        _ => "",
    };
    format!("run on {} bytes: {errno}{why}", data.len())
}
