//! A buffered descriptor, as its handler holds it during a callback.

use super::Fd;
use crate::base::{FdId, OutQueue};
use crate::net::{CloseReason, Closed};
use crate::protocol::Reactor;

/// Output that waits for room.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) queue: OutQueue,
    pub(super) bytes_max: usize,
    /// Why the descriptor is closed once the queue is empty; nothing is queued any more then.
    pub(super) closing: Option<CloseReason>,
}

impl Output {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { queue: OutQueue::default(), bytes_max, closing: None }
    }

    pub(super) fn close_with(&mut self, reason: CloseReason) {
        self.closing.get_or_insert(reason);
    }
}

/// A descriptor with a queue of output, lent for one callback.
///
/// What is pushed in a callback is joined, and written when the callback has returned.
#[derive(Debug)]
pub struct BufferedFd<'b, 'a> {
    fd: &'b mut Fd<'a>,
    output: &'b mut Output,
}

impl<'b, 'a> BufferedFd<'b, 'a> {
    pub(super) fn new(fd: &'b mut Fd<'a>, output: &'b mut Output) -> Self {
        Self { fd, output }
    }

    /// Queues a copy of `bytes`.
    ///
    /// # Errors
    ///
    /// [`Closed`] when closing has begun, or this very push went over the limit (16 MiB by default),
    /// which closes the descriptor with [`CloseReason::SlowConsumer`]. The bytes are not written.
    pub fn push(&mut self, bytes: impl AsRef<[u8]>) -> Result<(), Closed> {
        let bytes = bytes.as_ref();
        if !self.is_open() {
            return Err(Closed);
        }
        let queued_bytes = self.output.queue.len().saturating_add(bytes.len());
        let limit_bytes = self.output.bytes_max;
        if queued_bytes > limit_bytes {
            self.fd.close_as(CloseReason::SlowConsumer { queued_bytes, limit_bytes });
            return Err(Closed);
        }
        self.output.queue.push_copy(bytes);
        Ok(())
    }

    /// Closes the descriptor when everything that was pushed has been written, or after 30 s by
    /// default. Nothing is read any more.
    pub fn close_when_done(&mut self) {
        self.output.close_with(CloseReason::Closed);
    }

    /// Closes the descriptor now; what was pushed and not written is dropped.
    pub fn close(&mut self) {
        self.fd.close();
    }

    /// Whether output can still be pushed.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.fd.is_open() && self.output.closing.is_none()
    }

    /// Returns how many pushed bytes are not written yet.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.output.queue.len()
    }

    /// Returns the identity of the descriptor.
    #[must_use]
    pub fn id(&self) -> FdId {
        self.fd.id()
    }

    /// Returns the descriptor without its queue, to set options, say. What is read or written there
    /// passes by what is buffered, and its interest changes after each callback.
    pub fn unbuffered(&mut self) -> &mut Fd<'a> {
        self.fd
    }

    /// Returns the loop: other descriptors, connections, timers, and more.
    pub fn reactor(&mut self) -> &mut Reactor<'a> {
        self.fd.reactor()
    }
}
