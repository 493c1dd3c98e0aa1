//! Runs that go back as well as forward.
//!
//! A point of a run is the number of instructions that were run before it. A *keyframe* keeps all but the
//! arena's bytes, every so many instructions; between two keyframes a [`Journal`] keeps the old bytes of what
//! was written. To go back, the journals are swapped with memory down to the keyframe before the point, and
//! the instructions from there are run again: the same state and the same chance make the same run. To go
//! forward where the run has been, the same journals are swapped upwards.

use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;

use super::machine::{Machine, Stop};
use crate::arena::{Journal, Memory};
use crate::helper::RunContext;
use crate::image::Image;
use crate::resources::{Resources, Snapshot};

/// Instructions from one keyframe to the next, at first.
const FIRST_INTERVAL: u64 = 128;
/// Most keyframes, where the maps are small: twice as many make every second one go.
const MOST_KEYFRAMES: usize = 512;
/// Bytes of maps that all keyframes together may stand for, before they become fewer.
const MOST_BYTES: u64 = 64 << 20;

/// Everything at a point but the arena's bytes.
struct Keyframe<M> {
    machine: Machine,
    run: RunContext,
    resources: Rc<Snapshot<M>>,
    printed: usize,
}

/// A run that can be stopped, continued and stepped back, with its memory and maps.
///
/// Every method takes the image, resources and run context that the recording began with. Nothing else may
/// change them before [`Recording::finish`].
pub struct Recording<M> {
    machine: Machine,
    interval: u64,
    /// The one at `i` is that of point `i * interval`.
    keyframes: Vec<Keyframe<M>>,
    /// The one at `i` is what was written between keyframe `i` and the next: old bytes below `base`, new ones
    /// from there on.
    journals: Vec<Journal>,
    /// The keyframe that memory is that of, but for what the arena's journal says.
    base: usize,
    /// All that the run printed so far.
    printed: Vec<String>,
    end: Option<Stop>,
    length: u64,
}

impl<M: Memory> Recording<M> {
    /// Records a run that has not begun.
    pub fn new(machine: Machine, resources: &mut Resources<M>, run: &RunContext) -> Recording<M> {
        let mut recording = Recording {
            machine,
            interval: FIRST_INTERVAL,
            keyframes: Vec::new(),
            journals: Vec::new(),
            base: 0,
            printed: resources.printed.clone(),
            end: None,
            length: 0,
        };
        recording.machine.executed = 0;
        let keyframe = recording.keyframe(resources, run);
        recording.keyframes.push(keyframe);
        resources.arena.memory_mut().keep(Some(Journal::default()));
        recording
    }

    /// The machine at this point: registers, next instruction, frames.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }
    /// The point that it is at.
    pub fn position(&self) -> u64 {
        self.machine.executed
    }
    /// The last point that it has been at; once [`Recording::end`] says something, the last there is.
    pub fn length(&self) -> u64 {
        self.length
    }
    /// How the run ends, once it has been there: never with [`Stop::Budget`].
    pub fn end(&self) -> Option<Stop> {
        self.end
    }
    /// Whether it is at its end.
    pub fn at_end(&self) -> bool {
        self.end.is_some() && self.machine.executed == self.length
    }

    /// Runs one instruction; `false` at the end.
    pub fn step_forward(
        &mut self,
        image: &Image,
        resources: &mut Resources<M>,
        run: &mut RunContext,
    ) -> bool {
        let from = self.position();
        self.advance(image, resources, run, from.saturating_add(1));
        self.position() > from
    }

    /// Goes one instruction back; `false` at the beginning.
    pub fn step_back(&mut self, image: &Image, resources: &mut Resources<M>, run: &mut RunContext) -> bool {
        let from = self.position();
        if from > 0 {
            self.seek(image, resources, run, from - 1);
        }
        from > 0
    }

    /// Runs at most `budget` instructions from the last point that it has been at: [`Stop::Budget`] where
    /// that is not the end.
    pub fn run(
        &mut self,
        image: &Image,
        resources: &mut Resources<M>,
        run: &mut RunContext,
        budget: u64,
    ) -> Stop {
        self.seek(image, resources, run, self.length.saturating_add(budget));
        self.end.unwrap_or(Stop::Budget)
    }

