//! The clocks of the machine; nothing else in this program reads one.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Reads the monotonic clock.
///
/// [`Reactor::now`](net_reactor::Reactor::now) stands still during a turn. That is too coarse to
/// tell how long a message took when a turn serves a hundred connections.
#[expect(clippy::disallowed_methods, reason = "latency is measured within a turn")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Reads the wall clock: the time since the beginning of 1970, UTC.
#[expect(clippy::disallowed_methods, reason = "telling the time is what two of the services do")]
pub(crate) fn since_1970() -> Duration {
    // A clock that is set to before 1970 is not worth an error.
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
