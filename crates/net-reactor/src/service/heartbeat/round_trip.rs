//! How long answers take.

use std::time::Duration;

use crate::base::Instant;

/// The weight of a new measurement in the smoothed one: an eighth, as TCP has it (RFC 6298).
const WEIGHT: u32 = 8;

/// How long a ping and its answer took, measured from turn to turn: what either side's loop was busy
/// with is part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RoundTrip {
    /// The last one.
    pub last: Duration,
    /// The shortest one: the nearest to the network's own.
    pub min: Duration,
    /// The average, in which a new one counts for an eighth.
    pub smoothed: Duration,
}

/// The pings of one connection. One at a time is measured: the newest.
#[derive(Debug, Default)]
pub(super) struct RoundTrips {
    /// The number of the last ping.
    number: u64,
    /// When it was sent, until it is answered.
    sent_at: Option<Instant>,
    measured: Option<RoundTrip>,
}

impl RoundTrips {
    /// Returns the number of the next ping, which is sent now.
    pub(super) fn ask(&mut self, now: Instant) -> u64 {
        self.number = self.number.wrapping_add(1);
        self.sent_at = Some(now);
        self.number
    }

    /// Takes an answer in. One that comes too late, twice, or to nothing measures nothing.
    pub(super) fn answered(&mut self, number: u64, now: Instant) -> Option<RoundTrip> {
        let sent_at = self.sent_at.take_if(|_| number == self.number)?;
        let last = now - sent_at;
        let measured = match self.measured {
            None => RoundTrip { last, min: last, smoothed: last },
            Some(RoundTrip { min, smoothed, .. }) => {
                let smoothed = smoothed - smoothed / WEIGHT + last / WEIGHT;
                RoundTrip { last, min: min.min(last), smoothed }
            }
        };
        self.measured = Some(measured);
        self.measured
    }

    pub(super) fn measured(&self) -> Option<RoundTrip> {
        self.measured
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::ORIGIN + Duration::from_millis(ms)
    }

    fn ms(last: u64, min: u64, smoothed: u64) -> Option<RoundTrip> {
        let [last, min, smoothed] = [last, min, smoothed].map(Duration::from_millis);
        Some(RoundTrip { last, min, smoothed })
    }

    #[test]
    fn an_eighth_of_what_is_new_is_in_the_average() {
        let mut trips = RoundTrips::default();
        assert_eq!(trips.measured(), None);
        let first = trips.ask(at(0));
        assert_eq!(trips.answered(first, at(80)), ms(80, 80, 80));
        let second = trips.ask(at(100));
        assert_eq!(trips.answered(second, at(260)), ms(160, 80, 90));
        let third = trips.ask(at(300));
        assert_eq!(trips.answered(third, at(310)), ms(10, 10, 80));
    }

    #[test]
    fn an_answer_counts_once_and_only_to_the_newest_ping() {
        let mut trips = RoundTrips::default();
        assert_eq!(trips.answered(0, at(1)), None);
        let old = trips.ask(at(0));
        let new = trips.ask(at(10));
        assert_eq!(trips.answered(old, at(20)), None);
        assert_eq!(trips.answered(new, at(30)), ms(20, 20, 20));
        assert_eq!(trips.answered(new, at(40)), None);
    }
}
