//! What keeps a connection up: attempts, delays, and the next attempt.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::time::Duration;

use super::attempt_limit::Slot;
use super::member::{Member, Owner};
use super::reconnector::{Claim, Phase, Wish};
use super::roster::Roster;
use super::{Progress, Reconnect, Reconnector};
use crate::base::{ConnId, Instant, Lendable, Rng};
use crate::net::{CloseReason, ConnectError, ConnectOptions, Target};
use crate::protocol::{Protocol, Reactor};

/// What is called with each step of a client that connects again.
pub(super) type OnProgress = Box<dyn FnMut(&mut Reactor<'_>, &Reconnector, Progress<'_>)>;

/// How the connections of one client are made.
pub(super) struct Dialing<F> {
    pub(super) factory: Lendable<F>,
    pub(super) policy: Reconnect,
    pub(super) options: ConnectOptions,
    pub(super) on_progress: Option<Lendable<OnProgress>>,
    /// Absent for a client on a loop of somebody else's.
    pub(super) roster: Option<Rc<Roster>>,
}

/// Keeps one connection up.
///
/// It lives in the timer of the next attempt, or in the handler of the attempt or connection: when
/// neither is left, nothing is.
pub(super) struct Dialer<F> {
    dialing: Rc<Dialing<F>>,
    reconnector: Reconnector,
}

impl<F> Clone for Dialer<F> {
    fn clone(&self) -> Self {
        Self { dialing: Rc::clone(&self.dialing), reconnector: self.reconnector.clone() }
    }
}

impl<F, P> Dialer<F>
where
    F: FnMut() -> P + 'static,
    P: Protocol,
{
    /// Begins the first attempt in the next turn.
    pub(super) fn begin(
        dialing: &Rc<Dialing<F>>,
        target: Target,
        reactor: &mut Reactor<'_>,
    ) -> Reconnector {
        let reconnector = Reconnector::new(reactor.handle(), target);
        let dialer = Self { dialing: Rc::clone(dialing), reconnector: reconnector.clone() };
        dialer.wait(reactor.now(), reactor);
        reconnector
    }

    /// Hands itself to the timer of the next attempt.
    fn wait(self, until: Instant, reactor: &mut Reactor<'_>) {
        let reconnector = self.reconnector.clone();
        let claim = Claim(reconnector.clone());
        let timer = reactor.call_at(until, move |reactor| self.attempt(claim.take(), reactor));
        reconnector.plan().phase = Phase::Waiting(timer);
    }

    fn attempt(self, slot: Option<Slot>, reactor: &mut Reactor<'_>) {
        let mut plan = self.reconnector.plan();
        if plan.wish != Wish::Keep || reactor.is_stopping() {
            drop(plan);
            drop(slot);
            return self.end(reactor);
        }
        if std::mem::take(&mut plan.retargeted) {
            plan.failures = 0;
        }
        drop(plan);
        let slot = match &self.dialing.policy.limit {
            None => None,
            Some(limit) => match slot.or_else(|| limit.try_take()) {
                Some(slot) => Some(slot),
                None => return self.park(reactor),
            },
        };
        self.connect(slot, reactor);
    }

    /// Waits for a slot of the limit: behind a timer that is due when there is one.
    fn park(self, reactor: &mut Reactor<'_>) {
        let reconnector = self.reconnector.clone();
        let dialing = Rc::clone(&self.dialing);
        self.wait(Instant::FAR_FUTURE, reactor);
        let waits_already = std::mem::replace(&mut reconnector.plan().parked, true);
        if let Some(limit) = dialing.policy.limit.as_ref().filter(|_| !waits_already) {
            limit.wait(reactor.handle(), move |slot, reactor| reconnector.grant(slot, reactor));
        }
    }

    fn connect(self, slot: Option<Slot>, reactor: &mut Reactor<'_>) {
        let mut plan = self.reconnector.plan();
        plan.attempts += 1;
        let (number, target) = (plan.attempts, plan.target.clone());
        drop(plan);
        let make = AssertUnwindSafe(|| {
            self.tell(reactor, Progress::Attempt { number });
            self.dialing.factory.lend(|factory| factory())
        });
        let inner = match catch_unwind(make) {
            Ok(Some(inner)) => inner,
            Ok(None) => unreachable!("invariant: callbacks do not nest"),
            Err(panic) => {
                self.end(reactor);
                resume_unwind(panic);
            }
        };
        let (reconnector, options) = (self.reconnector.clone(), self.dialing.options.clone());
        let owner = Attempt { dialer: self, slot, report: None };
        let conn = reactor.connect_target(target, options, Box::new(Member { inner, owner }));
        reconnector.plan().phase = Phase::Connecting(conn);
    }

    /// Ends where no attempt and no connection is left to report.
    fn end(self, reactor: &mut Reactor<'_>) {
        self.retire(reactor);
        self.tell(reactor, Progress::Ended);
    }

    /// There is no further attempt.
    fn retire(&self, reactor: &mut Reactor<'_>) {
        self.reconnector.plan().phase = Phase::Ended;
        if let Some(roster) = &self.dialing.roster {
            roster.leave(reactor);
        }
    }

    fn tell(&self, reactor: &mut Reactor<'_>, progress: Progress<'_>) {
        if let Some(on_progress) = &self.dialing.on_progress {
            on_progress.lend(|call| call(reactor, &self.reconnector, progress));
        }
    }

    /// Decides how long to wait after an attempt or a connection that has ended; `None` for ever.
    ///
    /// Whoever closes the connection, or cancels the attempt, on this side is done with it.
    fn delay_after(&self, end: &End<'_>, reactor: &mut Reactor<'_>) -> Option<Duration> {
        let policy = &self.dialing.policy;
        let mut plan = self.reconnector.plan();
        if plan.wish != Wish::Keep || reactor.is_stopping() {
            return None;
        }
        if plan.retargeted {
            return Some(Duration::ZERO);
        }
        if end.is_wanted() {
            return None;
        }
        let was_stable = match plan.phase {
            Phase::Open { since, .. } => reactor.now() - since >= policy.stable_after,
            _ => false,
        };
        plan.failures = if was_stable { 0 } else { plan.failures.saturating_add(1) };
        policy.delay(plan.failures, &mut Rng::new(reactor.random()))
    }
}

