//! Frames that end in a delimiter.

use bytes::Bytes;
use memchr::{memchr, memmem};

use super::{DecodeError, Decoder, EncodeError, Encoder, FRAME_BYTES_MAX, Output, Trailing};
use crate::base::Input;

/// Frames that end in a delimiter of one or more bytes, which is not part of them.
///
/// A search resumes where the last one stopped, so a peer that sends byte by byte costs linear
/// work. A frame may have 1 MiB by default. One that contains the delimiter, or makes one together
/// with the delimiter behind it, is refused in sending.
#[derive(Debug, Clone)]
pub struct Delimited {
    delimiter: Bytes,
    frame_bytes_max: usize,
    trailing: Trailing,
}

impl Delimited {
    /// Makes a codec for this delimiter.
    ///
    /// # Panics
    ///
    /// When the delimiter is empty.
    #[must_use]
    pub fn new(delimiter: impl Into<Bytes>) -> Self {
        let delimiter = delimiter.into();
        assert!(!delimiter.is_empty(), "an empty delimiter delimits nothing");
        Self { delimiter, frame_bytes_max: FRAME_BYTES_MAX, trailing: Trailing::Refuse }
    }

    /// Sets the most bytes of a frame; the delimiter does not count.
    #[must_use]
    pub fn max(mut self, bytes: usize) -> Self {
        self.frame_bytes_max = bytes;
        self
    }

    /// Sets what becomes of bytes without a delimiter when the peer has finished. Default: refused.
    #[must_use]
    pub fn trailing(mut self, trailing: Trailing) -> Self {
        self.trailing = trailing;
        self
    }
}

impl Decoder for Delimited {
    type Frame<'a> = &'a [u8];
    type Error = DecodeError;

    fn decode<'a>(&mut self, input: &mut Input<'a>) -> Result<Option<&'a [u8]>, DecodeError> {
        Ok(input.take_until(&self.delimiter, self.frame_bytes_max)?)
    }

    fn decode_end<'a>(&mut self, input: &mut Input<'a>) -> Result<Option<&'a [u8]>, DecodeError> {
        let frame = self.decode(input)?;
        if frame.is_some() || input.is_empty() || self.trailing == Trailing::Refuse {
            return Ok(frame);
        }
        let limit_bytes = self.frame_bytes_max;
        if input.len() > limit_bytes {
            return Err(DecodeError::TooLong { announced_bytes: None, limit_bytes });
        }
        Ok(Some(input.take_all()))
    }
}

impl<F: AsRef<[u8]> + ?Sized> Encoder<F> for Delimited {
    type Error = EncodeError;

    fn encode(&mut self, frame: &F, output: &mut Output<'_>) -> Result<(), EncodeError> {
        let frame = frame.as_ref();
        EncodeError::check(frame.len(), self.frame_bytes_max)?;
        put_delimited(frame, &self.delimiter, output)
    }
}

/// Puts a frame and its delimiter; refuses one in which the peer would find an end earlier.
pub(super) fn put_delimited(
    frame: &[u8],
    delimiter: &[u8],
    output: &mut Output<'_>,
) -> Result<(), EncodeError> {
    // Another codec may have put a head of its own before.
    let start = output.frame().len();
    output.put(frame);
    output.put(delimiter);
    let put = &output.frame()[start..];
    let first = match delimiter {
        [byte] => memchr(*byte, put),
        several => memmem::find(put, several),
    };
    if first == Some(frame.len()) { Ok(()) } else { Err(EncodeError::ContainsDelimiter) }
}
