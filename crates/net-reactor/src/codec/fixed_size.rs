//! Frames of one size.

use super::{DecodeError, Decoder, EncodeError, Encoder, Output};
use crate::base::Input;

/// Frames that all have the same number of bytes.
#[derive(Debug, Clone, Copy)]
pub struct FixedSize {
    frame_bytes: usize,
}

impl FixedSize {
    /// Makes a codec for frames of this many bytes.
    ///
    /// # Panics
    ///
    /// When it is zero.
    #[must_use]
    pub const fn new(frame_bytes: usize) -> Self {
        assert!(frame_bytes > 0, "there is no end to frames without bytes");
        Self { frame_bytes }
    }
}

impl Decoder for FixedSize {
    type Frame<'a> = &'a [u8];
    type Error = DecodeError;

    #[inline]
    fn decode<'a>(&mut self, input: &mut Input<'a>) -> Result<Option<&'a [u8]>, DecodeError> {
        Ok(input.take(self.frame_bytes))
    }
}

impl<F: AsRef<[u8]> + ?Sized> Encoder<F> for FixedSize {
    type Error = EncodeError;

    #[inline]
    fn encode(&mut self, frame: &F, output: &mut Output<'_>) -> Result<(), EncodeError> {
        let (frame, required_bytes) = (frame.as_ref(), self.frame_bytes);
        if frame.len() != required_bytes {
            return Err(EncodeError::WrongSize { bytes: frame.len(), required_bytes });
        }
        output.put(frame);
        Ok(())
    }
}
