//! A socket of datagrams, as other threads hold it.

use std::fmt;
use std::net::SocketAddr;

use bytes::Bytes;

use crate::base::{Address, DatagramId};
use crate::protocol::{LoopHandle, Message, PostError, Task};

/// A socket of datagrams, seen from any thread.
///
/// When the socket has ended, what still arrives for it is dropped: the handle cannot know, because
/// the end may be on its way.
///
/// ```
/// use net_reactor::{DatagramHandle, PostError};
/// use std::net::SocketAddr;
///
/// fn announce(socket: &DatagramHandle, all: &[SocketAddr]) -> Result<(), PostError<bytes::Bytes>> {
///     all.iter().try_for_each(|peer| socket.send_to(*peer, "the server stops"))
/// }
/// # let _ = announce;
/// ```
#[derive(Clone)]
pub struct DatagramHandle {
    pub(crate) id: DatagramId,
    pub(crate) owner: LoopHandle,
}

impl DatagramHandle {
    /// Returns the socket's id.
    #[must_use]
    pub fn id(&self) -> DatagramId {
        self.id
    }

    /// Returns the loop that owns the socket.
    #[must_use]
    pub fn event_loop(&self) -> &LoopHandle {
        &self.owner
    }

    /// Sends a datagram to an address; those from one thread keep their order.
    ///
    /// The bytes count against the loop's inbox limit until the loop takes them. Whether the socket
    /// could send is told to its handler's [`on_error`](crate::Datagram::on_error).
    ///
    /// # Errors
    ///
    /// [`PostError`] gives the bytes back when the inbox is full or the loop is gone.
    pub fn send_to(&self, to: SocketAddr, bytes: impl Into<Bytes>) -> Result<(), PostError<Bytes>> {
        self.send_any(Some(to), bytes.into())
    }

    /// Sends a datagram to the peer of a connected socket; otherwise as [`send_to`](Self::send_to).
    ///
    /// # Errors
    ///
    /// As for [`send_to`](Self::send_to).
    pub fn send(&self, bytes: impl Into<Bytes>) -> Result<(), PostError<Bytes>> {
        self.send_any(None, bytes.into())
    }

    fn send_any(&self, to: Option<SocketAddr>, bytes: Bytes) -> Result<(), PostError<Bytes>> {
        let len = bytes.len();
        let to = to.map(|to| Address::Ip(to).into());
        let task = Task::SendDatagram { socket: self.id, to, bytes };
        self.owner.shared.post(task, len).map_err(|(task, reason)| match task {
            Task::SendDatagram { bytes: value, .. } => PostError { value, reason },
            other => unreachable!("invariant: a refused task is the posted one, not {other:?}"),
        })
    }

    /// Sends a message to the handler's [`on_message`](crate::Datagram::on_message).
    ///
    /// # Errors
    ///
    /// [`PostError`] gives the message back when the inbox is full or the loop is gone.
    pub fn message<M: Send + 'static>(&self, message: M) -> Result<(), PostError<Message>> {
        let task = Task::DatagramMessage { socket: self.id, message: Box::new(message) };
        self.owner.post(task).map_err(|(task, reason)| match task {
            Task::DatagramMessage { message: value, .. } => PostError { value, reason },
            other => unreachable!("invariant: a refused task is the posted one, not {other:?}"),
        })
    }

    /// Closes the socket gracefully, after what was sent before.
    ///
    /// # Errors
    ///
    /// [`PostError`] when the inbox is full or the loop is gone.
    pub fn close(&self) -> Result<(), PostError<()>> {
        let posted = self.owner.post(Task::CloseDatagrams(self.id));
        posted.map_err(|(_, reason)| PostError { value: (), reason })
    }
}

impl fmt::Debug for DatagramHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatagramHandle({})", self.id)
    }
}
