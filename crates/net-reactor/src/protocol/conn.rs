//! A connection, as its handler holds it during a callback.

use std::time::Duration;

use bytes::Bytes;

use super::core::{Core, Kept};
use super::handle::ConnHandle;
use super::task::LocalTask;
use super::{Producer, Reactor, Tag};
use crate::base::{Address, ConnId, Inbound, Key, ListenerId};
use crate::driver::Ops;
use crate::net::{CloseReason, Closed, ConnStats, Growing, OnHighMark, Phase};
use crate::sys::{Credentials, KeepAlive, SocketOption};

/// A connection, lent for one callback.
///
/// What is written in a turn is joined and leaves in one system call at its end, or earlier when
/// 64 KiB have come together, or with a single write of 8 KiB or more, which is not even copied. No method calls a handler: what follows from a call is
/// told after the current callback.
#[derive(Debug)]
pub struct Conn<'a> {
    key: Key,
    reactor: Reactor<'a>,
}

impl<'a> Conn<'a> {
    pub(crate) fn new(key: Key, core: &'a mut Core, ops: &'a mut dyn Ops) -> Self {
        Self { key, reactor: Reactor { core, ops } }
    }

    /// Queues a copy of `bytes`.
    ///
    /// While the connection is still being opened, output waits for that. Output above the high
    /// mark (256 KiB by default) pauses reading from this connection by itself, and the handler is
    /// told; see [`ConnConfig`](crate::ConnConfig).
    ///
    /// # Errors
    ///
    /// [`Closed`] when closing has begun, writing was shut down, or this very write went over the
    /// hard limit (16 MiB by default), which closes the connection with
    /// [`SlowConsumer`](CloseReason::SlowConsumer). The bytes are not sent.
    pub fn write(&mut self, bytes: impl AsRef<[u8]>) -> Result<(), Closed> {
        let Reactor { core, ops } = &mut self.reactor;
        core.net.write(self.key, bytes.as_ref(), &mut **ops)
    }

    /// Queues shared bytes without copying them.
    ///
    /// The way to send one large buffer to many connections. Small ones (below 512 bytes) are
    /// copied, because that is cheaper.
    ///
    /// # Errors
    ///
    /// As for [`write`](Self::write).
    pub fn write_shared(&mut self, bytes: Bytes) -> Result<(), Closed> {
        let Reactor { core, ops } = &mut self.reactor;
        core.net.write_shared(self.key, bytes, &mut **ops)
    }

    /// Gives the loop's staging area out; see [`FrameConn`](super::FrameConn).
    pub(crate) fn give_staging(&mut self) -> Growing {
        self.reactor.core.net.give_staging(self.key)
    }

    /// Takes it back.
    pub(crate) fn take_staging(&mut self, growing: Growing) {
        let Reactor { core, ops } = &mut self.reactor;
        core.net.take_staging(self.key, growing, &mut **ops);
    }

    /// Takes it back, and writes what could not stay in it.
    pub(crate) fn write_behind(&mut self, growing: Growing, start: usize) -> Result<(), Closed> {
        let Reactor { core, ops } = &mut self.reactor;
        core.net.write_behind(self.key, growing, start, &mut **ops)
    }

