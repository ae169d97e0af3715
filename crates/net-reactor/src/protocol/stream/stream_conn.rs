//! A stream's connection, as the functions that go on from a read hold it.

use std::borrow::Cow;
use std::ops::{Deref, DerefMut};

use super::pending::Pending;
use super::state::State;
use super::want::Want;
use super::writes::write_within_limit;
use super::{Amount, ReadError, ReadRefused, WriteRefused};
use crate::net::{CloseReason, Closed};
use crate::protocol::{Conn, Flow, Message, Tag};

/// A connection that is read in steps, lent for one callback: all that a [`Conn`] is, with reads.
///
/// See [`Stream`](crate::Stream). It pauses and resumes the connection by itself: [`Conn::pause`] and
/// [`Conn::resume`] have no lasting effect here.
#[derive(Debug)]
pub struct StreamConn<'a> {
    conn: Conn<'a>,
    state: &'a mut State,
    /// Bytes that are there for further reads, as far as this callback has them.
    ahead: &'a [u8],
    reason: Option<&'a CloseReason>,
}

impl<'a> StreamConn<'a> {
    pub(super) fn new(
        conn: &'a mut Conn<'_>,
        state: &'a mut State,
        ahead: &'a [u8],
        reason: Option<&'a CloseReason>,
    ) -> Self {
        Self { conn: conn.reborrow(), state, ahead, reason }
    }
}

