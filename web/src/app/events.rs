//! What the page does when the worker says something.

use super::{App, Phase, Shown, editor, listing, maps, share, state};
use crate::protocol::{Document, Event, Request, RunEnd, Tree, Verdict};
use crate::session::Tab;
use std::rc::Rc;
use yew::prelude::*;

impl App {
    /// The worker said something.
    pub(super) fn heard(&mut self, ctx: &Context<App>, event: Event) -> bool {
        let generation = match &event {
            Event::Ready { .. } => return false,
            Event::Words { words } => {
                let row = |word: &crate::protocol::Word| {
                    vec![
                        ("kind", word.kind.as_str().into()),
                        ("name", word.name.as_str().into()),
                        ("detail", word.detail.as_str().into()),
                        ("info", word.info.as_str().into()),
                    ]
                };
                self.words = Rc::new(editor::json(words.iter().map(row)));
                return true;
            }
            Event::Refused { generation, .. }
            | Event::Opened { generation, .. }
            | Event::Progress { generation, .. }
            | Event::Verified { generation, .. }
            | Event::State { generation, .. }
            | Event::Found { generation, .. }
            | Event::Exported { generation, .. }
            | Event::Graph { generation, .. }
            | Event::Route { generation, .. }
            | Event::Hits { generation, .. }
            | Event::Placed { generation, .. }
            | Event::Covering { generation, .. }
            | Event::History { generation, .. }
            | Event::Log { generation, .. }
            | Event::Touched { generation }
            | Event::Rows { generation, .. }
            | Event::ActionFailed { generation, .. }
            | Event::Run { generation, .. }
            | Event::Forked { generation, .. } => *generation,
        };
        if generation != self.generation {
            return false;
        }
        match event {
            Event::Ready { .. } | Event::Words { .. } => {}
            Event::Exported { map, entries, .. } => {
                let name = self.program.maps.get(map as usize).map_or("map", |map| map.name.as_str());
                if let Some(format) = self.exporting.take() {
                    let text = maps::written(format, &entries);
                    if share::download(&format!("{name}.{}", format.ending()), text.as_bytes()).is_none() {
                        self.trouble = Some("the browser gives no file".into());
                    }
                }
                return false;
            }
            Event::Refused { problems, .. } => {
                self.problems = problems;
                self.phase = Phase::Refused;
                self.ask_words();
                if self.outcome.is_some() {
                    // The worker still holds what is shown, and answers for it.
                    self.generation = self.answered;
                }
                match &self.document {
                    // Nothing is shown yet but the text, and that is where it can be put right.
                    Some(Document::Assembly { text }) if self.outcome.is_none() => {
                        self.draft.clone_from(text);
                        self.editing = true;
                    }
                    Some(Document::Assembly { .. }) => {}
                    _ => self.outcome = None,
                }
            }
            Event::Opened { program, generation } => {
                self.answered = generation;
                self.ask_words();
                self.rows = Rc::new(listing::rows(&program));
                self.map = self.map.min(program.maps.len().saturating_sub(1));
                self.program = Rc::from(program);
                self.phase = Phase::Verifying(0);
                self.ask_rows();
            }
            Event::Progress { walked, .. } => self.phase = Phase::Verifying(walked),
            Event::Verified { mut outcome, .. } => {
                self.tree = Rc::new(std::mem::take(&mut outcome.tree));
                self.graph = None;
                self.hits = None;
                self.route = Rc::default();
                self.ran = Rc::default();
                let causes = outcome.diagnostic.as_ref().map(|d| d.path.as_slice()).unwrap_or_default();
                self.causes = Rc::new(causes.iter().map(|cause| (cause.step.0, cause.pc)).collect());
                self.labels = Rc::new(listing::edge_labels(&self.program, &self.tree));
                let error = outcome.diagnostic.as_ref().and_then(|d| d.step).map(|s| s.0);
                let fallback =
                    if outcome.verdict == Verdict::Accepted { 0 } else { outcome.steps.saturating_sub(1) };
                let step = self.session.step.or(error).unwrap_or(fallback);
                if outcome.verdict != Verdict::Accepted && self.session.tab == Tab::Run && self.run.is_none()
                {
                    self.session.tab = Tab::Why;
                }
                if let Some(shared) = self.received.take() {
                    self.trouble = share::changed(&shared, outcome.verdict, outcome.stats.processed);
                }
                self.outcome = Some(Rc::from(outcome));
                self.phase = Phase::Done;
                self.state = None;
                self.log = (0, Rc::default());
                self.sync += 1;
                self.ask(Request::Log { first: 0, count: 200 });
                let kept = self.session.step;
                self.ask_graph();
                self.select(step);
                self.session.step = kept;
                if let Some(pc) = self.sought.take() {
                    self.ask(Request::Find { pc, after: 0 });
                }
            }
            Event::State { view, line, reliance, misses, .. } => {
                self.line = line.map(|line| line as usize);
                self.threads = Rc::new(state::threads(&reliance, &misses));
                (self.reliance, self.misses) = (reliance, misses);
                self.state = Some(Rc::from(view));
            }
            Event::Graph { graph, .. } => self.graph = Some(Rc::from(graph)),
            Event::Route { step, blocks, edges, .. } => {
                if step != self.step {
                    return false;
                }
                self.route = Rc::new((blocks, edges));
            }
            Event::Hits { text, nodes, .. } => self.hits = Some(Rc::new((text, nodes))),
            Event::Placed { folded, hidden, x, depth, width, .. } => {
                let tree = Tree { folded, hidden, x, depth, width, ..Tree::clone(&self.tree) };
                self.tree = Rc::new(tree);
            }
            Event::Covering { node, covering, .. } => {
                if self.node != Some(node as usize) {
                    return false;
                }
                self.covering = covering.map(|covering| (node as usize, *covering));
            }
            Event::History { place, causes, .. } => self.history = Some((place, causes)),
            Event::Found { step, .. } => match step {
                Some(step) => self.select(step),
                None => self.trouble = Some("the verifier never walked that instruction".into()),
            },
            Event::Log { first, lines, .. } => self.log = (first as usize, Rc::new(lines)),
            Event::Touched { .. } => {
                self.ask_rows();
                return false;
            }
            Event::Rows { map, total, first, rows, .. } => {
                if map as usize != self.map {
                    return false;
                }
                self.shown = Shown { total: total as usize, first: first as usize, rows };
            }
            Event::ActionFailed { message, .. } => {
                // What the system refused changed nothing, and is not to be replayed.
                self.session.actions.pop();
                self.trouble = Some(message);
                self.save();
            }
            Event::Run { run, .. } => {
                if let RunEnd::Failed { message } = &run.end {
                    self.trouble = Some(message.clone());
                }
                self.ran = Rc::new(run.path.clone());
                if let Some(step) = run.step.filter(|_| self.run.is_some()) {
                    // What was known there stands beside what is.
                    self.select(step);
                }
                self.run = Some(Rc::from(run));
            }
            Event::Forked { text, .. } => {
                self.draft.clone_from(&text);
                if std::mem::take(&mut self.forking) {
                    self.fork(ctx, text);
                }
            }
        }
        true
    }
}
