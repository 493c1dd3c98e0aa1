//! Files that the user opens: objects, texts, captures, sessions.

use super::update::sample_packet;
use super::{App, Msg, maps};
use crate::protocol::{Action, Document};
use crate::session::{Origin, Shared, Tab};
use crate::{hex, pcap};
use yew::prelude::*;

impl App {
    /// Takes a file: an object, a text, or a capture.
    pub(super) fn read(&mut self, ctx: &Context<App>, name: String, bytes: Vec<u8>) {
        self.trouble = None;
        self.gallery = false;
        let own = |document: Document| Origin::Own { title: name.clone(), document, from: None };
        if Shared::is_one(&bytes) {
            ctx.link().send_message(Msg::Received(Shared::from_bytes(&bytes)));
            return;
        }
        if bytes.starts_with(b"\x7fELF") {
            let packet = std::mem::take(&mut self.session.packet);
            self.replace(ctx, own(Document::Object { name: name.clone(), bytes }));
            self.session.packet = if packet.is_empty() { sample_packet("") } else { packet };
            self.save();
            return;
        }
        let ending = name.rsplit('.').next().unwrap_or_default();
        if matches!(ending, "pcap" | "cap" | "pcapng") || pcap::parse(&bytes).is_ok() {
            match pcap::parse(&bytes) {
                Ok(capture) => {
                    self.session.packet = hex::rows(&capture[0].data);
                    self.capture = capture;
                    self.session.tab = Tab::Run;
                    self.pane = super::Pane::Run;
                    self.save();
                }
                Err(error) => self.trouble = Some(format!("{name}: {error}")),
            }
            return;
        }
        if matches!(ending, "csv" | "json") {
            return self.import(&name, &String::from_utf8_lossy(&bytes));
        }
        match String::from_utf8(bytes) {
            Ok(text) if ending != "c" => self.replace(ctx, own(Document::Assembly { text })),
            Ok(text) => {
                self.replace(ctx, own(Document::C { text, object: None }));
                self.session.packet = sample_packet("");
                self.save();
            }
            Err(_) => self.trouble = Some(format!("{name} is no ELF object, no capture and no text")),
        }
    }

    /// Writes a file's entries into the map that is shown: all of them, or none where one can't be read.
    fn import(&mut self, name: &str, text: &str) {
        let Some(map) = self.program.maps.get(self.map) else {
            self.trouble = Some(format!("{name}: the program has no map to write to"));
            return;
        };
        let entry = |(key, value): (String, String)| {
            let part =
                |text: &str, size: u32| hex::value(text, size as usize).map_err(|e| format!("{name}: {e}"));
            let (key, value) = (part(&key, map.key_size)?, part(&value, map.value_size)?);
            Ok(Action::Update { map: map.name.clone(), key, value })
        };
        match maps::read(name, text).and_then(|all| all.into_iter().map(entry).collect::<Result<Vec<_>, _>>())
        {
            Ok(actions) => actions.into_iter().for_each(|action| self.act(action)),
            Err(error) => self.trouble = Some(error),
        }
        self.session.tab = Tab::Maps;
    }
}
