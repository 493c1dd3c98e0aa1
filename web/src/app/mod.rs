//! The page: it owns the [`Session`] and small summaries of what the worker found, and draws.

mod bar;
mod commands;
mod compare;
mod compiler;
mod covering;
mod dialog;
mod editor;
mod events;
mod explain;
mod explore;
mod files;
mod fix;
mod keys;
mod link;
mod listener;
mod listing;
mod log;
mod maps;
mod palette;
mod program;
mod run;
mod share;
mod state;
mod update;
mod value_set;
mod why;
mod windowed;

use crate::gallery;
use crate::pcap::Packet;
use crate::protocol::{
    Document, Event, Graph, LogLine, Missed, Outcome, Problem, Program, Row, RunView, Tree,
};
use crate::session::{Session, Shared, Tab, Theme, View};
use glasshive::trace::view::{Cause, Covering, Place, Reliance, StateView};
use link::Link;
use std::rc::Rc;
use yew::prelude::*;

/// Puts the page into the document.
pub fn start() {
    yew::Renderer::<App>::new().render();
}

/// What the verifier is doing.
#[derive(Clone, PartialEq, Debug)]
pub enum Phase {
    /// The document is being fetched or read.
    Opening,
    /// A C program is being compiled; so many bytes of the compilers are there, of so many, while they come.
    Compiling(Option<(f64, f64)>),
    /// So many instructions were walked.
    Verifying(u32),
    /// The outcome is there.
    Done,
    /// The document can't be read.
    Refused,
    /// The worker trapped.
    Broken(String),
}

/// A map as far as it is shown.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct Shown {
    /// Entries that there are.
    pub total: usize,
    /// Number of the first row.
    pub first: usize,
    /// The rows.
    pub rows: Vec<Row>,
}

/// The pane that a narrow screen shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Pane {
    Program,
    Explore,
    State,
    Run,
}

/// The page.
pub struct App {
    session: Session,
    link: Option<Link>,
    /// Started with the first C program.
    compiler: Option<compiler::Compiler>,
    /// Of the document that the worker was asked to open last.
    generation: u32,
    /// Documents that the worker was asked to open.
    asked: u32,
    /// Of the document that is shown.
    answered: u32,
    document: Option<Document>,
    phase: Phase,
    problems: Vec<Problem>,
    program: Rc<Program>,
    /// What the listing shows, row by row.
    rows: Rc<Vec<listing::Row>>,
    /// Whether the text editor is open in place of the listing.
    editing: bool,
    /// The text as it is being typed.
    draft: String,
    /// Counts the keys typed, so that only the last one's pause verifies.
    typed: u32,
    outcome: Option<Rc<Outcome>>,
    /// The outcome's tree, behind a pointer of its own.
    tree: Rc<Tree>,
    labels: Rc<Vec<String>>,
    step: u32,
    node: Option<usize>,
    state: Option<Rc<StateView>>,
    /// What the step relies on exactly, and states that were tried in vain before it.
    reliance: Vec<Reliance>,
    misses: Vec<Missed>,
    /// Those as threads of the drawing: what each is about, and its steps.
    threads: Rc<Vec<(String, Vec<u32>)>>,
    /// Steps and slots of the causal path.
    causes: Rc<Vec<(u32, u32)>>,
    /// How the selected node is covered, where it was pruned.
    covering: Option<(usize, Covering)>,
    /// Where what a place holds came from, where that was asked for.
    history: Option<(Place, Vec<Cause>)>,
    /// The control-flow graph, once it was asked for.
    graph: Option<Rc<Graph>>,
    /// Blocks and edges on the way to the step.
    route: Rc<(Vec<u32>, Vec<u32>)>,
    /// What was searched for, and where it is.
    hits: Option<Rc<(String, Vec<u32>)>>,
    /// Segments that the concrete run went through.
    ran: Rc<Vec<u32>>,
    /// The log's line of the step.
    line: Option<usize>,
    log: (usize, Rc<Vec<LogLine>>),
    map: usize,
    zeros: bool,
    shown: Shown,
    /// The window of the map that was asked for last.
    window: (usize, usize),
    run: Option<Rc<RunView>>,
    capture: Vec<Packet>,
    /// What went wrong with the last thing that the user did.
    trouble: Option<String>,
    gallery: bool,
    pane: Pane,
    themed: u32,
    /// Counts outcomes, so that lists come back to the selection.
    sync: u32,
    /// The worker was asked for text to go on with.
    forking: bool,
    /// The slot to select once the verifier is done.
    sought: Option<u32>,
    /// What is offered to share, while it is.
    offer: Option<share::Offer>,
    /// The session that a link brought, until its answer is there.
    received: Option<Shared>,
    help: bool,
    /// Whether the commands are offered.
    commands: bool,
    /// The words that the editor completes, as JSON.
    words: Rc<String>,
    /// Sessions to go back to, and forward again.
    past: Vec<Session>,
    future: Vec<Session>,
    /// What the exploration is compared with: what it was before the first edit.
    baseline: Option<Rc<compare::Baseline>>,
    /// How a map is to be written once its entries are there.
    exporting: Option<maps::Format>,
    /// Registers whose change a run stops for, by bit.
    watched: u16,
    /// How many elements deep a dragged file is over the page.
    dragged: i32,
    _listeners: Vec<listener::Listener>,
}

