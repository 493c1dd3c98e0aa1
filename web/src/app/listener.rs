//! A listener that is removed when it is dropped.

use wasm_bindgen::prelude::*;
use web_sys::{Event, EventTarget};

/// Listens for as long as it is kept.
pub struct Listener {
    target: EventTarget,
    name: &'static str,
    function: Closure<dyn FnMut(Event)>,
}

impl Listener {
    /// Begins to listen to events of a name.
    pub fn on(target: EventTarget, name: &'static str, heard: impl FnMut(Event) + 'static) -> Listener {
        let function = Closure::<dyn FnMut(Event)>::new(heard);
        let _ = target.add_event_listener_with_callback(name, function.as_ref().unchecked_ref());
        Listener { target, name, function }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let function = self.function.as_ref().unchecked_ref();
        let _ = self.target.remove_event_listener_with_callback(self.name, function);
    }
}
