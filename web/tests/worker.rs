//! The worker inside a browser's worker: frames in, frames out, through a message channel as the page has it.
#![cfg(target_arch = "wasm32")]

use glasshive_web::protocol::{
    Action, BUILD, Document, Event, Outcome, Request, Row, RunEnd, RunView, Verdict, decode, encode,
};
use glasshive_web::{gallery, packets, worker};
use include_dir::{Dir, include_dir};
use js_sys::{Array, Promise, Uint8Array};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};
use web_sys::{MessageChannel, MessageEvent, MessagePort};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

/// The gallery's programs.
static EXAMPLES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../www/examples");

/// The page's end.
struct Page {
    port: MessagePort,
    heard: Rc<RefCell<Heard>>,
    _listener: Closure<dyn FnMut(MessageEvent)>,
    generation: u32,
}

#[derive(Default)]
struct Heard {
    events: VecDeque<Event>,
    waiting: Option<js_sys::Function>,
}

impl Page {
    /// Starts a worker's side, and waits until it is there.
    async fn start() -> Page {
        let channel = MessageChannel::new().unwrap();
        let heard = Rc::new(RefCell::new(Heard::default()));
        let listener = {
            let heard = heard.clone();
            Closure::<dyn FnMut(MessageEvent)>::new(move |message: MessageEvent| {
                let event: Event = decode(&Uint8Array::new(&message.data()).to_vec()).unwrap();
                // What the page got is what the worker sent, to the bit.
                assert_eq!(decode::<Event>(&encode(&event)), Ok(event.clone()));
                let mut heard = heard.borrow_mut();
                heard.events.push_back(event);
                if let Some(waiting) = heard.waiting.take() {
                    waiting.call0(&JsValue::NULL).unwrap();
                }
            })
        };
        let port = channel.port1();
        port.set_onmessage(Some(listener.as_ref().unchecked_ref()));
        worker::serve(channel.port2()).unwrap();
        let page = Page { port, heard, _listener: listener, generation: 0 };
        assert_eq!(page.next().await, Event::Ready { build: BUILD.into() });
        page
    }

    fn ask(&self, request: &Request) {
        let frame = Uint8Array::from(encode(request).as_slice());
        self.port.post_message_with_transferable(&frame, &Array::of1(&frame.buffer())).unwrap();
        assert_eq!(frame.length(), 0, "the buffer was given away");
    }

    async fn next(&self) -> Event {
        loop {
            if let Some(event) = self.heard.borrow_mut().events.pop_front() {
                return event;
            }
            let wait = Promise::new(&mut |resolve, _| self.heard.borrow_mut().waiting = Some(resolve));
            JsFuture::from(wait).await.unwrap();
        }
    }

    /// Waits for the event that `wanted` takes; others are passed over.
    async fn until<T>(&self, wanted: impl Fn(Event) -> Option<T>) -> T {
        loop {
            if let Some(found) = wanted(self.next().await) {
                return found;
            }
        }
    }

    fn open(&mut self, document: Document, actions: Vec<Action>) {
        self.generation += 1;
        self.ask(&Request::Open { generation: self.generation, document, program: 0, actions });
    }

    async fn verified(&self) -> Outcome {
        let wanted = self.generation;
        self.until(|event| match event {
            Event::Verified { generation, outcome } if generation == wanted => Some(*outcome),
            Event::Refused { problems, .. } => panic!("{problems:?}"),
            _ => None,
        })
        .await
    }

    async fn run(&self) -> RunView {
        self.until(|event| match event {
            Event::Run { run, .. } => Some(*run),
            Event::ActionFailed { message, .. } => panic!("{message}"),
            _ => None,
        })
        .await
    }

    async fn rows(&self) -> Vec<Row> {
        self.ask(&Request::Rows { map: 0, first: 0, count: 10, zeros: false });
        self.until(|event| match event {
            Event::Rows { rows, .. } => Some(rows),
            _ => None,
        })
        .await
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // What comes yet is for nobody.
        self.port.set_onmessage(None);
        self.port.close();
    }
}

fn object(id: &str) -> Document {
    let name = format!("{id}.o");
    let bytes = EXAMPLES.get_file(&name).unwrap_or_else(|| panic!("{name}")).contents().to_vec();
    Document::Object { name, bytes }
}

fn packet(name: &str) -> Vec<u8> {
    packets::SAMPLES.iter().find(|sample| sample.name == name).unwrap().bytes()
}

#[wasm_bindgen_test]
async fn the_gallery() {
    let mut page = Page::start().await;
    for example in gallery::examples() {
        page.open(object(example.id), Vec::new());
        let outcome = page.verified().await;
        assert_eq!(outcome.verdict == Verdict::Accepted, example.accepted, "{}", example.id);
        let last = outcome.steps - 1;
        page.ask(&Request::State { step: last });
        let view = page.until(|event| if let Event::State { view, .. } = event { Some(view) } else { None });
        assert_eq!(view.await.step.0, last);
        if example.accepted && !example.packet.is_empty() {
            page.ask(&Request::Act(Action::Run { data: packet(example.packet) }));
            let end = page.run().await.end;
            assert!(matches!(end, RunEnd::Returned { .. }), "{}: {end:?}", example.id);
        }
    }
}

#[wasm_bindgen_test]
async fn a_packet_is_counted_and_taken_back() {
    let mut page = Page::start().await;
    page.open(object("protocols"), vec![Action::Run { data: packet("TCP SYN to port 80") }]);
    assert_eq!(page.verified().await.verdict, Verdict::Accepted);
    let run = page.run().await;
    let row = &page.rows().await[0];
    assert_eq!((row.key[0], row.value[0], row.before.as_deref()), (6, 1, Some(&[0; 8][..])));
    page.ask(&Request::Seek { at: 0 });
    assert_eq!(page.run().await.length, run.length);
    assert_eq!(page.rows().await, []);
    page.ask(&Request::Seek { at: run.length });
    assert_eq!(page.run().await, run);
}

#[wasm_bindgen_test]
async fn text_is_refused_by_line() {
    let mut page = Page::start().await;
    page.open(Document::Assembly { text: ".type xdp\nr0 = \nexit\n".into() }, Vec::new());
    let problems = page.until(|event| match event {
        Event::Refused { problems, .. } => Some(problems),
        _ => None,
    });
    assert_eq!(problems.await[0].line, 2);
}

#[wasm_bindgen_test]
async fn stop_comes_in_between() {
    let mut page = Page::start().await;
    // Each round is walked: long enough to be stopped.
    let text = ".type xdp\nr1 = 0\nagain:\nr1 += 1\nif r1 < 300000 goto again\nr0 = 2\nexit\n";
    page.open(Document::Assembly { text: text.into() }, Vec::new());
    let walked = page.until(|event| match event {
        Event::Progress { walked, .. } => Some(walked),
        Event::Verified { outcome, .. } => panic!("it was over too soon: {:?}", outcome.stats),
        _ => None,
    });
    assert!(walked.await > 0);
    page.ask(&Request::Stop);
    let outcome = page.verified().await;
    assert_eq!(outcome.verdict, Verdict::Stopped);
    assert!(outcome.steps > 0 && outcome.steps < 600_000, "{}", outcome.steps);
    // The worker is still there.
    page.open(object("protocols"), Vec::new());
    assert_eq!(page.verified().await.verdict, Verdict::Accepted);
}
