//! What the page does when something happens.

use super::link::Link;
use super::{App, Msg, Phase, Shown, compiler, share};
use crate::protocol::{Action, Document, Input, NodeKind, Request, Verdict};
use crate::session::{Origin, Session, Shared, Tab, Theme, View};
use crate::{gallery, hex, packets};
use js_sys::Uint8Array;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{File, FileList, HtmlElement, Response};
use yew::prelude::*;

/// The key of the session in the browser's storage.
const STORED: &str = "glasshive session";
/// Milliseconds without a key after which typed text is verified.
const PAUSE: i32 = 50;
/// Sessions that can be gone back to.
const MOST_KEPT: usize = 100;
/// What one begins to type from.
const BLANK: &str = ".type xdp\n.license GPL\n\nr0 = 2\nexit\n";

/// The session that was left.
pub fn stored() -> Option<Session> {
    let storage = web_sys::window()?.local_storage().ok()??;
    Session::load(&storage.get_item(STORED).ok()??)
}

/// Files of a list.
pub fn files(list: Option<FileList>) -> Vec<File> {
    list.map(|list| (0..list.length()).filter_map(|at| list.get(at)).collect()).unwrap_or_default()
}

/// Gives an element the keyboard.
pub fn focus(id: &str) {
    let element = web_sys::window().and_then(|w| w.document()).and_then(|d| d.get_element_by_id(id));
    if let Some(element) = element.and_then(|e| e.dyn_into::<HtmlElement>().ok()) {
        let _ = element.focus();
    }
}

/// Gives the first element within a node that a selector finds the keyboard.
pub fn focus_in(node: &NodeRef, selector: &str) {
    let within = node.cast::<web_sys::Element>();
    let found = within.and_then(|element| element.query_selector(selector).ok()).flatten();
    if let Some(element) = found.and_then(|e| e.dyn_into::<HtmlElement>().ok()) {
        let _ = element.focus();
    }
}

impl App {
    /// Starts a worker in place of the one there is.
    pub(super) fn restart(&mut self, ctx: &Context<App>) {
        let heard = ctx.link().callback(Msg::Heard);
        let failed = ctx.link().callback(Msg::Broke);
        match Link::start(heard, failed) {
            Ok(link) => self.link = Some(link),
            Err(error) => self.phase = Phase::Broken(error),
        }
    }

    pub(super) fn ask(&self, request: Request) {
        if let Some(link) = &self.link {
            link.ask(request);
        }
    }

    pub(super) fn save(&self) {
        let storage = web_sys::window().and_then(|w| w.local_storage().ok()).flatten();
        if let Some(storage) = storage {
            // Where there is no room, the page works on without.
            let _ = storage.set_item(STORED, &self.session.save());
        }
    }

    /// Opens what the session says.
    pub(super) fn open_session(&mut self, ctx: &Context<App>) {
        match &self.session.origin {
            Origin::Gallery { id } => {
                self.phase = Phase::Opening;
                let id = id.clone();
                let link = ctx.link().clone();
                spawn_local(async move {
                    let bytes = fetch(&format!("./examples/{id}.o")).await;
                    link.send_message(Msg::Fetched(id, bytes));
                });
            }
            Origin::Own { document, .. } => {
                let document = document.clone();
                self.open(ctx, document);
            }
        }
    }

    /// Opens the session that the page's address holds; whether it holds one.
    pub(super) fn open_link(&mut self, ctx: &Context<App>) -> bool {
        let Some(text) = share::linked() else { return false };
        let link = ctx.link().clone();
        spawn_local(async move { link.send_message(Msg::Received(share::read(text).await)) });
        true
    }

    /// Goes on with a session that came from someone else.
    fn receive(&mut self, ctx: &Context<App>, shared: Shared) {
        self.begin(ctx, shared.session.clone());
        self.received = Some(shared);
    }

