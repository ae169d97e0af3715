//! What the connections of a run share.

use std::cell::{Cell, RefCell, RefMut};
use std::error::Error;
use std::rc::Rc;
use std::time::{Duration, Instant};

use net_reactor::{CloseReason, ConnId, ConnectError, Reactor, Target};

use super::payload::Payload;
use super::plan::{Limit, Plan};
use super::player::Begin;
use super::tally::{Ending, Tally};
use crate::clock;
use crate::failure::Failure;

/// A run in which nothing comes back for so long is ended.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// A run, as its connections see it. They all live on one loop, so cells will do.
#[derive(Debug)]
pub(super) struct Run {
    plan: Plan,
    target: Target,
    payload: Payload,
    phase: Cell<Phase>,
    /// Connections that nobody has begun to open.
    seats: Cell<usize>,
    /// Messages that are still to be sent.
    unsent: Cell<u64>,
    /// Connections that are open.
    open: RefCell<Vec<ConnId>>,
    live: Cell<usize>,
    tally: RefCell<Tally>,
    /// Why the connections could not all be opened.
    not_opened: RefCell<Option<ConnectError>>,
}

/// How far a run has come.
///
/// ```text
///   Opening --> Measuring --> Over
///      `----- failed, stopped --^
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Opening,
    Measuring,
    /// Whether there was a measurement before.
    Over {
        measured: bool,
    },
}

impl Run {
    /// Makes a run that has not begun.
    pub(super) fn new(plan: Plan, target: Target) -> Self {
        let unsent = match plan.limit {
            Limit::Time(_) => u64::MAX,
            Limit::Messages(messages) => messages,
        };
        Self {
            payload: Payload::new(plan.size_bytes, plan.framing),
            seats: Cell::new(plan.connections),
            plan,
            target,
            phase: Cell::new(Phase::Opening),
            unsent: Cell::new(unsent),
            open: RefCell::default(),
            live: Cell::new(0),
            tally: RefCell::new(Tally::new(clock::now())),
            not_opened: RefCell::default(),
        }
    }

    pub(super) fn plan(&self) -> &Plan {
        &self.plan
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    pub(super) fn payload(&self) -> &Payload {
        &self.payload
    }

    /// Lends the counters, for one callback.
    pub(super) fn tally(&self) -> RefMut<'_, Tally> {
        self.tally.borrow_mut()
    }

    /// Returns how many connections are open.
    pub(super) fn live(&self) -> usize {
        self.live.get()
    }

