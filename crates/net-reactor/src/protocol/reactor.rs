//! The loop, as callbacks hold it.

mod conns;
mod datagrams;
mod fds;
mod listeners;

use std::time::{Duration, SystemTime};

use super::core::Core;
use super::handle::LoopHandle;
use super::loop_shared::StopRequest;
use super::task::LocalTask;
use super::{Period, QueueFull, Tick, WorkError};
use crate::base::{Instant, TimerId};
use crate::driver::Ops;

/// The loop, lent for one callback: timers, connections, listeners, tasks.
///
/// No method calls user code; everything that follows is queued and told in its place.
pub struct Reactor<'a> {
    pub(crate) core: &'a mut Core,
    pub(crate) ops: &'a mut dyn Ops,
}

/// Time and functions.
impl Reactor<'_> {
    /// Returns the time of this turn. It stands still during a turn.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.core.net.now
    }

    /// Reads the wall clock: for stamps in messages and logs, never for timers.
    ///
    /// It can be set, so it may jump either way between two readings, and each call reads it anew.
    /// Inside a simulation it is the wall clock of the simulated host, which starts at
    /// 2026-01-01T00:00:00Z; `SystemTime::now` would make a run different each time.
    #[must_use]
    pub fn wall_time(&self) -> SystemTime {
        self.ops.wall()
    }

    /// Returns a random number, for jitter and the like; not for secrets.
    ///
    /// Inside a simulation it comes from the simulation's seed, as everything there that is left to
    /// chance must; another source would make a run different each time.
    pub fn random(&mut self) -> u64 {
        self.core.rng.next_u64()
    }

    /// Calls `call` after `delay`, counted from [`now`](Self::now), the time of this turn; never
    /// earlier.
    ///
    /// Calls with equal deadlines run in the order in which they were made. A delay of zero runs
    /// in the next turn. The loop sleeps with a resolution of 1 ms.
    pub fn call_later(
        &mut self,
        delay: Duration,
        call: impl FnOnce(&mut Reactor<'_>) + 'static,
    ) -> TimerId {
        self.call_at(self.now() + delay, call)
    }

    /// Calls `call` at `deadline`, or in the next turn when that has passed.
    pub fn call_at(
        &mut self,
        deadline: Instant,
        call: impl FnOnce(&mut Reactor<'_>) + 'static,
    ) -> TimerId {
        self.core.call_at(deadline, Box::new(call))
    }

    /// Calls `call` every `period`, the first time after one period; a [`Period`] may say
    /// otherwise, and spread the calls.
    ///
    /// The ticks stay on the grid of the first one however long the calls take. Ticks that pass
    /// while the loop is busy are skipped, and [`Tick::missed`] counts them. A call that panics is
    /// cancelled. Periods below 1 ms count as 1 ms. For work that outlasts its call see
    /// [`repeat`](Self::repeat).
    pub fn call_every(
        &mut self,
        period: impl Into<Period>,
        call: impl FnMut(&mut Reactor<'_>, Tick) + 'static,
    ) -> TimerId {
        self.core.call_every(period.into(), Box::new(call))
    }

    /// Cancels a timer; returns whether it was active.
    ///
    /// It holds also for a timer that is due in this very turn.
    pub fn cancel(&mut self, timer: TimerId) -> bool {
        self.core.cancel_call(timer)
    }

    /// Moves a timer to `delay` from now; returns whether it was active.
    pub fn reset(&mut self, timer: TimerId, delay: Duration) -> bool {
        let deadline = self.now() + delay;
        self.core.move_call(timer, deadline)
    }

    /// Puts a timer off by `more`; returns whether it was active.
    pub fn delay(&mut self, timer: TimerId, more: Duration) -> bool {
        match self.core.call_deadline(timer) {
            Some(deadline) => self.core.move_call(timer, deadline + more),
            None => false,
        }
    }

    /// Whether a timer will still run.
    #[must_use]
    pub fn is_active(&self, timer: TimerId) -> bool {
        self.core.call_deadline(timer).is_some()
    }

    /// Returns when a timer will run, if it is active.
    #[must_use]
    pub fn deadline(&self, timer: TimerId) -> Option<Instant> {
        self.core.call_deadline(timer)
    }

    /// Runs `call` in the task phase: in this turn if that is still to come, else in the next.
    pub fn defer(&mut self, call: impl FnOnce(&mut Reactor<'_>) + 'static) {
        self.core.local.push_back(LocalTask::Run(Box::new(call)));
    }

    /// Runs `work` on a worker thread, then `then` with its result on this loop.
    ///
    /// A panic in `work` comes back as [`WorkError`]. There are at most 4 threads and 1,024 waiting
    /// jobs for each loop by default ([`LoopConfig`](crate::LoopConfig)), and
    /// [`LoopStats`](crate::LoopStats) counts them. If the loop is dropped first, `then` is never
    /// called.
    ///
    /// # Errors
    ///
    /// [`QueueFull`] when too many jobs wait; nothing is run then.
    pub fn run_blocking<T: Send + 'static>(
        &mut self,
        work: impl FnOnce() -> T + Send + 'static,
        then: impl FnOnce(&mut Reactor<'_>, Result<T, WorkError>) + 'static,
    ) -> Result<(), QueueFull> {
        let (job, run) = self.make_job(work, then);
        if self.ops.offload(run).is_err() {
            self.core.jobs.remove(job);
            self.core.jobs_refused += 1;
            return Err(QueueFull);
        }
        Ok(())
    }
}

/// The loop itself.
impl Reactor<'_> {
    /// Returns a handle of this loop for other threads.
    #[must_use]
    pub fn handle(&self) -> LoopHandle {
        self.core.handle()
    }

    /// Stops the loop gracefully; see [`LoopHandle::stop`].
    pub fn stop(&mut self) {
        self.core.shared.request_stop(StopRequest::Graceful);
    }

    /// Stops the loop at the end of this turn; open connections are aborted. See
    /// [`LoopHandle::stop_now`].
    pub fn stop_now(&mut self) {
        self.core.shared.request_stop(StopRequest::Now);
    }

    /// Whether the loop has begun to stop.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.core.shared.stop_request() != StopRequest::None
    }
}

impl std::fmt::Debug for Reactor<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reactor").field("loop", &self.core.loop_id()).finish_non_exhaustive()
    }
}