    fn open(&mut self, ctx: &Context<App>, document: Document) {
        if matches!(self.phase, Phase::Broken(_)) {
            self.restart(ctx);
        }
        if let Document::Assembly { text } | Document::C { text, .. } = &document
            && !self.editing
        {
            self.draft.clone_from(text);
        }
        self.document = Some(document.clone());
        let document = match document {
            Document::C { text, object: None } => {
                self.compile(ctx, &text);
                return self.save();
            }
            Document::C { object: Some(bytes), .. } => Document::Object { name: "program.o".into(), bytes },
            document => document,
        };
        self.asked += 1;
        self.generation = self.asked;
        self.phase = Phase::Verifying(0);
        if !matches!(self.document, Some(Document::C { .. })) {
            // Of C, what the compiler warned of stays.
            self.problems.clear();
        }
        self.ask(Request::Open {
            generation: self.generation,
            document,
            program: self.session.program,
            actions: self.session.actions.clone(),
        });
        self.save();
    }

    /// Begins anew with another document: nothing of the one before stays.
    pub(super) fn replace(&mut self, ctx: &Context<App>, origin: Origin) {
        self.remember();
        let view = self.session.view;
        self.begin(ctx, Session { origin, view, ..Session::of_gallery(gallery::FIRST) });
    }

    /// Begins anew with a session, in the colours that there are.
    fn begin(&mut self, ctx: &Context<App>, session: Session) {
        self.session = Session { theme: self.session.theme, ..session };
        self.graph = None;
        self.hits = None;
        self.baseline = None;
        self.editing = false;
        self.gallery = false;
        self.trouble = None;
        self.outcome = None;
        self.state = None;
        self.run = None;
        self.map = 0;
        self.open_session(ctx);
        self.save();
    }

    /// Keeps the session as it is, to be gone back to.
    fn remember(&mut self) {
        self.past.push(self.session.clone());
        self.future.clear();
        if self.past.len() > MOST_KEPT {
            self.past.remove(0);
        }
    }

    /// Takes up a session of before.
    fn restore(&mut self, ctx: &Context<App>, session: Session) {
        let (theme, view, tab) = (self.session.theme, self.session.view, self.session.tab);
        self.session = Session { theme, view, tab, ..session };
        self.editing &= matches!(self.session.origin, Origin::Own { .. });
        self.run = None;
        if let Origin::Own { document: Document::Assembly { text }, .. } = &self.session.origin {
            self.draft.clone_from(text);
        }
        self.open_session(ctx);
        self.save();
    }

    /// Compares with what is there now, from here on.
    fn pin(&mut self) {
        self.baseline = self.outcome.as_ref().map(|outcome| {
            Rc::new(super::compare::Baseline::of(&self.title(), outcome, &self.tree, &self.labels))
        });
    }

    /// Goes on with a changed document: what the user wrote into maps stays, runs do not.
    pub(super) fn fork(&mut self, ctx: &Context<App>, text: String) {
        self.remember();
        if self.baseline.is_none() && self.phase != Phase::Refused {
            self.pin();
        }
        let from = match &self.session.origin {
            Origin::Own { document: Document::Assembly { .. } | Document::C { .. }, from, .. } => {
                from.clone()
            }
            origin => Some(Box::new(origin.clone())),
        };
        let title = self.title();
        let document = match self.document {
            Some(Document::C { .. }) => Document::C { text, object: None },
            _ => Document::Assembly { text },
        };
        self.session.origin = Origin::Own { title, document: document.clone(), from };
        self.session.program = 0;
        self.session.step = None;
        self.session.actions.retain(|action| !matches!(action, Action::Run { .. }));
        self.run = None;
        self.open(ctx, document);
    }

    /// What the program is called.
    pub(super) fn title(&self) -> String {
        match &self.session.origin {
            Origin::Gallery { id } => gallery::example(id).map_or(id.as_str(), |e| e.title).into(),
            Origin::Own { title, .. } => title.clone(),
        }
    }

    /// Whether it was made from another by editing.
    pub(super) fn is_edited(&self) -> bool {
        matches!(self.session.origin, Origin::Own { from: Some(_), .. })
    }

