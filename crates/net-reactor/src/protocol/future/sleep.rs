//! Waiting for a time.

use std::cell::Cell;
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::wishes::Wishes;
use crate::base::TimerId;

/// A future that waits; see [`AsyncLoop::sleep`](crate::AsyncLoop::sleep).
#[must_use = "a future that is not awaited does nothing"]
pub struct Sleep {
    wishes: Wishes,
    delay: Duration,
    /// Shared with the timer, once there is one.
    timer: Option<Rc<Timer>>,
}

#[derive(Default)]
struct Timer {
    id: Cell<Option<TimerId>>,
    is_due: Cell<bool>,
    sleeper: Cell<Option<Waker>>,
}

impl Sleep {
    pub(super) fn new(wishes: Wishes, delay: Duration) -> Self {
        Self { wishes, delay, timer: None }
    }

    fn arm(&self) -> Rc<Timer> {
        let timer = Rc::<Timer>::default();
        let (armed, delay) = (Rc::clone(&timer), self.delay);
        self.wishes.push(move |reactor| {
            let due = Rc::clone(&armed);
            let id = reactor.call_later(delay, move |_reactor| {
                due.is_due.set(true);
                if let Some(sleeper) = due.sleeper.take() {
                    sleeper.wake();
                }
            });
            armed.id.set(Some(id));
        });
        timer
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let timer = match &self.timer {
            Some(timer) => Rc::clone(timer),
            None => self.arm(),
        };
        let is_due = timer.is_due.get();
        timer.sleeper.set((!is_due).then(|| context.waker().clone()));
        self.timer = Some(timer);
        if is_due { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        let Some(timer) = self.timer.take().filter(|timer| !timer.is_due.get()) else { return };
        self.wishes.push(move |reactor| {
            if let Some(id) = timer.id.get() {
                reactor.cancel(id);
            }
        });
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep").field("delay", &self.delay).finish_non_exhaustive()
    }
}
