//! Who sends beats, who expects them, and how long is too long.

use std::time::Duration;

/// How often a beat is sent: 15 s.
const INTERVAL: Duration = Duration::from_secs(15);

/// How long a peer may be silent: 45 s, three beats.
const TOLERANCE: Duration = Duration::from_secs(45);

/// The least of both: 1 ms, the resolution of the loop's sleep.
const SHORTEST: Duration = Duration::from_millis(1);

/// What this side of a connection does for its [`Heartbeat`](crate::Heartbeat).
///
/// | | sends | expects to hear from the peer |
/// |---|---|---|
/// | [`send`](Self::send) | beats | no |
/// | [`expect`](Self::expect) | nothing | yes |
/// | [`both`](Self::both) | beats | yes |
/// | [`ping`](Self::ping) | pings, and measures how long the answers take | yes |
/// | [`answer`](Self::answer) | nothing | no |
///
/// All of them answer pings.
///
/// | setting | default |
/// |---|---|
/// | `interval` between two beats | 15 s, the first one after that |
/// | `tolerance` of the peer's silence | 45 s |
///
/// Settings below 1 ms count as 1 ms. A tolerance should be more than twice the *peer's* interval, so
/// that one beat that is lost on the way and sent again does no harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeartbeatConfig {
    sends: Sends,
    expects: bool,
    interval: Duration,
    tolerance: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sends {
    Nothing,
    Beats,
    Pings,
}

impl HeartbeatConfig {
    const fn new(sends: Sends, expects: bool) -> Self {
        Self { sends, expects, interval: INTERVAL, tolerance: TOLERANCE }
    }

    /// Sends beats.
    #[must_use]
    pub const fn send() -> Self {
        Self::new(Sends::Beats, false)
    }

    /// Expects to hear from the peer.
    #[must_use]
    pub const fn expect() -> Self {
        Self::new(Sends::Nothing, true)
    }

    /// Sends beats and expects to hear from the peer.
    #[must_use]
    pub const fn both() -> Self {
        Self::new(Sends::Beats, true)
    }

    /// Sends pings and expects to hear from the peer, such as their answers.
    #[must_use]
    pub const fn ping() -> Self {
        Self::new(Sends::Pings, true)
    }

    /// Only answers pings.
    #[must_use]
    pub const fn answer() -> Self {
        Self::new(Sends::Nothing, false)
    }

    /// Sets the time from one beat to the next.
    #[must_use]
    pub const fn interval(mut self, time: Duration) -> Self {
        self.interval = time;
        self
    }

    /// Sets how long the peer may be silent.
    #[must_use]
    pub const fn tolerance(mut self, time: Duration) -> Self {
        self.tolerance = time;
        self
    }

    pub(super) fn asks(&self) -> bool {
        self.sends == Sends::Pings
    }

    pub(super) fn interval_to_send(&self) -> Option<Duration> {
        (self.sends != Sends::Nothing).then(|| self.interval.max(SHORTEST))
    }

    pub(super) fn tolerance_to_expect(&self) -> Option<Duration> {
        self.expects.then(|| self.tolerance.max(SHORTEST))
    }
}
