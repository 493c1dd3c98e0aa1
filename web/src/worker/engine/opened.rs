//! A program that was loaded: verified in slices, then run and asked about.

use super::asked;
use super::document::Source;
use super::flow::Flow;
use super::listing;
use super::maps::{self, MapTable};
use super::outcome::Explored;
use super::run::{self, Concrete};
use crate::protocol::{Action, Event, LogLine, Program, Request, Verdict};
use glasshive::arena::VecMemory;
use glasshive::isa::Pc;
use glasshive::loader::{self, LoadError, MapFds};
use glasshive::map::types::{Family, MapType};
use glasshive::object::{Code, Object, ObjectProgram};
use glasshive::syscall::Kernel;
use glasshive::syscall::descriptors::Sequential;
use glasshive::syscall::programs::LoadRequest;
use glasshive::trace::Recorder;
use glasshive::trace::view::Step;
use glasshive::verifier::{Progress, Stats, Verifier, log::level};
use std::collections::VecDeque;
use std::rc::Rc;

/// Instructions that the verifier walks between two looks at the clock.
const STRIDE: u32 = 128;
/// Milliseconds between two reports of progress.
const REPORT: f64 = 50.0;
/// Bytes of the arena for what is no map: stack, context, packet, small things.
const ROOM: u64 = 2 << 20;
/// Bytes of the arena for a map whose elements come and go: what they take, up to this.
const MOST_FOR_A_HASH: u64 = 16 << 20;
/// Bytes of a page of `BPF_MAP_TYPE_ARENA`.
const PAGE: u64 = 4096;
/// Most bytes of the arena.
const MOST: u64 = 512 << 20;
/// The source of chance begins with this, so that the same actions give the same run.
const SEED: u64 = 1;

/// A verification in progress.
struct Verification {
    verifier: Verifier<Recorder>,
    started: f64,
    reported: f64,
}

/// A program that was loaded, and the system it is in.
pub struct Opened {
    generation: u32,
    kernel: Kernel<VecMemory>,
    maps: MapTable,
    request: LoadRequest,
    /// What the page was told of it.
    described: Rc<Program>,
    /// Its control flow, once it was asked for.
    flow: Option<Flow>,
    verification: Option<Verification>,
    explored: Option<Explored>,
    /// The program's descriptor, once it is accepted.
    fd: Option<i32>,
    /// What is to be done once the verification and the run before it are over; whether it is done again for
    /// a document that was opened anew.
    queue: VecDeque<(Action, bool)>,
    run: Option<Concrete>,
    running: bool,
}

/// Bytes that the arena has to have for the maps that the code uses.
fn arena_size(object: &Object, code: &Code) -> u64 {
    let mut used: Vec<usize> = code.map_uses.iter().map(|used| used.map).collect();
    used.sort_unstable();
    used.dedup();
    let size = |index: usize| {
        let spec = object.maps.get(index).map(|map| &map.spec)?;
        let entries = u64::from(spec.max_entries);
        let all = u64::from(spec.value_size).next_multiple_of(8).saturating_mul(entries);
        Some(match MapType::by_number(spec.map_type)?.family {
            Family::Array { .. } => all,
            Family::Pages => (entries * PAGE).min(MOST_FOR_A_HASH),
            Family::Ring => entries.min(MOST),
            _ => all.saturating_add(entries).min(MOST_FOR_A_HASH),
        })
    };
    used.into_iter().filter_map(size).fold(ROOM, u64::saturating_add).min(MOST)
}

impl Opened {
    /// Makes the program's maps and begins to verify it.
    ///
    /// # Errors
    /// Why it can't be loaded.
    pub fn new(
        generation: u32,
        source: &Source,
        (chosen, program): (usize, &ObjectProgram),
        actions: Vec<Action>,
        now: f64,
    ) -> Result<(Opened, Rc<Program>), LoadError> {
        let object = &source.object;
        let code = program.code.as_ref().map_err(|error| LoadError::Code(error.clone()))?;
        let memory = VecMemory::new(arena_size(object, code) as usize);
        let mut kernel = Kernel::new(memory, 1, SEED, Box::new(Sequential::default()));
        let mut fds = MapFds::new();
        loader::create_maps(&mut kernel, object, code, &mut fds)?;
        let request = loader::request(object, program, None, &fds, level::ALL)?;
        let maps = MapTable::new(&mut kernel, object, &fds);
        let described = Rc::new(listing::program(source, chosen, &request, &maps));
        let verifier = kernel.verifier(&request, Recorder::new());
        let opened = Opened {
            generation,
            kernel,
            maps,
            request,
            described: described.clone(),
            flow: None,
            verification: Some(Verification { verifier, started: now, reported: now }),
            explored: None,
            fd: None,
            queue: actions.into_iter().map(|action| (action, true)).collect(),
            run: None,
            running: false,
        };
        Ok((opened, described))
    }

