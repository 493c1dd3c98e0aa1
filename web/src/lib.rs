//! glasshive in a browser.
