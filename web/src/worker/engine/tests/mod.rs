//! The engine as the page has it: requests in, events out.

mod explore;

use super::Engine;
use crate::gallery;
use crate::packets;
use crate::protocol::{
    Action, Document, Event, Input, NONE, NodeKind, Outcome, Program, Request, Row, RunEnd, RunView, Verdict,
};

/// A clock that passes with every look, so that slices end.
fn clock() -> f64 {
    use std::sync::atomic::{AtomicU32, Ordering};
    static LOOKS: AtomicU32 = AtomicU32::new(0);
    f64::from(LOOKS.fetch_add(1, Ordering::Relaxed))
}

/// The page's side.
struct Page {
    engine: Engine,
}

impl Page {
    fn new() -> Page {
        Page { engine: Engine::new(clock) }
    }

    /// Asks, and waits for all that comes of it.
    fn ask(&mut self, request: Request) -> Vec<Event> {
        self.engine.handle(request);
        while self.engine.is_busy() {
            self.engine.work();
        }
        self.engine.take_events()
    }

    fn open(&mut self, document: Document, actions: &[Action]) -> Vec<Event> {
        self.ask(Request::Open { generation: 1, document, program: 0, actions: actions.to_vec() })
    }

    fn verify(&mut self, document: Document) -> (Program, Outcome) {
        let mut events = self.open(document, &[]).into_iter();
        let (mut program, mut outcome) = (None, None);
        for event in &mut events {
            match event {
                Event::Opened { program: found, .. } => program = Some(*found),
                Event::Verified { outcome: found, .. } => outcome = Some(*found),
                Event::Refused { problems, .. } => panic!("{problems:?}"),
                _ => {}
            }
        }
        (program.unwrap(), outcome.unwrap())
    }

    fn rows(&mut self, map: u32, zeros: bool) -> Vec<Row> {
        let events = self.ask(Request::Rows { map, first: 0, count: 1000, zeros });
        let [Event::Rows { rows, total, .. }] = &events[..] else { panic!("{events:?}") };
        assert_eq!(*total as usize, rows.len());
        rows.clone()
    }

    fn run(&mut self, data: Vec<u8>) -> RunView {
        last_run(self.ask(Request::Act(Action::Run { data })))
    }

    fn seek(&mut self, at: u32) -> RunView {
        last_run(self.ask(Request::Seek { at }))
    }
}

