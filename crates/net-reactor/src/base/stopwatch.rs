//! A clock that counts from a start, and can be held.

use std::time::Duration;

use super::Instant;

/// Counts the time since it was started, without the time for which it was held.
///
/// ```text
///   start --3 s-- hold --10 s-- go --2 s-- elapsed: 5 s
/// ```
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopwatch {
    /// The start, moved forward by every hold that is over.
    since: Instant,
    /// When it was held; a point that no clock reaches while it runs.
    held_at: Instant,
}

impl Stopwatch {
    pub(crate) const fn start(now: Instant) -> Self {
        Self { since: now, held_at: Instant::FAR_FUTURE }
    }

    /// Starts to count anew. A watch that is held stays so, at zero.
    pub(crate) fn restart(&mut self, now: Instant) {
        self.since = now;
        if self.is_held() {
            self.held_at = now;
        }
    }

    /// Holds the watch or lets it go on.
    pub(crate) fn hold(&mut self, held: bool, now: Instant) {
        match (self.is_held(), held) {
            (false, true) => self.held_at = now,
            (true, false) => {
                self.since += now - self.held_at;
                self.held_at = Instant::FAR_FUTURE;
            }
            (false, false) | (true, true) => {}
        }
    }

    /// Returns the time that has counted, or `None` while the watch is held.
    pub(crate) fn running(&self, now: Instant) -> Option<Duration> {
        (!self.is_held()).then(|| now - self.since)
    }

    fn is_held(&self) -> bool {
        self.held_at != Instant::FAR_FUTURE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(secs: u64) -> Instant {
        Instant::from_nanos(secs * 1_000_000_000)
    }

    const fn secs(count: u64) -> Option<Duration> {
        Some(Duration::from_secs(count))
    }

    #[test]
    fn time_on_hold_does_not_count() {
        let mut watch = Stopwatch::start(at(0));
        assert_eq!(watch.running(at(3)), secs(3));
        watch.hold(true, at(3));
        assert_eq!(watch.running(at(9)), None);
        watch.hold(true, at(9));
        watch.hold(false, at(13));
        watch.hold(false, at(14));
        assert_eq!(watch.running(at(15)), secs(5));
    }

    #[test]
    fn a_restart_forgets_the_time_before_it_and_keeps_the_hold() {
        let mut watch = Stopwatch::start(at(0));
        watch.hold(true, at(5));
        watch.restart(at(8));
        assert_eq!(watch.running(at(9)), None);
        watch.hold(false, at(10));
        assert_eq!(watch.running(at(11)), secs(1));
        watch.restart(at(20));
        assert_eq!(watch.running(at(21)), secs(1));
    }
}
