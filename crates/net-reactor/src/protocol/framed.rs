//! A codec on a connection.

use super::{Conn, Eof, Failure, Flow, FrameConn, FrameHandler, Message, Protocol, Reactor, Tag};
use crate::base::Input;
use crate::codec::Decoder;
use crate::net::{CloseReason, ConnectError, Pressure};

/// A connection that speaks in frames: a [codec](crate::codec) and a [handler](FrameHandler) of
/// what it finds, together a [`Protocol`].
///
/// ```
/// use net_reactor::{codec::LengthPrefix, prelude::*};
///
/// /// Sums the frames of each connection up, and answers the sum so far.
/// #[derive(Default)]
/// struct Sum(u64);
///
/// impl FrameHandler<LengthPrefix> for Sum {
///     fn on_frame(&mut self, conn: &mut FrameConn<'_, LengthPrefix>, frame: &[u8]) -> Flow {
///         self.0 += u64::from(u32::from_be_bytes(frame.try_into()?));
///         conn.send(&self.0.to_be_bytes())?;
///         Ok(())
///     }
/// }
///
/// let server = Server::new(|_peer| Framed::new(LengthPrefix::u16(), Sum::default()));
/// ```
///
/// Each call with input is worked through in one loop, with no cost for a frame but its decoding.
/// Bytes that are no frame close the connection with [`Malformed`](CloseReason::Malformed) and the
/// codec's error as its source.
#[derive(Debug)]
pub struct Framed<C, H> {
    codec: C,
    handler: H,
}

impl<C: Decoder, H: FrameHandler<C>> Framed<C, H> {
    /// Joins a codec and a handler.
    pub fn new(codec: C, handler: H) -> Self {
        Self { codec, handler }
    }

    /// Returns the handler, such as to look at it in a test.
    pub fn handler(&mut self) -> &mut H {
        &mut self.handler
    }
}

impl<C, F> Framed<C, F>
where
    C: Decoder,
    F: FnMut(&mut FrameConn<'_, C>, C::Frame<'_>) -> Flow + 'static,
{
    /// Joins a codec and a closure that is called with each frame.
    ///
    /// ```
    /// use net_reactor::{codec::Lines, prelude::*};
    ///
    /// let echo = Framed::on_frame(Lines::new(), |conn, line| Ok(conn.send(line)?));
    /// ```
    pub fn on_frame(codec: C, on_frame: F) -> Self {
        Self { codec, handler: on_frame }
    }
}

impl<C: Decoder, H: FrameHandler<C>> Framed<C, H> {
    /// Calls the handler about something else than input.
    fn call<R>(
        &mut self,
        conn: &mut Conn<'_>,
        call: impl FnOnce(&mut H, &mut FrameConn<'_, C>) -> R,
    ) -> R {
        let mut conn = FrameConn::new(conn, &mut self.codec);
        let result = call(&mut self.handler, &mut conn);
        if conn.touched {
            // What had been too little for the codec before may be a frame now.
            conn.owe_input();
        }
        result
    }
}

/// Gives the handler one frame after the other, as long as it takes them.
///
/// At the end of the input it is given all there are: nothing could keep them any longer.
fn work<C: Decoder, H: FrameHandler<C>>(
    handler: &mut H,
    conn: &mut FrameConn<'_, C>,
    input: &mut Input<'_>,
    is_end: bool,
) -> Flow {
    // A copy, so that it may live in registers: nobody else sees it before the end.
    let mut left = input.copy();
    let flow = loop {
        if !(conn.goes_on() || (is_end && conn.is_reading())) {
            break Ok(());
        }
        let next =
            if is_end { conn.codec.decode_end(&mut left) } else { conn.codec.decode(&mut left) };
        match next {
            Ok(Some(frame)) => {
                if let Err(failure) = handler.on_frame(conn, frame) {
                    break Err(failure);
                }
            }
            Ok(None) => break Ok(()),
            Err(error) => break Err(refuse(handler, conn, error)),
        }
    };
    *input = left;
    flow
}

/// Closes for bytes that are no frame, after the handler has had a word.
#[cold]
fn refuse<C: Decoder, H: FrameHandler<C>>(
    handler: &mut H,
    conn: &mut FrameConn<'_, C>,
    error: C::Error,
) -> Failure {
    match handler.on_malformed(conn, &error) {
        Ok(()) => Failure::malformed(error),
        Err(failure) => failure,
    }
}

impl<C: Decoder + 'static, H: FrameHandler<C>> Protocol for Framed<C, H> {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        self.call(conn, |handler, conn| handler.on_open(conn))
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        let mut conn = FrameConn::in_batch(conn, &mut self.codec);
        work(&mut self.handler, &mut conn, input, false)
    }

    fn on_eof(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Result<Eof, Failure> {
        let mut conn = FrameConn::in_batch(conn, &mut self.codec);
        work(&mut self.handler, &mut conn, input, true)?;
        if conn.is_reading() {
            self.handler.on_eof(&mut conn, input.take_all())
        } else {
            Ok(Eof::Close)
        }
    }

    fn on_pressure(&mut self, conn: &mut Conn<'_>, pressure: Pressure) -> Flow {
        self.call(conn, |handler, conn| handler.on_pressure(conn, pressure))
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, tag: Tag) -> Flow {
        self.call(conn, |handler, conn| handler.on_timer(conn, tag))
    }

    fn on_message(&mut self, conn: &mut Conn<'_>, message: Message) -> Flow {
        self.call(conn, |handler, conn| handler.on_message(conn, message))
    }

    fn on_stop(&mut self, conn: &mut Conn<'_>) -> Flow {
        self.call(conn, |handler, conn| handler.on_stop(conn))
    }

    fn on_close(&mut self, conn: &mut Conn<'_>, reason: CloseReason) {
        self.call(conn, |handler, conn| handler.on_close(conn, reason));
    }

    fn on_connect_failed(&mut self, reactor: &mut Reactor<'_>, error: ConnectError) {
        self.handler.on_connect_failed(reactor, error);
    }
}
