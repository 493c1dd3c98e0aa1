//! What stands before the system calls: a text or an object file becomes maps to create and a program to
//! load.
//!
//! [`Object`](crate::object::Object) is what is loaded, whatever it comes from: [`from_assembly`] makes one of
//! a text, and [`to_assembly`] turns a program of an object into a text that can be edited. [`create_maps`]
//! and [`request`] make the calls of the system; [`insert`] adds lines to a text.

mod assembly;
mod edit;
mod load;
mod maps;

pub use assembly::{from_assembly, to_assembly};
pub use edit::insert;
pub use load::{LoadError, MapFds, request};
pub use maps::create_maps;
