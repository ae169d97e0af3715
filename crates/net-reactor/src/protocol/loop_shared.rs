//! What a loop shares with its handles: the inbox, the wake-up, the stop request.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::thread::{self, ThreadId};

use super::{PostRefused, Task};
use crate::base::LoopId;
use crate::event_loop::{Inbox, InboxLimits, RefusedReason};
use crate::sys::Wake;

thread_local! {
    /// The loop that runs on this thread.
    static CURRENT: Cell<Option<LoopId>> = const { Cell::new(None) };
}

/// Whether the calling thread is running the loop with this number.
pub(super) fn runs_here(id: LoopId) -> bool {
    CURRENT.get() == Some(id)
}

/// Whether the calling thread is running any loop.
pub(super) fn runs_any_loop() -> bool {
    CURRENT.get().is_some()
}

/// What a loop shares with its handles.
pub(crate) struct LoopShared {
    pub(crate) id: LoopId,
    /// The thread that made the loop, which it cannot leave.
    thread: ThreadId,
    pub(crate) inbox: Inbox<Task>,
    waker: Arc<dyn Wake>,
    stop: AtomicU8,
    /// Connections on this loop, for those who spread them.
    pub(crate) connections: AtomicUsize,
}

/// How a loop was asked to stop; a later, stronger request wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum StopRequest {
    None = 0,
    Graceful = 1,
    Now = 2,
}

impl LoopShared {
    pub(crate) fn new(id: LoopId, waker: Arc<dyn Wake>, limits: InboxLimits) -> Self {
        Self {
            id,
            thread: thread::current().id(),
            inbox: Inbox::new(limits),
            waker,
            stop: AtomicU8::new(StopRequest::None as u8),
            connections: AtomicUsize::new(0),
        }
    }

    /// Whether the calling thread is the one that runs the loop, if anybody does.
    pub(super) fn is_of_this_thread(&self) -> bool {
        thread::current().id() == self.thread
    }

    pub(super) fn post(&self, task: Task, bytes: usize) -> Result<(), (Task, PostRefused)> {
        match self.inbox.post(task, bytes) {
            Ok(wake) => {
                if wake {
                    self.waker.wake();
                }
                Ok(())
            }
            Err(refused) => {
                let reason = match refused.reason {
                    RefusedReason::Full => PostRefused::Full,
                    RefusedReason::Closed => PostRefused::LoopGone,
                };
                Err((refused.task, reason))
            }
        }
    }

    /// Posts what was promised before, however full the inbox is; returns whether there is a loop.
    pub(crate) fn post_beyond_limits(&self, task: Task) -> bool {
        let posted = self.inbox.post_beyond_limits(task);
        if matches!(posted, Ok(true)) {
            self.waker.wake();
        }
        posted.is_ok()
    }

    pub(crate) fn request_stop(&self, request: StopRequest) {
        self.stop.fetch_max(request as u8, Ordering::SeqCst);
        // Told through the inbox's own protocol, so that the request cannot slip in between the
        // last look at the flag and the sleep.
        if self.inbox.sleep_state().notify() {
            self.waker.wake();
        }
    }

    pub(crate) fn stop_request(&self) -> StopRequest {
        match self.stop.load(Ordering::SeqCst) {
            0 => StopRequest::None,
            1 => StopRequest::Graceful,
            _ => StopRequest::Now,
        }
    }

    pub(crate) fn clear_stop_request(&self) {
        self.stop.store(StopRequest::None as u8, Ordering::SeqCst);
    }
}

impl fmt::Debug for LoopShared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoopShared").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Marks this thread as the loop's for as long as it lives.
#[derive(Debug)]
pub(crate) struct InLoop {
    outer: Option<LoopId>,
}

impl InLoop {
    pub(crate) fn enter(id: LoopId) -> Self {
        Self { outer: CURRENT.replace(Some(id)) }
    }
}

impl Drop for InLoop {
    fn drop(&mut self) {
        CURRENT.set(self.outer);
    }
}
