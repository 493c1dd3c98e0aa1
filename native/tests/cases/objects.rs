//! Other projects' object files (`../shared/objects`).

use glasshive::object::{Object, ObjectError};
use std::path::{Path, PathBuf};

use super::shared;

/// The files, by path; the ones that have to be refused are in a folder `invalid`.
pub fn files(test: &str) -> Option<Vec<PathBuf>> {
    let mut folders = vec![shared(test, "objects")?];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("readable") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "o") {
                files.push(path);
            }
        }
    }
    files.sort();
    Some(files)
}

/// Whether it has to be refused.
pub fn is_invalid(file: &Path) -> bool {
    file.parent().and_then(Path::file_name).is_some_and(|folder| folder == "invalid")
}

/// A short name: its folder and file.
pub fn name(file: &Path) -> String {
    let parts: Vec<_> =
        file.components().rev().take(2).map(|part| part.as_os_str().to_string_lossy()).collect();
    parts.into_iter().rev().collect::<Vec<_>>().join("/")
}

/// Reads a file.
///
/// # Errors
/// What is wrong with it.
pub fn open(file: &Path) -> Result<Object, ObjectError> {
    Object::parse(&std::fs::read(file).expect("readable"))
}