    /// What happened is done; whether the page is to be drawn again.
    pub(super) fn handle(&mut self, ctx: &Context<App>, msg: Msg) -> bool {
        match msg {
            Msg::Heard(event) => return self.heard(ctx, event),
            Msg::Broke(why) => {
                self.link = None;
                self.phase = Phase::Broken(why);
                self.outcome = None;
                self.state = None;
            }
            Msg::Example(id) => self.replace(ctx, Origin::Gallery { id: id.into() }),
            Msg::Fetched(id, bytes) => {
                if self.session.origin != (Origin::Gallery { id: id.clone() }) {
                    return false;
                }
                match bytes {
                    Ok(bytes) => {
                        if self.session.packet.is_empty() {
                            self.session.packet = sample_packet(&id);
                        }
                        self.open(ctx, Document::Object { name: format!("{id}.o"), bytes });
                    }
                    Err(error) => {
                        self.phase = Phase::Refused;
                        self.trouble = Some(error);
                    }
                }
            }
            Msg::Files(files) => {
                self.dragged = 0;
                for file in files {
                    let link = ctx.link().clone();
                    spawn_local(async move {
                        if let Ok(buffer) = JsFuture::from(file.array_buffer()).await {
                            link.send_message(Msg::Read(file.name(), Uint8Array::new(&buffer).to_vec()));
                        }
                    });
                }
            }
            Msg::Read(name, bytes) => self.read(ctx, name, bytes),
            Msg::Choose(program) => {
                self.session.program = program;
                self.session.step = None;
                self.session.actions.clear();
                self.run = None;
                self.outcome = None;
                self.state = None;
                if let Some(document) = self.document.clone() {
                    self.open(ctx, document);
                }
            }
            Msg::Edit(editing) => {
                self.editing = editing;
                self.ask_words();
                if editing && matches!(self.document, Some(Document::Object { .. })) {
                    self.ask(Request::Fork { insert: Vec::new(), at: 0 });
                }
            }
            Msg::EditOrBack => return self.handle(ctx, Msg::Edit(!self.editing)),
            Msg::Blank => {
                let document = Document::Assembly { text: BLANK.into() };
                self.replace(ctx, Origin::Own { title: "Assembly".into(), document, from: None });
                self.session.packet = sample_packet("");
                self.editing = true;
                self.pane = super::Pane::Program;
            }
            Msg::Compiler(heard) => self.compiled(ctx, heard),
            Msg::TypeC(None) => {
                let document = Document::C { text: compiler::BEGINNING.into(), object: None };
                self.replace(ctx, Origin::Own { title: "C".into(), document, from: None });
                self.session.packet = sample_packet("");
                self.editing = true;
                self.pane = super::Pane::Program;
            }
            Msg::TypeC(Some(id)) => {
                let link = ctx.link().clone();
                spawn_local(async move {
                    let text = fetch(&format!("./examples/{id}.c")).await;
                    link.send_message(Msg::FetchedC(id, text));
                });
                return false;
            }
            Msg::FetchedC(id, Ok(text)) => {
                if self.session.origin != (Origin::Gallery { id }) {
                    return false;
                }
                let text = String::from_utf8_lossy(&text).into_owned();
                let title = self.title();
                let from = Some(Box::new(self.session.origin.clone()));
                self.draft.clone_from(&text);
                self.editing = true;
                self.session.step = None;
                let document = Document::C { text, object: None };
                self.session.origin = Origin::Own { title, document: document.clone(), from };
                self.open(ctx, document);
            }
            Msg::FetchedC(_, Err(error)) => self.trouble = Some(error),
            Msg::Draft(text) => {
                self.draft = text;
                self.typed += 1;
                let (typed, link) = (self.typed, ctx.link().clone());
                later(PAUSE, move || link.send_message(Msg::Settled(typed)));
            }
            Msg::Settled(typed) => {
                let unchanged = matches!(&self.document,
                    Some(Document::Assembly { text } | Document::C { text, .. }) if *text == self.draft);
                if typed != self.typed || unchanged {
                    return false;
                }
                self.fork(ctx, self.draft.clone());
            }
            Msg::Pin => self.pin(),
            Msg::Redo => {
                if let Some(session) = self.future.pop() {
                    self.past.push(self.session.clone());
                    self.restore(ctx, session);
                }
            }
            Msg::Undo if !self.past.is_empty() => {
                if let Some(session) = self.past.pop() {
                    self.future.push(self.session.clone());
                    self.restore(ctx, session);
                }
            }
            Msg::Break(slot) => {
                let slots = &mut self.session.breakpoints;
                match slots.binary_search(&slot) {
                    Ok(at) => drop(slots.remove(at)),
                    Err(at) => slots.insert(at, slot),
                }
                self.save();
            }
            Msg::BreakHere => {
                if let Some(slot) = self.state.as_ref().map(|state| state.pc) {
                    return self.handle(ctx, Msg::Break(slot));
                }
            }
            Msg::Watch(number) => self.watched ^= 1 << number,
            Msg::Travel(back) => {
                let slots = self.session.breakpoints.clone();
                self.ask(Request::Travel { back, slots, registers: self.watched });
                return false;
            }
            Msg::RunTo => {
                if let Some(slot) = self.state.as_ref().map(|state| state.pc) {
                    self.ask(Request::Travel { back: false, slots: vec![slot], registers: 0 });
                }
                return false;
            }
            Msg::Export(format) => {
                self.exporting = Some(format);
                self.ask(Request::Export { map: self.map as u32 });
                return false;
            }
            Msg::Commands(open) => self.commands = open,
            Msg::Undo => {
                if let Origin::Own { from: Some(from), .. } = &self.session.origin {
                    self.session.origin = (**from).clone();
                    self.session.step = None;
                    self.session.actions.retain(|action| !matches!(action, Action::Run { .. }));
                    self.editing = false;
                    self.run = None;
                    self.open_session(ctx);
                }
            }
            Msg::Suggest => {
                let suggestion = self
                    .outcome
                    .as_ref()
                    .and_then(|o| o.diagnostic.as_ref())
                    .and_then(|d| d.suggestion.clone());
                if let Some(suggestion) = suggestion.filter(|s| !s.insert.is_empty()) {
                    self.editing = false;
                    self.forking = true;
                    self.sought = Some(suggestion.at);
                    self.ask(Request::Fork { insert: suggestion.insert, at: suggestion.at });
                }
            }
            Msg::Stop => self.ask(Request::Stop),
            Msg::Step(step) => self.select(step),
            Msg::Along(by) => self.select(self.step.saturating_add_signed(by)),
            Msg::Failure => {
                let step = self.outcome.as_ref().and_then(|o| o.diagnostic.as_ref()).and_then(|d| d.step);
                let Some(step) = step else { return false };
                self.select(step.0);
            }
            Msg::Node(node) => {
                let Some(outcome) = &self.outcome else { return false };
                let tree = &self.tree;
                if node >= tree.len() {
                    return false;
                }
                // The error is what one wants to see of the node that failed; else its beginning.
                let last = tree.first[node] + tree.len[node].saturating_sub(1);
                let step = match (&outcome.diagnostic, tree.kind[node]) {
                    (Some(_), NodeKind::Error) => last,
                    _ => tree.first[node].min(outcome.steps.saturating_sub(1)),
                };
                self.select(step);
                self.node = Some(node);
                self.ask_covering();
            }
            Msg::View(view) => {
                self.session.view = view;
                self.ask_graph();
                self.save();
            }
            Msg::Search(text) => {
                self.ask(Request::Search { text });
                return false;
            }
            Msg::Fold(folded) => {
                self.ask(Request::Fold { folded });
                return false;
            }
            Msg::History(place) => {
                if self.history.take().is_some_and(|(shown, _)| shown == place) {
                    return true;
                }
                self.ask(Request::History { step: self.step, place });
                return false;
            }
            Msg::Slot(pc) => {
                self.ask(Request::Find { pc, after: self.step });
                return false;
            }
            Msg::Tab(tab) => {
                self.session.tab = tab;
                self.save();
            }
            Msg::Pane(pane) => {
                self.pane = pane;
                if pane == super::Pane::Run && matches!(self.session.tab, Tab::Why | Tab::Log) {
                    self.session.tab = Tab::Run;
                }
            }
            Msg::Packet(text) => {
                self.session.packet = text;
                self.save();
            }
            Msg::Captured(at) => {
                if let Some(packet) = self.capture.get(at) {
                    self.session.packet = hex::rows(&packet.data);
                    self.save();
                }
            }
            Msg::Run => self.start_run(),
            Msg::Seek(at) => {
                self.ask(Request::Seek { at });
                return false;
            }
            Msg::SeekBy(by) => {
                if let Some(run) = &self.run {
                    self.ask(Request::Seek { at: run.at.saturating_add_signed(by).min(run.length) });
                }
                return false;
            }
            Msg::LogWindow(first, count) => {
                let have = self.log.0..self.log.0 + self.log.1.len();
                let total = self.outcome.as_ref().map_or(0, |o| o.lines as usize);
                let last = (first + count).min(total).saturating_sub(1);
                if !(have.contains(&first) && have.contains(&last)) {
                    let from = first.saturating_sub(count);
                    self.ask(Request::Log { first: from as u32, count: (count * 3) as u32 });
                }
                return false;
            }
            Msg::MapWindow(first, count) => {
                self.window = (first, count);
                let have = self.shown.first..self.shown.first + self.shown.rows.len();
                if !(have.contains(&first)
                    && have.contains(&(first + count).min(self.shown.total).saturating_sub(1)))
                {
                    self.ask_rows();
                }
                return false;
            }
            Msg::Map(map) => {
                self.map = map;
                self.shown = Shown::default();
                self.window = (0, 40);
                self.ask_rows();
            }
            Msg::Zeros(zeros) => {
                self.zeros = zeros;
                self.ask_rows();
            }
            Msg::Put(key, value) => self.put(&key, &value),
            Msg::Remove(key) => {
                if let Some(map) = self.program.maps.get(self.map) {
                    self.act(Action::Delete { map: map.name.clone(), key });
                }
            }
            Msg::Gallery(open) => self.gallery = open,
            Msg::Help(open) => self.help = open,
            Msg::Share => {
                let (shared, link) = (share::shared(self), ctx.link().clone());
                let about = match &self.outcome {
                    Some(outcome) => format!("{}: {}", self.title(), outcome.sentence),
                    None => self.title(),
                };
                spawn_local(
                    async move { link.send_message(Msg::Offered(share::offer(shared, about).await)) },
                );
                return false;
            }
            Msg::Offered(offer) => match offer {
                Ok(offer) => self.offer = Some(offer),
                Err(error) => self.trouble = Some(error),
            },
            Msg::Copy(text) => {
                let link = ctx.link().clone();
                spawn_local(async move { link.send_message(Msg::Copied(share::copy(text).await)) });
                return false;
            }
            Msg::Copied(done) => match &mut self.offer {
                Some(offer) if done => offer.copied(),
                _ => self.trouble = Some("the browser forbids copying: choose the link, and copy it".into()),
            },
            Msg::Unshare => self.offer = None,
            Msg::Addressed => return self.open_link(ctx),
            Msg::Received(shared) => {
                share::forget_link();
                match shared {
                    Ok(shared) => self.receive(ctx, shared),
                    Err(error) => {
                        self.trouble = Some(error);
                        if self.document.is_none() {
                            self.open_session(ctx);
                        }
                    }
                }
            }
            Msg::Dragged(by) => {
                let before = self.dragged > 0;
                self.dragged = (self.dragged + by).max(0);
                return before != (self.dragged > 0);
            }
            Msg::Theme => {
                self.session.theme = match self.session.theme {
                    Theme::System => Theme::Light,
                    Theme::Light => Theme::Dark,
                    Theme::Dark => Theme::System,
                };
                self.apply_theme();
                self.save();
            }
            Msg::Dismiss => self.trouble = None,
        }
        true
    }

