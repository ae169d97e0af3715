//! Numbers that depend on the seed alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use net_reactor::sim::Simulation;

/// A stream of random numbers. A clone draws from the same stream.
#[derive(Debug, Clone)]
pub(super) struct Lot(Arc<AtomicU64>);

impl Lot {
    pub(super) fn new(sim: &mut Simulation) -> Self {
        Self(Arc::new(AtomicU64::new(sim.random(u64::MAX))))
    }

    /// Returns a number below `bound`.
    pub(super) fn below(&self, bound: u64) -> u64 {
        let state = self.0.load(Ordering::Relaxed).wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0.store(state, Ordering::Relaxed);
        mix(state) % bound.max(1)
    }

    /// Returns a time up to `max`, in whole milliseconds, and at least one.
    pub(super) fn time(&self, max: Duration) -> Duration {
        let max_ms = u64::try_from(max.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(1 + self.below(max_ms))
    }

    /// Returns a size up to `max`, and at least 1; small ones are as likely as large ones.
    pub(super) fn size(&self, max: u64) -> u64 {
        let scale = max >> self.below(u64::from(max.max(1).ilog2()) + 1);
        1 + self.below(scale)
    }
}

/// The mixing steps of `SplitMix64`.
pub(super) const fn mix(state: u64) -> u64 {
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// A number that handlers, their loops and the test share. A clone is the same number.
#[derive(Debug, Clone, Default)]
pub(super) struct Counter(Arc<AtomicU64>);

impl Counter {
    pub(super) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(super) fn take_away(&self, less: u64) {
        self.0.fetch_sub(less, Ordering::Relaxed);
    }

    pub(super) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Makes so many counters.
pub(super) fn counters(count: u64) -> Vec<Counter> {
    (0..count).map(|_| Counter::default()).collect()
}

/// Checks that each of them goes on within the limit.
pub(super) fn all_go_on(sim: &mut Simulation, counters: &[Counter], limit: Duration, what: &str) {
    let before: Vec<u64> = counters.iter().map(Counter::get).collect();
    let goes_on = |(counter, before): (&Counter, &u64)| counter.get() > *before;
    let done = sim.run_until(limit, |_| counters.iter().zip(&before).all(goes_on));
    sim.check(done, what);
}