    /// Whether there is something to do.
    pub fn is_busy(&self) -> bool {
        self.verification.is_some() || self.running || !self.queue.is_empty()
    }

    /// Verifies, runs or does what is queued, until `pause` says so.
    pub fn work(&mut self, pause: &mut dyn FnMut() -> bool, now: fn() -> f64, events: &mut Vec<Event>) {
        loop {
            if self.verification.is_some() {
                self.verify(pause, now, events);
            } else if self.running {
                self.run_on(pause, events);
            } else if let Some((action, again)) = self.queue.pop_front() {
                self.act(action, again, events);
            }
            if pause() || !self.is_busy() {
                return;
            }
        }
    }

    fn verify(&mut self, pause: &mut dyn FnMut() -> bool, now: fn() -> f64, events: &mut Vec<Event>) {
        let Some(mut verification) = self.verification.take() else { return };
        while verification.verifier.step(STRIDE) == Progress::Running {
            if pause() {
                if now() - verification.reported >= REPORT {
                    verification.reported = now();
                    let walked = verification.verifier.stats().processed;
                    events.push(Event::Progress { generation: self.generation, walked });
                }
                self.verification = Some(verification);
                return;
            }
        }
        let outcome = verification.verifier.finish();
        let verdict = match self.kernel.insert_program(&self.request, &outcome) {
            Ok(fd) => {
                self.fd = Some(fd);
                Verdict::Accepted
            }
            Err(_) => Verdict::Rejected,
        };
        let explored = Explored::new(outcome.observer.finish(), outcome.log);
        self.verified(explored, verdict, outcome.stats, now() - verification.started, events);
    }

    fn verified(
        &mut self,
        explored: Explored,
        verdict: Verdict,
        stats: Stats,
        milliseconds: f64,
        events: &mut Vec<Event>,
    ) {
        let outcome = Box::new(explored.outcome(verdict, stats, milliseconds));
        self.explored = Some(explored);
        let generation = self.generation;
        events.push(Event::Verified { generation, outcome });
        events.push(Event::Touched { generation });
    }

    fn stop(&mut self, now: fn() -> f64, events: &mut Vec<Event>) {
        if let Some(verification) = self.verification.take() {
            let milliseconds = now() - verification.started;
            let (recorder, log, stats) = verification.verifier.abandon();
            let explored = Explored::new(recorder.finish(), log);
            self.verified(explored, Verdict::Stopped, stats, milliseconds, events);
        } else if self.running
            && let Some(run) = &mut self.run
        {
            run.stop();
        }
    }

    fn run_on(&mut self, pause: &mut dyn FnMut() -> bool, events: &mut Vec<Event>) {
        let (Some(run), Some(explored)) = (&mut self.run, &self.explored) else {
            self.running = false;
            return;
        };
        if !run.work(&mut self.kernel, &explored.trace, pause) {
            return;
        }
        self.running = false;
        self.seek(u32::MAX, events);
    }

    fn seek(&mut self, at: u32, events: &mut Vec<Event>) {
        let Some(run) = &mut self.run else { return };
        let generation = self.generation;
        let view = Box::new(run.seek(&mut self.kernel, at));
        self.maps.touched();
        events.push(Event::Run { generation, run: view });
        events.push(Event::Touched { generation });
    }

    /// Does an action; `again` where it is replayed, and was refused before if it is refused now.
    fn act(&mut self, action: Action, again: bool, events: &mut Vec<Event>) {
        if let Some(run) = self.run.take() {
            run.finish(&mut self.kernel);
        }
        self.maps.remember(&mut self.kernel);
        self.maps.touched();
        let generation = self.generation;
        match self.perform(action) {
            Ok(()) => events.push(Event::Touched { generation }),
            Err(_) if again => {}
            Err(message) => events.push(Event::ActionFailed { generation, message }),
        }
    }

