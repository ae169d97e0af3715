//! The connections of a typed server or client, seen from any thread.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::base::ConnId;
use crate::codec::Kind;
use crate::protocol::{ConnHandle, PostRefused};

/// What a handle asks of a connection: each has a codec of its own, on its own loop.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) kind: Kind,
    pub(super) data: Bytes,
}

/// The open connections of a [`TypedServer`](crate::simple_reactor::TypedServer) or a
/// [`TypedClient`](crate::simple_reactor::TypedClient), on all of its loops, seen from any thread.
///
/// Messages go to the connection's own loop and are framed there: messages from one thread keep their
/// order, and those of several threads never mix. What happened to a connection meanwhile may not be
/// known here yet; a message to one that has just ended is dropped.
///
/// A connection is listed when it is open, before its handler is told, until its end is told or
/// [`disconnect`](Self::disconnect) is called. The list is locked for that and for the calls here; no
/// message that a peer sends touches it.
#[derive(Clone, Default)]
pub struct TypedHandle {
    open: Arc<Mutex<BTreeMap<ConnId, ConnHandle>>>,
}

impl TypedHandle {
    /// Makes an empty list, for [`TypedServer::listed_in`](super::TypedServer::listed_in).
    ///
    /// ```
    /// use net_reactor::{codec::{SimpleReactor, TypedFrame}, prelude::*};
    /// use net_reactor::simple_reactor::{TypedHandle, TypedServer};
    ///
    /// /// A chat: what one says, all hear.
    /// struct Room(TypedHandle);
    ///
    /// impl FrameHandler<SimpleReactor> for Room {
    ///     fn on_frame(
    ///         &mut self,
    ///         _conn: &mut FrameConn<'_, SimpleReactor>,
    ///         frame: TypedFrame<'_>,
    ///     ) -> Flow {
    ///         self.0.broadcast(frame.data().to_vec());
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let everybody = TypedHandle::new();
    /// let room = everybody.clone();
    /// let server = TypedServer::new(SimpleReactor::plain, move |_peer: &Peer| Room(room.clone()));
    /// let server = server.listed_in(&everybody).server();
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sends the application's data to a connection.
    ///
    /// What its framing refuses - no data, or more than the [`max`](crate::codec::SimpleReactor::max)
    /// - is dropped on its loop, with a line in the log.
    ///
    /// # Errors
    ///
    /// [`NotSent`] gives the data back.
    pub fn send(&self, id: ConnId, data: impl Into<Bytes>) -> Result<(), NotSent> {
        self.send_typed(id, Kind::Application, data)
    }

    /// Sends data of another kind to a connection.
    ///
    /// # Errors
    ///
    /// [`NotSent`] gives the data back.
    pub fn send_typed(
        &self,
        id: ConnId,
        kind: Kind,
        data: impl Into<Bytes>,
    ) -> Result<(), NotSent> {
        let data = data.into();
        // Sent outside of the lock, since it may wake a loop.
        let conn = self.lock().get(&id).cloned();
        match conn {
            Some(conn) => post(&conn, kind, data),
            None => Err(NotSent { data, reason: NotSentReason::NotConnected }),
        }
    }

    /// Sends the application's data to every connection; returns to how many.
    ///
    /// The data is held once, but each connection packs it for itself, as its peer needs it. It is a
    /// post for each connection; those that a full inbox refuses are not counted.
    pub fn broadcast(&self, data: impl Into<Bytes>) -> usize {
        let data = data.into();
        let conns: Vec<ConnHandle> = self.lock().values().cloned().collect();
        let sent = |conn: &&ConnHandle| post(conn, Kind::Application, data.clone()).is_ok();
        conns.iter().filter(sent).count()
    }

    /// Closes a connection gracefully, after what was sent before; returns whether it was open. From
    /// now on it counts as not connected.
    pub fn disconnect(&self, id: ConnId) -> bool {
        let conn = self.lock().remove(&id);
        conn.is_some_and(|conn| conn.close().is_ok())
    }

    /// Whether a connection is open, as far as is known here.
    #[must_use]
    pub fn is_connected(&self, id: ConnId) -> bool {
        self.lock().contains_key(&id)
    }

    /// Returns the open connections, in the order of their ids.
    #[must_use]
    pub fn connections(&self) -> Vec<ConnId> {
        self.lock().keys().copied().collect()
    }

    pub(super) fn enter(&self, conn: ConnHandle) {
        self.lock().insert(conn.id(), conn);
    }

    pub(super) fn leave(&self, id: ConnId) {
        self.lock().remove(&id);
    }

    /// A panic cannot leave the list half changed.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<ConnId, ConnHandle>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for TypedHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TypedHandle").field("connections", &self.lock().len()).finish()
    }
}

fn post(conn: &ConnHandle, kind: Kind, data: Bytes) -> Result<(), NotSent> {
    let bytes = data.len();
    conn.message_of(Box::new(Outgoing { kind, data }), bytes).map_err(|refused| {
        let Ok(Outgoing { data, .. }) = refused.value.downcast().map(|outgoing| *outgoing) else {
            unreachable!("invariant: a refused message is the posted one");
        };
        NotSent { data, reason: refused.reason.into() }
    })
}

/// A message was not sent; its data is given back.
#[expect(clippy::exhaustive_structs, reason = "made to be taken apart")]
pub struct NotSent {
    /// What was to be sent.
    pub data: Bytes,
    /// Why it was not.
    pub reason: NotSentReason,
}

/// Why a message was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotSentReason {
    /// No such connection is open.
    NotConnected,
    /// The inbox of the connection's loop is at its limit
    /// ([`LoopConfig`](crate::LoopConfig)): try again later.
    Full,
}

impl From<PostRefused> for NotSentReason {
    fn from(refused: PostRefused) -> Self {
        match refused {
            PostRefused::Full => Self::Full,
            PostRefused::LoopGone => Self::NotConnected,
        }
    }
}

impl fmt::Debug for NotSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NotSent").field("reason", &self.reason).finish_non_exhaustive()
    }
}

impl fmt::Display for NotSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.reason {
            NotSentReason::NotConnected => "the connection is not open",
            NotSentReason::Full => "the loop's inbox is full",
        })
    }
}

impl Error for NotSent {}
