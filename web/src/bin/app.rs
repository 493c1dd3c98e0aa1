//! The page.

fn main() {
    glasshive_web::app::start();
}
