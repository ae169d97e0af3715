//! Functions called at a time: once, or on a grid.

use std::fmt;
use std::time::Duration;

use super::core::Core;
use super::task::LocalCall;
use super::{Period, Reactor};
use crate::base::{Bug, Instant, Key, Rng, TimerId, planted};
use crate::event_loop::TimerKey;
use crate::net::Due;

/// One tick of a repeated call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tick {
    /// The timer of the call, with which it can cancel or move itself.
    pub timer: TimerId,
    /// When the tick was due, on the grid: without its jitter.
    pub due: Instant,
    /// How many ticks passed since the last call without one, because the loop was busy, or a
    /// [`Round`](crate::Round) was under way.
    pub missed: u64,
}

pub(crate) type RepeatedCall = Box<dyn FnMut(&mut Reactor<'_>, Tick)>;

/// A function that waits for its timer.
pub(crate) struct Call {
    /// Absent only while the call is being made.
    timer: Option<TimerKey>,
    action: Action,
}

enum Action {
    Once(LocalCall),
    Every {
        period: Period,
        /// The next tick's place on the grid; jitter sets the timer later than that.
        place: Instant,
        /// Absent while it runs.
        call: Option<RepeatedCall>,
    },
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("timer", &self.timer).finish_non_exhaustive()
    }
}

/// What a due call asks the dispatcher to run.
pub(crate) enum DueCall {
    Once(LocalCall),
    Every(RepeatedCall, Tick),
}

impl Core {
    pub(crate) fn call_at(&mut self, deadline: Instant, call: LocalCall) -> TimerId {
        self.add_call(deadline, Action::Once(call))
    }

    pub(crate) fn call_every(&mut self, period: Period, call: RepeatedCall) -> TimerId {
        let place = self.net.now + period.first_after;
        let deadline = place + draw_jitter(period, &mut self.rng);
        self.add_call(deadline, Action::Every { period, place, call: Some(call) })
    }

    fn add_call(&mut self, deadline: Instant, action: Action) -> TimerId {
        // The timer must know the call's key and the call its timer: the timer comes second.
        let key = self.calls.insert(Call { timer: None, action });
        let timer = self.net.timers.arm(deadline, Due::Call(key));
        if let Some(call) = self.calls.get_mut(key) {
            call.timer = Some(timer);
        }
        self.timer_id(key)
    }

    fn call_key(&self, id: TimerId) -> Option<Key> {
        (id.loop_id == self.loop_id() && self.calls.contains(id.key)).then_some(id.key)
    }

    pub(crate) fn cancel_call(&mut self, id: TimerId) -> bool {
        let Some(call) = self.call_key(id).and_then(|key| self.calls.remove(key)) else {
            return false;
        };
        if let Some(timer) = call.timer {
            self.net.timers.cancel(timer);
        }
        true
    }

    pub(crate) fn call_deadline(&self, id: TimerId) -> Option<Instant> {
        let call = self.calls.get(self.call_key(id)?)?;
        self.net.timers.deadline(call.timer?)
    }

    /// Moves a call to another time; a repeated one starts a new grid there.
    pub(crate) fn move_call(&mut self, id: TimerId, deadline: Instant) -> bool {
        let Some(call) = self.call_key(id).and_then(|key| self.calls.get_mut(key)) else {
            return false;
        };
        if let Action::Every { place, .. } = &mut call.action {
            *place = deadline;
        }
        call.timer.is_some_and(|timer| self.net.timers.rearm(timer, deadline))
    }

    /// Takes the function of a due call out, to be run.
    ///
    /// A repeated call is armed for its next tick before it runs, so that it can cancel or move
    /// itself.
    pub(crate) fn take_due_call(&mut self, key: Key, due: Instant) -> Option<DueCall> {
        if matches!(self.calls.get(key)?.action, Action::Once(_)) {
            return match self.calls.remove(key)?.action {
                Action::Once(call) => Some(DueCall::Once(call)),
                Action::Every { .. } => None,
            };
        }
        let call = self.calls.get_mut(key)?;
        let Action::Every { period, place, call: function } = &mut call.action else {
            return None;
        };
        let tick_place = *place;
        // Jitter is meant: what came late by it alone has missed nothing.
        let late = self.net.now - due;
        let (next, missed) = next_on_grid(tick_place, period.period, tick_place + late);
        let function = function.take()?;
        *place = next;
        let deadline = next + draw_jitter(*period, &mut self.rng);
        call.timer = Some(self.net.timers.arm(deadline, Due::Call(key)));
        let tick = Tick { timer: self.timer_id(key), due: tick_place, missed };
        Some(DueCall::Every(function, tick))
    }

    /// Puts a repeated function back after it ran, or returns it if it was cancelled meanwhile.
    pub(crate) fn put_back_call(
        &mut self,
        key: Key,
        function: RepeatedCall,
    ) -> Option<RepeatedCall> {
        match self.calls.get_mut(key) {
            Some(Call { action: Action::Every { call, .. }, .. }) => call.replace(function),
            _ => Some(function),
        }
    }
}

fn draw_jitter(period: Period, rng: &mut Rng) -> Duration {
    let max_ns = u64::try_from(period.jitter_max.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(if max_ns == 0 { 0 } else { rng.below(max_ns) })
}

/// Returns the next tick after `now` on the grid of `due`, and how many ticks it skips.
fn next_on_grid(due: Instant, period: Duration, now: Instant) -> (Instant, u64) {
    let due = if planted(Bug::PeriodicDrift) { now } else { due };
    let late_ns = (now - due).as_nanos();
    let missed = u64::try_from(late_ns / period.as_nanos().max(1)).unwrap_or(u64::MAX);
    let skipped_ns = u128::from(missed).saturating_add(1).saturating_mul(period.as_nanos());
    let skipped = Duration::from_nanos(u64::try_from(skipped_ns).unwrap_or(u64::MAX));
    (due + skipped, missed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::ORIGIN + Duration::from_millis(ms)
    }

    #[test]
    fn ticks_stay_on_the_grid_and_missed_ones_are_counted() {
        let period = Duration::from_millis(10);
        assert_eq!(next_on_grid(at(10), period, at(10)), (at(20), 0));
        assert_eq!(next_on_grid(at(10), period, at(19)), (at(20), 0));
        assert_eq!(next_on_grid(at(10), period, at(20)), (at(30), 1));
        assert_eq!(next_on_grid(at(10), period, at(47)), (at(50), 3));
    }

    #[test]
    fn an_overrun_goes_on_at_the_next_tick_of_the_grid_that_is_to_come() {
        let mut due = at(1010);
        for (took, next) in [
            (9, 1020), // in time
            (9, 1030),
            (10, 1050), // a tick that has come is not to come
            (11, 1070),
            (20, 1100),
            (20, 1130),
            (35, 1170),
            (35, 1210),
            (0, 1220), // in time again
        ] {
            due = next_on_grid(due, Duration::from_millis(10), due + Duration::from_millis(took)).0;
            assert_eq!(due, at(next));
        }
    }

    #[test]
    fn an_endless_period_does_not_overflow() {
        let (next, missed) = next_on_grid(at(10), Duration::MAX, at(10));
        assert_eq!((next, missed), (Instant::FAR_FUTURE, 0));
    }
}
