//! The futures of a loop, and what polls them.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};

use super::AsyncLoop;
use super::wishes::Wishes;
use crate::base::{Key, Slab, TaskId};
use crate::driver::Engine;
use crate::protocol::dispatcher::Dispatcher;
use crate::protocol::loop_shared::LoopShared;
use crate::protocol::task::{LocalTask, Task};
use crate::protocol::{LoopHandle, Reactor};

type BoxedFuture = Pin<Box<dyn Future<Output = ()>>>;

/// The futures that were spawned on a loop and are not finished.
///
/// They stay in the loop's own table, on its thread, from the first poll to their drop. What wakes
/// them, from any thread, knows their place alone.
#[derive(Default)]
pub(crate) struct Executor {
    spawned: Slab<Spawned>,
    pub(super) wishes: Wishes,
}

struct Spawned {
    /// Absent while it is polled.
    future: Option<BoxedFuture>,
    /// Absent until its place is known.
    alarm: Option<Arc<Alarm>>,
}

/// What wakes one future.
struct Alarm {
    place: Key,
    owner: Arc<LoopShared>,
    /// Since it was last polled; then there is no need to post again.
    is_woken: AtomicBool,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.is_woken.swap(true, Ordering::SeqCst) {
            // One post for each future at most, so the inbox's limits need not count them. A loop
            // that is gone has dropped the future.
            let _gone = self.owner.post_beyond_limits(Task::Poll(self.place));
        }
    }
}

impl Executor {
    /// Keeps a future, whose first poll is up to the caller.
    fn insert(&mut self, future: BoxedFuture, owner: LoopHandle) -> Key {
        let place = self.spawned.insert(Spawned { future: Some(future), alarm: None });
        if let Some(spawned) = self.spawned.get_mut(place) {
            let is_woken = AtomicBool::new(true);
            spawned.alarm = Some(Arc::new(Alarm { place, owner: owner.shared, is_woken }));
        }
        place
    }

    /// Takes a future out of its place to be polled; what wakes it from here on is another poll's.
    fn take(&mut self, place: Key) -> Option<(BoxedFuture, Waker)> {
        let spawned = self.spawned.get_mut(place)?;
        let alarm = Arc::clone(spawned.alarm.as_ref()?);
        let future = spawned.future.take()?;
        alarm.is_woken.store(false, Ordering::SeqCst);
        Some((future, alarm.into()))
    }

    /// Puts a future back, or returns it when its place is gone.
    fn put_back(&mut self, place: Key, future: BoxedFuture) -> Option<BoxedFuture> {
        match self.spawned.get_mut(place) {
            Some(spawned) => spawned.future.replace(future),
            None => Some(future),
        }
    }

    pub(crate) fn has_wishes(&self) -> bool {
        !self.wishes.is_empty()
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        self.spawned = Slab::default();
        self.wishes.close();
    }
}

impl fmt::Debug for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Executor").field("spawned", &self.spawned.len()).finish_non_exhaustive()
    }
}

impl<E: Engine> Dispatcher<E> {
    /// Polls a future that was woken; one that is finished, or panics, is dropped.
    pub(in crate::protocol) fn poll_future(&mut self, place: Key) {
        let Some((mut future, waker)) = self.core.executor.take(place) else { return };
        let mut is_over = true;
        self.run(|_reactor| {
            is_over = future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
        });
        if is_over {
            self.core.executor.spawned.remove(place);
        }
        if let Some(over) = self.core.executor.put_back(place, future) {
            // Dropping it runs the user's code, which may panic.
            self.run(|_| drop(over));
        }
        self.grant_wishes();
    }

    /// Carries out what futures have asked for.
    pub(in crate::protocol) fn grant_wishes(&mut self) {
        while let Some(wish) = self.core.executor.wishes.pop() {
            self.progress = true;
            wish(&mut self.reactor());
        }
    }
}

/// Futures.
impl Reactor<'_> {
    /// Runs a future on this loop; it is polled first in the task phase of this turn or the next.
    ///
    /// It need not be `Send`: it stays on the loop's thread, and is dropped there at the latest with
    /// the loop. Whatever it awaits may wake it from any thread, which costs one post to the loop's
    /// inbox. A poll is one of the 4,096 tasks that a turn runs at most. A panic is logged and ends
    /// this future alone.
    ///
    /// A stop of the loop does not wait for it, and the next run goes on with it.
    ///
    /// What it awaits must be of this library, or woken by something that needs no runtime of its own,
    /// such as a channel: there is no other reactor here.
    ///
    /// ```
    /// use net_reactor::EventLoop;
    /// use std::time::Duration;
    ///
    /// let mut event_loop = EventLoop::new()?;
    /// let tasks = event_loop.reactor().async_loop();
    /// let handle = event_loop.handle();
    /// event_loop.reactor().spawn(async move {
    ///     tasks.sleep(Duration::from_millis(1)).await;
    ///     handle.stop();
    /// });
    /// event_loop.run()?;
    /// # Ok::<(), net_reactor::LoopError>(())
    /// ```
    pub fn spawn(&mut self, future: impl Future<Output = ()> + 'static) -> TaskId {
        let owner = self.core.handle();
        let place = self.core.executor.insert(Box::pin(future), owner);
        self.core.local.push_back(LocalTask::Poll(place));
        TaskId { loop_id: self.core.loop_id(), key: place }
    }

    /// Drops a future before it is finished, in the task phase of this turn or the next; returns
    /// whether it was there. It is not polled again.
    pub fn cancel_task(&mut self, task: TaskId) -> bool {
        if task.loop_id != self.core.loop_id() {
            return false;
        }
        let Some(spawned) = self.core.executor.spawned.remove(task.key) else { return false };
        self.defer(move |_reactor| drop(spawned.future));
        true
    }

    /// Returns the loop as futures hold it.
    #[must_use]
    pub fn async_loop(&self) -> AsyncLoop {
        AsyncLoop::new(self.core.executor.wishes.clone())
    }
}
