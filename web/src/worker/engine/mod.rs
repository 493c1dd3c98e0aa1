//! The engine behind the page: what the protocol's requests do.
//!
//! Nothing here knows of workers or browsers. [`Engine::handle`] takes a request, [`Engine::work`] does some of
//! what takes long, and [`Engine::take_events`] has the answers.

mod asked;
mod document;
mod flow;
mod fork;
mod listing;
mod maps;
mod opened;
mod outcome;
mod path;
mod run;
#[cfg(test)]
mod tests;
mod words;

use crate::protocol::{Action, Document, Event, Program, Request};
use document::Source;
use opened::Opened;

/// Milliseconds after which [`Engine::work`] returns, so that a request can come in between.
const SLICE: f64 = 12.0;

/// The engine. It holds one document at a time.
pub struct Engine {
    /// Milliseconds by some clock.
    now: fn() -> f64,
    events: Vec<Event>,
    generation: u32,
    /// What was read, with the index of the chosen program.
    source: Option<(Source, usize)>,
    /// What was loaded of it.
    opened: Option<Opened>,
}

impl Engine {
    /// An engine with nothing open. `now` is a clock in milliseconds.
    pub fn new(now: fn() -> f64) -> Engine {
        Engine { now, events: Vec::new(), generation: 0, source: None, opened: None }
    }

    /// The answers since this was asked last, in order.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Whether there is something for [`Engine::work`] to do.
    pub fn is_busy(&self) -> bool {
        self.opened.as_ref().is_some_and(Opened::is_busy)
    }

    /// Verifies or runs for about a hundredth of a second.
    pub fn work(&mut self) {
        let until = (self.now)() + SLICE;
        let now = self.now;
        if let Some(opened) = &mut self.opened {
            opened.work(&mut || now() >= until, now, &mut self.events);
        }
    }

    /// Takes a request. What is asked of a document that is not verified yet, or of none, is not answered.
    pub fn handle(&mut self, request: Request) {
        match request {
            Request::Open { generation, document, program, actions } => {
                self.open(generation, document, program, actions);
            }
            Request::Words => self.events.push(Event::Words { words: words::all() }),
            Request::Fork { insert, at } => {
                let text = self
                    .source
                    .as_ref()
                    .and_then(|(source, chosen)| fork::text(source, *chosen, &insert, at));
                if let Some(text) = text {
                    self.events.push(Event::Forked { generation: self.generation, text });
                }
            }
            other => {
                if let Some(opened) = &mut self.opened {
                    opened.handle(other, self.now, &mut self.events);
                }
            }
        }
    }

    fn open(&mut self, generation: u32, document: Document, program: u32, actions: Vec<Action>) {
        let refused = |problems| Event::Refused { generation, problems };
        // A text that can't be read leaves what is open as it is, so that it stays to be explored.
        let source = match Source::read(document) {
            Ok(source) => source,
            Err(problems) => return self.events.push(refused(problems)),
        };
        // What was open goes before what comes: two of them might not fit.
        self.opened = None;
        self.source = None;
        self.generation = generation;
        let Some((chosen, program)) = source.choose(program) else { return };
        match Opened::new(generation, &source, (chosen, program), actions, (self.now)()) {
            Ok((opened, program)) => {
                self.events.push(Event::Opened { generation, program: Box::new(Program::clone(&program)) });
                self.opened = Some(opened);
            }
            Err(error) => {
                // Another program of the document may do better, and can be chosen.
                if source.text.is_none() {
                    let program = Box::new(listing::choices(&source, chosen));
                    self.events.push(Event::Opened { generation, program });
                }
                self.events.push(refused(vec![source.problem(&error)]));
            }
        }
        self.source = Some((source, chosen));
    }
}
