//! What the connections of one client share.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;

use super::member::Owner;
use crate::base::Lendable;
use crate::net::{CloseReason, ConnectError};
use crate::protocol::Reactor;

/// What is called with each failed attempt.
pub(super) type OnFailed = Box<dyn FnMut(&mut Reactor<'_>, ConnectError)>;

/// The connections that a client keeps: when the last one ends, so does the client's loop.
pub(super) struct Roster {
    /// Those whose end is still to come.
    live: Cell<usize>,
    first_error: Cell<Option<ConnectError>>,
    on_failed: Option<Lendable<OnFailed>>,
}

impl Roster {
    pub(super) fn new(live: usize, on_failed: Option<OnFailed>) -> Rc<Self> {
        Rc::new(Self {
            live: Cell::new(live),
            first_error: Cell::new(None),
            on_failed: on_failed.map(Lendable::new),
        })
    }

    pub(super) fn take_first_error(&self) -> Option<ConnectError> {
        self.first_error.take()
    }

    pub(super) fn leave(&self, reactor: &mut Reactor<'_>) {
        self.live.set(self.live.get() - 1);
        if self.live.get() == 0 {
            reactor.stop();
        }
    }

    pub(super) fn fail(&self, reactor: &mut Reactor<'_>, error: &ConnectError) {
        if let Some(on_failed) = &self.on_failed {
            on_failed.lend(|call| call(reactor, error.clone()));
        } else if !matches!(error, ConnectError::Cancelled) {
            // Cancelling is somebody's wish, not a failure.
            let first = self.first_error.take();
            self.first_error.set(first.or_else(|| Some(error.clone())));
            reactor.stop();
        }
    }
}

impl Owner for Rc<Roster> {
    fn ended(&mut self, reactor: &mut Reactor<'_>, _reason: &CloseReason) {
        self.leave(reactor);
    }

    fn failed(&mut self, reactor: &mut Reactor<'_>, error: &ConnectError) {
        self.leave(reactor);
        self.fail(reactor, error);
    }
}

impl fmt::Debug for Roster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Roster").field("live", &self.live.get()).finish_non_exhaustive()
    }
}
