//! The timers of one loop: a hierarchical timing wheel over a slab.

mod lists;
#[cfg(test)]
mod tests;
mod wheel;

use std::fmt;
use std::time::Duration;

use crate::base::{Bug, Instant, planted};
use crate::event_loop::timers::lists::{DUE, Lists, OVERDUE};

/// Timers in the order they are due, each carrying a payload of type `T`.
///
/// A turn calls [`expire`](Self::expire) once with its reading of the clock, then
/// [`pop_due`](Self::pop_due) until nothing is left. The order is by deadline, and by insertion
/// among equal deadlines. A timer is never handed out before its deadline, to the nanosecond.
///
/// Arming, cancelling and re-arming take constant time. A timer moves at most eleven times
/// between arming and expiry, once for each level it descends; one that is cancelled before, as
/// most timeouts are, usually never moves. Memory follows the largest number of timers ever
/// armed at once, and nothing is allocated below that mark.
pub(crate) struct Timers<T: Copy> {
    /// Every timer is in exactly one list. In the wheel, deadlines are later than `present`; in
    /// `OVERDUE`, they are not; in `DUE`, they are not either and the list is in firing order.
    lists: Lists<T>,
    /// The time of the last `expire`.
    present: Instant,
    len: usize,
    /// Kept for its allocation.
    sorting: Vec<Sorting>,
}

/// Names one timer of one [`Timers`]; a key whose timer is gone names nothing, for ever.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub(crate) struct TimerKey {
    index: u32,
    generation: u32,
}

impl<T: Copy> Timers<T> {
    /// Makes an empty set of timers whose present is `now`.
    pub(crate) fn new(now: Instant) -> Self {
        Self { lists: Lists::new(), present: now, len: 0, sorting: Vec::new() }
    }

    /// Adds a timer that becomes due at `deadline`.
    ///
    /// A deadline already reached is fine: the timer is due at the next
    /// [`expire`](Self::expire), not before.
    pub(crate) fn arm(&mut self, deadline: Instant, payload: T) -> TimerKey {
        let (index, generation) = self.lists.insert(self.list_of(deadline), deadline, payload);
        self.len += 1;
        TimerKey { index, generation }
    }

    /// Removes a timer and returns its payload, or `None` if it was popped or cancelled before.
    ///
    /// This holds for a timer that is already due but not yet popped.
    pub(crate) fn cancel(&mut self, key: TimerKey) -> Option<T> {
        self.deadline(key)?;
        let (payload, _) = self.lists.remove(key.index);
        self.len -= 1;
        Some(payload)
    }

    /// Moves a timer to another deadline; returns false if it was popped or cancelled before.
    ///
    /// The timer keeps its key and counts as inserted now. One that was due is no longer.
    pub(crate) fn rearm(&mut self, key: TimerKey, deadline: Instant) -> bool {
        if self.deadline(key).is_none() {
            return false;
        }
        if planted(Bug::SoonerIgnored) && self.deadline(key).is_some_and(|old| deadline < old) {
            return true;
        }
        self.lists.relocate(key.index, self.list_of(deadline), deadline);
        true
    }

    /// Makes every timer with a deadline of at most `now` due.
    ///
    /// Timers still due from an earlier call stay ahead of the new ones. A `now` earlier than
    /// that of an earlier call counts as that one.
    pub(crate) fn expire(&mut self, now: Instant) {
        self.expire_overdue();
        let early = planted(Bug::TimerFiresEarly);
        let now = if early { now + Duration::from_millis(1) } else { now }.max(self.present);
        while let Some(slot) = self.lists.first_slot() {
            if wheel::slot_start(slot, self.present) > now {
                break;
            }
            // Going to the slot's first deadline rather than to its start lets a timer skip
            // the levels it would have been alone in.
            let present = self.lists.bound(slot).min(now);
            self.present = present;
            self.lists.distribute(slot, |deadline| {
                if deadline <= present { DUE } else { wheel::slot_of(deadline, present) }
            });
        }
        self.present = now;
    }

    /// Removes the next due timer and returns its payload and the deadline it had.
    pub(crate) fn pop_due(&mut self) -> Option<(T, Instant)> {
        let (mut index, first) = self.lists.first(DUE)?;
        if planted(Bug::EqualDeadlinesSwapped) {
            let second = self.lists.iter(DUE).nth(1).filter(|(_, deadline)| *deadline == first);
            index = second.map_or(index, |(second, _)| second);
        }
        self.len -= 1;
        Some(self.lists.remove(index))
    }

    /// Returns the deadline of a timer, or `None` if it was popped or cancelled before.
    pub(crate) fn deadline(&self, key: TimerKey) -> Option<Instant> {
        self.lists.deadline(key.index, key.generation)
    }

    /// Returns a time before which no timer is due, or `None` if there is no timer.
    ///
    /// This is the earliest deadline, unless the timer that had it was cancelled or re-armed:
    /// then it may be earlier, until an [`expire`](Self::expire) at that time has corrected it.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        if let Some((_, deadline)) = self.lists.first(DUE) {
            return Some(deadline);
        }
        if planted(Bug::OverdueSleptOver) {
            return self.lists.first_slot().map(|list| self.lists.bound(list));
        }
        let list = self.lists.first(OVERDUE).map(|_| OVERDUE).or_else(|| self.lists.first_slot());
        list.map(|list| self.lists.bound(list))
    }

    /// Returns how many timers there are, those due but not yet popped included.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    fn list_of(&self, deadline: Instant) -> u32 {
        if deadline <= self.present { OVERDUE } else { wheel::slot_of(deadline, self.present) }
    }

    /// Makes the timers due that were armed late. They alone need sorting, and seldom do: most
    /// were armed with no delay at all and share their deadline.
    fn expire_overdue(&mut self) {
        if !self.lists.iter(OVERDUE).map(|(_, deadline)| deadline).is_sorted() {
            let timers = (0..).zip(self.lists.iter(OVERDUE));
            let timers = timers.map(|(place, (index, deadline))| (deadline, place, index));
            self.sorting.extend(timers);
            // The place makes every item distinct, so this is stable, and it allocates nothing.
            self.sorting.sort_unstable();
            let order = self.sorting.drain(..).map(|(deadline, _, index)| (index, deadline));
            self.lists.reorder(OVERDUE, order);
        }
        self.lists.distribute(OVERDUE, |_| DUE);
    }
}

impl<T: Copy> fmt::Debug for Timers<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timers")
            .field("len", &self.len)
            .field("present", &self.present)
            .field("next_deadline", &self.next_deadline())
            .finish_non_exhaustive()
    }
}

/// A late timer on its way through the sort: deadline, place in the list, index.
type Sorting = (Instant, u32, u32);
