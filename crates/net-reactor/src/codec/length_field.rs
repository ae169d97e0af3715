//! Frames with a header that holds their length.

use super::integer::{Integer, Width};
use super::{DecodeError, Decoder, EncodeError, Encoder, FRAME_BYTES_MAX, Output};
use crate::base::Input;

/// Frames with a header, and a length somewhere in it.
///
/// ```text
///   [ offset ][ length ][ uncounted ][ counted ........ ]
///   `----------------------- frame --------------------'
/// ```
///
/// The frame is given whole, because what is around the length means something too: a type, a
/// version, flags. In sending the frame is whole as well, and the codec writes the length over
/// whatever stands in its place.
///
/// The length is big-endian and counts what is behind it, unless set otherwise. A frame may have
/// 1 MiB by default, header included.
#[derive(Debug, Clone, Copy)]
pub struct LengthField {
    offset: usize,
    integer: Integer,
    /// How many bytes of a frame its length does not count.
    uncounted: usize,
    frame_bytes_max: usize,
}

impl LengthField {
    /// A length of one byte behind `offset` others.
    #[must_use]
    pub const fn u8(offset: usize) -> Self {
        Self::new(offset, Width::One)
    }

    /// A length of two bytes behind `offset` others.
    #[must_use]
    pub const fn u16(offset: usize) -> Self {
        Self::new(offset, Width::Two)
    }

    /// A length of three bytes behind `offset` others.
    #[must_use]
    pub const fn u24(offset: usize) -> Self {
        Self::new(offset, Width::Three)
    }

    /// A length of four bytes behind `offset` others.
    #[must_use]
    pub const fn u32(offset: usize) -> Self {
        Self::new(offset, Width::Four)
    }

    /// A length of eight bytes behind `offset` others.
    #[must_use]
    pub const fn u64(offset: usize) -> Self {
        Self::new(offset, Width::Eight)
    }

    const fn new(offset: usize, width: Width) -> Self {
        let integer = Integer::big_endian(width);
        let uncounted = offset + integer.width();
        Self { offset, integer, uncounted, frame_bytes_max: FRAME_BYTES_MAX }
    }

    /// The length's lowest byte comes first.
    #[must_use]
    pub const fn little_endian(mut self) -> Self {
        self.integer = self.integer.to_little_endian();
        self
    }

    /// The length counts what is behind it but for the first `bytes`, which belong to the header.
    #[must_use]
    pub const fn uncounted(mut self, bytes: usize) -> Self {
        self.uncounted = self.offset + self.integer.width() + bytes;
        self
    }

    /// The length counts its own bytes and what is behind them.
    #[must_use]
    pub const fn counts_itself(mut self) -> Self {
        self.uncounted = self.offset;
        self
    }

    /// The length counts the whole frame.
    #[must_use]
    pub const fn counts_all(mut self) -> Self {
        self.uncounted = 0;
        self
    }

    /// Sets the most bytes of a frame, header included.
    #[must_use]
    pub const fn max(mut self, bytes: usize) -> Self {
        self.frame_bytes_max = bytes;
        self
    }

    /// Returns the least that a frame has.
    const fn frame_bytes_min(self) -> usize {
        let header = self.offset + self.integer.width();
        if self.uncounted > header { self.uncounted } else { header }
    }
}

impl Decoder for LengthField {
    type Frame<'a> = &'a [u8];
    type Error = DecodeError;

    #[inline]
    fn decode<'a>(&mut self, input: &mut Input<'a>) -> Result<Option<&'a [u8]>, DecodeError> {
        let field = input.bytes().get(self.offset..).and_then(|bytes| self.integer.read(bytes));
        let Some(length) = field else { return Ok(None) };
        let limit_bytes = self.frame_bytes_max;
        let announced = length.saturating_add(self.uncounted as u64);
        let Some(frame_bytes) = usize::try_from(announced).ok().filter(|len| *len <= limit_bytes)
        else {
            return Err(DecodeError::TooLong { announced_bytes: Some(announced), limit_bytes });
        };
        if frame_bytes < self.frame_bytes_min() {
            return Err(DecodeError::malformed("a length does not count what it has to"));
        }
        Ok(input.take(frame_bytes))
    }
}

impl<F: AsRef<[u8]> + ?Sized> Encoder<F> for LengthField {
    type Error = EncodeError;

    fn encode(&mut self, frame: &F, output: &mut Output<'_>) -> Result<(), EncodeError> {
        let (frame, required_bytes) = (frame.as_ref(), self.frame_bytes_min());
        let bytes = frame.len();
        EncodeError::check(bytes, self.frame_bytes_max)?;
        if bytes < required_bytes {
            return Err(EncodeError::WrongSize { bytes, required_bytes });
        }
        let length = (bytes - self.uncounted) as u64;
        if length > self.integer.max() {
            let limit = self.integer.max().saturating_add(self.uncounted as u64);
            let limit_bytes = usize::try_from(limit).unwrap_or(usize::MAX);
            return Err(EncodeError::TooLong { bytes, limit_bytes });
        }
        let width = self.integer.width();
        output.put(&frame[..self.offset]);
        output.put(&self.integer.bytes(length)[..width]);
        output.put(&frame[self.offset + width..]);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(codec: LengthField, bytes: &[u8]) -> Result<Option<&[u8]>, DecodeError> {
        let mut codec = codec;
        codec.decode(&mut Input::from_bytes(bytes))
    }

    #[test]
    fn the_length_counts_what_it_is_said_to() {
        let frames: [(LengthField, &[u8]); 4] = [
            (LengthField::u16(2), b"tt\0\x03abc"),
            (LengthField::u16(2).uncounted(1), b"tt\0\x03fabc"),
            (LengthField::u16(2).counts_itself(), b"tt\0\x05abc"),
            (LengthField::u16(2).counts_all(), b"tt\0\x07abc"),
        ];
        for (codec, frame) in frames {
            let with_more = [frame, b"more"].concat();
            assert_eq!(decode(codec, &with_more), Ok(Some(frame)));
            for end in 0..frame.len() {
                assert_eq!(decode(codec, &frame[..end]), Ok(None));
            }
            let mut blank = frame.to_vec();
            blank[2..4].fill(0xee);
            let mut codec = codec;
            assert_eq!(codec.to_bytes(&blank).unwrap(), frame);
        }
    }

    #[test]
    fn a_length_that_does_not_count_its_own_header_is_refused() {
        let refused = decode(LengthField::u16(2).counts_all(), b"tt\0\x03abc");
        assert!(matches!(refused, Err(DecodeError::Malformed { .. })), "{refused:?}");
        let refused = LengthField::u16(2).to_bytes(b"tt\0");
        assert_eq!(refused, Err(EncodeError::WrongSize { bytes: 3, required_bytes: 4 }));
    }
}
