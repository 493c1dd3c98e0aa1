//! The worker: it holds the engine, and speaks the [`protocol`](crate::protocol) with the page.

pub mod engine;

use crate::protocol::{BUILD, Event, Request, decode, encode};
use engine::Engine;
use js_sys::{Array, Uint8Array};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use web_sys::{MessageChannel, MessageEvent, MessagePort};

/// Serves the page that this worker was started by, until it is terminated.
///
/// # Errors
/// Where the browser has no message channels.
pub fn start() -> Result<(), JsValue> {
    std::panic::set_hook(Box::new(|panic| web_sys::console::error_1(&panic.to_string().into())));
    // A worker's scope sends and takes messages as a port does.
    serve(js_sys::global().unchecked_into())
}

/// Serves who is at the port's other end: takes its requests, and posts what comes of them.
///
/// # Errors
/// Where the browser has no message channels.
pub fn serve(page: MessagePort) -> Result<(), JsValue> {
    let engine = Rc::new(RefCell::new(Engine::new(js_sys::Date::now)));
    // What takes long is done in slices. A message to itself stands behind those that the page has sent
    // meanwhile, and comes much sooner than a timer would.
    let channel = MessageChannel::new()?;
    let turn = channel.port2();
    let asked = Rc::new(Cell::new(false));
    let go_on = {
        let (engine, asked) = (engine.clone(), asked.clone());
        move || {
            if engine.borrow().is_busy() && !asked.replace(true) {
                // A port that is open takes anything.
                let _ = turn.post_message(&JsValue::NULL);
            }
        }
    };
    let on_turn = {
        let (engine, page, go_on) = (engine.clone(), page.clone(), go_on.clone());
        Closure::<dyn FnMut(MessageEvent)>::new(move |_: MessageEvent| {
            asked.set(false);
            engine.borrow_mut().work();
            post(&page, engine.borrow_mut().take_events());
            go_on();
        })
    };
    channel.port1().set_onmessage(Some(on_turn.as_ref().unchecked_ref()));
    let on_message = {
        let page = page.clone();
        Closure::<dyn FnMut(MessageEvent)>::new(move |message: MessageEvent| {
            match decode::<Request>(&Uint8Array::new(&message.data()).to_vec()) {
                Ok(request) => engine.borrow_mut().handle(request),
                // The page is of another build: it finds out by `Ready`.
                Err(error) => web_sys::console::error_1(&error.into()),
            }
            post(&page, engine.borrow_mut().take_events());
            go_on();
        })
    };
    page.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    // Both live as long as the worker.
    on_turn.forget();
    on_message.forget();
    post(&page, vec![Event::Ready { build: BUILD.into() }]);
    Ok(())
}

fn post(page: &MessagePort, events: Vec<Event>) {
    for event in events {
        let frame = Uint8Array::from(encode(&event).as_slice());
        // A buffer that was just made can be given away.
        let _ = page.post_message_with_transferable(&frame, &Array::of1(&frame.buffer()));
    }
}