/// Reads. Each that was started has exactly one outcome, told to its function after the current one
/// has returned.
impl StreamConn<'_> {
    /// Reads up to `delimiter` and with it; what is behind stays for the next read.
    ///
    /// `bytes_max` counts the delimiter, and exactly so many bytes are fine. As soon as no match can
    /// end within it - also when one is there that ends beyond - the read fails with
    /// [`ReadError::TooLong`] and the stream closes, after what the function still writes.
    /// A delimiter that arrives byte by byte costs linear work.
    ///
    /// # Errors
    ///
    /// [`ReadRefused`], when another read is pending or no byte can come any more and those that are
    /// there are not enough.
    pub fn read_until(
        &mut self,
        delimiter: impl Into<Cow<'static, [u8]>>,
        bytes_max: usize,
        then: impl FnOnce(&mut StreamConn<'_>, Result<&[u8], ReadError>) -> Flow + 'static,
    ) -> Result<(), ReadRefused> {
        let want = Want::Until { delimiter: delimiter.into(), bytes_max };
        self.read(Pending::Bytes { want, then: Box::new(then) })
    }

    /// Reads up to a match of `pattern` and with it; what is behind stays for the next read.
    ///
    /// The read ends where the first match can end; see [`Pattern`](crate::Pattern). `bytes_max` counts
    /// the match, and is exceeded as that of [`read_until`](Self::read_until) is.
    ///
    /// # Errors
    ///
    /// [`ReadRefused`], as for [`read_until`](Self::read_until).
    #[cfg(feature = "regex")]
    pub fn read_until_regex(
        &mut self,
        pattern: &super::Pattern,
        bytes_max: usize,
        then: impl FnOnce(&mut StreamConn<'_>, Result<&[u8], ReadError>) -> Flow + 'static,
    ) -> Result<(), ReadRefused> {
        let want = Want::Match { search: super::pattern::Search::new(pattern), bytes_max };
        self.read(Pending::Bytes { want, then: Box::new(then) })
    }

    /// Reads `count` bytes, or with [`Amount::Partial`] as many of them as there are once there is
    /// one.
    ///
    /// When the peer finishes before there are `count`, the read fails with [`ReadError::Ended`] and
    /// the bytes can still be read. With a `count` of zero it is satisfied by nothing, in the next
    /// turn.
    ///
    /// # Errors
    ///
    /// [`ReadRefused`], as for [`read_until`](Self::read_until), and when the whole is more than a
    /// connection keeps ([`input_max`](crate::ConnConfig::input_max)): see
    /// [`read_into`](Self::read_into).
    pub fn read_bytes(
        &mut self,
        count: usize,
        amount: Amount,
        then: impl FnOnce(&mut StreamConn<'_>, Result<&[u8], ReadError>) -> Flow + 'static,
    ) -> Result<(), ReadRefused> {
        let limit_bytes = self.conn.limits().0;
        if amount == Amount::Whole && count > limit_bytes {
            return Err(ReadRefused::TooLarge { limit_bytes });
        }
        let want = Want::Bytes { count, amount };
        self.read(Pending::Bytes { want, then: Box::new(then) })
    }

    /// Reads `count` bytes behind those in `buffer`, or with [`Amount::Partial`] as many of them as
    /// there are once there is one.
    ///
    /// The bytes go there as they arrive, so `count` has no limit, and memory grows with what was
    /// received. `then` gets the buffer back in any case; when the read fails, it holds what came.
    ///
    /// # Errors
    ///
    /// [`ReadRefused`], as for [`read_until`](Self::read_until).
    pub fn read_into(
        &mut self,
        buffer: Vec<u8>,
        count: usize,
        amount: Amount,
        then: impl FnOnce(&mut StreamConn<'_>, Vec<u8>, Result<(), ReadError>) -> Flow + 'static,
    ) -> Result<(), ReadRefused> {
        self.read(Pending::Into { buffer, left: count, amount, then: Box::new(then) })
    }

    /// Reads everything until the connection ends, whether the peer finishes or resets it: then
    /// [`close_reason`](Self::close_reason) has the cause.
    ///
    /// More than a connection keeps ([`input_max`](crate::ConnConfig::input_max)) fails with
    /// [`ReadError::BufferFull`]. After the peer's end the stream closes when `then` has returned and
    /// what it wrote is sent, unless it calls [`keep_open`](Self::keep_open).
    ///
    /// # Errors
    ///
    /// [`ReadRefused`], when another read is pending.
    pub fn read_until_close(
        &mut self,
        then: impl FnOnce(&mut StreamConn<'_>, Result<Vec<u8>, ReadError>) -> Flow + 'static,
    ) -> Result<(), ReadRefused> {
        self.read(Pending::UntilClose { bytes: Vec::new(), then: Box::new(then) })
    }

    fn read(&mut self, read: Pending) -> Result<(), ReadRefused> {
        self.state.start_read(&mut self.conn, self.ahead, read)
    }

    /// Whether a read is pending.
    #[must_use]
    pub fn has_pending_read(&self) -> bool {
        self.state.read.is_some()
    }
}

/// Writes.
impl StreamConn<'_> {
    /// Queues a copy of `bytes`, as [`Conn::write`] does, but refuses what the queue has no room for.
    ///
    /// # Errors
    ///
    /// [`WriteRefused::Full`] when the write would go over the hard limit (16 MiB by default): nothing
    /// is queued, and the stream stays open. [`WriteRefused::Closed`] as for [`Conn::write`].
    pub fn write(&mut self, bytes: impl AsRef<[u8]>) -> Result<(), WriteRefused> {
        write_within_limit(&mut self.conn, bytes.as_ref())
    }

    /// Queues a copy of `bytes` and calls `then` when the kernel has taken all of them.
    ///
    /// Many may wait; they are told in their order, each exactly once: with [`Closed`] when the
    /// connection ended before. Empty writes take their turn among the others. Those that wait when
    /// this side closes are told at the connection's end.
    ///
    /// # Errors
    ///
    /// As for [`write`](Self::write), and [`WriteRefused::Full`] when 65,536 functions wait.
    pub fn write_then(
        &mut self,
        bytes: impl AsRef<[u8]>,
        then: impl FnOnce(&mut StreamConn<'_>, Result<(), Closed>) -> Flow + 'static,
    ) -> Result<(), WriteRefused> {
        self.state.writes.write(&mut self.conn, bytes.as_ref(), Box::new(then))
    }
}

/// The end, and what comes from elsewhere.
impl StreamConn<'_> {
    /// Keeps the stream open after the peer's end, for an answer that is still to be made. Close it
    /// later.
    pub fn keep_open(&mut self) {
        self.state.keeps_open = true;
    }

    /// Sets what is called when the connection is over: once, and after everything else. An earlier
    /// one is replaced.
    pub fn on_close(&mut self, call: impl FnOnce(&mut StreamConn<'_>, &CloseReason) + 'static) {
        self.state.set_on_close(Box::new(call));
    }

    /// Sets what is called when a timer of this connection is due; see [`Conn::set_timer`].
    pub fn on_timer(&mut self, call: impl FnMut(&mut StreamConn<'_>, Tag) -> Flow + 'static) {
        self.state.set_on_timer(Box::new(call));
    }

    /// Sets what is called with messages of other connections and threads. Without it they are
    /// dropped.
    pub fn on_message(&mut self, call: impl FnMut(&mut StreamConn<'_>, Message) -> Flow + 'static) {
        self.state.set_on_message(Box::new(call));
    }

    /// Returns why the connection ended, in the functions that are called because it did.
    #[must_use]
    pub fn close_reason(&self) -> Option<&CloseReason> {
        self.reason
    }
}

impl<'a> Deref for StreamConn<'a> {
    type Target = Conn<'a>;

    fn deref(&self) -> &Conn<'a> {
        &self.conn
    }
}

impl DerefMut for StreamConn<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.conn
    }
}