/// What happens.
pub enum Msg {
    /// The worker said something.
    Heard(Event),
    /// The worker trapped, or does not fit.
    Broke(String),
    /// A program of the gallery.
    Example(&'static str),
    /// A gallery object's bytes, or why they are not there.
    Fetched(String, Result<Vec<u8>, String>),
    /// The user's files.
    Files(Vec<web_sys::File>),
    /// One was read.
    Read(String, Vec<u8>),
    /// A program of the document.
    Choose(u32),
    /// Open or close the editor.
    Edit(bool),
    /// Open the editor, or close it.
    EditOrBack,
    /// An empty text to type into.
    Blank,
    /// Text was typed.
    Draft(String),
    /// The user paused; which key was the last.
    Settled(u32),
    /// The compilers' worker said something.
    Compiler(compiler::Heard),
    /// A C text to type into: an example's, or a beginning.
    TypeC(Option<String>),
    /// An example's source, or why it is not there.
    FetchedC(String, Result<Vec<u8>, String>),
    /// Back to what the text was made from.
    Undo,
    /// Forward again.
    Redo,
    /// Compare with what is there now, from here on.
    Pin,
    /// Set a breakpoint at a slot, or remove it.
    Break(u32),
    /// Set a breakpoint at the selected slot, or remove it.
    BreakHere,
    /// Watch a register of the run, or do not any more.
    Watch(u8),
    /// Go on in the run to a breakpoint or a change; backwards.
    Travel(bool),
    /// Go on in the run to the selected slot.
    RunTo,
    /// Write the map into a file.
    Export(maps::Format),
    /// Open or close the commands.
    Commands(bool),
    /// Insert the suggested lines.
    Suggest,
    /// Stop verifying.
    Stop,
    /// Select a step.
    Step(u32),
    /// Select a step so many later.
    Along(i32),
    /// Select the step that failed.
    Failure,
    /// Show the exploration in another way.
    View(View),
    /// Search it.
    Search(String),
    /// Fold away what is below these nodes.
    Fold(Vec<u32>),
    /// Say where what a place holds came from, or do not any more.
    History(Place),
    /// Select a node of the exploration.
    Node(usize),
    /// Select the next step at a slot.
    Slot(u32),
    /// Show a pane below.
    Tab(Tab),
    /// Show a pane of the narrow page.
    Pane(Pane),
    /// The packet's text.
    Packet(String),
    /// A packet of the capture.
    Captured(usize),
    /// Run the program.
    Run,
    /// A point of the run.
    Seek(u32),
    /// A point of the run so many later.
    SeekBy(i32),
    /// Lines of the log came into view.
    LogWindow(usize, usize),
    /// Rows of the map came into view.
    MapWindow(usize, usize),
    /// Show a map.
    Map(usize),
    /// Show values that are zero too.
    Zeros(bool),
    /// Write an entry: map, key, value as typed.
    Put(String, String),
    /// Delete an entry.
    Remove(Vec<u8>),
    /// Open or close the gallery.
    Gallery(bool),
    /// Make a link of the session.
    Share,
    /// It was made.
    Offered(Result<share::Offer, String>),
    /// Copy a text.
    Copy(String),
    /// It was copied, or not.
    Copied(bool),
    /// Close the offer.
    Unshare,
    /// The page's address changed: it may hold a session.
    Addressed,
    /// A session came, by link or by file.
    Received(Result<Shared, String>),
    /// Open or close the list of keys.
    Help(bool),
    /// A dragged file came over an element, or left one.
    Dragged(i32),
    /// The next theme.
    Theme,
    /// The message of trouble was read.
    Dismiss,
}

impl Component for App {
    type Message = Msg;
    type Properties = ();

