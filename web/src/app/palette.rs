//! The style sheet's tokens, as the canvas needs them.

use crate::protocol::NodeKind;
use web_sys::{Element, HtmlElement};

/// Colours as CSS text, and the two families of type.
#[allow(missing_docs)]
pub struct Palette {
    pub pane: String,
    pub text: String,
    pub muted: String,
    pub edge: String,
    pub line: String,
    pub honey: String,
    pub honey_soft: String,
    pub heat: String,
    pub scalar: String,
    pub good: String,
    pub good_soft: String,
    pub error: String,
    pub error_soft: String,
    sans: String,
    mono: String,
}

impl Palette {
    /// Reads the tokens in force at an element: each is put on it as its colour, and read back resolved.
    pub fn read(element: &HtmlElement) -> Palette {
        let window = web_sys::window();
        let token = |name: &str| {
            let _ = element.style().set_property("color", &format!("var(--{name})"));
            let style =
                window.as_ref().and_then(|w| w.get_computed_style(element as &Element).ok()).flatten();
            style.and_then(|s| s.get_property_value("color").ok()).unwrap_or_default()
        };
        let family = |name: &str| {
            let style =
                window.as_ref().and_then(|w| w.get_computed_style(element as &Element).ok()).flatten();
            style.and_then(|s| s.get_property_value(name).ok()).unwrap_or_default()
        };
        Palette {
            sans: family("--sans"),
            mono: family("--mono"),
            pane: token("pane"),
            text: token("text"),
            muted: token("muted"),
            edge: token("edge"),
            line: token("line"),
            honey: token("honey"),
            honey_soft: token("honey-soft"),
            heat: token("heat"),
            scalar: token("scalar"),
            good: token("good"),
            good_soft: token("good-soft"),
            error: token("error"),
            error_soft: token("error-soft"),
        }
    }

    /// The colour of a node that ended so.
    pub fn of(&self, kind: NodeKind) -> &str {
        match kind {
            NodeKind::Exit => &self.good,
            NodeKind::Error => &self.error,
            _ => &self.muted,
        }
    }

    /// Monospace type.
    pub fn mono(&self, pixels: f64) -> String {
        format!("{pixels:.1}px {}", self.mono)
    }

    /// The interface's type.
    pub fn sans(&self, pixels: f64, bold: bool) -> String {
        let weight = if bold { "600 " } else { "" };
        format!("{weight}{pixels:.1}px {}", self.sans)
    }
}
