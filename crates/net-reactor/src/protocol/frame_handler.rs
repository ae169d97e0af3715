//! The user's side of a connection that speaks in frames.

use super::{Eof, Failure, Flow, FrameConn, Message, Reactor, Tag};
use crate::codec::{Decoder, UnfinishedFrame};
use crate::net::{CloseReason, ConnectError, Pressure};

/// The handler of one connection that speaks in the frames of a codec `C`.
///
/// What is said of [`Protocol`](crate::Protocol) holds here too, frame by frame: after a close, an
/// abort or an `Err` within [`on_frame`](Self::on_frame) no further frame comes; after a
/// [`pause`](crate::Conn::pause) none comes until [`resume`](crate::Conn::resume), and then the
/// rest of those that had arrived come first. A handler whose answers the peer does not read is
/// given no further frames while output is above the high mark.
///
/// A closure that takes a connection and a frame is a handler too; see
/// [`Framed::on_frame`](crate::Framed::on_frame).
#[expect(unused_variables, reason = "the names of the parameters are documentation")]
pub trait FrameHandler<C: Decoder>: 'static {
    /// The connection is open.
    ///
    /// # Errors
    ///
    /// An error closes the connection with that reason.
    fn on_open(&mut self, conn: &mut FrameConn<'_, C>) -> Flow {
        Ok(())
    }

    /// A frame arrived. It borrows from the receive buffer.
    ///
    /// # Errors
    ///
    /// An error closes the connection with that reason.
    fn on_frame(&mut self, conn: &mut FrameConn<'_, C>, frame: C::Frame<'_>) -> Flow;

    /// What arrived is no frame. The connection is closed with
    /// [`Malformed`](CloseReason::Malformed) after this, and what is sent here, such as a word about
    /// the reason, reaches the peer before.
    ///
    /// # Errors
    ///
    /// An error is the reason then instead.
    fn on_malformed(&mut self, conn: &mut FrameConn<'_, C>, error: &C::Error) -> Flow {
        Ok(())
    }

    /// The peer has finished sending. `rest` is what is left of a frame that did not arrive whole.
    ///
    /// The default closes: with [`PeerClosed`](CloseReason::PeerClosed) after whole frames, and with
    /// [`Malformed`](CloseReason::Malformed) and an [`UnfinishedFrame`] in the middle of one.
    ///
    /// # Errors
    ///
    /// An error closes the connection with that reason.
    fn on_eof(&mut self, conn: &mut FrameConn<'_, C>, rest: &[u8]) -> Result<Eof, Failure> {
        if rest.is_empty() {
            Ok(Eof::Close)
        } else {
            Err(Failure::malformed(UnfinishedFrame::of(rest)))
        }
    }

    /// Queued output crossed the high or the low mark. The two strictly alternate.
    ///
    /// # Errors
    ///
    /// An error closes the connection with that reason.
    fn on_pressure(&mut self, conn: &mut FrameConn<'_, C>, pressure: Pressure) -> Flow {
        Ok(())
    }

    /// A timer that this connection set with [`Conn::set_timer`](crate::Conn::set_timer) is due.
    ///
    /// # Errors
    ///
    /// An error closes the connection with that reason.
    fn on_timer(&mut self, conn: &mut FrameConn<'_, C>, tag: Tag) -> Flow {
        Ok(())
    }

    /// Another connection or thread sent a message.
    ///
    /// # Errors
    ///
    /// An error closes the connection with that reason.
    fn on_message(&mut self, conn: &mut FrameConn<'_, C>, message: Message) -> Flow {
        Ok(())
    }

    /// The loop is stopping gracefully and waits for this connection to finish. The default closes
    /// it.
    ///
    /// # Errors
    ///
    /// An error closes the connection with that reason.
    fn on_stop(&mut self, conn: &mut FrameConn<'_, C>) -> Flow {
        conn.close();
        Ok(())
    }

    /// The connection is over. Always the last callback, exactly once after `on_open`.
    fn on_close(&mut self, conn: &mut FrameConn<'_, C>, reason: CloseReason) {}

    /// The connection could not be opened. Comes instead of all other callbacks.
    fn on_connect_failed(&mut self, reactor: &mut Reactor<'_>, error: ConnectError) {}
}

impl<C, F> FrameHandler<C> for F
where
    C: Decoder,
    F: FnMut(&mut FrameConn<'_, C>, C::Frame<'_>) -> Flow + 'static,
{
    fn on_frame(&mut self, conn: &mut FrameConn<'_, C>, frame: C::Frame<'_>) -> Flow {
        self(conn, frame)
    }
}
