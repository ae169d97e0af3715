//! The loop's timer wheel.

use net_reactor::Instant;
use net_reactor::bench_support::Wheel;

use super::timers::TimerBench;

pub(super) struct OurTimers(Wheel);

impl TimerBench for OurTimers {
    type Key = net_reactor::bench_support::WheelKey;

    fn new() -> Self {
        Self(Wheel::new(Instant::ORIGIN))
    }

    fn arm(&mut self, deadline_ns: u64, tag: u64) -> Self::Key {
        self.0.arm(Instant::from_nanos(deadline_ns), tag)
    }

    fn cancel(&mut self, key: Self::Key) -> bool {
        self.0.cancel(key)
    }

    fn expire(&mut self, now_ns: u64, fire: &mut impl FnMut(u64)) {
        self.0.expire(Instant::from_nanos(now_ns), fire);
    }
}