    fn create(ctx: &Context<Self>) -> Self {
        let session = update::stored().unwrap_or_else(|| Session::of_gallery(gallery::FIRST));
        let link = ctx.link().clone();
        let address = web_sys::window().map(|window| {
            let heard = move |_| link.send_message(Msg::Addressed);
            listener::Listener::on(window.into(), "hashchange", heard)
        });
        let mut app = App {
            session,
            link: None,
            compiler: None,
            generation: 0,
            asked: 0,
            answered: 0,
            document: None,
            phase: Phase::Opening,
            problems: Vec::new(),
            program: Rc::default(),
            rows: Rc::default(),
            editing: false,
            draft: String::new(),
            typed: 0,
            outcome: None,
            tree: Rc::default(),
            labels: Rc::default(),
            step: 0,
            node: None,
            state: None,
            reliance: Vec::new(),
            misses: Vec::new(),
            threads: Rc::default(),
            causes: Rc::default(),
            covering: None,
            history: None,
            graph: None,
            route: Rc::default(),
            hits: None,
            ran: Rc::default(),
            line: None,
            log: (0, Rc::default()),
            map: 0,
            zeros: false,
            shown: Shown::default(),
            window: (0, 40),
            run: None,
            capture: Vec::new(),
            trouble: None,
            gallery: false,
            pane: Pane::Explore,
            themed: 0,
            sync: 0,
            forking: false,
            sought: None,
            offer: None,
            received: None,
            help: false,
            commands: false,
            words: Rc::new("[]".into()),
            past: Vec::new(),
            future: Vec::new(),
            baseline: None,
            exporting: None,
            watched: 0,
            dragged: 0,
            _listeners: keys::listen(ctx.link().clone()).into_iter().chain(address).collect(),
        };
        app.apply_theme();
        app.restart(ctx);
        if !app.open_link(ctx) {
            app.open_session(ctx);
        }
        app
    }

    fn update(&mut self, ctx: &Context<Self>, msg: Msg) -> bool {
        self.handle(ctx, msg)
    }

