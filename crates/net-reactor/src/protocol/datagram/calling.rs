//! From events to the handlers of datagrams.

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{Datagram, DatagramSocket};
use crate::base::{DatagramId, Key};
use crate::driver::{Engine, Lease};
use crate::net::{Callback, CloseReason, DatagramError, Pressure};
use crate::protocol::dispatcher::Dispatcher;
use crate::protocol::task::panic_message;
use crate::protocol::{Flow, Message, Tag};

impl<E: Engine> Dispatcher<E> {
    /// A datagram arrived.
    pub(in crate::protocol) fn on_datagram(&mut self, key: Key, from: SocketAddr, lease: E::Lease) {
        if self.core.net.on_datagram(key, from, lease.bytes().len()) {
            self.call_datagram(key, |handler, socket| {
                handler.on_datagram(socket, from, lease.bytes())
            });
        }
        self.engine.recycle(lease);
        self.follow_up();
    }

    pub(in crate::protocol) fn on_datagrams_opened(&mut self, key: Key) {
        if let Some(socket) = self.core.net.datagrams(key) {
            tracing::debug!(id = %self.core.datagram_id(key), local = %socket.local, "opened");
        }
        self.call_datagram(key, |handler, socket| handler.on_open(socket));
    }

    pub(in crate::protocol) fn on_datagram_pressure(&mut self, key: Key, pressure: Pressure) {
        self.call_datagram(key, |handler, socket| handler.on_pressure(socket, pressure));
    }

    pub(in crate::protocol) fn on_datagram_error(&mut self, key: Key, error: DatagramError) {
        self.call_datagram(key, |handler, socket| handler.on_error(socket, error));
    }

    /// A timer of a socket is due.
    pub(in crate::protocol) fn on_datagram_tag(&mut self, key: Key, tag: u32) {
        if self.core.net.take_due_datagram_tag(key, tag) {
            self.call_datagram(key, |handler, socket| handler.on_timer(socket, Tag(tag)));
        }
    }

    /// Delivers a message, or drops it with the code of whoever made it.
    pub(in crate::protocol) fn deliver_datagram_message(
        &mut self,
        id: DatagramId,
        message: Message,
    ) {
        match self.core.datagram_key(id) {
            Some(key) => {
                self.call_datagram(key, |handler, socket| handler.on_message(socket, message));
            }
            None => {
                self.run(|_| drop(message));
            }
        }
    }

    /// Asks the handlers of all sockets to finish.
    pub(in crate::protocol) fn tell_datagrams_of_stop(&mut self) {
        for key in self.core.net.datagrams_keys() {
            self.call_datagram(key, |handler, socket| handler.on_stop(socket));
            self.follow_up();
        }
    }

    /// Closes every socket that is left.
    pub(in crate::protocol) fn end_datagrams(&mut self) {
        for key in self.core.net.datagrams_keys() {
            self.core.net.abort_datagrams(key, CloseReason::LoopStopped, &mut self.engine);
        }
    }

    /// Calls a handler; an error or a panic ends its socket.
    fn call_datagram(
        &mut self,
        key: Key,
        call: impl FnOnce(&mut dyn Datagram, &mut DatagramSocket<'_>) -> Flow,
    ) {
        if !self.core.net.hears_datagrams(key) {
            return;
        }
        let Some(mut handler) = self.core.datagram_handlers.take(key) else { return };
        let sabotaged = self.core.net.watched.entered(None, Callback::Datagram);
        let mut socket = DatagramSocket::new(key, &mut self.core, &mut self.engine);
        let result = catch_unwind(AssertUnwindSafe(|| {
            assert!(!sabotaged, "a panic of the simulation's making");
            call(&mut *handler, &mut socket)
        }));
        self.core.datagram_handlers.put(key, handler);
        let panic = result.as_ref().err().map(|panic| panic_message(&**panic));
        self.core.net.watched.left(panic.as_deref());
        match (result, panic) {
            (Ok(Ok(())), _) => {}
            (Ok(Err(failure)), _) => {
                let reason = failure.into_reason();
                self.core.net.close_datagrams(key, reason, &mut self.engine);
            }
            (Err(_), message) => {
                let message = message.unwrap_or_default();
                let reason = CloseReason::HandlerPanicked { message };
                self.core.net.abort_datagrams(key, reason, &mut self.engine);
            }
        }
    }

    pub(in crate::protocol) fn on_datagrams_closed(&mut self, key: Key, reason: CloseReason) {
        let id = self.core.datagram_id(key);
        match &reason {
            CloseReason::HandlerPanicked { .. } => tracing::error!(%id, %reason, "closed"),
            CloseReason::HandlerFailed { source } => {
                tracing::warn!(%id, %reason, error = %source, "closed");
            }
            reason => tracing::debug!(%id, %reason, "closed"),
        }
        if let Some(mut handler) = self.core.datagram_handlers.take(key) {
            self.run(|reactor| {
                let mut socket = DatagramSocket::new(key, reactor.core, reactor.ops);
                handler.on_close(&mut socket, reason);
            });
            // Dropping it runs the user's code, which may panic.
            self.run(|_| drop(handler));
        }
        self.core.net.release_datagrams(key);
    }
}
