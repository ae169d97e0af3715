//! How often, and from when on, a function is called again.

use std::time::Duration;

/// The shortest period of a repeated call: 1 ms, the resolution of the loop's sleep.
const PERIOD_MIN: Duration = Duration::from_millis(1);

/// How often, and from when on, [`Reactor::call_every`](crate::Reactor::call_every) and
/// [`Reactor::repeat`](crate::Reactor::repeat) call.
///
/// A [`Duration`] is a period too: the first call after one of it, and no jitter.
///
/// | setting | default |
/// |---|---|
/// | `first_after` | one period |
/// | `jitter` | none |
///
/// ```
/// use net_reactor::Period;
/// use std::time::Duration;
///
/// // At once, then once a minute, a thousand of them not all in the same moment.
/// let report = Period::of(Duration::from_secs(60))
///     .first_after(Duration::ZERO)
///     .jitter(Duration::from_secs(10));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    pub(super) period: Duration,
    pub(super) first_after: Duration,
    pub(super) jitter_max: Duration,
}

impl Period {
    /// Makes a period. Less than 1 ms counts as that.
    #[must_use]
    pub fn of(period: Duration) -> Self {
        let period = period.max(PERIOD_MIN);
        Self { period, first_after: period, jitter_max: Duration::ZERO }
    }

    /// Sets when the first call comes, from which the grid starts. With zero it comes in the next
    /// turn.
    #[must_use]
    pub fn first_after(mut self, delay: Duration) -> Self {
        self.first_after = delay;
        self
    }

    /// Makes each call come up to `max` after its place on the grid, drawn anew each time from
    /// [`Reactor::random`](crate::Reactor::random).
    ///
    /// The grid itself does not move, so nothing adds up. More than one period counts as that.
    #[must_use]
    pub fn jitter(mut self, max: Duration) -> Self {
        self.jitter_max = max.min(self.period);
        self
    }
}

impl From<Duration> for Period {
    fn from(period: Duration) -> Self {
        Self::of(period)
    }
}
