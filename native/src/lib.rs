//! glasshive on a host with an operating system.
