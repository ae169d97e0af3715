//! A connection that is kept up, seen from any thread.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::attempt_limit::Slot;
use crate::base::{ConnId, Instant, TimerId};
use crate::net::{Target, TargetError};
use crate::protocol::{ConnHandle, LoopHandle, Reactor, Task};

/// A connection that a client keeps up, seen from any thread.
///
/// It keeps nothing alive, and dropping it changes nothing. What is asked for is done by the loop,
/// in its next task stage; after the [end](super::Progress::Ended) it does nothing.
#[derive(Clone)]
pub struct Reconnector {
    pub(super) owner: LoopHandle,
    plan: Arc<Mutex<Plan>>,
}

/// What is to be done for one connection, and how far that is.
pub(super) struct Plan {
    pub(super) target: Target,
    pub(super) wish: Wish,
    /// The target has changed, and no attempt with it has begun.
    pub(super) retargeted: bool,
    pub(super) phase: Phase,
    /// Failures in a row.
    pub(super) failures: u32,
    pub(super) attempts: u64,
    /// An attempt waits for a slot of the policy's limit.
    pub(super) parked: bool,
    /// The slot that it was given.
    pub(super) slot: Option<Slot>,
    /// The attempt that was under way when trying was stopped: it ends, whatever has come of it.
    doomed: Option<ConnId>,
    /// The next attempt shall not wait.
    hurry: bool,
    /// The loop has been told to look at this.
    told: bool,
}

/// What the user wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wish {
    /// A connection, always.
    Keep,
    /// No further attempt.
    StopTrying,
    /// No further attempt, and no connection.
    Close,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The timer begins the next attempt.
    Waiting(TimerId),
    Connecting(ConnId),
    Open {
        conn: ConnId,
        since: Instant,
    },
    Ended,
}

impl Reconnector {
    pub(super) fn new(owner: LoopHandle, target: Target) -> Self {
        let plan = Plan {
            target,
            wish: Wish::Keep,
            retargeted: false,
            phase: Phase::Ended,
            failures: 0,
            attempts: 0,
            parked: false,
            slot: None,
            doomed: None,
            hurry: false,
            told: false,
        };
        Self { owner, plan: Arc::new(Mutex::new(plan)) }
    }

    /// Ends the attempts: one that is under way is cancelled, and one that waits does not begin.
    /// An open connection stays, and is not replaced when it ends.
    pub fn stop_trying(&self) {
        self.change(|plan| {
            plan.wish = plan.wish.max(Wish::StopTrying);
            plan.doom_attempt();
        });
    }

    /// Ends the attempts, and closes the connection gracefully if it is open.
    pub fn close(&self) {
        self.change(|plan| {
            plan.wish = Wish::Close;
            plan.doom_attempt();
        });
    }

    /// Connects to another target from now on.
    ///
    /// An open connection is closed gracefully and then replaced at once; an attempt that is under
    /// way or waits is replaced at once.
    ///
    /// # Errors
    ///
    /// [`TargetError`] when the text is no target; nothing changes then.
    pub fn retarget<T>(&self, target: T) -> Result<(), TargetError>
    where
        T: TryInto<Target>,
        TargetError: From<T::Error>,
    {
        let target = target.try_into()?;
        self.change(|plan| {
            plan.target = target;
            plan.retargeted = true;
        });
        Ok(())
    }

    /// Lets an attempt that waits for its delay begin at once, such as when the network has come
    /// back.
    pub fn retry_now(&self) {
        self.change(|plan| plan.hurry = true);
    }

    /// Returns the connection, if it is open.
    #[must_use]
    pub fn connection(&self) -> Option<ConnHandle> {
        match self.plan().phase {
            Phase::Open { conn: id, .. } => Some(ConnHandle { id, owner: self.owner.clone() }),
            _ => None,
        }
    }

    /// Whether there will be another attempt when the connection, or the attempt under way, ends.
    ///
    /// A loop that was dropped makes none.
    #[must_use]
    pub fn is_trying(&self) -> bool {
        let plan = self.plan();
        plan.wish == Wish::Keep && plan.phase != Phase::Ended && !self.owner.is_gone()
    }

    /// Returns the loop that owns the connection.
    #[must_use]
    pub fn event_loop(&self) -> &LoopHandle {
        &self.owner
    }

    pub(super) fn plan(&self) -> MutexGuard<'_, Plan> {
        // Nobody's code runs under the lock, so a poisoned plan is as good as any.
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the plan and has the loop look at it.
    fn change(&self, change: impl FnOnce(&mut Plan)) {
        let mut plan = self.plan();
        if plan.phase == Phase::Ended {
            return;
        }
        change(&mut plan);
        if std::mem::replace(&mut plan.told, true) {
            return;
        }
        drop(plan);
        let own = self.clone();
        // One at a time for each connection, so this needs no limit; a loop that is gone has no
        // attempts to end.
        let look = Box::new(move |reactor: &mut Reactor<'_>| own.look(reactor));
        self.owner.shared.post_beyond_limits(Task::Run(look));
    }

    /// Does what the plan asks for now.
    fn look(&self, reactor: &mut Reactor<'_>) {
        let mut plan = self.plan();
        plan.told = false;
        let hurry = std::mem::take(&mut plan.hurry);
        let doomed = plan.doomed.take();
        let (phase, wish, retargeted) = (plan.phase, plan.wish, plan.retargeted);
        drop(plan);
        if let Some(conn) = doomed {
            reactor.abort(conn);
            return;
        }
        match phase {
            // The timer finds out what has changed.
            Phase::Waiting(timer) if hurry || retargeted || wish != Wish::Keep => {
                reactor.reset(timer, Duration::ZERO);
            }
            Phase::Connecting(conn) if retargeted || wish != Wish::Keep => {
                reactor.abort(conn);
            }
            Phase::Open { conn, .. } if retargeted || wish == Wish::Close => {
                reactor.close(conn);
            }
            _ => {}
        }
    }

    /// Takes a slot of the policy's limit for an attempt that waits for one.
    pub(super) fn grant(&self, slot: Slot, reactor: &mut Reactor<'_>) {
        let mut plan = self.plan();
        if !std::mem::take(&mut plan.parked) {
            // Dropped after the lock, because that may hand it to another.
            drop(plan);
            return drop(slot);
        }
        let Phase::Waiting(timer) = plan.phase else {
            // It gave up waiting.
            drop(plan);
            return drop(slot);
        };
        plan.slot = Some(slot);
        drop(plan);
        reactor.reset(timer, Duration::ZERO);
    }
}

/// The slot that an attempt behind a timer is given before it begins. A loop that is gone drops the
/// timer uncalled; then the slot goes back to the limit, whoever still has a handle.
pub(super) struct Claim(pub(super) Reconnector);

impl Claim {
    /// Takes the slot for the attempt that begins.
    pub(super) fn take(self) -> Option<Slot> {
        self.0.plan().slot.take()
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let slot = self.0.plan().slot.take();
        drop(slot);
    }
}

impl Plan {
    fn doom_attempt(&mut self) {
        if let Phase::Connecting(conn) = self.phase {
            self.doomed = Some(conn);
        }
    }
}

impl fmt::Debug for Reconnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plan = self.plan();
        f.debug_struct("Reconnector")
            .field("target", &plan.target)
            .field("phase", &plan.phase)
            .field("failures", &plan.failures)
            .finish_non_exhaustive()
    }
}
