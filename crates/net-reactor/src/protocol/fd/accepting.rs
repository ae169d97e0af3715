//! Accepting for a dispatcher: bounded batches, and rests when descriptors run out.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use socket2::SockRef;

use super::{AcceptedFd, Fd, FdDispatcher};
use crate::base::{Instant, TimerId};
use crate::driver::ACCEPTS_PER_TURN;
use crate::net::is_peers_fault;
use crate::protocol::{Flow, Reactor};
use crate::sys::Interest;

/// The first rest of a listener that ran out of descriptors: 5 ms, as for those of the loop's own.
const REST_MIN: Duration = Duration::from_millis(5);
/// The longest rest: 1 s.
const REST_MAX: Duration = Duration::from_secs(1);

/// How a listening dispatcher stands.
#[derive(Debug, Default)]
pub(super) struct Accepting {
    /// Until when it rests, and the timer that ends it.
    rest: Option<(Instant, TimerId)>,
    /// How long it rested last; zero while all is well.
    last: Duration,
}

impl Accepting {
    pub(super) fn rests(&self, now: Instant) -> bool {
        self.rest.is_some_and(|(until, _)| now < until)
    }

    /// Accepts its share of a turn.
    pub(super) fn accept_batch<D: FdDispatcher>(
        &mut self,
        fd: &mut Fd<'_>,
        dispatcher: &mut D,
    ) -> Flow {
        if self.rests(fd.reactor().now()) {
            return Ok(());
        }
        self.rest = None;
        for _ in 0..ACCEPTS_PER_TURN {
            // A callback may have closed the listener, or have enough.
            if !fd.is_open() || !dispatcher.readable() {
                break;
            }
            match accept(fd) {
                Ok(Some(peer)) => {
                    self.last = Duration::ZERO;
                    dispatcher.on_accept(fd, peer)?;
                }
                Ok(None) => break,
                Err(error) if is_peers_fault(&error) => {
                    tracing::debug!(%error, "a peer was gone before it was accepted");
                }
                Err(error) if is_ours_for_now(&error) => {
                    self.begin_rest(fd, &error);
                    break;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Lets some time pass before the next try: the pending peer makes the listener ready all the
    /// time, and to ask again at once would spin.
    fn begin_rest(&mut self, fd: &mut Fd<'_>, error: &io::Error) {
        if self.last.is_zero() {
            tracing::warn!(id = %fd.id(), %error, "cannot accept; the listener rests");
        }
        self.last = (self.last * 2).clamp(REST_MIN, REST_MAX);
        let (id, until) = (fd.id(), fd.reactor().now() + self.last);
        // Not a poke, which would be one with a poke of the user's. Whether the dispatcher still wants
        // peers, it is asked before the first one.
        let timer = fd.reactor().call_at(until, move |reactor| {
            reactor.set_interest(id, Interest::READ);
        });
        self.rest = Some((until, timer));
    }

    /// Leaves no timer behind.
    pub(super) fn end(&mut self, reactor: &mut Reactor<'_>) {
        if let Some((_, timer)) = self.rest.take() {
            reactor.cancel(timer);
        }
    }
}

fn accept(fd: &mut Fd<'_>) -> io::Result<Option<AcceptedFd>> {
    let accepted = fd.try_io(Interest::READ, |listener| SockRef::from(&listener).accept())?;
    Ok(accepted.map(|(socket, address)| AcceptedFd {
        descriptor: OwnedFd::from(socket).into(),
        address: address.as_socket(),
    }))
}

/// Errors after which the next try may go well: too few descriptors, too little memory.
fn is_ours_for_now(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::OutOfMemory
        || error.raw_os_error().is_some_and(|errno| SHORTAGES.contains(&errno))
}

/// `EMFILE`, `ENFILE` and `ENOBUFS`: they have no [`io::ErrorKind`].
const SHORTAGES: &[i32] = if cfg!(any(target_os = "linux", target_os = "android")) {
    &[24, 23, 105]
} else {
    &[24, 23, 55]
};
