//! The reserve descriptor: what lets a full process still say no.

use std::fs::File;
use std::io;

/// One descriptor held back for the day when there are none left.
///
/// With a full descriptor table `accept` fails and the pending peer stays in the backlog, unable
/// to learn that nobody serves it. Giving up the reserve for a moment makes room to accept the
/// peer and close it. The idea is Marc Lehmann's, from the manual of libev.
#[derive(Debug)]
pub(super) struct Reserve {
    descriptor: Option<File>,
}

impl Reserve {
    pub(super) fn take() -> Self {
        Self { descriptor: File::open("/dev/null").ok() }
    }

    /// Runs `call` while the reserve is free, then takes it back.
    ///
    /// Returns `false` without running `call` when there is no reserve to give up; it is tried for
    /// again then, so that a later call may succeed.
    pub(super) fn lend(&mut self, call: impl FnOnce() -> io::Result<bool>) -> io::Result<bool> {
        let held = self.descriptor.take();
        let result = if held.is_some() {
            drop(held);
            call()
        } else {
            Ok(false)
        };
        *self = Self::take();
        result
    }
}
