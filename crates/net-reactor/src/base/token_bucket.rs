//! How many bytes may pass at a rate.

use std::time::Duration;

use super::Instant;

/// A nanosecond of a rate of one byte a second is worth this part of a byte: the unit of debts.
const PER_BYTE: u128 = 1_000_000_000;

/// A token bucket: tokens come at a rate, at most so many are kept, and each byte costs one.
///
/// What is missing from a full bucket is kept as a debt in billionths of a byte, so that nothing is
/// lost to rounding however often it is asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TokenBucket {
    bytes_per_second: u64,
    burst_bytes: u64,
    debt: u128,
    /// The time of the debt.
    at: Instant,
}

impl TokenBucket {
    /// Makes a full bucket. Neither the rate nor the burst may be zero.
    pub(crate) const fn new(bytes_per_second: u64, burst_bytes: u64, now: Instant) -> Self {
        Self { bytes_per_second, burst_bytes, debt: 0, at: now }
    }

    /// Returns how many bytes may pass now.
    pub(crate) fn available(&self, now: Instant) -> u64 {
        let room = self.capacity().saturating_sub(self.debt_at(now)) / PER_BYTE;
        u64::try_from(room).unwrap_or(u64::MAX)
    }

    /// Takes the tokens of bytes that have passed.
    pub(crate) fn take(&mut self, bytes: u64, now: Instant) {
        self.debt = self.debt_at(now) + u128::from(bytes) * PER_BYTE;
        self.at = now;
    }

    /// Returns how long it takes until so many bytes may pass; more than the burst count as that.
    pub(crate) fn wait_for(&self, bytes: u64, now: Instant) -> Duration {
        let allowed = self.capacity() - u128::from(bytes.min(self.burst_bytes)) * PER_BYTE;
        let missing = self.debt_at(now).saturating_sub(allowed);
        let ns = missing.div_ceil(u128::from(self.bytes_per_second));
        Duration::from_nanos(u64::try_from(ns).unwrap_or(u64::MAX))
    }

    const fn capacity(&self) -> u128 {
        self.burst_bytes as u128 * PER_BYTE
    }

    fn debt_at(&self, now: Instant) -> u128 {
        let came = (now - self.at).as_nanos() * u128::from(self.bytes_per_second);
        self.debt.saturating_sub(came)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy, any};
    use proptest::{prop_assert, prop_assert_eq, proptest};

    use super::*;

    fn at(ns: u64) -> Instant {
        Instant::from_nanos(ns)
    }

    #[test]
    fn a_full_bucket_gives_its_burst_and_then_the_rate() {
        let mut bucket = TokenBucket::new(1000, 500, at(0));
        assert_eq!(bucket.available(at(0)), 500);
        bucket.take(500, at(0));
        assert_eq!(bucket.available(at(0)), 0);
        assert_eq!(bucket.wait_for(100, at(0)), Duration::from_millis(100));
        assert_eq!(bucket.available(at(99_999_999)), 99);
        assert_eq!(bucket.available(at(100_000_000)), 100);
        assert_eq!(bucket.available(at(u64::MAX)), 500, "no more than the burst");
    }

    #[test]
    fn a_slow_rate_is_not_lost_to_rounding() {
        // A third of a byte a nanosecond is asked for a million times.
        let mut bucket = TokenBucket::new(333_333_333, 2, at(0));
        let mut passed = 0;
        for ns in 0..1_000_000 {
            if bucket.available(at(ns)) > 0 {
                bucket.take(1, at(ns));
                passed += 1;
            }
        }
        assert_eq!(passed, 333_332 + 2, "what came in 999,999 ns, and the burst");
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        let mut bucket = TokenBucket::new(u64::MAX, u64::MAX, at(0));
        bucket.take(u64::MAX, at(0));
        bucket.take(u64::MAX, at(0));
        assert_eq!(bucket.available(at(u64::MAX)), u64::MAX);
        assert_eq!(bucket.wait_for(u64::MAX, at(0)), Duration::from_secs(2));
    }

    /// Steps in time, and how much is wanted at each.
    fn steps() -> impl Strategy<Value = Vec<(u64, u64)>> {
        proptest::collection::vec((0..2_000_000_000u64, 0..5_000u64), 1..60)
    }

    proptest! {
        #[test]
        fn no_window_lets_more_pass_than_its_rate_and_the_burst(
            (rate, burst) in (1..5_000u64, 1..5_000u64),
            steps in steps(),
        ) {
            let mut bucket = TokenBucket::new(rate, burst, at(0));
            let (mut now, mut passed) = (0, Vec::new());
            for (step, wanted) in steps {
                now += step;
                let bytes = wanted.min(bucket.available(at(now)));
                bucket.take(bytes, at(now));
                passed.push((now, bytes));
            }
            for (first, &(from, _)) in passed.iter().enumerate() {
                let mut bytes = 0;
                for &(to, more) in &passed[first..] {
                    bytes += more;
                    let may = u128::from(burst) * PER_BYTE + u128::from(to - from) * u128::from(rate);
                    prop_assert!(u128::from(bytes) * PER_BYTE <= may);
                }
            }
        }

        #[test]
        fn who_waits_as_long_as_he_is_told_gets_what_he_wants_and_no_sooner(
            rate in 1..u64::MAX,
            burst in 1..u64::MAX,
            taken in any::<u64>(),
            wanted in 1..u64::MAX,
        ) {
            let mut bucket = TokenBucket::new(rate, burst, at(0));
            bucket.take(taken, at(0));
            let wanted = wanted.min(burst);
            let wait = bucket.wait_for(wanted, at(0));
            if wait < Duration::from_nanos(u64::MAX) {
                prop_assert!(bucket.available(at(0) + wait) >= wanted);
            }
            if wait > Duration::ZERO {
                let before = at(0) + (wait - Duration::from_nanos(1));
                prop_assert!(bucket.available(before) < wanted);
            } else {
                prop_assert_eq!(bucket.available(at(0)).min(wanted), wanted);
            }
        }
    }
}
