//! Sockets of datagrams, as the loop offers them to callbacks.

use std::net::SocketAddr;

use crate::base::DatagramId;
use crate::net::BindError;
use crate::protocol::Reactor;
use crate::protocol::datagram::{Datagram, DatagramSocket};
use crate::sys::DatagramOptions;

/// Datagrams.
impl Reactor<'_> {
    /// Binds a socket of datagrams (UDP) to an address; port 0 lets the system choose.
    ///
    /// An IPv6 address carries IPv6 alone, on every system. The handler is called first after the
    /// current callback, with [`on_open`](Datagram::on_open).
    ///
    /// # Errors
    ///
    /// [`BindError`] when the address cannot be had, or one of the options is refused; the handler
    /// is dropped without a call.
    pub fn bind_datagram(
        &mut self,
        address: SocketAddr,
        options: &DatagramOptions,
        handler: impl Datagram,
    ) -> Result<DatagramId, BindError> {
        let key = self.core.net.bind_datagrams(address, options, &mut *self.ops)?;
        self.core.datagram_handlers.put(key, Box::new(handler));
        Ok(self.core.datagram_id(key))
    }

    /// Makes a socket of datagrams with one peer: it hears nobody else, and learns when that peer's
    /// host says that nobody listens ([`DatagramError::Refused`](crate::DatagramError::Refused)).
    ///
    /// Nothing is sent by this, so that success says nothing about the peer.
    ///
    /// # Errors
    ///
    /// As for [`bind_datagram`](Self::bind_datagram).
    pub fn connect_datagram(
        &mut self,
        peer: SocketAddr,
        options: &DatagramOptions,
        handler: impl Datagram,
    ) -> Result<DatagramId, BindError> {
        let key = self.core.net.connect_datagrams(peer, options, &mut *self.ops)?;
        self.core.datagram_handlers.put(key, Box::new(handler));
        Ok(self.core.datagram_id(key))
    }

    /// Returns a socket by its id, or `None` when it is closed or closing.
    ///
    /// Its handler learns nothing of what is done with it, apart from the consequences.
    pub fn datagram(&mut self, id: DatagramId) -> Option<DatagramSocket<'_>> {
        let key = self.core.datagram_key(id)?;
        Some(DatagramSocket::new(key, self.core, self.ops))
    }
}
