//! The handlers of a loop's connections, and where they come from.

use std::fmt;
use std::net::SocketAddr;

use super::{Protocol, ServerHandle};
use crate::base::{Key, ListenerId};

/// A peer that was just accepted, as a factory sees it.
#[derive(Debug, Clone)]
pub struct Peer {
    pub(crate) address: SocketAddr,
    pub(crate) listener: ListenerId,
    pub(crate) server: ServerHandle,
}

impl Peer {
    /// Returns the peer's address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
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

/// Values by slot, following a table of the layer below; each can be taken out and put back.
pub(crate) struct SideTable<T> {
    entries: Vec<Option<(u32, T)>>,
}

impl<T> SideTable<T> {
    pub(crate) const fn new() -> Self {
        Self { entries: Vec::new() }
    }

    pub(crate) fn put(&mut self, key: Key, value: T) {
        let index = key.index as usize;
        if index >= self.entries.len() {
            self.entries.resize_with(index + 1, || None);
        }
        self.entries[index] = Some((key.generation, value));
    }

    pub(crate) fn get(&self, key: Key) -> Option<&T> {
        match self.entries.get(key.index as usize) {
            Some(Some((generation, value))) if *generation == key.generation => Some(value),
            _ => None,
        }
    }

    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        match self.entries.get_mut(key.index as usize) {
            Some(Some((generation, value))) if *generation == key.generation => Some(value),
            _ => None,
        }
    }

    pub(crate) fn take(&mut self, key: Key) -> Option<T> {
        let entry = self.entries.get_mut(key.index as usize)?;
        if matches!(entry, Some((generation, _)) if *generation == key.generation) {
            entry.take().map(|(_, value)| value)
        } else {
            None
        }
    }
}

impl<T> fmt::Debug for SideTable<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let used = self.entries.iter().filter(|entry| entry.is_some()).count();
        f.debug_struct("SideTable").field("used", &used).finish()
    }
}
