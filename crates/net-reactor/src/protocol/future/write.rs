//! Waiting until the kernel took what was written.

use std::cell::Cell;
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::protocol::WriteRefused;

/// A future of what became of a write; see [`AsyncStream::write`](crate::AsyncStream::write).
///
/// The bytes are on their way without it. Dropping it takes nothing back.
pub struct Write {
    outcome: Rc<Outcome>,
}

/// Shared with the stream, which tells it.
#[derive(Default)]
pub(super) struct Outcome {
    result: Cell<Option<Result<(), WriteRefused>>>,
    writer: Cell<Option<Waker>>,
}

impl Outcome {
    pub(super) fn tell(&self, result: Result<(), WriteRefused>) {
        self.result.set(Some(result));
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
    }
}

impl Write {
    pub(super) fn new() -> (Self, Rc<Outcome>) {
        let outcome = Rc::<Outcome>::default();
        (Self { outcome: Rc::clone(&outcome) }, outcome)
    }
}

impl Future for Write {
    type Output = Result<(), WriteRefused>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.outcome.result.get() {
            Some(result) => Poll::Ready(result),
            None => {
                self.outcome.writer.set(Some(context.waker().clone()));
                Poll::Pending
            }
        }
    }
}

impl fmt::Debug for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Write").field("result", &self.outcome.result.get()).finish_non_exhaustive()
    }
}
