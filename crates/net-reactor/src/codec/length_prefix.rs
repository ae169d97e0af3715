//! Frames behind their length.

use super::integer::{Integer, Width};
use super::{DecodeError, Decoder, EncodeError, Encoder, FRAME_BYTES_MAX, Output, varint};
use crate::base::Input;

/// Frames behind their length, which is not part of them.
///
/// ```text
///   [ length ][ frame ............ ]
/// ```
///
/// The length is a number of 1, 2, 3, 4 or 8 bytes, big-endian unless
/// [`little_endian`](Self::little_endian) is set, or a varint of seven bits a byte as in Protocol
/// Buffers. A frame may have 1 MiB by default; a length beyond that is refused when it is read,
/// before anything is kept for it.
#[derive(Debug, Clone, Copy)]
pub struct LengthPrefix {
    prefix: Prefix,
    counts_itself: bool,
    frame_bytes_max: usize,
}

#[derive(Debug, Clone, Copy)]
enum Prefix {
    Integer(Integer),
    Varint,
}

impl LengthPrefix {
    /// A length of one byte.
    #[must_use]
    pub const fn u8() -> Self {
        Self::integer(Width::One)
    }

    /// A length of two bytes.
    #[must_use]
    pub const fn u16() -> Self {
        Self::integer(Width::Two)
    }

    /// A length of three bytes.
    #[must_use]
    pub const fn u24() -> Self {
        Self::integer(Width::Three)
    }

    /// A length of four bytes, the most common.
    #[must_use]
    pub const fn u32() -> Self {
        Self::integer(Width::Four)
    }

    /// A length of eight bytes.
    #[must_use]
    pub const fn u64() -> Self {
        Self::integer(Width::Eight)
    }

    /// A length of one to ten bytes. One that is written longer than it needs is refused.
    #[must_use]
    pub const fn varint() -> Self {
        Self { prefix: Prefix::Varint, counts_itself: false, frame_bytes_max: FRAME_BYTES_MAX }
    }

    const fn integer(width: Width) -> Self {
        let prefix = Prefix::Integer(Integer::big_endian(width));
        Self { prefix, counts_itself: false, frame_bytes_max: FRAME_BYTES_MAX }
    }

    /// The length's lowest byte comes first. A varint's always does.
    #[must_use]
    pub const fn little_endian(mut self) -> Self {
        if let Prefix::Integer(integer) = self.prefix {
            self.prefix = Prefix::Integer(integer.to_little_endian());
        }
        self
    }

    /// The length counts its own bytes too.
    #[must_use]
    pub const fn counts_itself(mut self) -> Self {
        self.counts_itself = true;
        self
    }

    /// Sets the most bytes of a frame; the length does not count.
    #[must_use]
    pub const fn max(mut self, bytes: usize) -> Self {
        self.frame_bytes_max = bytes;
        self
    }

    /// Reads the length at the front of `bytes`, and how many bytes it takes.
    #[inline]
    fn read(&self, bytes: &[u8]) -> Result<Option<(u64, usize)>, DecodeError> {
        match self.prefix {
            Prefix::Integer(integer) if !self.counts_itself => {
                Ok(integer.read(bytes).map(|length| (length, integer.width())))
            }
            _ => self.read_uncommon(bytes),
        }
    }

    #[cold]
    fn read_uncommon(&self, bytes: &[u8]) -> Result<Option<(u64, usize)>, DecodeError> {
        let read = match self.prefix {
            Prefix::Integer(integer) => integer.read(bytes).map(|length| (length, integer.width())),
            Prefix::Varint => varint::read(bytes)?,
        };
        match read {
            Some((length, width)) if self.counts_itself => {
                let rule = "a length does not count its own bytes";
                let length = length.checked_sub(width as u64);
                Ok(Some((length.ok_or(DecodeError::malformed(rule))?, width)))
            }
            read => Ok(read),
        }
    }

