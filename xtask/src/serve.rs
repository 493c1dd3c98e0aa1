//! A file server for the built page, on loopback alone, with the headers that it is to be served with.

use anyhow::{Context, Result, anyhow};
use std::fs::File;
use std::path::{Component, Path, PathBuf};
use tiny_http::{Header, Request, Response, Server, StatusCode};

/// Serves a folder until the process is stopped.
pub fn run(folder: &Path, port: u16) -> Result<()> {
    let server = Server::http(("127.0.0.1", port))
        .or_else(|_| Server::http(("127.0.0.1", 0)))
        .map_err(|error| anyhow!("no port on loopback can be had: {error}"))?;
    let address = server.server_addr().to_ip().context("the server has no address")?;
    println!("\nglasshive is at http://{address}/ (stop it with Ctrl-C)");
    for request in server.incoming_requests() {
        // A browser that went away in the middle of an answer is no concern of the next request.
        let _ = answer(folder, request);
    }
    Ok(())
}

fn answer(folder: &Path, request: Request) -> std::io::Result<()> {
    let url = request.url().split(['?', '#']).next().unwrap_or("/").to_owned();
    let Some(path) = file_of(folder, &url) else {
        return request.respond(Response::from_string("no such file\n").with_status_code(StatusCode(404)));
    };
    let mut response = Response::from_file(File::open(&path)?);
    for (name, value) in HEADERS.iter().copied().chain([("Content-Type", content_type(&path))]) {
        let header = Header::from_bytes(name, value).expect("the table holds headers");
        response.add_header(header);
    }
    request.respond(response)
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
