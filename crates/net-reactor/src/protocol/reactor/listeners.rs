//! Listeners, as the loop offers them to callbacks.

use std::sync::Arc;

use crate::base::{Address, Key, ListenerId};
use crate::net::{ConnConfig, Door, ListenError};
use crate::protocol::core::{Acceptor, SpreadTo};
use crate::protocol::{Factory, IntoHandler, Peer, Reactor, ServerHandle};
use crate::sys::{ListenOptions, ListeningSocket};

/// Listeners and the loop itself.
impl Reactor<'_> {
    /// Listens on `address`, of IP or of a Unix socket; `factory` makes the handler of each accepted
    /// peer, or declines it.
    ///
    /// A Unix socket's file that nobody listens on any more is replaced, and the file goes when the
    /// listener does.
    ///
    /// # Errors
    ///
    /// [`ListenError`] when the address cannot be listened on.
    pub fn listen<H: IntoHandler>(
        &mut self,
        address: impl Into<Address>,
        options: &ListenOptions,
        config: ConnConfig,
        mut factory: impl FnMut(&Peer) -> H + 'static,
    ) -> Result<ListenerId, ListenError> {
        let factory = Box::new(move |peer: &Peer| factory(peer).into_handler());
        self.listen_boxed(address.into(), options, config, factory)
    }

    pub(crate) fn listen_boxed(
        &mut self,
        address: Address,
        options: &ListenOptions,
        config: ConnConfig,
        factory: Factory,
    ) -> Result<ListenerId, ListenError> {
        let listener = self.listen_socket(address, options, config)?;
        self.set_factory(listener, factory);
        Ok(listener)
    }

    /// Opens a listening socket; its peers are declined until it has a factory.
    pub(crate) fn listen_socket(
        &mut self,
        address: Address,
        options: &ListenOptions,
        config: ConnConfig,
    ) -> Result<ListenerId, ListenError> {
        let key = self.core.net.listen(address, options, config.share(), &mut *self.ops)?;
        Ok(self.core.listener_id(key))
    }

    pub(crate) fn set_factory(&mut self, listener: ListenerId, factory: Factory) {
        self.put_acceptor(listener.key, factory);
    }

    pub(crate) fn adopt_listener(
        &mut self,
        socket: ListeningSocket,
        config: ConnConfig,
    ) -> Result<ListenerId, ListenError> {
        let key = self.core.net.adopt_listener(socket, config.share(), &mut *self.ops)?;
        Ok(self.core.listener_id(key))
    }

    /// Adds a listener without a socket, for peers that another loop accepts.
    pub(crate) fn add_fed_listener(
        &mut self,
        address: Address,
        config: ConnConfig,
        factory: Factory,
    ) -> Key {
        let key = self.core.net.add_fed_listener(address, config.share());
        self.put_acceptor(key, factory);
        key
    }

    fn put_acceptor(&mut self, key: Key, factory: Factory) {
        self.core.acceptors.put(key, Acceptor { factory, spread: Vec::new() });
    }

    /// Limits the peers of a listener; loops that serve together share one door.
    pub(crate) fn set_door(&mut self, listener: ListenerId, door: Option<&Arc<Door>>) {
        if let Some(door) = door {
            self.core.net.set_door(listener.key, Arc::clone(door));
        }
    }

    /// Tells this loop which loops it serves together with.
    pub(crate) fn set_server(&mut self, server: &ServerHandle) {
        self.core.server = Some(server.clone());
    }

    /// Lets another loop take over a share of a listener's peers.
    pub(crate) fn spread_to(&mut self, listener: ListenerId, target: SpreadTo) {
        if let Some(acceptor) = self.core.acceptors.get_mut(listener.key) {
            acceptor.spread.push(target);
        }
    }

    /// Returns the address that a listener is bound to, with the port the kernel chose for port 0;
    /// `None` when it is closed.
    #[must_use]
    pub fn listener_address(&self, listener: ListenerId) -> Option<Address> {
        let key = self.listener_key(listener)?;
        self.core.net.listener_address(key)
    }

    /// Stops listening; connections that were accepted live on. Returns whether it was listening.
    pub fn unlisten(&mut self, listener: ListenerId) -> bool {
        let Some(key) = self.listener_key(listener) else { return false };
        self.core.acceptors.take(key);
        self.core.net.unlisten(key, &mut *self.ops)
    }

    pub(crate) fn listener_key(&self, listener: ListenerId) -> Option<Key> {
        (listener.loop_id == self.core.loop_id()).then_some(listener.key)
    }
}
