//! No framing.

use super::{DecodeError, Decoder, EncodeError, Encoder, Output};
use crate::base::Input;

/// No framing: a frame is whatever has arrived, and is sent as it is.
///
/// For the part of a conversation that has no frames, on a connection that otherwise does.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct Raw;

impl Raw {
    /// Makes the codec.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl Decoder for Raw {
    type Frame<'a> = &'a [u8];
    type Error = DecodeError;

    #[inline]
    fn decode<'a>(&mut self, input: &mut Input<'a>) -> Result<Option<&'a [u8]>, DecodeError> {
        Ok((!input.is_empty()).then(|| input.take_all()))
    }
}

impl<F: AsRef<[u8]> + ?Sized> Encoder<F> for Raw {
    type Error = EncodeError;

    #[inline]
    fn encode(&mut self, frame: &F, output: &mut Output<'_>) -> Result<(), EncodeError> {
        output.put(frame.as_ref());
        Ok(())
    }
}
