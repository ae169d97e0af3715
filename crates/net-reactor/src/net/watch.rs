//! What a loop tells a simulation that looks over its shoulder.
//!
//! Without the feature `sim` everything here compiles to nothing; with it, a loop that is not
//! simulated pays one test of a pointer for each callback and each write.

use super::{CloseReason, ConnectError};
use crate::base::Key;
use crate::sys::{CloseHow, Wire};

/// What a loop is about to call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Callback {
    Open,
    Data,
    Eof,
    Pressure,
    Timer,
    Message,
    Stop,
    Close,
    ConnectFailed,
    /// The handler of a descriptor.
    Fd,
    /// The handler of a socket of datagrams.
    Datagram,
    /// A function on the loop, or the drop of a user's value.
    Function,
}

#[cfg(feature = "sim")]
impl Callback {
    pub(crate) const ALL: [Self; 12] = [
        Self::Open,
        Self::Data,
        Self::Eof,
        Self::Pressure,
        Self::Timer,
        Self::Message,
        Self::Stop,
        Self::Close,
        Self::ConnectFailed,
        Self::Fd,
        Self::Datagram,
        Self::Function,
    ];

    /// Returns the name that the user knows it by.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Open => "on_open",
            Self::Data => "on_data",
            Self::Eof => "on_eof",
            Self::Pressure => "on_pressure",
            Self::Timer => "on_timer",
            Self::Message => "on_message",
            Self::Stop => "on_stop",
            Self::Close => "on_close",
            Self::ConnectFailed => "on_connect_failed",
            Self::Fd => "the handler of a descriptor",
            Self::Datagram => "the handler of datagrams",
            Self::Function => "a function on the loop",
        }
    }
}

/// Whoever checks a loop against its contract while it runs.
#[cfg(feature = "sim")]
pub(crate) trait Watch {
    /// The user's code is about to be called; returns whether it shall panic instead.
    fn entered(&mut self, conn: Option<Key>, callback: Callback) -> bool;

    /// The user's code came back; `panic` is the message if it did so by a panic.
    fn left(&mut self, panic: Option<&str>);

    /// A connection has its handler and is about to be told that it is open.
    fn opened(&mut self, conn: Key, wire: Option<Wire>);

    /// A write was accepted. `queued_bytes` is what waits now, `limit_bytes` what may.
    fn wrote(&mut self, conn: Key, bytes: &[u8], queued_bytes: usize, limit_bytes: usize);

    /// A handler took bytes of its input; `kept_bytes` is what it left, `limit_bytes` what it may
    /// leave. Told once after each call with input, before anything that follows from it.
    fn consumed(&mut self, conn: Key, bytes: &[u8], kept_bytes: usize, limit_bytes: usize);

    /// The handler is about to be told of the end; `how` is what its peer was told.
    fn closed(&mut self, conn: Key, reason: &CloseReason, how: CloseHow);

    /// The handler is about to be told that there was no connection.
    fn connect_failed(&mut self, conn: Key, error: &ConnectError);
}

/// Where a loop keeps its watch, if it has one.
#[derive(Default)]
pub(crate) struct Watched {
    #[cfg(feature = "sim")]
    watch: Option<Box<dyn Watch>>,
}

#[cfg(feature = "sim")]
impl Watched {
    pub(crate) fn by(watch: Box<dyn Watch>) -> Self {
        Self { watch: Some(watch) }
    }

    #[inline]
    pub(crate) fn entered(&mut self, conn: Option<Key>, callback: Callback) -> bool {
        self.watch.as_mut().is_some_and(|watch| watch.entered(conn, callback))
    }

    pub(crate) fn left(&mut self, panic: Option<&str>) {
        if let Some(watch) = &mut self.watch {
            watch.left(panic);
        }
    }

    pub(crate) fn opened(&mut self, conn: Key, wire: impl FnOnce() -> Option<Wire>) {
        if let Some(watch) = &mut self.watch {
            watch.opened(conn, wire());
        }
    }

    #[inline]
    pub(crate) fn is_present(&self) -> bool {
        self.watch.is_some()
    }

    pub(crate) fn wrote(&mut self, conn: Key, bytes: &[u8], queued: usize, limit: usize) {
        if let Some(watch) = &mut self.watch {
            watch.wrote(conn, bytes, queued, limit);
        }
    }

    pub(crate) fn consumed(&mut self, conn: Key, bytes: &[u8], kept: usize, limit: usize) {
        if let Some(watch) = &mut self.watch {
            watch.consumed(conn, bytes, kept, limit);
        }
    }

    pub(crate) fn closed(&mut self, conn: Key, reason: &CloseReason, how: CloseHow) {
        if let Some(watch) = &mut self.watch {
            watch.closed(conn, reason, how);
        }
    }

    pub(crate) fn connect_failed(&mut self, conn: Key, error: &ConnectError) {
        if let Some(watch) = &mut self.watch {
            watch.connect_failed(conn, error);
        }
    }
}

#[cfg(not(feature = "sim"))]
#[expect(clippy::unused_self, clippy::needless_pass_by_ref_mut, reason = "the twin does something")]
impl Watched {
    pub(crate) const fn entered(&mut self, _conn: Option<Key>, _callback: Callback) -> bool {
        false
    }

    pub(crate) const fn left(&mut self, _panic: Option<&str>) {}

    pub(crate) fn opened(&mut self, _conn: Key, _wire: impl FnOnce() -> Option<Wire>) {}

    pub(crate) const fn is_present(&self) -> bool {
        false
    }

    pub(crate) const fn wrote(&mut self, _conn: Key, _bytes: &[u8], _queued: usize, _limit: usize) {
    }

    pub(crate) fn consumed(&mut self, _conn: Key, _bytes: &[u8], _kept: usize, _limit: usize) {}

    pub(crate) const fn closed(&mut self, _conn: Key, _reason: &CloseReason, _how: CloseHow) {}

    pub(crate) const fn connect_failed(&mut self, _conn: Key, _error: &ConnectError) {}
}

impl std::fmt::Debug for Watched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watched").field("present", &self.is_present()).finish()
    }
}
