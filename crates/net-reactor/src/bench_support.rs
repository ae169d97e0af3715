//! Inner parts, opened for `crates/bench` alone (feature `_bench`). Not part of the public API.

#![expect(missing_docs, reason = "for this repository's own measurements")]

use crate::base::Instant;
use crate::event_loop::{TimerKey, Timers};

/// The payload is as large as the one that the loop itself uses.
type Payload = [u32; 4];

#[derive(Debug)]
pub struct Wheel(Timers<Payload>);

#[derive(Debug, Clone, Copy)]
pub struct WheelKey(TimerKey);

impl Wheel {
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self(Timers::new(now))
    }

    pub fn arm(&mut self, deadline: Instant, tag: u64) -> WheelKey {
        let [low, high] = [tag & u64::from(u32::MAX), tag >> 32].map(|half| half as u32);
        WheelKey(self.0.arm(deadline, [low, high, 0, 0]))
    }

    pub fn cancel(&mut self, key: WheelKey) -> bool {
        self.0.cancel(key.0).is_some()
    }

    pub fn expire(&mut self, now: Instant, fire: &mut impl FnMut(u64)) {
        self.0.expire(now);
        while let Some(([low, high, ..], _)) = self.0.pop_due() {
            fire(u64::from(low) | u64::from(high) << 32);
        }
    }
}
