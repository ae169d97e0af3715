//! A connection, as a handler of frames holds it.

use std::error::Error;
use std::fmt;
use std::ops::{Deref, DerefMut};

use super::Conn;
use crate::codec::{Encoder, Output};
use crate::net::{Closed, ConnStats, Growing};

/// A connection that speaks in frames, lent for one callback: all that a [`Conn`] is, with a codec.
#[derive(Debug)]
pub struct FrameConn<'a, C> {
    conn: Conn<'a>,
    pub(super) codec: &'a mut C,
    /// Whether the handler had its hands on the codec.
    pub(super) touched: bool,
    /// [`Conn::flow_changes`] when it was last certain that the flow goes on.
    seen_changes: u64,
    /// Where frames are encoded to. From the first frame on until the connection is used in another
    /// way this is the staging area itself, taken out of the loop: nothing is looked up for the
    /// frames behind the first.
    growing: Growing,
}

impl<'a, C> FrameConn<'a, C> {
    pub(super) fn new(conn: &'a mut Conn<'_>, codec: &'a mut C) -> Self {
        let seen_changes = conn.flow_changes();
        let growing = Growing::default();
        Self { conn: conn.reborrow(), codec, touched: false, seen_changes, growing }
    }

    /// Makes one that is certain of nothing yet: above the high mark the first frame waits too.
    pub(super) fn in_batch(conn: &'a mut Conn<'_>, codec: &'a mut C) -> Self {
        let mut conn = Self::new(conn, codec);
        conn.seen_changes = conn.seen_changes.wrapping_sub(1);
        conn
    }

    /// Queues a frame.
    ///
    /// It is encoded to where it will be sent from, and leaves with everything else that was
    /// written in this turn. What [`Conn::write`] says about limits holds here too; bytes that are
    /// written past the codec stand between the frames, in order.
    ///
    /// # Errors
    ///
    /// [`SendError::Refused`] when the framing cannot carry the frame: nothing is queued, and the
    /// connection is as before. [`SendError::Closed`] as for [`Conn::write`].
    #[inline]
    pub fn send<F: ?Sized>(&mut self, frame: &F) -> Result<(), SendError<<C as Encoder<F>>::Error>>
    where
        C: Encoder<F>,
    {
        if self.growing.end_max == 0 {
            self.prepare();
        }
        let start = self.growing.bytes.len();
        let encoded = self.codec.encode(frame, &mut Output::behind(&mut self.growing.bytes));
        if let Err(source) = encoded {
            self.growing.bytes.truncate(start);
            return Err(SendError::Refused { source });
        }
        if self.growing.bytes.len() >= self.growing.end_max {
            return self.send_aside(start).map_err(|Closed| SendError::Closed);
        }
        Ok(())
    }

    #[cold]
    fn prepare(&mut self) {
        self.settle();
        self.growing = self.conn.give_staging();
    }

    /// Sends a frame that cannot stay where it was encoded to.
    #[cold]
    fn send_aside(&mut self, start: usize) -> Result<(), Closed> {
        self.conn.write_behind(std::mem::take(&mut self.growing), start)
    }

    /// Gives the loop back what was taken out of it.
    #[inline]
    fn settle(&mut self) {
        if self.growing.is_out() {
            self.conn.take_staging(std::mem::take(&mut self.growing));
        }
    }

    /// Returns the connection's counters.
    #[must_use]
    pub fn stats(&mut self) -> ConnStats {
        self.settle();
        self.conn.stats()
    }

    /// Returns the codec, also to change it.
    ///
    /// A change holds from the next frame on, to receive and to send: the bytes behind the current
    /// frame are for the codec as it is then, whether or not they have arrived yet.
    pub fn codec(&mut self) -> &mut C {
        self.touched = true;
        self.codec
    }

    /// Exchanges the codec and returns the one before, with the effect of [`codec`](Self::codec).
    ///
    /// To change to a codec of another type, use [`AnyCodec`](crate::codec::AnyCodec) or an enum
    /// of your own.
    pub fn set_codec(&mut self, codec: C) -> C {
        self.touched = true;
        std::mem::replace(self.codec, codec)
    }

    /// Whether the handler may be given the next frame of a batch.
    #[inline]
    pub(super) fn goes_on(&mut self) -> bool {
        // While it has the staging area, the connection was used for nothing but frames.
        self.growing.end_max > 0
            || self.conn.flow_changes() == self.seen_changes
            || self.looks_again()
    }

    fn looks_again(&mut self) -> bool {
        self.seen_changes = self.conn.flow_changes();
        self.conn.goes_on()
    }
}

impl<'a, C> Deref for FrameConn<'a, C> {
    type Target = Conn<'a>;

    fn deref(&self) -> &Conn<'a> {
        &self.conn
    }
}

impl<C> DerefMut for FrameConn<'_, C> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.settle();
        &mut self.conn
    }
}

/// Also when the handler panics: the area holds output of other connections.
impl<C> Drop for FrameConn<'_, C> {
    fn drop(&mut self) {
        self.settle();
    }
}

/// Why a frame was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError<E> {
    /// The connection is closed or closing.
    Closed,
    /// The framing cannot carry the frame. Others can still be sent.
    Refused {
        /// What the codec said.
        source: E,
    },
}

impl<E> fmt::Display for SendError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => fmt::Display::fmt(&Closed, f),
            Self::Refused { .. } => f.write_str("the frame cannot be sent"),
        }
    }
}

impl<E: Error + 'static> Error for SendError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Closed => None,
            Self::Refused { source } => Some(source),
        }
    }
}
