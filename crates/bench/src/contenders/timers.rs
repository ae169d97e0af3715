//! What a timer store must do to be measured, and who does it.

use super::timer_btree::TreeTimers;
use super::timer_heap::HeapTimers;
use super::timer_ours::OurTimers;
use crate::failure::Outcome;
use crate::workloads::timers::{TimerFigures, TimerPlan, measure};

/// A store of timers, driven from outside: it reads no clock.
///
/// Deadlines are nanoseconds since some origin; `tag` is the little a user wants back.
pub(crate) trait TimerBench {
    /// Names an armed timer. A key of a timer that has fired or was cancelled names nothing.
    type Key: Copy;

    /// Makes an empty store whose clock stands at zero.
    fn new() -> Self;

    fn arm(&mut self, deadline_ns: u64, tag: u64) -> Self::Key;

    /// Returns whether the timer was still armed.
    fn cancel(&mut self, key: Self::Key) -> bool;

    /// Hands the tag of every timer with a deadline up to `now_ns` to `fire`.
    fn expire(&mut self, now_ns: u64, fire: &mut impl FnMut(u64));
}

/// One timer store in the report.
pub(crate) struct TimerContender {
    pub(crate) name: &'static str,
    pub(crate) measure: fn(&TimerPlan) -> Outcome<TimerFigures>,
}

/// The first line is the reference of the ratios.
pub(crate) const TIMERS: &[TimerContender] = &[
    TimerContender { name: "BTreeMap", measure: measure::<TreeTimers> },
    TimerContender { name: "net-reactor", measure: measure::<OurTimers> },
    TimerContender { name: "BinaryHeap, lazy cancel", measure: measure::<HeapTimers> },
];