    fn perform(&mut self, action: Action) -> Result<(), String> {
        let fd = |map: &String| self.maps.fd(map).ok_or_else(|| format!("the program has no map {map}"));
        match action {
            Action::Update { map, key, value } => {
                let done = self.kernel.map_update(fd(&map)?, &key, &value, 0);
                done.map_err(|errno| maps::refusal("write to", &map, errno))
            }
            Action::Delete { map, key } => {
                let done = self.kernel.map_delete(fd(&map)?, &key);
                done.map_err(|errno| maps::refusal("delete from", &map, errno))
            }
            Action::Run { data } => {
                let (Some(fd), Some(explored)) = (self.fd, &self.explored) else {
                    return Err("only an accepted program runs".into());
                };
                let run = Concrete::start(&mut self.kernel, &explored.trace, &self.request, fd, &data);
                self.run = Some(run.map_err(|errno| run::refusal(&self.request, &data, errno))?);
                self.running = true;
                Ok(())
            }
        }
    }

    /// Takes a request about this program.
    pub fn handle(&mut self, request: Request, now: fn() -> f64, events: &mut Vec<Event>) {
        let generation = self.generation;
        match request {
            Request::Stop => self.stop(now, events),
            Request::Act(action) => self.queue.push_back((action, false)),
            Request::Seek { at } if !self.running => self.seek(at, events),
            Request::Travel { back, slots, registers } if !self.running => {
                if let Some(run) = &mut self.run {
                    let run = Box::new(run.travel(&mut self.kernel, back, &slots, registers));
                    self.maps.touched();
                    events.extend([Event::Run { generation, run }, Event::Touched { generation }]);
                }
            }
            Request::Export { map } => {
                if let Some((_, rows)) = self.maps.rows(&mut self.kernel, map as usize, 0, u32::MAX, true) {
                    let entries = rows.into_iter().map(|row| (row.key, row.value)).collect();
                    events.push(Event::Exported { generation, map, entries });
                }
            }
            Request::Rows { map, first, count, zeros } => {
                let rows = self.maps.rows(&mut self.kernel, map as usize, first, count, zeros);
                if let Some((total, rows)) = rows {
                    events.push(Event::Rows { generation, map, total, first, rows });
                }
            }
            Request::State { step } => {
                if let Some(explored) = &self.explored
                    && let Some(view) = explored.trace.state(Step(step))
                {
                    events.push(asked::state(generation, explored, view));
                }
            }
            Request::Find { pc, after } => {
                if let Some(explored) = &self.explored {
                    let step = explored.trace.find(Pc(pc), Step(after)).map(|step| step.0);
                    events.push(Event::Found { generation, step });
                }
            }
            Request::Log { first, count } => {
                if let Some(explored) = &self.explored {
                    let lines = log_lines(explored, first, count);
                    events.push(Event::Log { generation, first, lines });
                }
            }
            Request::Graph | Request::Route { .. } => {
                let flow = self.flow.get_or_insert_with(|| Flow::of(&self.request.code, &self.described));
                events.extend(self.explored.as_ref().map(|explored| match request {
                    Request::Route { step } => flow.route(generation, &explored.trace, step),
                    _ => Event::Graph { generation, graph: Box::new(flow.graph(&explored.trace)) },
                }));
            }
            Request::Search { .. }
            | Request::Fold { .. }
            | Request::Covering { .. }
            | Request::History { .. } => {
                if let Some(explored) = &self.explored {
                    events.extend(asked::answer(generation, explored, &self.described, request));
                }
            }
            Request::Seek { .. }
            | Request::Travel { .. }
            | Request::Open { .. }
            | Request::Words
            | Request::Fork { .. } => {}
        }
    }
}

fn log_lines(explored: &Explored, first: u32, count: u32) -> Vec<LogLine> {
    let Explored { trace, log, index } = explored;
    let line = |number: u32| {
        let step = index.step_of(trace, log.text(), number).map(|step| step.0);
        Some(LogLine { text: index.line(log.text(), number)?.into(), step })
    };
    (first..first.saturating_add(count).min(index.lines())).filter_map(line).collect()
}
