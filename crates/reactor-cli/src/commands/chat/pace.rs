//! How fast a member may speak.

use std::num::NonZeroU32;
use std::time::Duration;

use net_reactor::Instant;

/// Seconds' worth of lines that may come at once after a silence.
const BURST_SECONDS: u32 = 2;

/// A bucket of lines that fills at a constant rate.
#[derive(Debug)]
pub(super) struct Pace {
    per_line: Duration,
    burst: Duration,
    /// When the bucket is full again; each line moves it.
    full_at: Option<Instant>,
}

impl Pace {
    pub(super) fn new(lines_per_second: NonZeroU32) -> Self {
        let per_line = Duration::from_secs(1) / lines_per_second.get();
        let burst = Duration::from_secs(1) * BURST_SECONDS;
        Self { per_line, burst, full_at: None }
    }

    /// Takes a line out of the bucket; returns how long to wait before the next one.
    pub(super) fn take(&mut self, now: Instant) -> Option<Duration> {
        let full_at = self.full_at.map_or(now, |at| at.max(now)) + self.per_line;
        self.full_at = Some(full_at);
        let ahead = (full_at + self.per_line).saturating_since(now);
        ahead.checked_sub(self.burst).filter(|wait| !wait.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: NonZeroU32 = NonZeroU32::new(10).unwrap();

    #[test]
    fn a_few_lines_at_once_are_no_hurry() {
        let mut pace = Pace::new(RATE);
        let waits: Vec<_> = (0..20).map(|_| pace.take(Instant::ORIGIN)).collect();
        assert!(waits[..19].iter().all(Option::is_none), "{waits:?}");
        assert_eq!(waits[19], Some(Duration::from_millis(100)));
    }

    #[test]
    fn who_does_not_stop_speaks_at_the_rate() {
        let mut pace = Pace::new(RATE);
        let mut now = Instant::ORIGIN;
        for _ in 0..120 {
            now = now + pace.take(now).unwrap_or_default();
        }
        assert_eq!(now, Instant::ORIGIN + Duration::from_millis(10_100));
    }

    #[test]
    fn silence_fills_the_bucket_and_no_more() {
        let mut pace = Pace::new(RATE);
        let later = Instant::ORIGIN + Duration::from_secs(3600);
        pace.take(Instant::ORIGIN);
        let waits: Vec<_> = (0..20).map(|_| pace.take(later)).collect();
        assert_eq!(waits.iter().flatten().count(), 1, "{waits:?}");
    }
}
