//! The loop, as its futures hold it.

use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use super::wishes::Wishes;
use super::{Connecting, Sleep};
use crate::net::{ConnectOptions, Target, TargetError};

/// A loop, as the futures on it hold it: what [`Reactor`](crate::Reactor) is to callbacks.
///
/// Made by [`Reactor::async_loop`](crate::Reactor::async_loop) or
/// [`AsyncStream::async_loop`](crate::AsyncStream::async_loop). It stays on its loop's thread. What is
/// asked of a loop that is gone never happens.
#[derive(Debug, Clone)]
pub struct AsyncLoop {
    wishes: Wishes,
}

/// The time of [`AsyncLoop::timeout`] is over, and the future was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Elapsed {
    /// How long it was.
    pub after: Duration,
}

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not finished within {:?}", self.after)
    }
}

impl Error for Elapsed {}

impl AsyncLoop {
    pub(super) fn new(wishes: Wishes) -> Self {
        Self { wishes }
    }

    pub(super) fn into_wishes(self) -> Wishes {
        self.wishes
    }

    /// Runs a future on the loop, beside the current one; see [`Reactor::spawn`](crate::Reactor::spawn).
    pub fn spawn(&self, future: impl Future<Output = ()> + 'static) {
        self.wishes.push(move |reactor| {
            reactor.spawn(future);
        });
    }

    /// Waits for `delay`, counted from the turn of its first poll; never less. Dropped, it leaves no
    /// timer.
    pub fn sleep(&self, delay: Duration) -> Sleep {
        Sleep::new(self.wishes.clone(), delay)
    }

    /// Waits for a future, but no longer than `limit`; then the future is dropped.
    ///
    /// Reads can be taken back so: a dropped one loses no bytes.
    ///
    /// # Errors
    ///
    /// [`Elapsed`] when the time is over first. A future that is ready at the same time wins.
    pub async fn timeout<F: Future>(
        &self,
        limit: Duration,
        future: F,
    ) -> Result<F::Output, Elapsed> {
        let (mut future, mut sleep) = (pin!(future), self.sleep(limit));
        poll_fn(|context| match future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Ok(output)),
            Poll::Pending => {
                let elapsed = Pin::new(&mut sleep).poll(context);
                elapsed.map(|()| Err(Elapsed { after: limit }))
            }
        })
        .await
    }

    /// Connects to `target`: resolves to the open stream or to why there is none, exactly as
    /// [`Reactor::connect`](crate::Reactor::connect) tells. Dropped before, it cancels the attempt.
    ///
    /// # Errors
    ///
    /// [`TargetError`] when the text is no target.
    pub fn connect<T>(&self, target: T) -> Result<Connecting, TargetError>
    where
        T: TryInto<Target>,
        TargetError: From<T::Error>,
    {
        self.connect_with(target, ConnectOptions::default())
    }

    /// Like [`connect`](Self::connect), with options.
    ///
    /// # Errors
    ///
    /// [`TargetError`] when the text is no target.
    pub fn connect_with<T>(
        &self,
        target: T,
        options: ConnectOptions,
    ) -> Result<Connecting, TargetError>
    where
        T: TryInto<Target>,
        TargetError: From<T::Error>,
    {
        Ok(Connecting::new(self.wishes.clone(), target.try_into()?, options))
    }
}
