//! The library's events, shown to whoever asked with `-v`.

use std::io::{self, IsTerminal};

use tracing::Level;

/// Shows events on stderr: none for 0, then with each step more.
pub(crate) fn show_on_stderr(verbose: u8) {
    let level = match verbose {
        0 => return,
        1 => Level::INFO,
        2 => Level::DEBUG,
        _ => Level::TRACE,
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        // It would report a closed stderr on stderr, and panic.
        .log_internal_errors(false)
        .init();
}
