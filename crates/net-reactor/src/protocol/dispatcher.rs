//! From events to callbacks.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::calls::DueCall;
use super::core::Core;
use super::producer::ProducerEnd;
use super::stream::Sent;
use super::task::panic_message;
use super::{Conn, Flow, Message, Peer, Protocol, Reactor, Tag};
use crate::base::{Address, Bug, Key, planted};
use crate::driver::{Engine, Event};
use crate::net::{Callback, CloseReason, ConnectError, Due, Notice, Permit, Phase};
use crate::sys::CloseHow;

/// How many messages wait for one connection to be opened; more are dropped.
const EARLY_MESSAGES_MAX: usize = 1024;

/// One loop: its state, and the engine that moves its bytes.
///
/// The engine is chosen once, and everything here is compiled for it; the only dynamic call on the
/// way of a byte is the one into the user's handler.
#[derive(Debug)]
pub(crate) struct Dispatcher<E: Engine> {
    pub(super) engine: E,
    pub(super) core: Core,
    /// Whether the owner of the loop says how long a turn may sleep.
    pub(super) is_polled: bool,
    /// Whether this turn has done anything; see the monitor.
    pub(super) progress: bool,
}

impl<E: Engine> Dispatcher<E> {
    pub(super) fn reactor(&mut self) -> Reactor<'_> {
        Reactor { core: &mut self.core, ops: &mut self.engine }
    }

    /// Delivers one event of the engine, and all that follows from it.
    ///
    /// Compiled into the loop over the events, its one caller: an event is large for the sake of rare
    /// ones, and a call would copy it.
    #[inline(always)]
    pub(super) fn on_event(&mut self, event: Event<E::Socket, E::Lease>) {
        self.progress = true;
        let Self { engine, core, .. } = self;
        match event {
            Event::Data { slot, lease } => return self.on_data(slot, lease),
            Event::Writable { slot } => core.net.on_writable(slot, engine),
            Event::Eof { slot } => {
                if core.net.on_eof(slot, engine) {
                    self.deliver_waiting(slot);
                }
            }
            Event::Failed { slot, error } => core.net.on_failed(slot, error, engine),
            Event::Accepted { listener, socket, peer } => {
                self.on_accepted(listener, socket, peer);
            }
            Event::AcceptFailed { listener, error } => {
                core.net.on_accept_failed(listener, &error, engine);
            }
            Event::Connected { slot, addresses } => {
                core.net.on_connected(slot, addresses, engine);
            }
            Event::Dialled { dial, addresses } => core.net.on_dialled(dial, addresses, engine),
            Event::DialFailed { dial, error } => core.net.on_dial_failed(dial, error, engine),
            Event::Ready { slot, ready } => return self.on_fd_ready(slot, ready),
            Event::Datagram { slot, from, lease } => return self.on_datagram(slot, from, lease),
            Event::DatagramRoom { slot } => core.net.on_datagram_room(slot, engine),
            Event::DatagramFailed { slot, error } => core.net.on_datagram_failed(slot, error),
            Event::Resolved(resolution) => core.net.on_resolved(resolution),
        }
        self.follow_up();
    }

    /// Tells everything that has happened since the last callback, first in, first out.
    #[inline]
    pub(super) fn follow_up(&mut self) {
        while let Some(notice) = self.core.net.take_notice() {
            self.progress = true;
            self.tell(notice);
        }
    }

    fn tell(&mut self, notice: Notice) {
        match notice {
            Notice::Opened(key) => {
                self.core.count_connection();
                self.on_opened(key);
            }
            Notice::Ask(question) => {
                self.run(|_| question.ask());
            }
            Notice::Pressure(key, pressure) => {
                self.press_producer(key, pressure);
                self.call(key, Callback::Pressure, |handler, conn| {
                    handler.on_pressure(conn, pressure)
                });
            }
            Notice::FeedWanted(key) => self.core.want_production(key),
            Notice::Sent(key) => self.deliver_message(key, Box::new(Sent)),
            Notice::InputWaits(key) => {
                // In the next turn: a handler that pauses and resumes in every call would
                // otherwise keep this turn from ending.
                self.core.local.push_back(super::task::LocalTask::InputWaits(key));
            }
            Notice::ConnectFailed(key, error) => self.on_connect_failed(key, error),
            Notice::Closed(key, reason, how) => self.on_closed(key, reason, how),
            Notice::FdOpened(key) => self.on_fd_opened(key),
            Notice::FdClosed(key, reason) => self.on_fd_closed(key, reason),
            Notice::DatagramsOpened(key) => self.on_datagrams_opened(key),
            Notice::DatagramPressure(key, pressure) => self.on_datagram_pressure(key, pressure),
            Notice::DatagramError(key, error) => self.on_datagram_error(key, error),
            Notice::DatagramsClosed(key, reason) => self.on_datagrams_closed(key, reason),
        }
    }

    pub(super) fn on_opened(&mut self, key: Key) {
        if let Some(conn) = self.core.net.conn(key) {
            tracing::debug!(id = %self.core.conn_id(key), peer = %conn.peer.get(), "opened");
        }
        let Self { engine, core, .. } = self;
        core.net.watched.opened(key, || engine.wire(key));
        self.call(key, Callback::Open, |handler, conn| handler.on_open(conn));
        for message in self.core.early.take(key).unwrap_or_default() {
            if planted(Bug::EarlyMessagesLost) {
                break;
            }
            self.deliver_message(key, message);
        }
    }

    /// Delivers a message; one to a connection that is still being opened waits for that.
    pub(super) fn deliver_message(&mut self, key: Key, message: Message) {
        match self.core.net.conn(key).map(|conn| conn.phase) {
            Some(Phase::Open) => {
                self.call(key, Callback::Message, |handler, conn| {
                    handler.on_message(conn, message)
                });
            }
            Some(Phase::Connecting) => {
                let mut early = self.core.early.take(key).unwrap_or_default();
                if early.len() < EARLY_MESSAGES_MAX {
                    early.push(message);
                } else {
                    tracing::debug!(id = %self.core.conn_id(key), "dropped an early message");
                    self.run(|_| drop(message));
                }
                self.core.early.put(key, early);
            }
            // Dropping it runs the user's code, which may panic.
            Some(Phase::Closing | Phase::Closed) | None => {
                self.run(|_| drop(message));
            }
        }
    }

    fn on_connect_failed(&mut self, key: Key, error: ConnectError) {
        tracing::debug!(id = %self.core.conn_id(key), %error, "not opened");
        let handler = self.core.handlers.take(key);
        let early = self.core.early.take(key);
        self.core.kept.take(key);
        if !planted(Bug::FailedConnectKeepsSlot) {
            self.core.net.release(key);
        }
        self.run(|_| drop(early));
        if let Some(mut handler) = handler {
            self.core.net.watched.connect_failed(key, &error);
            self.run_as(Callback::ConnectFailed, Some(key), |reactor| {
                handler.on_connect_failed(reactor, error);
            });
            self.run(|_| drop(handler));
        }
    }

    fn on_closed(&mut self, key: Key, reason: CloseReason, how: CloseHow) {
        let id = self.core.conn_id(key);
        match &reason {
            CloseReason::HandlerPanicked { .. } => tracing::error!(%id, %reason, "closed"),
            CloseReason::HandlerFailed { source } => {
                tracing::warn!(%id, %reason, error = %source, "closed");
            }
            CloseReason::TransferFailed { source } => {
                tracing::warn!(%id, %reason, error = %source, "closed");
            }
            CloseReason::Malformed { source } => {
                tracing::info!(%id, %reason, error = %source, "closed")
            }
            reason if reason.is_clean() => tracing::debug!(%id, %reason, "closed"),
            reason => tracing::info!(%id, %reason, "closed"),
        }
        self.end_producer(key, ProducerEnd::Stopped);
        self.core.kept.take(key);
        let untold = planted(Bug::ResetUntold) && matches!(reason, CloseReason::Reset { .. });
        let twice = planted(Bug::CloseToldTwice) && !reason.is_clean();
        if let Some(mut handler) = self.core.handlers.take(key) {
            self.core.net.watched.closed(key, &reason, how);
            self.core.net.watched.entered(Some(key), Callback::Close);
            let mut conn = Conn::new(key, &mut self.core, &mut self.engine);
            // One after the other: a second panic while the first unwinds would end the process.
            let told = catch_unwind(AssertUnwindSafe(|| {
                if twice {
                    handler.on_close(&mut conn, CloseReason::Closed);
                }
                if !untold {
                    handler.on_close(&mut conn, reason);
                }
            }));
            let dropped = catch_unwind(AssertUnwindSafe(|| drop(handler)));
            for panic in [told, dropped].into_iter().filter_map(Result::err) {
                let message = panic_message(&*panic);
                tracing::error!(%id, message, "on_close panicked");
                self.core.net.watched.left(Some(&message));
            }
            self.core.net.watched.left(None);
            self.core.uncount_connection();
        }
        self.core.net.release(key);
    }

    /// A peer connected to a listener of this loop.
    fn on_accepted(&mut self, listener: Key, socket: E::Socket, peer: Address) {
        let Ok(permit) = self.core.net.knock(listener, &peer) else {
            return self.engine.refuse(socket);
        };
        match self.core.least_loaded(listener) {
            None => {
                self.core.count_connection();
                self.admit(listener, peer, permit, |engine, key| engine.adopt(key, socket));
            }
            Some(target) => self.hand_over(listener, &target, Box::new(socket), peer, permit),
        }
    }

    /// Makes a handler for an accepted peer and opens its connection.
    ///
    /// The peer counts as a connection of this loop already, so that whoever spreads peers knows
    /// of those that are on their way.
    pub(super) fn admit(
        &mut self,
        listener: Key,
        peer: Address,
        permit: Option<Permit>,
        adopt: impl FnOnce(&mut E, Key) -> std::io::Result<()>,
    ) {
        // A listener that was closed while the peer was on its way has no factory either: the peer
        // is declined, which gives its socket back.
        let config = self.core.net.listener_config(listener).unwrap_or_default();
        let key = self.core.net.add_accepted(listener, peer.clone(), config, permit);
        if let Err(error) = adopt(&mut self.engine, key) {
            tracing::warn!(%peer, %error, "cannot take over an accepted connection");
            self.core.net.release(key);
            return self.core.uncount_connection();
        }
        self.core.net.prepare_accepted(key, &mut self.engine);
        match self.make_handler(listener, peer.clone()) {
            Some(handler) => {
                self.core.handlers.put(key, handler);
                self.on_opened(key);
            }
            None if planted(Bug::DeclinedPeerLeaks) => {}
            None => {
                tracing::debug!(%peer, "declined");
                self.core.net.discard(key, CloseHow::Fin, &mut self.engine);
                self.core.uncount_connection();
            }
        }
    }

    fn make_handler(&mut self, listener: Key, peer: Address) -> Option<Box<dyn Protocol>> {
        let mut acceptor = self.core.acceptors.take(listener)?;
        let server = self.core.server();
        let peer = Peer { address: peer, listener: self.core.listener_id(listener), server };
        self.core.net.watched.entered(None, Callback::Function);
        let made = catch_unwind(AssertUnwindSafe(|| (acceptor.factory)(&peer)));
        let panic = made.as_ref().err().map(|panic| panic_message(&**panic));
        self.core.net.watched.left(panic.as_deref());
        self.core.acceptors.put(listener, acceptor);
        made.unwrap_or_else(|panic| {
            tracing::error!(message = panic_message(&*panic), "a factory panicked");
            None
        })
    }

    /// Runs what is due at this turn's time.
    pub(super) fn on_due(&mut self, due: Due, at: crate::base::Instant) {
        self.progress = true;
        let Self { engine, core, .. } = self;
        match due {
            Due::Tag { conn, tag } => {
                if core.net.take_due_tag(conn, tag) {
                    self.call(conn, Callback::Timer, |handler, conn| {
                        handler.on_timer(conn, Tag(tag))
                    });
                }
            }
            Due::DatagramTag { socket, tag } => self.on_datagram_tag(socket, tag),
            Due::DatagramLinger(key) => core.net.on_datagram_linger(key, engine),
            Due::Linger(key) => core.net.on_linger_deadline(key, engine),
            Due::Connect(key) => core.net.on_connect_deadline(key, engine),
            Due::NextDial(key) => core.net.on_next_dial(key, engine),
            Due::Guard(key) => core.net.on_guard_due(key, engine),
            Due::Tokens(key) => core.net.on_tokens_due(key, engine),
            Due::AcceptAgain(key) => core.net.accept_again(key, engine),
            Due::Call(key) => self.run_due_call(key, at),
            Due::Drain => self.on_drain_deadline(),
        }
        self.follow_up();
    }

    fn run_due_call(&mut self, key: Key, due: crate::base::Instant) {
        match self.core.take_due_call(key, due) {
            Some(DueCall::Once(call)) => {
                self.run(call);
            }
            Some(DueCall::Every(mut call, tick)) => {
                if !self.run(|reactor| call(reactor, tick)) {
                    self.core.cancel_call(self.core.timer_id(key));
                }
                if let Some(cancelled) = self.core.put_back_call(key, call) {
                    // Dropping it runs the user's code, which may panic.
                    self.run(|_| drop(cancelled));
                }
            }
            None => {}
        }
    }

    /// Calls a handler; an error or a panic closes its connection. Returns whether it was called
    /// and went well.
    pub(super) fn call(
        &mut self,
        key: Key,
        callback: Callback,
        call: impl FnOnce(&mut dyn Protocol, &mut Conn<'_>) -> Flow,
    ) -> bool {
        let closing = planted(Bug::DataAfterClose);
        if self.core.net.conn(key).is_none_or(|conn| {
            !(conn.phase == Phase::Open || closing && conn.phase == Phase::Closing)
        }) {
            return false;
        }
        let Some(mut handler) = self.core.handlers.take(key) else { return false };
        let sabotaged = self.core.net.watched.entered(Some(key), callback);
        let mut conn = Conn::new(key, &mut self.core, &mut self.engine);
        let result = catch_unwind(AssertUnwindSafe(|| {
            assert!(!sabotaged, "a panic of the simulation's making");
            call(&mut *handler, &mut conn)
        }));
        self.core.handlers.put(key, handler);
        if self.core.net.watched.is_present() {
            let panic = result.as_ref().err().map(|panic| panic_message(&**panic));
            self.core.net.watched.left(panic.as_deref());
        }
        let Self { engine, core, .. } = self;
        match result {
            Ok(Ok(())) => return true,
            Ok(Err(_)) if planted(Bug::FailureIgnored) => {}
            Ok(Err(failure)) => {
                core.net.close(key, failure.into_reason(), engine);
            }
            Err(_) if planted(Bug::PanicKeepsConnection) => {}
            Err(panic) if planted(Bug::PanicEndsLoop) => resume_unwind(panic),
            Err(panic) => {
                let message = panic_message(&*panic);
                core.net.abort(key, CloseReason::HandlerPanicked { message }, engine);
            }
        }
        false
    }

    /// Calls a function of the user; returns whether it came back without a panic.
    pub(super) fn run(&mut self, call: impl FnOnce(&mut Reactor<'_>)) -> bool {
        self.run_as(Callback::Function, None, call)
    }

    fn run_as(
        &mut self,
        callback: Callback,
        conn: Option<Key>,
        call: impl FnOnce(&mut Reactor<'_>),
    ) -> bool {
        self.core.net.watched.entered(conn, callback);
        let mut reactor = Reactor { core: &mut self.core, ops: &mut self.engine };
        let result = catch_unwind(AssertUnwindSafe(|| call(&mut reactor)));
        let panic = result.err().map(|panic| panic_message(&*panic));
        self.core.net.watched.left(panic.as_deref());
        if let Some(message) = &panic {
            tracing::error!(message, "a function on the loop panicked");
        }
        panic.is_none()
    }
}