fn last_run(events: Vec<Event>) -> RunView {
    let found = events.iter().rev().find_map(|event| match event {
        Event::Run { run, .. } => Some((**run).clone()),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("{events:?}"))
}

fn object(id: &str) -> Document {
    let path = format!("{}/../www/examples/{id}.o", env!("CARGO_MANIFEST_DIR"));
    Document::Object { name: format!("{id}.o"), bytes: std::fs::read(path).unwrap() }
}

fn text(text: &str) -> Document {
    Document::Assembly { text: text.into() }
}

fn packet(name: &str) -> Vec<u8> {
    packets::SAMPLES.iter().find(|sample| sample.name == name).unwrap().bytes()
}

/// What has to hold of every exploration.
fn check(program: &Program, outcome: &Outcome) {
    let tree = &outcome.tree;
    assert_eq!(tree.len.iter().sum::<u32>(), outcome.steps);
    for node in 0..tree.len() {
        let parent = tree.parent[node];
        assert!(parent == NONE || (parent as usize) < node);
        assert!(tree.by[node] == NONE || (tree.by[node] as usize) < tree.len());
        assert!(program.listing.binary_search_by_key(&tree.pc[node], |i| i.pc).is_ok());
    }
    let failed = tree.kind.iter().filter(|kind| **kind == NodeKind::Error).count();
    // What fails before or after the walk, as a stack too deep, fails at no node.
    let at_a_step = outcome.diagnostic.as_ref().is_some_and(|diagnostic| diagnostic.step.is_some());
    assert_eq!(failed, usize::from(at_a_step));
    assert_eq!(outcome.verdict == Verdict::Rejected, outcome.diagnostic.is_some());
}

#[test]
fn the_gallery_is_verified_as_its_table_says() {
    let mut page = Page::new();
    for example in gallery::examples() {
        let (program, outcome) = page.verify(object(example.id));
        check(&program, &outcome);
        let expected = if example.accepted { Verdict::Accepted } else { Verdict::Rejected };
        assert_eq!(outcome.verdict, expected, "{}: {}", example.id, outcome.sentence);
        let file = format!("{}.c", example.id.rsplit('/').next().unwrap());
        assert!(
            program.source.iter().any(|line| line.file.rsplit('/').next() == Some(&file)),
            "{}",
            example.id
        );
        for step in 0..outcome.steps {
            let events = page.ask(Request::State { step });
            let [Event::State { view, line, .. }] = &events[..] else { panic!("{events:?}") };
            assert!(view.step.0 == step && !view.frames.is_empty() && line.is_some());
        }
        if example.accepted && program.input == Input::Packet {
            let run = page.run(packet(example.packet));
            assert!(matches!(run.end, RunEnd::Returned { .. }), "{}: {:?}", example.id, run.end);
            assert_eq!((run.at, run.pc), (run.length, None));
            let last = *run.path.last().unwrap() as usize;
            assert_eq!(outcome.tree.kind[last], NodeKind::Exit, "{}: the path reaches an exit", example.id);
        }
    }
}

#[test]
fn a_run_changes_a_cell_and_goes_back() {
    let mut page = Page::new();
    let (program, _) = page.verify(object("protocols"));
    assert_eq!(program.maps.len(), 1);
    assert_eq!(page.rows(0, false), []);
    let run = page.run(packet("TCP SYN to port 80"));
    let row = &page.rows(0, false)[0];
    let (key, one) = (6_u32.to_le_bytes().to_vec(), 1_u64.to_le_bytes().to_vec());
    assert_eq!(*row, Row { key, value: one, before: Some(vec![0; 8]) });
    // Back to the beginning, and forward one by one.
    let begin = page.seek(0);
    assert_eq!((begin.at, begin.pc, begin.length, begin.changed), (0, Some(0), run.length, 0));
    assert_eq!(page.rows(0, false), []);
    let mut counted = 0;
    for at in 1..=run.length {
        let point = page.seek(at);
        assert_eq!(point.at, at);
        let rows = page.rows(0, false).len();
        assert!(rows >= counted, "what is counted stays");
        counted = rows;
    }
    assert_eq!(counted, 1);
    assert_eq!(page.seek(u32::MAX), run);
    // The next run counts on from there.
    page.seek(3);
    page.run(packet("TCP SYN to port 80"));
    let row = &page.rows(0, false)[0];
    assert_eq!((row.value[0], row.before.as_ref().map(|b| b[0])), (2, Some(1)));
}

#[test]
fn actions_are_replayed() {
    let edit = |value: u8| Action::Update {
        map: "counts".into(),
        key: vec![17, 0, 0, 0],
        value: vec![value, 0, 0, 0, 0, 0, 0, 0],
    };
    let unknown = Action::Delete { map: "gone".into(), key: vec![] };
    let mut page = Page::new();
    let name = page.verify(object("protocols")).0.maps[0].name.clone();
    let named = |action: Action| match action {
        Action::Update { key, value, .. } => Action::Update { map: name.clone(), key, value },
        other => other,
    };
    let run = Action::Run { data: packet("UDP to port 53") };
    let events = page.open(object("protocols"), &[named(edit(40)), unknown.clone(), run.clone(), run]);
    assert!(!events.iter().any(|event| matches!(event, Event::ActionFailed { .. })));
    let row = &page.rows(0, false)[0];
    assert_eq!((row.key[0], row.value[0], row.before.as_ref().map(|b| b[0])), (17, 42, Some(41)));
    // What is refused says so, and changes nothing.
    let refused = |events: Vec<Event>| match &events[..] {
        [Event::ActionFailed { message, .. }] => message.clone(),
        other => panic!("{other:?}"),
    };
    assert!(refused(page.ask(Request::Act(unknown))).contains("no map gone"));
    let delete = Action::Delete { map: name.clone(), key: vec![17, 0, 0, 0] };
    assert!(refused(page.ask(Request::Act(delete))).contains("EINVAL"), "an array's elements stay");
    let short = Action::Run { data: vec![1, 2, 3] };
    assert!(refused(page.ask(Request::Act(short))).contains("14 bytes"));
    assert_eq!(page.rows(0, false)[0].value[0], 42);
    // Set back to zero, it is still shown as what changed.
    page.ask(Request::Act(named(edit(0))));
    assert_eq!(page.rows(0, false)[0].before.as_ref().map(|b| b[0]), Some(42));
    assert_eq!(page.rows(0, true).len(), 256);
}

#[test]
fn the_first_minute() {
    let mut page = Page::new();
    let (_, outcome) = page.verify(object(gallery::FIRST));
    let diagnostic = outcome.diagnostic.unwrap();
    assert!(diagnostic.message.contains("map_value_or_null"), "{diagnostic:?}");
    let suggestion = diagnostic.suggestion.unwrap();
    assert_eq!(Some(suggestion.at), diagnostic.pc);
    let events = page.ask(Request::Fork { insert: suggestion.insert, at: suggestion.at });
    let [Event::Forked { text: fixed, .. }] = &events[..] else { panic!("{events:?}") };
    let (program, outcome) = page.verify(text(fixed));
    check(&program, &outcome);
    assert_eq!(outcome.verdict, Verdict::Accepted, "{}\n{fixed}", outcome.sentence);
    page.run(packet("TCP SYN to port 80"));
    assert_eq!(page.rows(0, false)[0].value[0], 1);
    // A text comes back as it is.
    let events = page.ask(Request::Fork { insert: Vec::new(), at: 0 });
    assert_eq!(events, [Event::Forked { generation: 1, text: fixed.clone() }]);
}

#[test]
fn the_log_is_read_in_windows() {
    let mut page = Page::new();
    let (_, outcome) = page.verify(object("checksum"));
    let window = |page: &mut Page, first, count| {
        let events = page.ask(Request::Log { first, count });
        let [Event::Log { lines, .. }] = &events[..] else { panic!("{events:?}") };
        lines.clone()
    };
    let all = window(&mut page, 0, u32::MAX);
    assert_eq!(all.len() as u32, outcome.lines);
    assert!(all.last().unwrap().text.starts_with("processed "), "{:?}", all.last());
    assert_eq!(window(&mut page, 10, 5), all[10..15]);
    assert_eq!(window(&mut page, outcome.lines, 5), []);
    let steps: Vec<u32> = all.iter().filter_map(|line| line.step).collect();
    let missing = (0..outcome.steps).find(|step| !steps.contains(step));
    assert_eq!((missing, steps.iter().max()), (None, Some(&(outcome.steps - 1))));
}

#[test]
fn what_can_not_be_read_is_refused_by_place() {
    let mut page = Page::new();
    let refused = |events: Vec<Event>| match events.last() {
        Some(Event::Refused { problems, .. }) => problems.clone(),
        other => panic!("{other:?}"),
    };
    let problems = refused(page.open(text(".type xdp\nr0 =\nexit\nr1 = r77\n"), &[]));
    assert_eq!(problems.iter().map(|p| p.line).collect::<Vec<_>>(), [2, 4]);
    let problems = refused(page.open(text("r0 = 0\nexit\n"), &[]));
    assert!(problems[0].message.contains(".type xdp"), "{problems:?}");
    for bytes in [b"\x7fELF".to_vec(), Vec::new(), vec![0; 500]] {
        refused(page.open(Document::Object { name: "x.o".into(), bytes }, &[]));
    }
    // Nothing is open: nothing is answered, and nothing breaks.
    for request in [
        Request::State { step: 0 },
        Request::Seek { at: 0 },
        Request::Rows { map: 0, first: 0, count: 1, zeros: true },
        Request::Act(Action::Run { data: vec![0; 14] }),
        Request::Stop,
    ] {
        assert_eq!(page.ask(request), []);
    }
    // The text that was read last and not loaded can still be gone on with.
    let forked = page.ask(Request::Fork { insert: vec![], at: 0 });
    assert!(matches!(&forked[..], [Event::Forked { text, .. }] if text.contains("r0 = 0")), "{forked:?}");
}

#[test]
fn indices_out_of_range_are_not_answered() {
    let mut page = Page::new();
    page.verify(object("protocols"));
    assert_eq!(page.ask(Request::State { step: u32::MAX }), []);
    assert_eq!(page.ask(Request::Rows { map: 9, first: 0, count: 1, zeros: true }), []);
    assert_eq!(page.ask(Request::Seek { at: 1 }), []);
    let events = page.ask(Request::Find { pc: 9999, after: u32::MAX });
    assert_eq!(events, [Event::Found { generation: 1, step: None }]);
    let events = page.ask(Request::Rows { map: 0, first: u32::MAX, count: u32::MAX, zeros: true });
    assert!(matches!(&events[..], [Event::Rows { total: 256, rows, .. }] if rows.is_empty()));
}

/// Loops for long: the verifier walks every round.
const LONG: &str = "
.type xdp
r1 = 0
again:
r1 += 1
if r1 < 60000 goto again
r0 = 2
exit
";

#[test]
fn a_verification_can_be_stopped() {
    let mut page = Page::new();
    page.engine.handle(Request::Open { generation: 7, document: text(LONG), program: 0, actions: vec![] });
    for _ in 0..20 {
        page.engine.work();
    }
    assert!(page.engine.is_busy());
    let events = page.engine.take_events();
    assert!(
        events.iter().any(|event| matches!(event, Event::Progress { generation: 7, walked } if *walked > 0))
    );
    let events = page.ask(Request::Stop);
    let [Event::Verified { outcome, .. }, ..] = &events[..] else { panic!("{events:?}") };
    assert_eq!(outcome.verdict, Verdict::Stopped);
    assert!(outcome.steps > 0 && outcome.steps < 120_000);
    assert!(matches!(page.ask(Request::State { step: 5 })[..], [Event::State { .. }]));
    let events = page.ask(Request::Act(Action::Run { data: vec![0; 64] }));
    assert!(matches!(&events[..], [Event::ActionFailed { .. }]), "{events:?}");
}

#[test]
fn a_newer_document_takes_the_place_of_an_older() {
    let mut page = Page::new();
    page.engine.handle(Request::Open { generation: 1, document: text(LONG), program: 0, actions: vec![] });
    page.engine.work();
    let document = text(".type xdp\nr0 = 2\nexit\n");
    let events = page.ask(Request::Open { generation: 2, document, program: 0, actions: vec![] });
    let verified = events.iter().filter_map(|event| match event {
        Event::Verified { generation, .. } => Some(*generation),
        _ => None,
    });
    assert_eq!(verified.collect::<Vec<_>>(), [2]);
}

#[test]
fn a_program_without_test_run_says_so() {
    let mut page = Page::new();
    assert_eq!(page.verify(object("latency")).0.choices.len(), 2);
    let (program, outcome) = page.verify(text(".type kprobe\nr0 = 0\nexit\n"));
    assert!(matches!(&program.input, Input::None { why } if why.contains("ENOTSUPP")));
    assert_eq!(outcome.verdict, Verdict::Accepted);
    let events = page.ask(Request::Act(Action::Run { data: vec![] }));
    assert!(matches!(&events[..], [Event::ActionFailed { message, .. }] if message.contains("ENOTSUPP")));
}

#[test]
fn functions_have_frames_in_state_and_run() {
    let mut page = Page::new();
    let (program, outcome) = page.verify(object("functions"));
    assert!(program.listing.iter().filter(|i| i.function.is_some()).count() >= 2);
    let deep = (0..outcome.steps).any(|step| {
        let events = page.ask(Request::State { step });
        matches!(&events[..], [Event::State { view, .. }] if view.frames.len() == 2)
    });
    assert!(deep);
    let run = page.run(packet("UDP to port 53"));
    let deepest = (0..=run.length).map(|at| page.seek(at).frame).max();
    assert_eq!(deepest, Some(1));
}

#[test]
fn maps_of_every_family_have_rows_or_none() {
    let mut page = Page::new();
    let maps = "
        .type sched_cls
        .license GPL
        .map each percpu_array 4 8 4
        .map recent lru_hash 4 4 8
        .map waiting queue 0 4 8
        .map told ringbuf 0 0 4096
        r1 = map each
        r1 = map recent
        r1 = map waiting
        r1 = map told
        r0 = 0
        exit
    ";
    let (program, outcome) = page.verify(text(maps));
    assert_eq!(outcome.verdict, Verdict::Accepted, "{}", outcome.sentence);
    let shown: Vec<_> = program.maps.iter().map(|m| (m.name.as_str(), m.value_size, m.deletes)).collect();
    assert_eq!(shown, [("each", 8, false), ("recent", 4, true), ("waiting", 4, true), ("told", 0, true)]);
    let put = |map: &str, key: u32, value: &[u8]| {
        let (map, key) = (map.into(), key.to_le_bytes().to_vec());
        Request::Act(Action::Update { map, key, value: value.to_vec() })
    };
    assert_eq!(page.ask(put("each", 2, &[1; 8])), [Event::Touched { generation: 1 }]);
    assert_eq!(page.ask(put("recent", 9, &[2; 4])), [Event::Touched { generation: 1 }]);
    assert_eq!(page.rows(0, false).len(), 1);
    assert_eq!(page.rows(0, true).len(), 4);
    let row = Row { key: vec![9, 0, 0, 0], value: vec![2; 4], before: Some(Vec::new()) };
    assert_eq!(page.rows(1, true), [row]);
    assert_eq!((page.rows(2, true), page.rows(3, true)), (vec![], vec![]));
}

#[test]
fn a_million_instructions_are_explored_and_asked_about() {
    let mut page = Page::new();
    let long = LONG.replace("60000", "500000");
    let (program, outcome) = page.verify(text(&long));
    assert_eq!(outcome.verdict, Verdict::Rejected, "the limit of the kernel");
    assert!(outcome.sentence.len() > 10 && outcome.stats.processed > 1_000_000, "{:?}", outcome.stats);
    check(&program, &outcome);
    for step in [0, 1, 777_777, outcome.steps - 1] {
        let events = page.ask(Request::State { step });
        assert!(matches!(&events[..], [Event::State { view, .. }] if view.step.0 == step), "{events:?}");
    }
}
