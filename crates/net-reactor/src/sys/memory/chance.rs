//! Chance: streams of numbers from one seed, and what is drawn from them.

use std::time::Duration;

use super::fault::Fault;
use super::trace::hash_bytes;
use super::world::State;
use crate::base::Rng;

/// Makes the stream of random numbers of one use.
///
/// It depends on the seed and the name alone: a new use, or one that is switched off, shifts no
/// other.
pub(crate) fn stream(seed: u64, name: &str) -> Rng {
    Rng::new(hash_bytes(Rng::new(seed).next_u64(), name.as_bytes()))
}

/// The streams of what is no fault, and of the knobs of the unit tests.
///
/// Each fault has its own stream, in [`FaultTable`](super::fault::FaultTable).
pub(super) struct Chance {
    /// The first ephemeral port of each host.
    pub(super) ports: Rng,
    /// Which of several listeners gets a connection.
    pub(super) listeners: Rng,
    pub(super) chop: Rng,
    pub(super) spurious: Rng,
}

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            ports: stream(seed, "ports"),
            listeners: stream(seed, "listeners"),
            chop: stream(seed, "chop"),
            spurious: stream(seed, "spurious"),
        }
    }
}

impl State {
    /// Draws whether a fault happens now, to the loop of `kernel`, and counts it if it does.
    ///
    /// Only asked where the fault would make a difference, so that a count is worth something.
    pub(super) fn fires(&mut self, kernel: usize, fault: Fault) -> bool {
        let fires = self.faults.draw(fault);
        if fires {
            self.count_fault(kernel, fault);
        }
        fires
    }

    /// Counts a fault that was drawn before it was known to make a difference.
    pub(super) fn count_fault(&mut self, kernel: usize, fault: Fault) {
        self.faults.count(fault);
        self.trace_fault(Some(kernel), fault.name());
    }

    /// Draws a time from 1 us to `max`.
    pub(super) fn drawn_time(&mut self, fault: Fault, max: Duration) -> Duration {
        let micros = u64::try_from(max.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(1 + self.faults.below(fault, micros))
    }

    /// Draws a number in `0..bound`.
    pub(super) fn drawn_index(&mut self, fault: Fault, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap_or(u64::MAX);
        usize::try_from(self.faults.below(fault, bound)).unwrap_or(0)
    }

    /// Puts `items` in a drawn order (Fisher and Yates).
    pub(super) fn shuffle<T>(&mut self, fault: Fault, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            let other = self.drawn_index(fault, end + 1);
            items.swap(end, other);
        }
    }

    /// Draws how many bytes the next receive or send may move.
    pub(super) fn chop(&mut self) -> usize {
        let limit = self.limit.take().unwrap_or(usize::MAX);
        let max = self.settings.chop_bytes;
        if max == 0 {
            return limit;
        }
        let drawn = self.chance.chop.below(u64::try_from(max).unwrap_or(u64::MAX));
        usize::try_from(drawn).unwrap_or(usize::MAX).saturating_add(1).min(limit)
    }
}
