//! The watch where there are no Unix signals: it cannot be had.

use std::io;

#[derive(Debug)]
pub(super) enum Watch {}

impl Watch {
    pub(super) fn start(_on_signal: impl FnMut(i32) + Send + 'static) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
