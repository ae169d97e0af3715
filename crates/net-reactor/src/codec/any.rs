//! Codecs that are exchanged for others.

use std::fmt;

use super::{DecodeError, Decoder, EncodeError, Encoder, Output};
use crate::base::Input;

/// Any codec whose frames are bytes, behind a pointer: for a connection that changes from one to
/// another with [`set_codec`](crate::FrameConn::set_codec).
///
/// ```
/// use net_reactor::prelude::*;
/// use net_reactor::codec::{AnyCodec, LengthPrefix, Lines};
///
/// /// Speaks in lines until it is told to `upgrade`, and in binary frames from the next byte on.
/// let server = Server::new(|_peer| {
///     Framed::on_frame(AnyCodec::new(Lines::new()), |conn, frame| {
///         conn.send(frame)?;
///         if frame == b"upgrade" {
///             conn.set_codec(AnyCodec::new(LengthPrefix::u32()));
///         }
///         Ok(())
///     })
/// });
/// ```
pub struct AnyCodec {
    codec: Box<dyn Bytewise>,
}

impl AnyCodec {
    /// Makes one from a codec.
    #[must_use]
    pub fn new<C>(codec: C) -> Self
    where
        C: for<'a> Decoder<Frame<'a> = &'a [u8], Error = DecodeError>
            + Encoder<[u8], Error = EncodeError>
            + 'static,
    {
        Self { codec: Box::new(codec) }
    }
}

/// What a codec of byte frames does, without its type.
trait Bytewise {
    fn decode<'a>(&mut self, input: &mut Input<'a>) -> Result<Option<&'a [u8]>, DecodeError>;
    fn decode_end<'a>(&mut self, input: &mut Input<'a>) -> Result<Option<&'a [u8]>, DecodeError>;
    fn encode(&mut self, frame: &[u8], output: &mut Output<'_>) -> Result<(), EncodeError>;
}

impl<C> Bytewise for C
where
    C: for<'a> Decoder<Frame<'a> = &'a [u8], Error = DecodeError>
        + Encoder<[u8], Error = EncodeError>,
{
    fn decode<'a>(&mut self, input: &mut Input<'a>) -> Result<Option<&'a [u8]>, DecodeError> {
        Decoder::decode(self, input)
    }

    fn decode_end<'a>(&mut self, input: &mut Input<'a>) -> Result<Option<&'a [u8]>, DecodeError> {
        Decoder::decode_end(self, input)
    }

    fn encode(&mut self, frame: &[u8], output: &mut Output<'_>) -> Result<(), EncodeError> {
        Encoder::encode(self, frame, output)
    }
}

impl Decoder for AnyCodec {
    type Frame<'a> = &'a [u8];
    type Error = DecodeError;

    fn decode<'a>(&mut self, input: &mut Input<'a>) -> Result<Option<&'a [u8]>, DecodeError> {
        self.codec.decode(input)
    }

    fn decode_end<'a>(&mut self, input: &mut Input<'a>) -> Result<Option<&'a [u8]>, DecodeError> {
        self.codec.decode_end(input)
    }
}

impl<F: AsRef<[u8]> + ?Sized> Encoder<F> for AnyCodec {
    type Error = EncodeError;

    fn encode(&mut self, frame: &F, output: &mut Output<'_>) -> Result<(), EncodeError> {
        self.codec.encode(frame.as_ref(), output)
    }
}

impl fmt::Debug for AnyCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnyCodec").finish_non_exhaustive()
    }
}
