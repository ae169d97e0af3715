//! Handles: what other threads may hold of a loop.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::loop_shared::{LoopShared, StopRequest, runs_here};
use super::task::RemoteCall;
use super::{Message, Reactor, Task};
use crate::base::ConnId;

/// Why a post was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PostRefused {
    /// The loop's inbox is at its limit ([`LoopConfig`](crate::LoopConfig)): try again later, with
    /// no more bytes at once than the limit.
    Full,
    /// The loop was dropped.
    LoopGone,
}

/// A post was refused; the value is given back.
#[expect(clippy::exhaustive_structs, reason = "made to be taken apart")]
pub struct PostError<T> {
    /// What was to be posted.
    pub value: T,
    /// Why it was refused.
    pub reason: PostRefused,
}

impl<T> fmt::Debug for PostError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostError").field("reason", &self.reason).finish_non_exhaustive()
    }
}

impl<T> fmt::Display for PostError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.reason {
            PostRefused::Full => "the loop's inbox is full",
            PostRefused::LoopGone => "the loop is gone",
        })
    }
}

impl<T> Error for PostError<T> {}

/// A loop, seen from any thread.
///
/// It keeps nothing alive: when the loop is dropped, posts are refused and give their value back.
/// What is posted before `run` waits for it. The order of posts from one thread is kept.
#[derive(Clone)]
pub struct LoopHandle {
    pub(crate) shared: Arc<LoopShared>,
}

impl LoopHandle {
    /// Runs `call` on the loop, in its next turn.
    ///
    /// It is always queued, also on the loop's own thread: a call never runs within another one.
    ///
    /// # Errors
    ///
    /// [`PostError`] gives the call back when the inbox is full or the loop is gone.
    pub fn run_in_loop(
        &self,
        call: impl FnOnce(&mut Reactor<'_>) + Send + 'static,
    ) -> Result<(), PostError<RemoteCall>> {
        self.run_with_bytes(call, 0)
    }

    /// Runs a call that carries so many bytes, which count against the inbox's limit.
    pub(crate) fn run_with_bytes(
        &self,
        call: impl FnOnce(&mut Reactor<'_>) + Send + 'static,
        bytes: usize,
    ) -> Result<(), PostError<RemoteCall>> {
        self.post_call(Box::new(call), bytes)
    }

    fn post_call(&self, call: RemoteCall, bytes: usize) -> Result<(), PostError<RemoteCall>> {
        self.shared.post(Task::Run(call), bytes).map_err(|(task, reason)| match task {
            Task::Run(value) => PostError { value, reason },
            other => unreachable!("invariant: a refused task is the posted one, not {other:?}"),
        })
    }

    /// Sends `bytes` to every connection that the loop has accepted.
    ///
    /// # Errors
    ///
    /// [`PostError`] gives the bytes back when the inbox is full or the loop is gone.
    pub fn broadcast(&self, bytes: impl Into<Bytes>) -> Result<(), PostError<Bytes>> {
        let bytes = bytes.into();
        let len = bytes.len();
        self.shared.post(Task::Broadcast(bytes), len).map_err(|(task, reason)| match task {
            Task::Broadcast(value) => PostError { value, reason },
            other => unreachable!("invariant: a refused task is the posted one, not {other:?}"),
        })
    }

    /// Stops the loop gracefully.
    ///
    /// Listeners close, handlers are told with [`on_stop`](crate::Protocol::on_stop), queued
    /// output is sent; what is not finished by the loop's
    /// [`drain`](crate::LoopConfig::drain) deadline is aborted. Before `run` it makes the next
    /// `run` do that at once. On a loop that is gone it does nothing.
    ///
    /// What the calling thread has posted before still runs, and what it has sent is delivered.
    pub fn stop(&self) {
        self.shared.request_stop(StopRequest::Graceful);
    }

    /// Stops the loop at the end of its turn; open connections are aborted.
    ///
    /// Handlers are not asked with [`on_stop`](crate::Protocol::on_stop), because nobody waits for
    /// what they would still do: [`on_close`](crate::Protocol::on_close) tells them, with
    /// [`CloseReason::LoopStopped`](crate::CloseReason::LoopStopped). After [`stop`](Self::stop) it
    /// ends the patience with those that have not finished.
    pub fn stop_now(&self) {
        self.shared.request_stop(StopRequest::Now);
    }

    /// Whether the calling thread is running this loop.
    #[must_use]
    pub fn is_in_loop(&self) -> bool {
        runs_here(self.shared.id)
    }

    /// Returns how many connections the loop holds, about.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// Whether both are of one loop.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Whether the loop was dropped.
    pub(crate) fn is_gone(&self) -> bool {
        self.shared.inbox.is_closed()
    }

    pub(crate) fn post(&self, task: Task) -> Result<(), (Task, PostRefused)> {
        self.shared.post(task, 0)
    }
}

impl fmt::Debug for LoopHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LoopHandle({})", self.shared.id.0)
    }
}

