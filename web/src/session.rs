//! What a user has open, as plain versioned data: replayed, it gives the same page.

use crate::protocol::{Action, Document, Verdict};
use serde::{Deserialize, Serialize};

/// Everything that a reload must not lose.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Session {
    /// Where the program comes from.
    pub origin: Origin,
    /// Index of the shown program.
    pub program: u32,
    /// What was done to the maps, in order.
    pub actions: Vec<Action>,
    /// The packet as it is being edited.
    pub packet: String,
    /// The selected step.
    pub step: Option<u32>,
    /// What is shown below.
    pub tab: Tab,
    /// Light, dark, or as the system has it.
    pub theme: Theme,
    /// How the exploration is shown.
    pub view: View,
    /// Slots at which a run stops, ascending.
    pub breakpoints: Vec<u32>,
    /// What a run stops for when it changes.
    pub watches: Vec<Watch>,
}

/// How the exploration is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum View {
    /// The tree, drawn.
    #[default]
    Tree,
    /// The tree as a list.
    Outline,
    /// The control-flow graph, drawn.
    Graph,
    /// The control-flow graph as a list: where the budget went.
    Budget,
}

/// What a run stops for when it changes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Watch {
    /// A register.
    Register {
        /// 0 to 10.
        number: u8,
    },
    /// Eight bytes of the current frame's stack.
    Slot {
        /// From the frame pointer: -8, -16, …
        offset: i32,
    },
    /// An entry of a map.
    Cell {
        /// The map's name.
        map: String,
        /// Its key's bytes.
        key: Vec<u8>,
    },
}

/// A session as version 1 had it.
#[derive(Deserialize)]
struct Session1 {
    origin: Origin,
    program: u32,
    actions: Vec<Action>,
    packet: String,
    step: Option<u32>,
    tab: Tab,
    theme: Theme,
}

impl From<Session1> for Session {
    fn from(old: Session1) -> Session {
        let Session1 { origin, program, actions, packet, step, tab, theme } = old;
        let new = Session::of_gallery("");
        Session { origin, program, actions, packet, step, tab, theme, ..new }
    }
}

#[derive(Deserialize)]
struct Shared1 {
    build: String,
    answer: Option<(Verdict, u32)>,
    session: Session1,
}

/// Where a program comes from.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Origin {
    /// A program of the gallery, unchanged.
    Gallery {
        /// Its id.
        id: String,
    },
    /// The user's own.
    Own {
        /// What it is called.
        title: String,
        /// The document.
        document: Document,
        /// What it was made from by editing, to go back to.
        from: Option<Box<Origin>>,
    },
}

/// A pane below the exploration.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Tab {
    #[default]
    Why,
    Log,
    Run,
    Maps,
}

/// The colours.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Theme {
    #[default]
    System,
    Light,
    Dark,
}

/// The version that [`Session::save`] and [`Shared::to_bytes`] write.
const VERSION: u8 = 2;

/// A session on its way to someone else, with what its sender saw.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Shared {
    /// The sender's [`BUILD`](crate::protocol::BUILD).
    pub build: String,
    /// The verdict there, and the number of instructions walked.
    pub answer: Option<(Verdict, u32)>,
    /// The session.
    pub session: Session,
}

impl Shared {
    /// As bytes for a file, or, compressed, for a link.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.push(VERSION);
        bytes.extend(crate::protocol::encode(self));
        bytes
    }

    /// From such bytes.
    ///
    /// # Errors
    /// Where they are of another version, or none.
    pub fn from_bytes(bytes: &[u8]) -> Result<Shared, String> {
        match bytes.strip_prefix(MAGIC).and_then(<[u8]>::split_first) {
            Some((&VERSION, rest)) => {
                crate::protocol::decode(rest).map_err(|_| "the session is damaged".into())
            }
            Some((1, rest)) => match crate::protocol::decode::<Shared1>(rest) {
                Ok(Shared1 { build, answer, session }) => {
                    Ok(Shared { build, answer, session: session.into() })
                }
                Err(_) => Err("the session is damaged".into()),
            },
            Some((version, _)) => {
                Err(format!("a session of version {version}; this page reads 1 to {VERSION}"))
            }
            None => Err("not a session of glasshive".into()),
        }
    }

    /// Whether bytes begin as a session does.
    pub fn is_one(bytes: &[u8]) -> bool {
        bytes.starts_with(MAGIC)
    }
}

