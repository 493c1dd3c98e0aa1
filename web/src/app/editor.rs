//! The editor: CodeMirror once it is there, a plain text field until then.

use js_sys::{Function, JSON, Object, Reflect};
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use web_sys::{HtmlElement, HtmlTextAreaElement};
use yew::prelude::*;

#[wasm_bindgen]
extern "C" {
    /// Fetches the editor; the page's first script has it.
    #[wasm_bindgen(js_name = loadEditor, catch)]
    async fn load_editor() -> Result<JsValue, JsValue>;

    type Handle;
    #[wasm_bindgen(method, js_name = setText)]
    fn set_text(this: &Handle, text: &str);
    #[wasm_bindgen(method, js_name = setProblems)]
    fn set_problems(this: &Handle, json: &str);
    #[wasm_bindgen(method, js_name = setWords)]
    fn set_words(this: &Handle, json: &str);
    #[wasm_bindgen(method)]
    fn destroy(this: &Handle);
}

/// A list of flat objects as JSON.
pub fn json<'a>(rows: impl Iterator<Item = Vec<(&'a str, JsValue)>>) -> String {
    let list = js_sys::Array::new();
    for row in rows {
        let object = Object::new();
        for (name, value) in row {
            let _ = Reflect::set(&object, &name.into(), &value);
        }
        list.push(&object);
    }
    JSON::stringify(&list).map(String::from).unwrap_or_else(|_| "[]".into())
}

/// What the editor is given.
#[derive(Properties)]
pub struct Props {
    /// Its accessible name.
    pub label: AttrValue,
    /// The text.
    pub text: AttrValue,
    /// Whether it is C, and not assembly.
    pub c: bool,
    /// What is wrong, as [`json`].
    pub problems: Rc<String>,
    /// Whether anything is wrong with the text itself.
    pub invalid: bool,
    /// The words that are completed, as [`json`].
    pub words: Rc<String>,
    /// It was changed.
    pub onchange: Callback<String>,
}

impl PartialEq for Props {
    fn eq(&self, other: &Props) -> bool {
        self.label == other.label
            && self.text == other.text
            && (self.c, self.invalid) == (other.c, other.invalid)
            && self.problems == other.problems
            && Rc::ptr_eq(&self.words, &other.words)
    }
}

/// The editor.
pub struct Editor {
    host: NodeRef,
    module: Option<JsValue>,
    handle: Option<Handle>,
    _changed: Option<Closure<dyn FnMut(String)>>,
}

/// What happens to it.
pub enum Msg {
    /// The editor's code is there.
    Loaded(JsValue),
}

impl Component for Editor {
    type Message = Msg;
    type Properties = Props;

    fn create(ctx: &Context<Self>) -> Self {
        let link = ctx.link().clone();
        spawn_local(async move {
            // Where it can't be fetched, the plain field stays.
            if let Ok(module) = load_editor().await {
                link.send_message(Msg::Loaded(module));
            }
        });
        Editor { host: NodeRef::default(), module: None, handle: None, _changed: None }
    }

    fn update(&mut self, _: &Context<Self>, msg: Msg) -> bool {
        let Msg::Loaded(module) = msg;
        self.module = Some(module);
        true
    }

    fn changed(&mut self, ctx: &Context<Self>, old: &Props) -> bool {
        let props = ctx.props();
        if props.c != old.c {
            self.close();
            return true;
        }
        let Some(handle) = &self.handle else { return true };
        handle.set_text(&props.text);
        if props.problems != old.problems {
            handle.set_problems(&props.problems);
        }
        if !Rc::ptr_eq(&props.words, &old.words) {
            handle.set_words(&props.words);
        }
        false
    }

    fn view(&self, ctx: &Context<Self>) -> Html {
        let props = ctx.props();
        if self.module.is_some() {
            let key = if props.c { "c" } else { "assembly" };
            return html! { <div {key} class="codemirror" data-editor="" ref={self.host.clone()}></div> };
        }
        let oninput = props.onchange.reform(|event: InputEvent| {
            let area: HtmlTextAreaElement = event.target_unchecked_into();
            area.value()
        });
        html! {
            <textarea key="plain" aria-label={props.label.clone()} class="mono" spellcheck="false" autocomplete="off"
                autocapitalize="off" wrap="off" value={props.text.clone()} {oninput}
                aria-invalid={props.invalid.to_string()} aria-describedby="problems" />
        }
    }

    fn rendered(&mut self, ctx: &Context<Self>, _: bool) {
        if self.handle.is_none() && self.mount(ctx).is_none() && self.module.take().is_some() {
            web_sys::console::error_1(&"the editor could not be mounted".into());
        }
    }

    fn destroy(&mut self, _: &Context<Self>) {
        self.close();
    }
}

impl Editor {
    fn close(&mut self) {
        if let Some(handle) = self.handle.take() {
            handle.destroy();
        }
    }

    fn mount(&mut self, ctx: &Context<Self>) -> Option<()> {
        let props = ctx.props();
        let module = self.module.as_ref()?;
        let host: HtmlElement = self.host.cast()?;
        let onchange = props.onchange.clone();
        let changed = Closure::<dyn FnMut(String)>::new(move |text: String| onchange.emit(text));
        let options = Object::new();
        let entries: [(&str, JsValue); 4] = [
            ("label", props.label.as_str().into()),
            ("text", props.text.as_str().into()),
            ("c", props.c.into()),
            ("onchange", changed.as_ref().clone()),
        ];
        for (name, value) in entries {
            Reflect::set(&options, &name.into(), &value).ok()?;
        }
        let mount: Function = Reflect::get(module, &"mount".into()).ok()?.dyn_into().ok()?;
        let handle: Handle = mount.call2(module, &host, &options).ok()?.unchecked_into();
        handle.set_words(&props.words);
        handle.set_problems(&props.problems);
        (self.handle, self._changed) = (Some(handle), Some(changed));
        Some(())
    }
}
