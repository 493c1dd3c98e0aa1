//! Sharing: the whole session in a link's fragment, or in a file.

use super::dialog::Dialog;
use super::{App, Msg};
use crate::protocol::{BUILD, Verdict};
use crate::session::{Shared, base64, unbase64};
use js_sys::{Array, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, HtmlAnchorElement, HtmlInputElement, ReadableWritablePair, Response, Url};
use yew::html::Scope;
use yew::prelude::*;

// The browser's compression (Compression Streams standard), which web-sys does not have yet.
#[wasm_bindgen]
extern "C" {
    type CompressionStream;
    #[wasm_bindgen(constructor, catch)]
    fn new(format: &str) -> Result<CompressionStream, JsValue>;

    type DecompressionStream;
    #[wasm_bindgen(constructor, catch)]
    fn new(format: &str) -> Result<DecompressionStream, JsValue>;
}

/// The longest link, in characters: longer ones are cut by what they are sent through.
const LONGEST: usize = 32 * 1024;
/// What a fragment with a session begins with.
const PREFIX: &str = "#s=";

/// What is offered.
#[derive(Clone, PartialEq, Debug)]
pub struct Offer {
    /// The link, or its length where it would be too long.
    link: Result<String, usize>,
    markdown: String,
    /// The session file's bytes.
    file: Vec<u8>,
    copied: bool,
}

/// The session as it is to be shared.
pub fn shared(app: &App) -> Shared {
    let answer = app.outcome.as_ref().map(|o| (o.verdict, o.stats.processed));
    Shared { build: BUILD.into(), answer, session: app.session.clone() }
}

/// Makes the offer; `about` is the program's name and verdict.
pub async fn offer(shared: Shared, about: String) -> Result<Offer, String> {
    let file = shared.to_bytes();
    let deflate = CompressionStream::new("deflate-raw").map_err(|_| TOO_OLD)?;
    let packed = through(&file, deflate.unchecked_ref()).await.map_err(|_| TOO_OLD)?;
    let location = web_sys::window().map(|w| w.location());
    let href = location.and_then(|l| l.href().ok()).unwrap_or_default();
    let page = href.split('#').next().unwrap_or_default();
    let link = format!("{page}{PREFIX}{}", base64(&packed));
    let markdown = format!("[{about}]({link})");
    let link = if link.len() <= LONGEST { Ok(link) } else { Err(link.len()) };
    Ok(Offer { link, markdown, file, copied: false })
}

const TOO_OLD: &str = "this browser can't compress the session";

/// The session of the page's address, where there is one.
pub fn linked() -> Option<String> {
    let hash = web_sys::window()?.location().hash().ok()?;
    hash.strip_prefix(PREFIX).map(str::to_owned)
}

/// Takes the session out of the address, so that a reload shows what was done since.
pub fn forget_link() {
    let Some(window) = web_sys::window() else { return };
    let path = window.location().pathname().unwrap_or_default();
    if let Ok(history) = window.history() {
        let _ = history.replace_state_with_url(&JsValue::NULL, "", Some(&path));
    }
}

/// Reads a link's session.
pub async fn read(text: String) -> Result<Shared, String> {
    let damaged = || "the link is damaged: it was cut or changed on its way".to_owned();
    let packed = unbase64(&text).ok_or_else(damaged)?;
    let inflate = DecompressionStream::new("deflate-raw").map_err(|_| TOO_OLD)?;
    let bytes = through(&packed, inflate.unchecked_ref()).await.map_err(|_| damaged())?;
    Shared::from_bytes(&bytes)
}

/// What has changed since a session was sent; `None` where the answer is the same.
pub fn changed(shared: &Shared, verdict: Verdict, processed: u32) -> Option<String> {
    let (then, walked) = shared.answer?;
    if (then, walked) == (verdict, processed) || then == Verdict::Stopped {
        return None;
    }
    let word = |verdict| match verdict {
        Verdict::Accepted => "accepted",
        Verdict::Rejected => "rejected",
        Verdict::Stopped => "stopped",
    };
    Some(format!(
        "This link was made with glasshive {}, where the program was {} after {walked} instructions; here it is {} \
         after {processed}.",
        shared.build,
        word(then),
        word(verdict)
    ))
}

async fn through(bytes: &[u8], pair: &ReadableWritablePair) -> Result<Vec<u8>, JsValue> {
    let blob = Blob::new_with_u8_array_sequence(&Array::of1(&Uint8Array::from(bytes)))?;
    let stream = blob.stream().pipe_through(pair);
    let response = Response::new_with_opt_readable_stream(Some(&stream))?;
    let buffer = JsFuture::from(response.array_buffer()?).await?;
    Ok(Uint8Array::new(&buffer).to_vec())
}

/// Puts a text where the user can paste it from.
pub async fn copy(text: String) -> bool {
    let Some(window) = web_sys::window() else { return false };
    JsFuture::from(window.navigator().clipboard().write_text(&text)).await.is_ok()
}

/// Hands a file to the browser's downloads.
pub fn download(name: &str, file: &[u8]) -> Option<()> {
    let document = web_sys::window()?.document()?;
    let blob = Blob::new_with_u8_array_sequence(&Array::of1(&Uint8Array::from(file))).ok()?;
    let url = Url::create_object_url_with_blob(&blob).ok()?;
    let anchor: HtmlAnchorElement = document.create_element("a").ok()?.dyn_into().ok()?;
    anchor.set_href(&url);
    anchor.set_download(name);
    anchor.click();
    Url::revoke_object_url(&url).ok()
}

/// The dialog.
pub fn view(app: &App, link: &Scope<App>) -> Html {
    let Some(offer) = &app.offer else { return html! {} };
    let copying = |text: &str| {
        let text = text.to_owned();
        link.callback(move |_: MouseEvent| Msg::Copy(text.clone()))
    };
    let file = offer.file.clone();
    let save = Callback::from(move |_: MouseEvent| {
        let _ = download("session.glasshive", &file);
    });
    let choose = Callback::from(|event: FocusEvent| {
        event.target_unchecked_into::<HtmlInputElement>().select();
    });
    html! {
        <Dialog title="Share" onclose={link.callback(|()| Msg::Unshare)}>
            <div class="share">
                { match &offer.link {
                    Ok(address) => html! {
                        <>
                            <p>{"The link holds everything: program, maps, packet, runs, the selected step. No server keeps it."}</p>
                            <input class="mono" readonly=true aria-label="Link" value={address.clone()} onfocus={choose} />
                            <div class="line">
                                <button class="primary" onclick={copying(address)}>{"Copy link"}</button>
                                <button onclick={copying(&offer.markdown)}>{"Copy as Markdown"}</button>
                                <span class="note">{ format!("{} characters", address.len()) }</span>
                            </div>
                        </>
                    },
                    Err(length) => html! {
                        <p>{ format!("As a link this would be {} KB long, and links over {} KB get cut on their way: \
                            send the session file instead.", length / 1024, LONGEST / 1024) }</p>
                    },
                } }
                <div class="line">
                    <button onclick={save}>{"Download session file"}</button>
                    <span class="note">{"Dropped on the page, it opens again."}</span>
                </div>
                <p role="status" aria-label="Copied">{ if offer.copied { "✓ Copied." } else { "" } }</p>
            </div>
        </Dialog>
    }
}

impl Offer {
    /// Says that something of it was copied.
    pub fn copied(&mut self) {
        self.copied = true;
    }
}
