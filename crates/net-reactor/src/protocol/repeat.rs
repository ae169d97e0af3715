//! Work that is begun again and again, and never while it is still under way.

use std::rc::Rc;

use super::{Period, Reactor, Tick};
use crate::base::TimerId;

/// One round of repeated work: it lasts until this value is dropped.
///
/// Work that goes on after the call, such as a request to another server or a blocking job, keeps
/// it until it is done: it may be moved into continuations and handlers of the same loop.
///
/// ```
/// # use net_reactor::{EventLoop, QueueFull};
/// # use std::time::Duration;
/// # let mut event_loop = EventLoop::new()?;
/// // However long the disk takes, there is never a second look at it under way.
/// event_loop.reactor().repeat(Duration::from_secs(5), |reactor, round| {
///     let look = || std::fs::metadata("/var/spool/jobs").map(|spool| spool.len());
///     let _full = reactor.run_blocking(look, move |_reactor, found| {
///         println!("{found:?}, {} rounds were skipped", round.tick().missed);
///     });
/// });
/// # Ok::<(), net_reactor::LoopError>(())
/// ```
#[derive(Debug)]
pub struct Round {
    tick: Tick,
    /// Counted: while there is a second owner beside the timer, the round is under way.
    _mark: Rc<()>,
}

impl Round {
    /// Returns when the round was due, and how many were skipped before it.
    #[must_use]
    pub fn tick(&self) -> Tick {
        self.tick
    }
}

impl Reactor<'_> {
    /// Calls `call` on the grid of `period`, but not while an earlier [`Round`] is under way.
    ///
    /// Ticks that come meanwhile are skipped, as are those that pass while the loop is busy, and
    /// [`Tick::missed`] of the next round counts them all. Otherwise it is
    /// [`call_every`](Self::call_every), and is cancelled and moved in the same way; a round that
    /// is under way is not affected by that.
    ///
    /// After Twisted's `LoopingCall`, whose function may return a deferred result.
    pub fn repeat(
        &mut self,
        period: impl Into<Period>,
        mut call: impl FnMut(&mut Reactor<'_>, Round) + 'static,
    ) -> TimerId {
        let mark = Rc::new(());
        let mut skipped = 0;
        self.call_every(period, move |reactor, mut tick: Tick| {
            tick.missed = tick.missed.saturating_add(skipped);
            if Rc::strong_count(&mark) > 1 {
                skipped = tick.missed.saturating_add(1);
                return;
            }
            skipped = 0;
            call(reactor, Round { tick, _mark: Rc::clone(&mark) });
        })
    }
}