    /// Writes the length of a frame.
    #[inline]
    fn put(&self, frame_bytes: usize, output: &mut Output<'_>) -> Result<(), EncodeError> {
        match self.prefix {
            Prefix::Integer(integer) if !self.counts_itself => {
                let length = frame_bytes as u64;
                if length > integer.max() {
                    return Err(Self::unsayable(frame_bytes, integer.max()));
                }
                output.put_some(integer.bytes(length), integer.width());
                Ok(())
            }
            _ => self.put_uncommon(frame_bytes, output),
        }
    }

    #[cold]
    fn put_uncommon(&self, frame_bytes: usize, output: &mut Output<'_>) -> Result<(), EncodeError> {
        let length = frame_bytes as u64;
        match self.prefix {
            Prefix::Integer(integer) => {
                let width = integer.width();
                let own = if self.counts_itself { width as u64 } else { 0 };
                if length > integer.max() - own {
                    return Err(Self::unsayable(frame_bytes, integer.max() - own));
                }
                output.put_some(integer.bytes(length + own), width);
            }
            Prefix::Varint => {
                // The length of a length that counts itself depends on itself: the shortest that
                // is true.
                let own = |len: usize| if self.counts_itself { len as u64 } else { 0 };
                for len in 1..=varint::VARINT_BYTES_MAX {
                    let (bytes, written) = varint::bytes(length.saturating_add(own(len)));
                    if written == len {
                        output.put(&bytes[..len]);
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// The error of a frame that is longer than its length can say.
    #[cold]
    fn unsayable(bytes: usize, limit: u64) -> EncodeError {
        EncodeError::TooLong { bytes, limit_bytes: usize::try_from(limit).unwrap_or(usize::MAX) }
    }
}

impl Decoder for LengthPrefix {
    type Frame<'a> = &'a [u8];
    type Error = DecodeError;

    #[inline(always)]
    fn decode<'a>(&mut self, input: &mut Input<'a>) -> Result<Option<&'a [u8]>, DecodeError> {
        let bytes = input.bytes();
        let Some((length, width)) = self.read(bytes)? else { return Ok(None) };
        let limit_bytes = self.frame_bytes_max;
        let Some(frame_bytes) = usize::try_from(length).ok().filter(|len| *len <= limit_bytes)
        else {
            return Err(DecodeError::TooLong { announced_bytes: Some(length), limit_bytes });
        };
        // The width was read, and the length is within the limit: no overflow, if the limit is sane.
        let Some(whole) = bytes.get(..width.saturating_add(frame_bytes)) else { return Ok(None) };
        input.advance(whole.len());
        Ok(Some(&whole[width..]))
    }
}

impl<F: AsRef<[u8]> + ?Sized> Encoder<F> for LengthPrefix {
    type Error = EncodeError;

    #[inline(always)]
    fn encode(&mut self, frame: &F, output: &mut Output<'_>) -> Result<(), EncodeError> {
        let frame = frame.as_ref();
        EncodeError::check(frame.len(), self.frame_bytes_max)?;
        self.put(frame.len(), output)?;
        output.put(frame);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_varint_that_counts_itself_is_the_shortest_that_is_true() {
        let mut codec = LengthPrefix::varint().counts_itself();
        for (frame_len, prefix) in
            [(0, &[1][..]), (126, &[127]), (127, &[0x81, 1]), (16_381, &[0xff, 0x7f])]
        {
            let wire = codec.to_bytes(&vec![b'x'; frame_len]).unwrap();
            assert_eq!(wire[..wire.len() - frame_len], *prefix, "{frame_len}");
        }
    }

    #[test]
    fn a_frame_that_its_length_cannot_say_is_refused() {
        let refused = LengthPrefix::u8().to_bytes(&[0; 256]);
        assert_eq!(refused, Err(EncodeError::TooLong { bytes: 256, limit_bytes: 255 }));
        assert!(LengthPrefix::u8().to_bytes(&[0; 255]).is_ok());
        assert!(LengthPrefix::u8().counts_itself().to_bytes(&[0; 255]).is_err());
        assert!(LengthPrefix::u8().counts_itself().to_bytes(&[0; 254]).is_ok());
    }
}
