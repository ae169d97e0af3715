//! A connection, as a handler of frames holds it.

use std::error::Error;
use std::fmt;
use std::ops::{Deref, DerefMut};

use super::Conn;
use crate::codec::{Encoder, Output};
use crate::net::Closed;

/// A connection that speaks in frames, lent for one callback: all that a [`Conn`] is, with a codec.
#[derive(Debug)]
pub struct FrameConn<'a, C> {
    conn: Conn<'a>,
    pub(super) codec: &'a mut C,
    /// Whether the handler had its hands on the codec.
    pub(super) touched: bool,
    /// [`Conn::flow_changes`] when it was last certain that the flow goes on.
    seen_changes: u64,
}

impl<'a, C> FrameConn<'a, C> {
    pub(super) fn new(conn: &'a mut Conn<'_>, codec: &'a mut C) -> Self {
        let seen_changes = conn.flow_changes();
        Self { conn: conn.reborrow(), codec, touched: false, seen_changes }
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
        let codec = &mut *self.codec;
        let sent = self.conn.write_with(|bytes| codec.encode(frame, &mut Output::behind(bytes)));
        match sent {
            Ok(Ok(())) => Ok(()),
            Ok(Err(Closed)) => Err(SendError::Closed),
            Err(source) => Err(SendError::Refused { source }),
        }
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
        self.conn.flow_changes() == self.seen_changes || self.looks_again()
    }

    #[cold]
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
        &mut self.conn
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