    pub(super) fn select(&mut self, step: u32) {
        let Some(outcome) = &self.outcome else { return };
        self.step = step.min(outcome.steps.saturating_sub(1));
        self.node = self.tree.node_of(self.step);
        self.session.step = Some(self.step);
        self.ask(Request::State { step: self.step });
        self.history = None;
        if matches!(self.session.view, View::Graph | View::Budget) {
            self.ask(Request::Route { step: self.step });
        }
        self.ask_covering();
        self.save();
    }

    /// Asks for the editor's words, where they are not there yet.
    pub(super) fn ask_words(&self) {
        if self.editing && self.words.len() < 3 {
            self.ask(Request::Words);
        }
    }

    /// Asks for the control-flow graph where it is shown.
    pub(super) fn ask_graph(&self) {
        if matches!(self.session.view, View::Graph | View::Budget) && self.outcome.is_some() {
            if self.graph.is_none() {
                self.ask(Request::Graph);
            }
            self.ask(Request::Route { step: self.step });
        }
    }

    /// Asks how the selected node is covered, where it was pruned.
    fn ask_covering(&mut self) {
        self.covering = None;
        let pruned =
            |node: &usize| matches!(self.tree.kind.get(*node), Some(NodeKind::Pruned | NodeKind::Loop));
        if let Some(node) = self.node.filter(pruned) {
            self.ask(Request::Covering { node: node as u32 });
        }
    }

