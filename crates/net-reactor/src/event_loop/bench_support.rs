//! Inner parts, opened for `crates/bench` alone (feature `_bench`). Not part of the public API.

use super::{TimerKey, Timers};
use crate::base::Instant;

/// The payload is as large as the one that the loop itself uses.
type Payload = [u32; 4];

/// The loop's timers.
#[derive(Debug)]
pub struct Wheel(Timers<Payload>);

/// Names a timer of a [`Wheel`].
#[derive(Debug, Clone, Copy)]
pub struct WheelKey(TimerKey);

impl Wheel {
    /// Makes an empty wheel.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self(Timers::new(now))
    }

    /// Arms a timer.
    #[expect(clippy::cast_possible_truncation, reason = "takes the tag apart into its halves")]
    pub fn arm(&mut self, deadline: Instant, tag: u64) -> WheelKey {
        let [low, high] = [tag as u32, (tag >> 32) as u32];
        WheelKey(self.0.arm(deadline, [low, high, 0, 0]))
    }

    /// Cancels a timer; returns whether it was armed.
    pub fn cancel(&mut self, key: WheelKey) -> bool {
        self.0.cancel(key.0).is_some()
    }

    /// Fires everything due at `now`.
    pub fn expire(&mut self, now: Instant, fire: &mut impl FnMut(u64)) {
        self.0.expire(now);
        while let Some(([low, high, ..], _)) = self.0.pop_due() {
            fire(u64::from(low) | u64::from(high) << 32);
        }
    }
}