    fn view(&self, ctx: &Context<Self>) -> Html {
        let link = ctx.link();
        let dim = matches!(self.phase, Phase::Opening | Phase::Compiling(_) | Phase::Verifying(_))
            && self.outcome.is_some();
        let pane = match self.pane {
            Pane::Program => "show-program",
            Pane::Explore => "show-explore",
            Pane::State => "show-state",
            Pane::Run => "show-run",
        };
        let ondragover = Callback::from(|event: DragEvent| event.prevent_default());
        let ondrop = link.callback(|event: DragEvent| {
            event.prevent_default();
            Msg::Files(update::files(event.data_transfer().and_then(|t| t.files())))
        });
        html! {
            <div class={classes!("page", pane, dim.then_some("dim"), (self.dragged > 0).then_some("dropping"))}
                {ondragover} {ondrop} ondragenter={link.callback(|_: DragEvent| Msg::Dragged(1))}
                ondragleave={link.callback(|_: DragEvent| Msg::Dragged(-1))}>
                { bar::view(self, link) }
                <main>
                    <section class="program" aria-label="Program">{ program::view(self, link) }</section>
                    <section class="explore" aria-label="Explore">{ self.explore(ctx) }</section>
                    { state::stepper(self, link) }
                    <section class="state" aria-label="State">{ state::view(self, link) }</section>
                    <section class="below" aria-label="Details">{ self.below(ctx) }</section>
                </main>
                { bar::narrow(self, link) }
                { bar::gallery(self, link) }
                { bar::help(self, link) }
                { commands::view(self, link) }
                { share::view(self, link) }
                { self.trouble(ctx) }
                <explain::Tip />
            </div>
        }
    }
}

impl App {
    fn explore(&self, ctx: &Context<Self>) -> Html {
        if self.outcome.is_none() {
            let text = match &self.phase {
                Phase::Broken(why) => {
                    format!("The engine stopped: {why}. Open the program again, or reload.")
                }
                Phase::Compiling(_) => compiler::ABOUT.into(),
                Phase::Refused => "There is nothing to explore until the program can be read.".into(),
                _ => "Verifying …".into(),
            };
            return html! { <p class="empty">{ text }</p> };
        }
        let link = ctx.link();
        let culprit = self.outcome.as_ref().and_then(|o| o.diagnostic.as_ref()).and_then(|d| d.pc);
        html! {
            <explore::Explorer view={self.session.view} tree={self.tree.clone()} labels={self.labels.clone()}
                selected={self.node} run={self.ran.clone()} program={self.program.clone()} graph={self.graph.clone()}
                route={self.route.clone()} pc={self.state.as_ref().map(|s| s.pc)}
                run_pc={self.run.as_ref().and_then(|run| run.pc)} {culprit} causes={self.causes.clone()}
                hits={self.hits.clone()} threads={self.threads.clone()} theme={self.themed}
                onview={link.callback(Msg::View)} onselect={link.callback(Msg::Node)} onslot={link.callback(Msg::Slot)}
                onsearch={link.callback(Msg::Search)} onfold={link.callback(Msg::Fold)} />
        }
    }

    fn below(&self, ctx: &Context<Self>) -> Html {
        let link = ctx.link();
        let tabs = [(Tab::Why, "Why"), (Tab::Log, "Log"), (Tab::Run, "Run"), (Tab::Maps, "Maps")];
        let shown = self.session.tab;
        let button = |(tab, name): (Tab, &'static str)| {
            let id = format!("tab-{name}");
            html! {
                <button {id} role="tab" aria-selected={(tab == shown).to_string()} aria-controls="below"
                    tabindex={if tab == shown { "0" } else { "-1" }}
                    onclick={link.callback(move |_: MouseEvent| Msg::Tab(tab))}>{ name }</button>
            }
        };
        let onkeydown = link.batch_callback(move |event: KeyboardEvent| {
            let at = tabs.iter().position(|t| t.0 == shown)?;
            let to = match event.key().as_str() {
                "ArrowRight" => (at + 1) % tabs.len(),
                "ArrowLeft" => (at + tabs.len() - 1) % tabs.len(),
                _ => return None,
            };
            event.prevent_default();
            update::focus(&format!("tab-{}", tabs[to].1));
            Some(Msg::Tab(tabs[to].0))
        });
        let content = match shown {
            Tab::Why => why::view(self, link),
            Tab::Log => log::view(self, link),
            Tab::Run => run::view(self, link),
            Tab::Maps => maps::view(self, link),
        };
        html! {
            <>
                <div class="tabs" role="tablist" aria-label="Details" {onkeydown}>{ for tabs.map(button) }</div>
                <div id="below" class="tabpanel" role="tabpanel">{ content }</div>
            </>
        }
    }

    fn trouble(&self, ctx: &Context<Self>) -> Html {
        let Some(trouble) = &self.trouble else { return html! {} };
        html! {
            <div class="trouble" role="alert">
                <span class="bad" aria-hidden="true">{"✕ "}</span>{ trouble.clone() }
                <button aria-label="Dismiss" onclick={ctx.link().callback(|_: MouseEvent| Msg::Dismiss)}>{"×"}</button>
            </div>
        }
    }

    /// Puts the theme on the document.
    fn apply_theme(&mut self) {
        let root = web_sys::window().and_then(|w| w.document()).and_then(|d| d.document_element());
        if let Some(root) = root {
            let _ = match self.session.theme {
                Theme::System => root.remove_attribute("data-theme"),
                Theme::Light => root.set_attribute("data-theme", "light"),
                Theme::Dark => root.set_attribute("data-theme", "dark"),
            };
        }
        self.themed += 1;
    }
}
