//! A socket of datagrams, as its handler holds it during a callback.

use std::net::SocketAddr;
use std::time::Duration;

use super::DatagramHandle;
use crate::base::{DatagramId, Key};
use crate::driver::Ops;
use crate::net::{BindError, CloseReason, DatagramSendError, UdpSocket};
use crate::protocol::core::Core;
use crate::protocol::{Reactor, Tag};
use crate::sys::{Membership, MulticastGroup};

/// A socket of datagrams, lent for one callback.
///
/// A datagram is sent at once, each with one system call; when the kernel has no room, it waits in
/// a bounded queue, in order. No method calls a handler: what follows from a call is told after the
/// current callback.
#[derive(Debug)]
pub struct DatagramSocket<'a> {
    key: Key,
    reactor: Reactor<'a>,
}

impl<'a> DatagramSocket<'a> {
    pub(crate) fn new(key: Key, core: &'a mut Core, ops: &'a mut dyn Ops) -> Self {
        Self { key, reactor: Reactor { core, ops } }
    }

    /// Sends a datagram to an address. It never blocks, and never overtakes an earlier one here.
    ///
    /// # Errors
    ///
    /// [`DatagramSendError`]: [`Full`](DatagramSendError::Full) when neither the kernel nor the
    /// queue has room (256 datagrams and 256 KiB by default), which is for the sender to wait out or
    /// to ignore. No error closes the socket.
    pub fn send_to(
        &mut self,
        to: SocketAddr,
        bytes: impl AsRef<[u8]>,
    ) -> Result<(), DatagramSendError> {
        self.send_any(Some(to), bytes.as_ref())
    }

    /// Sends a datagram to the peer of a connected socket; otherwise as [`send_to`](Self::send_to).
    ///
    /// # Errors
    ///
    /// As for [`send_to`](Self::send_to); [`NoPeer`](DatagramSendError::NoPeer) when the socket is
    /// not connected.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> Result<(), DatagramSendError> {
        self.send_any(None, bytes.as_ref())
    }

    fn send_any(&mut self, to: Option<SocketAddr>, bytes: &[u8]) -> Result<(), DatagramSendError> {
        let Reactor { core, ops } = &mut self.reactor;
        core.net.send_datagram(self.key, to, bytes, &mut **ops)
    }

    /// Closes the socket once what is queued was sent, at the latest after its
    /// [`linger`](crate::DatagramOptions::linger) time.
    ///
    /// From now on [`on_close`](super::Datagram::on_close) is the only callback.
    pub fn close(&mut self) {
        let Reactor { core, ops } = &mut self.reactor;
        core.net.close_datagrams(self.key, CloseReason::Closed, &mut **ops);
    }

    /// Closes the socket at once; what is queued is dropped.
    pub fn abort(&mut self) {
        let Reactor { core, ops } = &mut self.reactor;
        core.net.abort_datagrams(self.key, CloseReason::Aborted, &mut **ops);
    }

    /// Stops receiving until [`resume`](Self::resume). What arrives meanwhile waits in the kernel's
    /// buffer, and is lost when that is full. Errors are told all the same.
    pub fn pause(&mut self) {
        let Reactor { core, ops } = &mut self.reactor;
        core.net.pause_datagrams(self.key, true, &mut **ops);
    }

    /// Receives again after a [`pause`](Self::pause).
    pub fn resume(&mut self) {
        let Reactor { core, ops } = &mut self.reactor;
        core.net.pause_datagrams(self.key, false, &mut **ops);
    }

    /// Whether receiving is paused.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.socket().is_some_and(|socket| socket.is_paused)
    }

    /// Joins a multicast group.
    ///
    /// # Errors
    ///
    /// [`BindError`]: [`InUse`](BindError::InUse) when it was joined before,
    /// [`BadAddress`](BindError::BadAddress) when the interface does not exist.
    pub fn join(&mut self, group: MulticastGroup) -> Result<(), BindError> {
        self.set_membership(group, Membership::Join)
    }

    /// Leaves a multicast group.
    ///
    /// # Errors
    ///
    /// [`BadAddress`](BindError::BadAddress) when it was not joined.
    pub fn leave(&mut self, group: MulticastGroup) -> Result<(), BindError> {
        self.set_membership(group, Membership::Leave)
    }

    fn set_membership(
        &mut self,
        group: MulticastGroup,
        change: Membership,
    ) -> Result<(), BindError> {
        let Reactor { core, ops } = &mut self.reactor;
        core.net.set_membership(self.key, group, change, &mut **ops)
    }

    /// Sets one of this socket's own timers: [`on_timer`](super::Datagram::on_timer) is called with
    /// `tag` after `delay`, counted from the time of this turn.
    ///
    /// Setting a tag again moves its timer. All of them end with the socket.
    pub fn set_timer(&mut self, tag: Tag, delay: Duration) {
        let net = &mut self.reactor.core.net;
        net.set_datagram_timer(self.key, tag.0, net.now + delay);
    }

    /// Cancels one of this socket's timers; returns whether it was set.
    ///
    /// It holds also for a timer that is due in this very turn.
    pub fn cancel_timer(&mut self, tag: Tag) -> bool {
        self.reactor.core.net.cancel_datagram_timer(self.key, tag.0)
    }

    /// Returns the own address. That of a socket which is bound to all addresses says so.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "it exists only while its slot does")]
    pub fn local_address(&self) -> SocketAddr {
        self.socket().expect("invariant: the slot outlives the DatagramSocket").local
    }

    /// Returns the peer's address, if the socket is connected.
    #[must_use]
    pub fn peer_address(&self) -> Option<SocketAddr> {
        self.socket().and_then(|socket| socket.peer)
    }

    /// Returns how many datagrams wait for the kernel, and their bytes.
    #[must_use]
    pub fn queued(&self) -> (usize, usize) {
        self.socket().map_or((0, 0), UdpSocket::queued)
    }

    /// Whether datagrams can still be sent.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.reactor.core.net.hears_datagrams(self.key)
    }

    /// Returns the socket's identity.
    #[must_use]
    pub fn id(&self) -> DatagramId {
        self.reactor.core.datagram_id(self.key)
    }

    /// Returns a handle of this socket for other threads.
    #[must_use]
    pub fn handle(&self) -> DatagramHandle {
        DatagramHandle { id: self.id(), owner: self.reactor.core.handle() }
    }

    /// Returns the loop: other sockets, connections, timers, and more.
    pub fn reactor(&mut self) -> &mut Reactor<'a> {
        &mut self.reactor
    }

    fn socket(&self) -> Option<&UdpSocket> {
        self.reactor.core.net.datagrams(self.key)
    }
}