    pub(super) fn ask_rows(&self) {
        if self.program.maps.is_empty() {
            return;
        }
        let (first, count) = self.window;
        let from = first.saturating_sub(count);
        self.ask(Request::Rows {
            map: self.map as u32,
            first: from as u32,
            count: (count * 3) as u32,
            zeros: self.zeros,
        });
    }

    pub(super) fn act(&mut self, action: Action) {
        self.remember();
        self.trouble = None;
        self.session.actions.push(action.clone());
        self.ask(Request::Act(action));
        self.save();
    }

    fn put(&mut self, key: &str, value: &str) {
        let Some(map) = self.program.maps.get(self.map) else { return };
        let read =
            hex::value(key, map.key_size as usize).map_err(|error| format!("key: {error}")).and_then(|key| {
                let value = hex::value(value, map.value_size as usize);
                Ok((key, value.map_err(|error| format!("value: {error}"))?))
            });
        match read {
            Ok((key, value)) => self.act(Action::Update { map: map.name.clone(), key, value }),
            Err(error) => self.trouble = Some(error),
        }
    }

    fn start_run(&mut self) {
        let accepted = self.outcome.as_ref().is_some_and(|o| o.verdict == Verdict::Accepted);
        if !accepted || matches!(self.program.input, Input::None { .. }) {
            self.session.tab = Tab::Run;
            return;
        }
        match hex::parse(&self.session.packet) {
            Ok(data) => {
                self.act(Action::Run { data });
                if !matches!(self.session.tab, Tab::Maps) {
                    self.session.tab = Tab::Run;
                }
            }
            Err(error) => {
                self.session.tab = Tab::Run;
                self.trouble = Some(format!("the packet, {error}"));
            }
        }
    }
}