    /// Lends the connection for a shorter time.
    pub(crate) fn reborrow(&mut self) -> Conn<'_> {
        let Reactor { core, ops } = &mut self.reactor;
        Conn { key: self.key, reactor: Reactor { core, ops: &mut **ops } }
    }

    /// Counts what may have ended some connection's flow of input; see `goes_on`.
    #[inline]
    pub(crate) fn flow_changes(&self) -> u64 {
        self.reactor.core.net.flow_changes
    }

    /// Whether a handler that works through a batch of input goes on with it.
    pub(crate) fn goes_on(&mut self) -> bool {
        self.reactor.core.net.goes_on(self.key)
    }

    /// Whether the handler's part in the input is not over.
    pub(crate) fn is_reading(&self) -> bool {
        self.reactor.core.net.conn(self.key).is_some_and(|conn| conn.phase == Phase::Open)
    }

    /// Has kept input told again in the next turn.
    pub(crate) fn owe_input(&mut self) {
        self.reactor.core.net.owe_input(self.key);
    }

    /// Takes the input that the handler left, to give it back with `put_kept` or not at all.
    pub(crate) fn take_kept(&mut self) -> Option<Box<Inbound>> {
        self.reactor.core.net.take_input(self.key)
    }

    /// Leaves input, outside of a callback with input.
    pub(crate) fn put_kept(&mut self, input: Box<Inbound>) {
        let Reactor { core, ops } = &mut self.reactor;
        core.net.put_input(self.key, input, &mut **ops);
    }

    /// Has the handler given what it has left of its input, in the next task phase, also while reading
    /// is paused and when it left nothing.
    pub(crate) fn look_again(&mut self) {
        self.reactor.core.local.push_back(LocalTask::LookAgain(self.key));
    }

    /// Whether input is held back because output is above the high mark.
    pub(crate) fn holds_back(&mut self) -> bool {
        self.reactor.core.net.holds_back(self.key)
    }

    /// Has the handler told, with the message [`Sent`](super::stream::Sent), at the end of this turn,
    /// when what could be sent was sent.
    pub(crate) fn tell_sent(&mut self) {
        self.reactor.core.net.tell_sent(self.key);
    }

    /// Has the handler told in the same way when the kernel has next taken output.
    pub(crate) fn tell_sent_later(&mut self) {
        self.reactor.core.net.tell_sent_later(self.key);
    }

    /// Whether what is written is not what is sent.
    pub(crate) fn has_layer(&self) -> bool {
        self.reactor.core.net.has_layer(self.key)
    }

    /// Returns the limits of unconsumed input and of queued output, in bytes.
    pub(crate) fn limits(&self) -> (usize, usize) {
        let conn = self.reactor.core.net.conn(self.key);
        conn.map_or((0, 0), |conn| (conn.config.input_bytes_max, conn.config.output_bytes_max))
    }

    /// Closes gracefully: queued output is flushed, then FIN is sent, then the peer's end is
    /// awaited, so that no reset can destroy what was sent.
    ///
    /// From now on `on_close` is the only callback. After 30 s (by default) it becomes an abort.
    /// Closing twice, or after an abort, does nothing.
    pub fn close(&mut self) {
        let Reactor { core, ops } = &mut self.reactor;
        core.net.close(self.key, CloseReason::Closed, &mut **ops);
    }

    /// Resets the connection: queued output is dropped, the peer gets RST.
    ///
    /// Unix sockets know no RST: such a peer reads what was sent and then the end, or a reset if it
    /// had sent something that was not read here.
    pub fn abort(&mut self) {
        let Reactor { core, ops } = &mut self.reactor;
        core.net.abort(self.key, CloseReason::Aborted, &mut **ops);
    }

    /// Closes gracefully for a reason of the library's own.
    pub(crate) fn close_because(&mut self, reason: CloseReason) {
        let Reactor { core, ops } = &mut self.reactor;
        core.net.close(self.key, reason, &mut **ops);
    }

    /// Aborts for a reason of the library's own.
    pub(crate) fn abort_because(&mut self, reason: CloseReason) {
        let Reactor { core, ops } = &mut self.reactor;
        core.net.abort(self.key, reason, &mut **ops);
    }

    /// Half-closes: after what is queued FIN is sent; reading goes on.
    ///
    /// When the peer has finished too, the connection closes.
    ///
    /// # Errors
    ///
    /// [`Closed`] when writing is over already.
    pub fn shutdown_write(&mut self) -> Result<(), Closed> {
        let Reactor { core, ops } = &mut self.reactor;
        core.net.shutdown_write(self.key, &mut **ops)
    }

    /// Stops reading: no `on_data` and no `on_eof` until [`resume`](Self::resume).
    ///
    /// The peer is held back by TCP's own flow control. A reset is still noticed.
    pub fn pause(&mut self) {
        let Reactor { core, ops } = &mut self.reactor;
        core.net.pause_reading(self.key, true, &mut **ops);
    }

    /// Reads again after a [`pause`](Self::pause). Input that an earlier callback left unconsumed
    /// comes again in the next turn, even when nothing new arrives.
    pub fn resume(&mut self) {
        let Reactor { core, ops } = &mut self.reactor;
        core.net.pause_reading(self.key, false, &mut **ops);
    }

    /// Whether reading is paused by [`pause`](Self::pause).
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.reactor.core.net.conn(self.key).is_some_and(|conn| conn.paused)
    }

    /// Sets what the high mark of this connection does by itself, instead of what its
    /// [`ConnConfig`](crate::ConnConfig) says. It holds also while output is above the mark.
    pub fn set_on_high_mark(&mut self, reaction: OnHighMark) {
        let Reactor { core, ops } = &mut self.reactor;
        core.net.set_on_high_mark(self.key, reaction, &mut **ops);
    }

    /// Whether output can still be queued.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.reactor.core.net.conn(self.key).is_some_and(|conn| conn.is_writable())
    }

    /// Sets one of this connection's own timers: [`on_timer`](crate::Protocol::on_timer) is called
    /// with `tag` after `delay`, counted from the time of this turn.
    ///
    /// Setting a tag again moves its timer. All of them end with the connection; one that is due
    /// before the connection is open is told after [`on_open`](crate::Protocol::on_open).
    pub fn set_timer(&mut self, tag: Tag, delay: Duration) {
        let net = &mut self.reactor.core.net;
        net.set_tag_timer(self.key, tag.0, net.now + delay);
    }

    /// Cancels one of this connection's timers; returns whether it was set.
    ///
    /// It holds also for a timer that is due in this very turn.
    pub fn cancel_timer(&mut self, tag: Tag) -> bool {
        self.reactor.core.net.cancel_tag_timer(self.key, tag.0)
    }

    /// Returns the connection's id.
    #[must_use]
    pub fn id(&self) -> ConnId {
        self.reactor.core.conn_id(self.key)
    }

    /// Returns the listener that accepted the connection, if one did.
    #[must_use]
    pub fn listener(&self) -> Option<ListenerId> {
        let listener = self.reactor.core.net.conn(self.key)?.listener?;
        Some(self.reactor.core.listener_id(listener))
    }

    /// Returns the peer's address, of IP or of a Unix socket; known also in `on_close`.
    ///
    /// A Unix socket that connects seldom has a name, so that an accepted one shows as `unix:`; who it
    /// is, [`peer_credentials`](Self::peer_credentials) say. While a connection is being opened, this is
    /// the address that is tried, and `0.0.0.0:0` before there is one.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "a Conn exists only while its slot does")]
    pub fn peer_address(&self) -> Address {
        self.reactor
            .core
            .net
            .conn(self.key)
            .expect("invariant: the slot outlives the Conn")
            .peer
            .get()
    }

    /// Returns this side's address.
    ///
    /// # Errors
    ///
    /// When the connection is closed.
    pub fn local_address(&self) -> std::io::Result<Address> {
        self.reactor.ops.local_address(self.key)
    }

    /// Returns the user, group and process at the other end of a Unix socket.
    ///
    /// ```
    /// # use net_reactor::prelude::*;
    /// # struct Admin { uid: u32 }
    /// impl Protocol for Admin {
    ///     fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
    ///         if conn.peer_credentials()?.uid != self.uid {
    ///             conn.abort();
    ///         }
    ///         Ok(())
    ///     }
    /// #   fn on_data(&mut self, _: &mut Conn<'_>, _: &mut Input<'_>) -> Flow { Ok(()) }
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Unsupported`](std::io::ErrorKind::Unsupported) when it is no Unix socket; that the
    /// connection is closed.
    ///
    /// # Platform
    ///
    /// Linux.
    pub fn peer_credentials(&self) -> std::io::Result<Credentials> {
        self.reactor.ops.peer_credentials(self.key)
    }

    /// Returns the connection's counters.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "a Conn exists only while its slot does")]
    pub fn stats(&self) -> ConnStats {
        self.reactor.core.net.conn(self.key).expect("invariant: the slot outlives the Conn").stats()
    }

    /// Sets `TCP_NODELAY`.
    ///
    /// # Errors
    ///
    /// What the system call says, or that the connection is not open.
    pub fn set_no_delay(&mut self, on: bool) -> std::io::Result<()> {
        self.reactor.ops.set_option(self.key, SocketOption::NoDelay(on))
    }

    /// Sets or ends the kernel's keep-alive probes.
    ///
    /// # Errors
    ///
    /// What the system call says, or that the connection is not open.
    pub fn set_keep_alive(&mut self, keep_alive: Option<KeepAlive>) -> std::io::Result<()> {
        self.reactor.ops.set_option(self.key, SocketOption::KeepAlive(keep_alive))
    }

    /// Returns a handle for other threads.
    #[must_use]
    pub fn handle(&self) -> ConnHandle {
        ConnHandle { id: self.id(), owner: self.reactor.core.handle() }
    }

    /// Returns the loop: other connections, timers, listeners, and more.
    pub fn reactor(&mut self) -> &mut Reactor<'a> {
        &mut self.reactor
    }

    /// Keeps a value of a service until the connection's end.
    pub(crate) fn keep(&mut self, value: Kept) {
        let table = &mut self.reactor.core.kept;
        match table.get_mut(self.key) {
            Some(kept) => kept.push(value),
            None => table.put(self.key, vec![value]),
        }
    }

    /// Returns what services keep with the connection, if there is anything.
    pub(crate) fn kept(&mut self) -> Option<&mut Vec<Kept>> {
        self.reactor.core.kept.get_mut(self.key)
    }

    /// Resets the connection, for a reason of a service's own.
    pub(crate) fn abort_for(&mut self, reason: CloseReason) {
        let Reactor { core, ops } = &mut self.reactor;
        core.net.abort(self.key, reason, &mut **ops);
    }

    /// Gives the connection a producer, which is called in the task phase and at each low mark.
    /// Returns `false` when it has one.
    pub(crate) fn set_producer(&mut self, producer: Box<dyn Producer>) -> Result<bool, Closed> {
        let Reactor { core, ops } = &mut self.reactor;
        let is_free = core.net.begin_feed(self.key)?;
        if is_free {
            core.producers.put(self.key, producer);
            core.net.await_low_mark(self.key, &mut **ops);
        }
        Ok(is_free)
    }

    /// Queues what the producer made, also while closing waits for it.
    pub(crate) fn feed(&mut self, bytes: Bytes) -> Result<(), Closed> {
        let Reactor { core, ops } = &mut self.reactor;
        core.net.feed(self.key, bytes, &mut **ops)
    }

    /// Whether output was above the high mark, and not at the low one since.
    pub(crate) fn is_pressing(&self) -> bool {
        self.reactor.core.net.conn(self.key).is_some_and(|conn| conn.pressured)
    }

    /// Whether the connection's end has not been told yet.
    pub(crate) fn is_alive(&self) -> bool {
        self.reactor.core.net.conn(self.key).is_some_and(|conn| conn.phase != Phase::Closed)
    }
}