/// How an attempt, or the connection that came of it, ended.
enum End<'a> {
    Failed(&'a ConnectError),
    Lost(&'a CloseReason),
}

impl End<'_> {
    /// Whether this side wanted it.
    fn is_wanted(&self) -> bool {
        matches!(self, Self::Failed(ConnectError::Cancelled) | Self::Lost(CloseReason::Closed))
    }
}

/// What is reported when the handler has been told.
enum Report {
    Failed(ConnectError),
    Lost { was_clean: bool },
}

/// One attempt, and the connection that comes of it.
struct Attempt<F> {
    dialer: Dialer<F>,
    /// Kept until the outcome is known.
    slot: Option<Slot>,
    /// Set at the end: what to report, and when the next attempt begins.
    report: Option<(Report, Option<Duration>)>,
}

impl<F, P> Attempt<F>
where
    F: FnMut() -> P + 'static,
    P: Protocol,
{
    /// Sees to the next attempt.
    fn over(&mut self, end: &End<'_>, report: Report, reactor: &mut Reactor<'_>) {
        self.slot = None;
        let next = self.dialer.delay_after(end, reactor);
        self.report = Some((report, next));
        match next {
            Some(delay) => self.dialer.clone().wait(reactor.now() + delay, reactor),
            None => self.dialer.retire(reactor),
        }
    }
}

impl<F, P> Owner for Attempt<F>
where
    F: FnMut() -> P + 'static,
    P: Protocol,
{
    fn opened(&mut self, reactor: &mut Reactor<'_>, conn: ConnId) {
        self.slot = None;
        self.dialer.reconnector.plan().phase = Phase::Open { conn, since: reactor.now() };
        self.dialer.tell(reactor, Progress::Opened { conn });
    }

    fn ended(&mut self, reactor: &mut Reactor<'_>, reason: &CloseReason) {
        let report = Report::Lost { was_clean: reason.is_clean() };
        self.over(&End::Lost(reason), report, reactor);
    }

    fn failed(&mut self, reactor: &mut Reactor<'_>, error: &ConnectError) {
        self.over(&End::Failed(error), Report::Failed(error.clone()), reactor);
        if let (Some((_, None)), Some(roster)) = (&self.report, &self.dialer.dialing.roster) {
            roster.fail(reactor, error);
        }
    }

    fn after(&mut self, reactor: &mut Reactor<'_>) {
        let Some((report, next)) = self.report.take() else { return };
        // The handler may have stopped it meanwhile.
        let retry_in = next.filter(|_| self.dialer.reconnector.is_trying());
        self.dialer.tell(
            reactor,
            match &report {
                Report::Failed(error) => Progress::Failed { error, retry_in },
                Report::Lost { was_clean } => Progress::Lost { was_clean: *was_clean, retry_in },
            },
        );
        if next.is_none() {
            self.dialer.tell(reactor, Progress::Ended);
        }
    }
}