pub(super) fn sample_packet(id: &str) -> String {
    let name = gallery::example(id).map_or("", |example| example.packet);
    let sample = packets::SAMPLES.iter().find(|s| s.name == name).or(packets::SAMPLES.first());
    sample.map(|s| hex::rows(&s.bytes())).unwrap_or_default()
}

fn later(milliseconds: i32, then: impl FnOnce() + 'static) {
    let then = Closure::once_into_js(then);
    if let Some(window) = web_sys::window() {
        let _ =
            window.set_timeout_with_callback_and_timeout_and_arguments_0(then.unchecked_ref(), milliseconds);
    }
}

/// What the page's own server has at a path.
pub(super) async fn fetch(path: &str) -> Result<Vec<u8>, String> {
    let missing = || format!("{path} can't be fetched");
    let window = web_sys::window().ok_or_else(missing)?;
    let response = JsFuture::from(window.fetch_with_str(path)).await.map_err(|_| missing())?;
    let response: Response = response.dyn_into().map_err(|_| missing())?;
    if !response.ok() {
        return Err(format!("{path}: the server answers {}", response.status()));
    }
    let buffer = response.array_buffer().map_err(|_| missing())?;
    let buffer = JsFuture::from(buffer).await.map_err(|_| missing())?;
    Ok(Uint8Array::new(&buffer).to_vec())
}
