//! The page's engine worker.

fn main() {
    if let Err(error) = glasshive_web::worker::start() {
        web_sys::console::error_1(&error);
    }
}
