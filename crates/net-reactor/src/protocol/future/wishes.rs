//! What futures want done on their loop.

use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;

use crate::base::Lendable;
use crate::protocol::Reactor;

/// An operation of this library, for a loop that is not at hand.
type Wish = Box<dyn FnOnce(&mut Reactor<'_>)>;

/// The operations that futures have asked for and that the loop has not carried out yet: after the
/// poll in which they came up, in order.
///
/// Futures and streams share it with their loop; when that is gone, what they ask for is dropped.
#[derive(Clone)]
pub(super) struct Wishes {
    queue: Rc<Lendable<Option<VecDeque<Wish>>>>,
}

impl Default for Wishes {
    fn default() -> Self {
        Self { queue: Rc::new(Lendable::new(Some(VecDeque::new()))) }
    }
}

impl Wishes {
    pub(super) fn push(&self, wish: impl FnOnce(&mut Reactor<'_>) + 'static) {
        let mut wish: Option<Wish> = Some(Box::new(wish));
        self.queue.lend(|queue| {
            if let Some(queue) = queue {
                queue.extend(wish.take());
            }
        });
        // Without a loop it is dropped here, since that may note wishes again.
        drop(wish);
    }

    pub(super) fn pop(&self) -> Option<Wish> {
        self.queue.lend(|queue| queue.as_mut()?.pop_front()).flatten()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.lend(|queue| queue.as_ref().is_none_or(VecDeque::is_empty)).unwrap_or(true)
    }

    /// The loop is gone. What was asked for is dropped, and breaks the circle of those who wish and
    /// are named in wishes.
    pub(super) fn close(&self) {
        let left = self.queue.lend(Option::take);
        drop(left);
    }
}

impl fmt::Debug for Wishes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wishes")
    }
}