    pub(super) fn is_measuring(&self) -> bool {
        self.phase.get() == Phase::Measuring
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self.phase.get(), Phase::Over { .. })
    }

    /// Gives out the number of a connection that is to be opened.
    pub(super) fn take_seat(&self) -> Option<usize> {
        let left = self.seats.get().checked_sub(1)?;
        self.seats.set(left);
        Some(left)
    }

    /// Gives out up to `count` messages to be sent; returns how many.
    pub(super) fn take_messages(&self, count: usize) -> u64 {
        let taken = self.unsent.get().min(count as u64);
        self.unsent.set(self.unsent.get() - taken);
        taken
    }

    /// A connection is open. With the last one the clock starts.
    pub(super) fn opened(self: &Rc<Self>, id: ConnId, reactor: &mut Reactor<'_>) {
        self.live.set(self.live.get() + 1);
        self.open.borrow_mut().push(id);
        if self.phase.get() == Phase::Opening && self.live.get() == self.plan.connections {
            self.begin(reactor);
        }
    }

    fn begin(self: &Rc<Self>, reactor: &mut Reactor<'_>) {
        tracing::info!(connections = self.plan.connections, "all open, measuring");
        self.phase.set(Phase::Measuring);
        self.tally().begin(clock::now());
        for id in self.open.take() {
            // One that is gone has counted as lost.
            let _ = reactor.message(id, Begin);
        }
        if let Limit::Time(time) = self.plan.limit {
            self.end_after(time, reactor);
        }
    }

    /// Ends the run when the clock shows `time`.
    ///
    /// The loop counts from the beginning of its turn, which may be a little before the clock was
    /// started; the rest is waited for then.
    fn end_after(self: &Rc<Self>, time: Duration, reactor: &mut Reactor<'_>) {
        let left = time.saturating_sub(self.tally().elapsed_at(clock::now()));
        if left.is_zero() {
            return self.end(Ending::Complete, reactor);
        }
        let run = Rc::clone(self);
        reactor.call_later(left, move |reactor| run.end_after(time, reactor));
    }

    /// Whether the last of a number of messages is back.
    pub(super) fn is_complete(&self) -> bool {
        let returned = self.tally.borrow().returned();
        matches!(self.plan.limit, Limit::Messages(messages) if returned >= messages)
    }

    /// Ends the run when the last of a number of messages is back.
    pub(super) fn end_if_complete(&self, reactor: &mut Reactor<'_>) {
        if self.is_complete() {
            self.end(Ending::Complete, reactor);
        }
    }

    /// The loop stops. Unless the run is over, somebody else wants it to.
    pub(super) fn interrupt(&self, reactor: &mut Reactor<'_>) {
        if self.phase.get() == Phase::Opening {
            // There is nothing to say goodbye to.
            reactor.stop_now();
        }
        self.stop_clock(Ending::Interrupted);
    }

    /// A connection has ended.
    pub(super) fn lost(&self, reason: &CloseReason, reactor: &mut Reactor<'_>) {
        self.live.set(self.live.get() - 1);
        if self.is_over() {
            return;
        }
        self.tally().note_lost(|| match reason.source() {
            Some(source) => format!("{reason}: {source}"),
            None => reason.to_string(),
        });
        if self.phase.get() == Phase::Opening || self.live.get() == 0 {
            self.end(Ending::Deserted, reactor);
        }
    }

    /// A connection could not be opened.
    pub(super) fn connect_failed(&self, error: ConnectError, reactor: &mut Reactor<'_>) {
        if self.is_over() {
            return;
        }
        self.not_opened.replace(Some(error));
        self.stop_clock(Ending::Deserted);
        reactor.stop_now();
    }

    fn end(&self, ending: Ending, reactor: &mut Reactor<'_>) {
        self.stop_clock(ending);
        reactor.stop();
    }

    fn stop_clock(&self, ending: Ending) {
        if self.is_over() {
            return;
        }
        self.phase.set(Phase::Over { measured: self.is_measuring() });
        self.tally().end(ending, clock::now());
    }

    /// Returns what was counted, if the clock ever ran; the run is empty then.
    pub(super) fn take_tally(&self) -> Option<Tally> {
        let measured = self.phase.get() == Phase::Over { measured: true };
        measured.then(|| self.tally.replace(Tally::new(clock::now())))
    }

    /// Says why the clock never ran.
    pub(super) fn why_nothing_was_measured(&self) -> Failure {
        let tally = self.tally.borrow();
        match &*self.not_opened.borrow() {
            Some(ConnectError::Cancelled) => Failure::run("interrupted while connecting"),
            Some(error) => error.into(),
            None if tally.lost() > 0 => Failure::run(format!(
                "{} ended a connection before all were open: {} - it may serve fewer connections, \
                 or no echo",
                self.target,
                tally.lost_reason()
            )),
            None => Failure::run("interrupted while connecting"),
        }
    }
}

/// Ends the run when nothing comes back for a long time.
pub(super) fn watch_for_stalls(run: &Rc<Run>, reactor: &mut Reactor<'_>) {
    let run = Rc::clone(run);
    reactor.call_every(Duration::from_secs(1), move |reactor, _tick| {
        if run.is_measuring() && run.silence_at(clock::now()) >= SILENCE_MAX {
            run.end(Ending::Stalled(SILENCE_MAX), reactor);
        }
    });
}

impl Run {
    fn silence_at(&self, now: Instant) -> Duration {
        self.tally.borrow().silence_at(now)
    }
}