/// A connection, seen from any thread.
///
/// When the connection has ended, what still arrives for it is dropped: the handle cannot know,
/// because the end may be on its way. In particular, a peer that half-closes after its request ends
/// the connection unless [`on_eof`](crate::Protocol::on_eof) keeps it open for the answer.
#[derive(Clone)]
pub struct ConnHandle {
    pub(crate) id: ConnId,
    pub(crate) owner: LoopHandle,
}

impl ConnHandle {
    /// Returns the connection's id.
    #[must_use]
    pub fn id(&self) -> ConnId {
        self.id
    }

    /// Returns the loop that owns the connection.
    #[must_use]
    pub fn event_loop(&self) -> &LoopHandle {
        &self.owner
    }

    /// Sends `bytes`; sends from one thread keep their order, and none is ever split by another.
    ///
    /// The bytes count against the loop's inbox limit until the loop takes them, and against the
    /// connection's own limits once they are queued there.
    ///
    /// # Errors
    ///
    /// [`PostError`] gives the bytes back when the inbox is full or the loop is gone.
    pub fn send(&self, bytes: impl Into<Bytes>) -> Result<(), PostError<Bytes>> {
        let bytes = bytes.into();
        let (len, conn) = (bytes.len(), self.id);
        self.owner.shared.post(Task::Send { conn, bytes }, len).map_err(|(task, reason)| match task
        {
            Task::Send { bytes: value, .. } => PostError { value, reason },
            other => unreachable!("invariant: a refused task is the posted one, not {other:?}"),
        })
    }

    /// Sends a message to the connection's [`on_message`](crate::Protocol::on_message).
    ///
    /// Messages to a connection that is still being opened wait for that, at most 1024 of them; more
    /// are dropped.
    ///
    /// # Errors
    ///
    /// [`PostError`] gives the message back when the inbox is full or the loop is gone.
    pub fn message<M: Send + 'static>(&self, message: M) -> Result<(), PostError<Message>> {
        self.message_of(Box::new(message), 0)
    }

    /// Sends a message that holds so many bytes, which count against the inbox's limit.
    pub(crate) fn message_of(
        &self,
        message: Message,
        bytes: usize,
    ) -> Result<(), PostError<Message>> {
        let task = Task::Message { conn: self.id, message };
        self.owner.shared.post(task, bytes).map_err(|(task, reason)| match task {
            Task::Message { message: value, .. } => PostError { value, reason },
            other => unreachable!("invariant: a refused task is the posted one, not {other:?}"),
        })
    }

    /// Closes the connection gracefully, after what was sent before.
    ///
    /// # Errors
    ///
    /// [`PostError`] when the inbox is full or the loop is gone.
    pub fn close(&self) -> Result<(), PostError<()>> {
        self.owner.post(Task::Close(self.id)).map_err(|(_, reason)| PostError { value: (), reason })
    }

    /// Resets the connection.
    ///
    /// # Errors
    ///
    /// [`PostError`] when the inbox is full or the loop is gone.
    pub fn abort(&self) -> Result<(), PostError<()>> {
        self.owner.post(Task::Abort(self.id)).map_err(|(_, reason)| PostError { value: (), reason })
    }
}

impl fmt::Debug for ConnHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConnHandle({})", self.id)
    }
}
