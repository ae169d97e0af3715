//! Rates at which a connection may receive and send.

use std::num::NonZeroUsize;
use std::time::Duration;

use super::phase::Phase;
use super::{Due, Net};
use crate::base::{Bug, Instant, Key, SideTable, TokenBucket, planted};
use crate::driver::{Ops, READ_BYTES_PER_TURN, SEND_BYTES_PER_FLUSH};
use crate::event_loop::TimerKey;

/// Who waits for tokens is woken for as many as come within 20 ms, and not for each byte.
const WAKES_PER_SECOND: u64 = 50;

/// How many bytes may pass in a second, and how many at once.
///
/// A token bucket: what was not used is saved, up to the burst, so that in any time `t` no more pass
/// than `rate * t + burst`.
///
/// ```
/// use net_reactor::{ConnConfig, RateLimit};
///
/// // 1 MiB a second from each peer, 64 KiB of it at once.
/// let rate = RateLimit::bytes_per_second(1 << 20).burst(64 << 10);
/// let config = ConnConfig::default().read_rate(rate);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    bytes_per_second: u64,
    burst_bytes: u64,
}

impl RateLimit {
    /// Makes a limit whose burst is what comes in a second. No bytes count as one.
    #[must_use]
    pub fn bytes_per_second(bytes: u64) -> Self {
        let bytes = bytes.max(1);
        Self { bytes_per_second: bytes, burst_bytes: bytes }
    }

    /// Sets how many bytes may pass at once after a pause; at least one.
    #[must_use]
    pub fn burst(mut self, bytes: u64) -> Self {
        self.burst_bytes = bytes.max(1);
        self
    }

    fn bucket(self, now: Instant) -> Bucket {
        let tokens = TokenBucket::new(self.bytes_per_second, self.burst_bytes, now);
        let step_bytes = (self.bytes_per_second / WAKES_PER_SECOND).clamp(1, self.burst_bytes);
        Bucket { tokens, step_bytes }
    }
}

/// The tokens of one direction.
#[derive(Debug)]
struct Bucket {
    tokens: TokenBucket,
    /// How many of them are worth a call.
    step_bytes: u64,
}

impl Bucket {
    fn available(&self, max: usize, now: Instant) -> usize {
        usize::try_from(self.tokens.available(now)).unwrap_or(usize::MAX).min(max)
    }

    fn wait(&self, now: Instant) -> Duration {
        self.tokens.wait_for(self.step_bytes, now)
    }
}

/// The rates of one connection, and the one timer behind them.
#[derive(Debug)]
struct Throttle {
    read: Option<Bucket>,
    write: Option<Bucket>,
    /// The tokens for reading are used up, and the socket is not read.
    holds_reading: bool,
    timer: Option<TimerKey>,
}

/// The rates of a loop's connections.
#[derive(Debug, Default)]
pub(super) struct Throttles {
    throttles: SideTable<Box<Throttle>>,
    /// How many there are.
    len: usize,
}

impl Throttles {
    fn get_mut(&mut self, key: Key) -> Option<&mut Throttle> {
        // Most loops have none, and are not to pay for a look.
        if self.len == 0 {
            None
        } else {
            self.throttles.get_mut(key).map(|throttle| &mut **throttle)
        }
    }

    /// Whether a connection's tokens for reading are used up.
    pub(super) fn hold_reading(&mut self, key: Key) -> bool {
        self.get_mut(key).is_some_and(|throttle| throttle.holds_reading)
    }

    /// Returns how many bytes of a connection one flush may send.
    pub(super) fn sendable(&mut self, key: Key, now: Instant) -> usize {
        match self.get_mut(key).and_then(|throttle| throttle.write.as_ref()) {
            Some(bucket) => bucket.available(SEND_BYTES_PER_FLUSH, now),
            None => SEND_BYTES_PER_FLUSH,
        }
    }

    /// The kernel took bytes. Returns whether they count against a rate.
    pub(super) fn note_sent(&mut self, key: Key, bytes: u64, now: Instant) -> bool {
        let Some(bucket) = self.get_mut(key).and_then(|throttle| throttle.write.as_mut()) else {
            return false;
        };
        bucket.tokens.take(bytes, now);
        true
    }
}