    /// Goes to a point, or to the end where the run has fewer: the point that it came to.
    pub fn seek(
        &mut self,
        image: &Image,
        resources: &mut Resources<M>,
        run: &mut RunContext,
        point: u64,
    ) -> u64 {
        let point = if self.end.is_some() { point.min(self.length) } else { point };
        let last = self.keyframes.len() - 1;
        let target = usize::try_from(point / self.interval).map_or(last, |at| at.min(last));
        // From within an interval, what is left is run; everything else goes by keyframes.
        if point < self.position() || target > self.base {
            self.go_to_keyframe(resources, run, target);
        }
        self.advance(image, resources, run, point);
        self.position()
    }

    /// Ends the recording at this point: what it wrote stays, and the machine can go on unrecorded.
    pub fn finish(self, resources: &mut Resources<M>) -> Machine {
        resources.arena.memory_mut().keep(None);
        self.machine
    }

    fn keyframe(&self, resources: &Resources<M>, run: &RunContext) -> Keyframe<M> {
        // Instructions alone change nothing that a snapshot has.
        let snapshot = match self.keyframes.last() {
            Some(last) if last.machine.helper_calls == self.machine.helper_calls => last.resources.clone(),
            _ => Rc::new(resources.snapshot()),
        };
        let printed = resources.printed.len();
        Keyframe { machine: self.machine.clone(), run: *run, resources: snapshot, printed }
    }

    /// Swaps memory to a keyframe's, and takes the rest from it.
    fn go_to_keyframe(&mut self, resources: &mut Resources<M>, run: &mut RunContext, target: usize) {
        let memory = resources.arena.memory_mut();
        if let Some(mut since) = memory.keep(None) {
            memory.swap(&mut since);
        }
        while self.base > target {
            self.base -= 1;
            memory.swap(&mut self.journals[self.base]);
        }
        while self.base < target {
            memory.swap(&mut self.journals[self.base]);
            self.base += 1;
        }
        memory.keep(Some(Journal::default()));
        let keyframe = &self.keyframes[target];
        self.machine = keyframe.machine.clone();
        *run = keyframe.run;
        resources.restore(&keyframe.resources);
        resources.printed = self.printed[..keyframe.printed].to_vec();
    }

    /// Runs forward to a point, making keyframes where there are none yet.
    fn advance(&mut self, image: &Image, resources: &mut Resources<M>, run: &mut RunContext, point: u64) {
        while self.position() < point && !self.at_end() {
            let border = (self.base as u64 + 1) * self.interval;
            let budget = point.min(border) - self.position();
            let stop = self.machine.run(image, resources, run, budget);
            if self.position() > self.length {
                self.length = self.position();
                let new = resources.printed.get(self.printed.len()..).unwrap_or_default();
                self.printed.extend_from_slice(new);
            }
            if stop != Stop::Budget {
                self.end = Some(stop);
                return;
            }
            if self.position() == border {
                self.cross(resources, run);
            }
        }
    }

    /// At the next keyframe's point: what was written since the last one becomes its journal.
    fn cross(&mut self, resources: &mut Resources<M>, run: &RunContext) {
        let journal = resources.arena.memory_mut().keep(Some(Journal::default())).unwrap_or_default();
        if let Some(known) = self.journals.get_mut(self.base) {
            // Been here before: the journal that was kept has the new bytes, this one the old.
            *known = journal;
            self.base += 1;
            return;
        }
        self.journals.push(journal);
        self.base += 1;
        let keyframe = self.keyframe(resources, run);
        self.keyframes.push(keyframe);
        let bytes = resources.arena.used().max(1);
        let most = (MOST_BYTES / bytes).clamp(16, MOST_KEYFRAMES as u64) as usize;
        // An even number of journals, in pairs.
        if self.base > most && self.base.is_multiple_of(2) {
            self.thin();
        }
    }

    /// Makes one interval of each two. Memory is at the last keyframe.
    fn thin(&mut self) {
        let mut journals = core::mem::take(&mut self.journals).into_iter();
        while let (Some(mut journal), Some(later)) = (journals.next(), journals.next()) {
            journal.extend(later);
            self.journals.push(journal);
        }
        let mut at = 0;
        self.keyframes.retain(|_| {
            at += 1;
            at % 2 == 1
        });
        self.interval *= 2;
        self.base /= 2;
    }
}
