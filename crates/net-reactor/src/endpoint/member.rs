//! A handler of a client, and who hears of its connection's beginning and end.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::base::{ConnId, Input};
use crate::net::{CloseReason, ConnectError, Pressure};
use crate::protocol::{Conn, Eof, Failure, Flow, Message, Protocol, Reactor, Tag};

/// What a connection of a client belongs to.
///
/// The ends are told before the handler hears of them, so that a panic of its own callback can
/// keep nobody waiting.
pub(super) trait Owner: 'static {
    fn opened(&mut self, _reactor: &mut Reactor<'_>, _conn: ConnId) {}
    fn ended(&mut self, reactor: &mut Reactor<'_>, reason: &CloseReason);
    fn failed(&mut self, reactor: &mut Reactor<'_>, error: &ConnectError);
    /// The handler has been told, of whichever end it was.
    fn after(&mut self, _reactor: &mut Reactor<'_>) {}
}

/// A handler whose connection belongs to somebody.
pub(super) struct Member<P, O> {
    pub(super) inner: P,
    pub(super) owner: O,
}

impl<P: Protocol, O: Owner> Protocol for Member<P, O> {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        let id = conn.id();
        self.owner.opened(conn.reactor(), id);
        self.inner.on_open(conn)
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        self.inner.on_data(conn, input)
    }

    fn on_eof(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Result<Eof, Failure> {
        self.inner.on_eof(conn, input)
    }

    fn on_pressure(&mut self, conn: &mut Conn<'_>, pressure: Pressure) -> Flow {
        self.inner.on_pressure(conn, pressure)
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, tag: Tag) -> Flow {
        self.inner.on_timer(conn, tag)
    }

    fn on_message(&mut self, conn: &mut Conn<'_>, message: Message) -> Flow {
        self.inner.on_message(conn, message)
    }

    fn on_stop(&mut self, conn: &mut Conn<'_>) -> Flow {
        self.inner.on_stop(conn)
    }

    fn on_close(&mut self, conn: &mut Conn<'_>, reason: CloseReason) {
        self.owner.ended(conn.reactor(), &reason);
        let told = catch_unwind(AssertUnwindSafe(|| self.inner.on_close(conn, reason)));
        self.owner.after(conn.reactor());
        // The loop deals with the panic.
        told.unwrap_or_else(|panic| resume_unwind(panic));
    }

    fn on_connect_failed(&mut self, reactor: &mut Reactor<'_>, error: ConnectError) {
        // Both are told, whichever of them panics.
        let failed = catch_unwind(AssertUnwindSafe(|| self.owner.failed(reactor, &error)));
        let told = catch_unwind(AssertUnwindSafe(|| self.inner.on_connect_failed(reactor, error)));
        self.owner.after(reactor);
        failed.and(told).unwrap_or_else(|panic| resume_unwind(panic));
    }
}
