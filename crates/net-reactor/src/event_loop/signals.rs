//! The process's termination signals, brought to a loop.

use std::io;

#[cfg(unix)]
mod unix;
#[cfg(unix)]
use unix as platform;

#[cfg(not(unix))]
mod unsupported;
#[cfg(not(unix))]
use unsupported as platform;

/// Watches for `SIGINT` and `SIGTERM` until dropped.
///
/// While it exists, these signals no longer end the process. That stays so after it is dropped:
/// a signal's earlier disposition cannot be restored without a race, so from then on these
/// signals do nothing unless somebody else handles them.
///
/// Several watches may exist at once; each sees every signal.
#[derive(Debug)]
pub(crate) struct SignalWatch {
    _watch: platform::Watch,
}

impl SignalWatch {
    /// Starts a thread that calls `on_signal` with the number of each signal that arrives.
    ///
    /// Signals of one number that arrive faster than they are handled count as one. `on_signal`
    /// should only pass the news on: dropping the watch waits for it to return.
    ///
    /// # Errors
    ///
    /// Fails if the handlers cannot be installed or the thread cannot be started.
    ///
    /// # Platform
    ///
    /// Where there are no Unix signals this fails with [`io::ErrorKind::Unsupported`].
    pub(crate) fn start(on_signal: impl FnMut(i32) + Send + 'static) -> io::Result<Self> {
        platform::Watch::start(on_signal).map(|watch| Self { _watch: watch })
    }
}
