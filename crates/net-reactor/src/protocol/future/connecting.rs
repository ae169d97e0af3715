//! Waiting for a connection to be open.

use std::cell::Cell;
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::AsyncStream;
use super::pipe_handler::{Open, PipeHandler};
use super::wishes::Wishes;
use crate::base::ConnId;
use crate::net::{ConnectError, ConnectOptions, Target};

/// A future of an open stream; see [`AsyncLoop::connect`](crate::AsyncLoop::connect).
#[must_use = "a future that is not awaited does nothing"]
pub struct Connecting {
    wishes: Wishes,
    /// What is to be tried, until the first poll.
    plan: Option<(Target, ConnectOptions)>,
    attempt: Rc<Attempt>,
}

/// Shared with the connection's handler, which tells the outcome.
#[derive(Default)]
pub(super) struct Attempt {
    id: Cell<Option<ConnId>>,
    outcome: Cell<Option<Result<AsyncStream, ConnectError>>>,
    is_told: Cell<bool>,
    waiter: Cell<Option<Waker>>,
}

impl Attempt {
    pub(super) fn tell(&self, outcome: Result<AsyncStream, ConnectError>) {
        self.outcome.set(Some(outcome));
        self.is_told.set(true);
        if let Some(waiter) = self.waiter.take() {
            waiter.wake();
        }
    }
}

impl Connecting {
    pub(super) fn new(wishes: Wishes, target: Target, options: ConnectOptions) -> Self {
        Self { wishes, plan: Some((target, options)), attempt: Rc::default() }
    }
}

impl Future for Connecting {
    type Output = Result<AsyncStream, ConnectError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some((target, options)) = self.plan.take() {
            let attempt = Rc::clone(&self.attempt);
            self.wishes.push(move |reactor| {
                let handler = PipeHandler::new(Open::HandOver(Rc::clone(&attempt)));
                let id = reactor.connect_target(target, options, Box::new(handler));
                attempt.id.set(Some(id));
            });
        }
        if let Some(outcome) = self.attempt.outcome.take() {
            return Poll::Ready(outcome);
        }
        self.attempt.waiter.set(Some(context.waker().clone()));
        Poll::Pending
    }
}

impl Drop for Connecting {
    fn drop(&mut self) {
        // A stream that nobody has taken closes by itself.
        if self.plan.is_some() || self.attempt.is_told.get() {
            return;
        }
        let attempt = Rc::clone(&self.attempt);
        self.wishes.push(move |reactor| {
            if let Some(id) = attempt.id.get() {
                reactor.close(id);
            }
        });
    }
}

impl fmt::Debug for Connecting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connecting").field("plan", &self.plan).finish_non_exhaustive()
    }
}
