//! A file server for the built page, on loopback alone, with the headers that it is to be served with.
//!
//! One answer per connection, each in a thread of its own: a browser opens several at once, and may let one
//! wait until it has read another. (tiny_http was tried: its pool let connections starve behind idle ones.)

use anyhow::{Context, Result};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

/// Serves a folder until the process is stopped.
pub fn run(folder: &Path, port: u16) -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port))
        .or_else(|_| TcpListener::bind(("127.0.0.1", 0)))
        .context("no port on loopback can be had")?;
    println!("\nglasshive is at http://{}/ (stop it with Ctrl-C)", listener.local_addr()?);
    std::thread::scope(|scope| {
        for stream in listener.incoming().flatten() {
            // A browser that went away in the middle is no concern of the next.
            scope.spawn(move || answer(folder, &stream));
        }
    });
    Ok(())
}

/// Longest head of a request that is read.
const LONGEST: u64 = 16 * 1024;

fn answer(folder: &Path, mut stream: &TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut head = BufReader::new(stream.take(LONGEST)).lines();
    let request = head.next().transpose()?.unwrap_or_default();
    // The rest of the head is read, so that closing does not reset the connection.
    while head.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let mut words = request.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let path = target.split(['?', '#']).next().unwrap_or_default();
    let (status, kind, body) = match file_of(folder, path) {
        _ if !matches!(method, "GET" | "HEAD") => ("405 Method Not Allowed", "text/plain", Vec::new()),
        None => ("404 Not Found", "text/plain", b"no such file\n".to_vec()),
        Some(file) => ("200 OK", content_type(&file), fs::read(&file)?),
    };
    let mut out = format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in HEADERS {
        out += &format!("{name}: {value}\r\n");
    }
    stream.write_all((out + "Connection: close\r\n\r\n").as_bytes())?;
    if method != "HEAD" {
        stream.write_all(&body)?;
    }
    stream.flush()
}

/// What every answer carries: nothing is kept between two builds, and nothing comes from another host.
/// A worker's policy is that of its own answer, which is why this is a header and no `meta`.
const HEADERS: &[(&str, &str)] = &[
    ("Cache-Control", "no-cache"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    (
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data: blob:; \
         connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'",
    ),
];

/// The file that a path names, or `None` where it names none inside the folder.
fn file_of(folder: &Path, url: &str) -> Option<PathBuf> {
    let relative = Path::new(url.trim_start_matches('/'));
    if !relative.components().all(|part| matches!(part, Component::Normal(_))) {
        return None;
    }
    let path = folder.join(relative);
    let path = if path.is_dir() { path.join("index.html") } else { path };
    path.is_file().then_some(path)
}

fn content_type(path: &Path) -> &'static str {
    match path.extension().and_then(|e| e.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("wasm") => "application/wasm",
        Some("json") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("c" | "h" | "txt" | "md") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leaves_the_folder() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert!(file_of(folder, "/src/main.rs").is_some());
        assert!(file_of(folder, "/../Cargo.toml").is_none());
        assert!(file_of(folder, "/src/../../Cargo.toml").is_none());
        assert!(file_of(folder, "//etc/passwd").is_none());
        assert!(file_of(folder, "/src").is_none());
    }
}
