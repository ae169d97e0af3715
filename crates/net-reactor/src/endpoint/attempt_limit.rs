//! How many clients may be connecting at the same time.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::base::{Bug, planted};
use crate::protocol::{LoopHandle, Reactor, Task};

/// A limit of attempts under way at the same time, shared by any number of clients on any number
/// of loops.
///
/// An attempt beyond it waits for another one's outcome, first come, first served.
///
/// ```
/// use net_reactor::{AttemptLimit, Reconnect};
///
/// let limit = AttemptLimit::new(50);
/// let devices = Reconnect::default().limit(limit.clone());
/// let uplinks = Reconnect::muduo().limit(limit);
/// ```
#[derive(Clone)]
pub struct AttemptLimit {
    slots: Arc<Mutex<Slots>>,
}

struct Slots {
    free: usize,
    waiting: VecDeque<Waiter>,
    /// Somebody is handing slots to waiters, and will see what is free meanwhile.
    serving: bool,
}

/// What an attempt does with the slot that it waited for.
type Go = Box<dyn FnOnce(Slot, &mut Reactor<'_>) + Send>;

/// An attempt that waits for its turn.
struct Waiter {
    owner: LoopHandle,
    /// Called on that loop.
    go: Go,
}

/// The right to have an attempt under way, until it is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    limit: AttemptLimit,
}

impl AttemptLimit {
    /// Makes a limit of so many attempts; at least one.
    #[must_use]
    pub fn new(attempts: usize) -> Self {
        let slots = Slots { free: attempts.max(1), waiting: VecDeque::new(), serving: false };
        Self { slots: Arc::new(Mutex::new(slots)) }
    }

    /// Takes a slot if one is free and nobody waits for it.
    pub(super) fn try_take(&self) -> Option<Slot> {
        let mut slots = self.lock();
        if slots.free == 0 || !slots.waiting.is_empty() {
            return None;
        }
        slots.free -= 1;
        Some(Slot { limit: self.clone() })
    }

    /// Has `go` called on the loop of `owner` with the next slot that is free for it. It is dropped
    /// uncalled when that loop is gone.
    pub(super) fn wait(
        &self,
        owner: LoopHandle,
        go: impl FnOnce(Slot, &mut Reactor<'_>) + Send + 'static,
    ) {
        self.lock().waiting.push_back(Waiter { owner, go: Box::new(go) });
        // A slot may have come free since nobody could be found to wait for it.
        self.serve();
    }

    /// Hands free slots to those who wait.
    ///
    /// A waiter whose loop is gone drops his slot in the middle of this, which frees it again: that
    /// inner call leaves the work to the outer one, or a thousand of them would nest.
    fn serve(&self) {
        let mut slots = self.lock();
        if slots.serving {
            return;
        }
        slots.serving = true;
        while slots.free > 0
            && let Some(Waiter { owner, go }) = slots.waiting.pop_front()
        {
            slots.free -= 1;
            drop(slots);
            let slot = Slot { limit: self.clone() };
            let call = Box::new(move |reactor: &mut Reactor<'_>| go(slot, reactor));
            // Waiters are no more than clients, which bounds these posts.
            let _posted = owner.shared.post_beyond_limits(Task::Run(call));
            slots = self.lock();
        }
        slots.serving = false;
    }

    fn lock(&self) -> MutexGuard<'_, Slots> {
        // Nobody's code runs under the lock, so a poisoned state is as good as any.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if planted(Bug::SlotKept) {
            return;
        }
        self.limit.lock().free += 1;
        self.limit.serve();
    }
}

impl fmt::Debug for AttemptLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slots = self.lock();
        f.debug_struct("AttemptLimit")
            .field("free", &slots.free)
            .field("waiting", &slots.waiting.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::endpoint::{Client, OnData, Reconnect};
    use crate::protocol::EventLoop;

    fn turn(event_loop: &mut EventLoop) {
        event_loop.turn(Some(std::time::Duration::ZERO)).unwrap();
    }

    #[test]
    fn a_slot_that_comes_free_goes_to_whoever_waits_longest() {
        let mut event_loop = EventLoop::new().unwrap();
        let limit = AttemptLimit::new(1);
        let first = limit.try_take().unwrap();
        let order = Arc::new(Mutex::new(Vec::new()));
        for number in 0..3 {
            let order = Arc::clone(&order);
            limit.wait(event_loop.handle(), move |_slot, _| order.lock().unwrap().push(number));
        }
        turn(&mut event_loop);
        assert!(order.lock().unwrap().is_empty());
        drop(first);
        assert!(limit.try_take().is_none(), "nobody overtakes");
        (0..4).for_each(|_| turn(&mut event_loop));
        assert_eq!(*order.lock().unwrap(), [0, 1, 2]);
        assert!(limit.try_take().is_some());
    }

    #[test]
    fn a_waiter_whose_loop_is_gone_passes_his_slot_on() {
        let mut event_loop = EventLoop::new().unwrap();
        let gone = EventLoop::new().unwrap().handle();
        let limit = AttemptLimit::new(1);
        let first = limit.try_take().unwrap();
        for _ in 0..100_000 {
            limit.wait(gone.clone(), |_, _| panic!("on a loop that is gone"));
        }
        let reached = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&reached);
        limit.wait(event_loop.handle(), move |_, _| {
            counted.fetch_add(1, Ordering::Relaxed);
        });
        drop(first);
        turn(&mut event_loop);
        assert_eq!(reached.load(Ordering::Relaxed), 1);
        assert!(limit.try_take().is_some());
    }

    #[test]
    fn a_loop_that_is_dropped_gives_back_the_slot_of_an_attempt_that_did_not_begin() {
        let mut event_loop = EventLoop::new().unwrap();
        let limit = AttemptLimit::new(1);
        let first = limit.try_take().unwrap();
        let policy = Reconnect::default().limit(limit.clone());
        let client = Client::new(|| OnData::new(|_, _| Ok(()))).reconnect(policy);
        let reconnector = client.keep_on(&mut event_loop.reactor(), "192.0.2.1:9").unwrap();
        turn(&mut event_loop);
        assert!(reconnector.plan().parked);
        drop(first);
        turn(&mut event_loop);
        assert!(reconnector.plan().slot.is_some(), "the attempt begins in the next turn");
        drop(event_loop);
        assert!(limit.try_take().is_some());
    }
}
