//! Bytes that come at the pace of whoever makes them.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;

use bytes::Bytes;

use super::transfer::Next;
use crate::base::ConnId;
use crate::net::{Closed, Pressure};
use crate::protocol::Reactor;

type OnPressure = Box<dyn FnMut(&mut Reactor<'_>, Pressure)>;

/// Pushes bytes into a [`Transfer`](super::Transfer) from outside of its connection's handler.
///
/// It stays on its loop, and is shared by cloning it. A transfer lasts until
/// [`end`](Self::end): a connection that closes waits for that, for its
/// [`linger`](crate::ConnConfig::linger) (30 s) since the last write.
#[derive(Clone)]
pub struct Pusher {
    shared: Rc<State>,
}

/// What a pusher and its transfer share.
#[derive(Default)]
struct State {
    /// The connection, while bytes may be pushed into it.
    conn: Cell<Option<ConnId>>,
    ended: Cell<bool>,
    bytes: Cell<u64>,
}

impl Pusher {
    /// Queues `bytes`, also while the connection waits for the end of the transfer to close.
    ///
    /// # Errors
    ///
    /// [`Closed`] when the transfer has not been started or is over, or the bytes went over the
    /// connection's hard limit ([`output_max`](crate::ConnConfig::output_max), 16 MiB).
    pub fn write(&self, reactor: &mut Reactor<'_>, bytes: impl Into<Bytes>) -> Result<(), Closed> {
        let id = self.shared.conn.get().ok_or(Closed)?;
        let bytes = bytes.into();
        let len = bytes.len() as u64;
        reactor.conn(id).ok_or(Closed)?.feed(bytes)?;
        self.shared.bytes.set(self.shared.bytes.get() + len);
        Ok(())
    }

    /// Ends the transfer, behind everything that was pushed. Nothing can be pushed any more.
    pub fn end(&self, reactor: &mut Reactor<'_>) {
        if let Some(id) = self.shared.conn.take() {
            self.shared.ended.set(true);
            reactor.resume_producer(id);
        }
    }

    /// Lets bytes be pushed from here on.
    pub(super) fn open(&self, id: ConnId) {
        self.shared.conn.set(Some(id));
    }
}

impl fmt::Debug for Pusher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pusher").field("conn", &self.shared.conn.get()).finish_non_exhaustive()
    }
}

/// The transfer's side of it.
pub(super) struct Pushed {
    shared: Rc<State>,
    on_pressure: OnPressure,
}

impl Pushed {
    pub(super) fn new(on_pressure: OnPressure) -> (Self, Pusher) {
        let shared = Rc::<State>::default();
        (Self { shared: Rc::clone(&shared), on_pressure }, Pusher { shared })
    }

    pub(super) fn pusher(&self) -> Pusher {
        Pusher { shared: Rc::clone(&self.shared) }
    }

    pub(super) fn next(&self) -> Next {
        if self.shared.ended.get() { Next::End } else { Next::Later }
    }

    pub(super) fn press(&mut self, reactor: &mut Reactor<'_>, pressure: Pressure) {
        (self.on_pressure)(reactor, pressure);
    }

    /// Lets nothing more be pushed; returns how many bytes were.
    pub(super) fn close(&self) -> u64 {
        self.shared.conn.set(None);
        self.shared.bytes.get()
    }
}