/// What a session file begins with.
const MAGIC: &[u8] = b"glasshive session\n";

impl Session {
    /// A session that shows a program of the gallery.
    pub fn of_gallery(id: &str) -> Session {
        Session {
            origin: Origin::Gallery { id: id.into() },
            program: 0,
            actions: Vec::new(),
            packet: String::new(),
            step: None,
            tab: Tab::Why,
            theme: Theme::System,
            view: View::Tree,
            breakpoints: Vec::new(),
            watches: Vec::new(),
        }
    }

    /// As text for the browser's storage.
    pub fn save(&self) -> String {
        let mut bytes = vec![VERSION];
        bytes.extend(crate::protocol::encode(self));
        base64(&bytes)
    }

    /// From such text; `None` where it is of another version, or none.
    pub fn load(text: &str) -> Option<Session> {
        let bytes = unbase64(text)?;
        let (version, rest) = bytes.split_first()?;
        match *version {
            VERSION => crate::protocol::decode(rest).ok(),
            1 => crate::protocol::decode::<Session1>(rest).ok().map(Session::from),
            _ => None,
        }
    }
}

/// The digits of RFC 4648 section 5, which addresses may hold.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Bytes as text, by RFC 4648 section 5, without padding.
pub fn base64(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 4 / 3 + 4);
    for three in bytes.chunks(3) {
        let wide =
            three.iter().fold(0_u32, |wide, byte| wide << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for digit in 0..=three.len() {
            out.push(char::from(ALPHABET[(wide >> (18 - 6 * digit)) as usize & 63]));
        }
    }
    out
}

/// Text as bytes again; `None` where it is no such text.
pub fn unbase64(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() * 3 / 4);
    for four in text.as_bytes().chunks(4) {
        if four.len() == 1 {
            return None;
        }
        let mut wide = 0_u32;
        for digit in four {
            wide = wide << 6 | ALPHABET.iter().position(|c| c == digit)? as u32;
        }
        wide <<= 6 * (4 - four.len());
        out.extend(&wide.to_be_bytes()[1..four.len()]);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_comes_back() {
        let mut session = Session::of_gallery("proto-count");
        session.actions.push(Action::Run { data: vec![1, 2, 3] });
        session.origin = Origin::Own {
            title: "mine".into(),
            document: Document::Assembly { text: "exit".into() },
            from: Some(Box::new(session.origin)),
        };
        assert_eq!(Session::load(&session.save()), Some(session));
    }

    #[test]
    fn a_session_of_version_1_is_read() {
        // What version 1 wrote: the protocol counter, packet "aa", step 3, the log, dark.
        let mut bytes = vec![1, 0, 9];
        bytes.extend(b"protocols");
        bytes.extend([0, 0, 2]);
        bytes.extend(b"aa");
        bytes.extend([1, 3, 1, 2]);
        let read = Session::load(&base64(&bytes)).unwrap();
        let expected = Session {
            packet: "aa".into(),
            step: Some(3),
            tab: Tab::Log,
            theme: Theme::Dark,
            ..Session::of_gallery("protocols")
        };
        assert_eq!(read, expected);
        let mut file = MAGIC.to_vec();
        file.extend([1, 1, b'0', 0]);
        file.extend(&bytes[1..]);
        assert_eq!(Shared::from_bytes(&file).map(|shared| shared.session), Ok(expected));
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in ["", "A", "!!!!", "AwAA", "AQ"] {
            assert_eq!(Session::load(text), None);
        }
    }

    #[test]
    fn a_shared_session_comes_back() {
        let session = Session::of_gallery("protocols");
        let shared = Shared { build: "0".into(), answer: Some((Verdict::Accepted, 20)), session };
        let bytes = shared.to_bytes();
        assert!(Shared::is_one(&bytes));
        assert_eq!(Shared::from_bytes(&bytes), Ok(shared));
        for end in 0..bytes.len() {
            assert!(Shared::from_bytes(&bytes[..end]).is_err());
        }
    }

    #[test]
    fn base64_of_every_length() {
        for length in 0..20_u8 {
            let bytes: Vec<u8> = (0..length).map(|b| b.wrapping_mul(37)).collect();
            assert_eq!(unbase64(&base64(&bytes)), Some(bytes));
        }
    }
}
