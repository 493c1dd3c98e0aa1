//! The worker, as the page holds it.

use crate::protocol::{BUILD, Event, Request, decode, encode};
use js_sys::{Array, Uint8Array};
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use web_sys::{ErrorEvent, MessageEvent, Worker};
use yew::Callback;

/// A worker and what waits until it is there. Dropped, it is terminated.
pub struct Link {
    worker: Worker,
    /// `None` once the worker has said that it is there.
    waiting: Rc<RefCell<Option<Vec<Request>>>>,
    _heard: Closure<dyn FnMut(MessageEvent)>,
    _failed: Closure<dyn FnMut(ErrorEvent)>,
}

impl Link {
    /// Starts a worker. `heard` gets what it says, `failed` a sentence where it trapped or does not fit.
    ///
    /// # Errors
    /// Where the browser has no workers.
    pub fn start(heard: Callback<Event>, failed: Callback<String>) -> Result<Link, String> {
        let script = format!("./{}", named_in("worker", "worker_loader.js"));
        let worker = Worker::new(&script).map_err(|_| "this browser starts no workers".to_owned())?;
        let waiting = Rc::new(RefCell::new(Some(Vec::new())));
        let queue = waiting.clone();
        let target = worker.clone();
        let broken = failed.clone();
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |message: MessageEvent| {
            let frame = Uint8Array::new(&message.data()).to_vec();
            match decode::<Event>(&frame) {
                Ok(Event::Ready { build }) if build == BUILD => {
                    for request in queue.borrow_mut().take().unwrap_or_default() {
                        post(&target, &request);
                    }
                }
                Ok(Event::Ready { .. }) => broken.emit("page and worker are of two builds: reload".into()),
                Ok(event) => heard.emit(event),
                Err(error) => broken.emit(error),
            }
        });
        let on_error = Closure::<dyn FnMut(ErrorEvent)>::new(move |error: ErrorEvent| {
            error.prevent_default();
            failed.emit(error.message());
        });
        worker.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        worker.set_onerror(Some(on_error.as_ref().unchecked_ref()));
        Ok(Link { worker, waiting, _heard: on_message, _failed: on_error })
    }

    /// Asks the worker, once it is there.
    pub fn ask(&self, request: Request) {
        match self.waiting.borrow_mut().as_mut() {
            Some(waiting) => waiting.push(request),
            None => post(&self.worker, &request),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.worker.set_onmessage(None);
        self.worker.set_onerror(None);
        self.worker.terminate();
    }
}

/// The name of a script, which changes with the build: `index.html` says it in a `meta` element.
pub fn named_in(meta: &str, otherwise: &str) -> String {
    let document = web_sys::window().and_then(|w| w.document());
    let meta = document.and_then(|d| d.query_selector(&format!("meta[name={meta}]")).ok()).flatten();
    let name = meta.and_then(|m| m.get_attribute("content")).filter(|name| !name.is_empty());
    name.unwrap_or_else(|| otherwise.to_owned())
}

fn post(worker: &Worker, request: &Request) {
    let frame = Uint8Array::from(encode(request).as_slice());
    // A buffer that was just made can be given away.
    let _ = worker.post_message_with_transfer(&frame, &Array::of1(&frame.buffer()));
}
