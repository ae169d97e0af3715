//! The queue through which other threads reach a loop.

#[cfg(all(test, reactor_loom))]
mod loom_tests;
#[cfg(all(test, not(reactor_loom)))]
mod tests;

use std::fmt;
use std::mem;
use std::sync::PoisonError;

use crate::base::{Bug, planted};
use crate::event_loop::sync::{AtomicBool, Mutex, MutexGuard, Ordering};
use crate::event_loop::wake::SleepState;

/// Tasks posted to a loop by any thread, taken by the loop in batches, first in first out.
///
/// Tasks are in one order for all threads: what was posted after another post returned runs
/// after it. The queue is bounded in tasks and in bytes; a full one gives the task back.
///
/// A lock is held for the length of a push on one side and of a swap on the other. The two
/// vectors that are swapped keep their allocations, so memory follows the largest batch ever
/// queued, and nothing is allocated below that mark.
pub(crate) struct Inbox<T> {
    queue: Mutex<Queue<T>>,
    /// False only if the queue is empty; changed under the lock, read by the loop without it.
    occupied: AtomicBool,
    sleep: SleepState,
    limits: InboxLimits,
}

/// How often a loop looks for another post before it sleeps.
const LINGER_SPINS: u32 = 100;

/// How much may wait in an [`Inbox`] until the loop's next turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct InboxLimits {
    /// Tasks. Default: 1,048,576.
    pub(crate) tasks_max: usize,
    /// Bytes that the tasks carry, as told by whoever posts them. Default: 64 MiB.
    pub(crate) bytes_max: usize,
}

/// A task that was not taken, given back.
pub(crate) struct Refused<T> {
    /// The task.
    pub(crate) task: T,
    /// Why it was not taken.
    pub(crate) reason: RefusedReason,
}

/// Why an [`Inbox`] did not take a task.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RefusedReason {
    /// A limit would be exceeded. There is room again after the loop's next turn, unless the task
    /// alone exceeds the limit.
    Full,
    /// The loop takes no more tasks.
    Closed,
}

struct Queue<T> {
    tasks: Vec<T>,
    bytes: usize,
    closed: bool,
}

impl<T> Inbox<T> {
    /// Makes an empty inbox.
    pub(crate) fn new(limits: InboxLimits) -> Self {
        Self {
            queue: Mutex::new(Queue { tasks: Vec::new(), bytes: 0, closed: false }),
            occupied: AtomicBool::new(false),
            sleep: SleepState::new(),
            limits,
        }
    }

    /// Queues a task that carries `bytes`; returns true if the caller must wake the loop's waiter.
    ///
    /// # Errors
    ///
    /// Gives the task back if a limit would be exceeded or the inbox is closed.
    pub(crate) fn post(&self, task: T, bytes: usize) -> Result<bool, Refused<T>> {
        let mut queue = self.lock();
        if queue.closed {
            return Err(Refused { task, reason: RefusedReason::Closed });
        }
        let bytes_left = self.limits.bytes_max.saturating_sub(queue.bytes);
        let full = bytes > bytes_left && !planted(Bug::InboxUnbounded);
        if queue.tasks.len() >= self.limits.tasks_max || full {
            return Err(Refused { task, reason: RefusedReason::Full });
        }
        queue.bytes += bytes;
        Ok(self.push(queue, task))
    }

    /// Queues a task whose number is limited elsewhere; returns true if the caller must wake the
    /// loop's waiter.
    ///
    /// # Errors
    ///
    /// Gives the task back if the inbox is closed.
    pub(crate) fn post_beyond_limits(&self, task: T) -> Result<bool, Refused<T>> {
        let queue = self.lock();
        if queue.closed {
            return Err(Refused { task, reason: RefusedReason::Closed });
        }
        Ok(self.push(queue, task))
    }

    fn push(&self, mut queue: MutexGuard<'_, Queue<T>>, task: T) -> bool {
        queue.tasks.push(task);
        if queue.tasks.len() > 1 {
            // Whoever posted the first task has notified the loop, and the loop has not looked
            // since: looking would have emptied the queue.
            return false;
        }
        self.occupied.store(true, Ordering::Relaxed);
        // Under the lock, or a second post could return before anybody has notified the loop.
        self.sleep.notify()
    }

    /// Appends everything queued to `into`, in order. The loop calls this after
    /// [`SleepState::end_sleep`].
    ///
    /// If `into` is empty this is a swap: its allocation serves the next batch.
    pub(crate) fn drain(&self, into: &mut Vec<T>) {
        // Relaxed will do: the order comes from the sleep state, whose `end_sleep` follows the
        // `notify` of every post that the loop must see now.
        if !self.occupied.load(Ordering::Relaxed) {
            return;
        }
        let mut queue = self.lock();
        self.occupied.store(false, Ordering::Relaxed);
        queue.bytes = 0;
        if planted(Bug::PostsReversed) {
            queue.tasks.reverse();
        }
        if into.is_empty() {
            mem::swap(&mut queue.tasks, into);
        } else {
            into.append(&mut queue.tasks);
        }
    }

    /// Waits a moment for a post without sleeping; returns whether there is one.
    ///
    /// Worth it only for a loop that has just run posts: whoever sent them is likely to send more,
    /// and a sleep would cost that thread a system call to end it. The moment is about 2 us.
    pub(crate) fn linger_for_post(&self) -> bool {
        (0..LINGER_SPINS).any(|_| {
            std::hint::spin_loop();
            self.occupied.load(Ordering::Relaxed)
        })
    }

    /// Refuses all later posts and returns what was queued, in order.
    pub(crate) fn close(&self) -> Vec<T> {
        let mut queue = self.lock();
        queue.closed = true;
        queue.bytes = 0;
        self.occupied.store(false, Ordering::Relaxed);
        mem::take(&mut queue.tasks)
    }

    /// Returns the state through which this inbox and the loop agree on wake-ups.
    pub(crate) fn sleep_state(&self) -> &SleepState {
        &self.sleep
    }

    /// Whether the loop takes no more tasks.
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    fn lock(&self) -> MutexGuard<'_, Queue<T>> {
        // No task's code runs under the lock, so a poisoned queue is as good as any.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> fmt::Debug for Inbox<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox")
            .field("occupied", &self.occupied.load(Ordering::Relaxed))
            .field("sleep", &self.sleep)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl Default for InboxLimits {
    fn default() -> Self {
        Self { tasks_max: 1 << 20, bytes_max: 64 << 20 }
    }
}

impl<T> fmt::Debug for Refused<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refused").field("reason", &self.reason).finish_non_exhaustive()
    }
}