impl Net {
    /// Begins to count an open connection's bytes, if it has a rate.
    pub(super) fn start_throttle<O: Ops + ?Sized>(&mut self, key: Key, ops: &mut O) {
        let Some(conn) = self.conns.get(key) else { return };
        let (now, config) = (self.now, &conn.config);
        let read = config.read_rate.map(|rate| rate.bucket(now));
        let write = config.write_rate.map(|rate| rate.bucket(now));
        if read.is_none() && write.is_none() {
            return;
        }
        let throttle = Throttle { read, write, holds_reading: false, timer: None };
        self.throttles.throttles.put(key, Box::new(throttle));
        self.throttles.len += 1;
        self.meter_reading(key, ops);
    }

    /// Ends the counting.
    pub(super) fn end_throttle(&mut self, key: Key) {
        if self.throttles.len > 0
            && let Some(throttle) = self.throttles.throttles.take(key)
        {
            self.throttles.len -= 1;
            if let Some(timer) = throttle.timer {
                self.timers.cancel(timer);
            }
        }
    }

    /// Lets a closing connection be read without a rate: its input is thrown away.
    pub(super) fn lift_read_rate<O: Ops + ?Sized>(&mut self, key: Key, ops: &mut O) {
        if let Some(throttle) = self.throttles.get_mut(key)
            && throttle.read.take().is_some()
        {
            throttle.holds_reading = false;
            ops.limit_receive(key, NonZeroUsize::MAX);
        }
    }

    /// Counts received bytes.
    pub(super) fn meter_received<O: Ops + ?Sized>(&mut self, key: Key, bytes: u64, ops: &mut O) {
        let now = self.now;
        if let Some(bucket) =
            self.throttles.get_mut(key).and_then(|throttle| throttle.read.as_mut())
        {
            if !planted(Bug::ReadRateIgnored) {
                bucket.tokens.take(bytes, now);
            }
            self.meter_reading(key, ops);
        }
    }

    /// Lets the socket be read for as many bytes as there are tokens, or not at all for a while.
    fn meter_reading<O: Ops + ?Sized>(&mut self, key: Key, ops: &mut O) {
        let now = self.now;
        let Some(throttle) = self.throttles.get_mut(key) else { return };
        let Some(bucket) = &throttle.read else { return };
        let available = NonZeroUsize::new(bucket.available(READ_BYTES_PER_TURN, now));
        let wait = bucket.wait(now);
        let held = std::mem::replace(&mut throttle.holds_reading, available.is_none());
        let holds = throttle.holds_reading;
        match available {
            Some(bytes) => ops.limit_receive(key, bytes),
            None => self.wake_for_tokens(key, wait),
        }
        if held != holds {
            self.set_read_mode(key, ops);
        }
    }

    /// Has a connection looked at again when there are tokens for what it has queued.
    pub(super) fn await_send_tokens(&mut self, key: Key) {
        let now = self.now;
        let wait = self
            .throttles
            .get_mut(key)
            .and_then(|throttle| throttle.write.as_ref().map(|bucket| bucket.wait(now)));
        if let Some(wait) = wait {
            self.wake_for_tokens(key, wait);
        }
    }

    /// Sees to it that the timer is due no later than that.
    fn wake_for_tokens(&mut self, key: Key, wait: Duration) {
        if planted(Bug::TokensWakeNobody) {
            return;
        }
        let deadline = self.now + wait;
        let Some(throttle) = self.throttles.get_mut(key) else { return };
        match throttle.timer.filter(|timer| self.timers.deadline(*timer).is_some()) {
            Some(timer) if self.timers.deadline(timer).is_some_and(|due| due <= deadline) => {}
            Some(timer) => {
                self.timers.rearm(timer, deadline);
            }
            None => throttle.timer = Some(self.timers.arm(deadline, Due::Tokens(key))),
        }
    }

    /// There may be tokens for what waits for them.
    pub(crate) fn on_tokens_due<O: Ops + ?Sized>(&mut self, key: Key, ops: &mut O) {
        if self.throttles.hold_reading(key) {
            self.meter_reading(key, ops);
        }
        let is_open = self.conns.get(key).is_some_and(|conn| conn.phase != Phase::Closed);
        if is_open {
            self.mark_dirty(key);
        }
    }
}
