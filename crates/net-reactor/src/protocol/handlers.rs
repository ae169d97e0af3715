//! The handlers of a loop's connections, and where they come from.

use super::{Protocol, ServerHandle};
use crate::base::{Address, ListenerId};

/// A peer that was just accepted, as a factory sees it.
#[derive(Debug, Clone)]
pub struct Peer {
    pub(crate) address: Address,
    pub(crate) listener: ListenerId,
    pub(crate) server: ServerHandle,
}

impl Peer {
    /// Returns the peer's address. Most peers on Unix sockets have no name.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Returns the listener that accepted it.
    #[must_use]
    pub fn listener(&self) -> ListenerId {
        self.listener
    }

    /// Returns the loops that serve this address, to broadcast to all of their connections.
    #[must_use]
    pub fn server(&self) -> &ServerHandle {
        &self.server
    }
}

/// What a factory may return: a handler, or `None` to decline the peer.
///
/// A declined peer's connection is closed at once, and no callback is called for it.
pub trait IntoHandler {
    /// Returns the handler, or `None` to decline.
    fn into_handler(self) -> Option<Box<dyn Protocol>>;
}

impl<P: Protocol> IntoHandler for P {
    fn into_handler(self) -> Option<Box<dyn Protocol>> {
        Some(Box::new(self))
    }
}

impl<P: Protocol> IntoHandler for Option<P> {
    fn into_handler(self) -> Option<Box<dyn Protocol>> {
        self.map(|handler| Box::new(handler) as Box<dyn Protocol>)
    }
}

/// Makes the handlers of a listener's connections.
pub(crate) type Factory = Box<dyn FnMut(&Peer) -> Option<Box<dyn Protocol>>>;
