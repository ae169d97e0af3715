//! Frames behind their length.

use super::integer::{Integer, Width};
use super::varint::{self, VARINT_BYTES_MAX};
use super::{DecodeError, Decoder, EncodeError, Encoder, FRAME_BYTES_MAX, Output};
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
    frame_bytes_max: usize,
    /// The limit in sending: that, or less if the length cannot say so much.
    sent_bytes_max: usize,
}

#[derive(Debug, Clone, Copy)]
enum Prefix {
    /// The common one: `decode` and `encode` do it at once, and leave everything else, input of
    /// fewer than eight bytes too, to functions out of their way.
    Integer(Integer),
    IntegerCountingItself(Integer),
    Varint,
    VarintCountingItself,
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
        Self::new(Prefix::Varint, FRAME_BYTES_MAX)
    }

    const fn integer(width: Width) -> Self {
        Self::new(Prefix::Integer(Integer::big_endian(width)), FRAME_BYTES_MAX)
    }

    const fn new(prefix: Prefix, frame_bytes_max: usize) -> Self {
        let says = match prefix {
            Prefix::Integer(integer) => integer.max(),
            Prefix::IntegerCountingItself(integer) => integer.max() - integer.width() as u64,
            Prefix::Varint | Prefix::VarintCountingItself => u64::MAX,
        };
        #[expect(clippy::cast_possible_truncation, reason = "it is less than a usize")]
        let sent_bytes_max =
            if says < frame_bytes_max as u64 { says as usize } else { frame_bytes_max };
        Self { prefix, frame_bytes_max, sent_bytes_max }
    }

    /// The length's lowest byte comes first. A varint's always does.
    #[must_use]
    pub const fn little_endian(self) -> Self {
        let prefix = match self.prefix {
            Prefix::Integer(integer) => Prefix::Integer(integer.to_little_endian()),
            Prefix::IntegerCountingItself(integer) => {
                Prefix::IntegerCountingItself(integer.to_little_endian())
            }
            varint => varint,
        };
        Self::new(prefix, self.frame_bytes_max)
    }

    /// The length counts its own bytes too.
    #[must_use]
    pub const fn counts_itself(self) -> Self {
        let prefix = match self.prefix {
            Prefix::Integer(integer) => Prefix::IntegerCountingItself(integer),
            Prefix::Varint => Prefix::VarintCountingItself,
            counting => counting,
        };
        Self::new(prefix, self.frame_bytes_max)
    }

    /// Sets the most bytes of a frame; the length does not count.
    #[must_use]
    pub const fn max(self, bytes: usize) -> Self {
        Self::new(self.prefix, bytes)
    }

    /// Reads the length at the front of `bytes`, and how many bytes it takes.
    #[cold]
    fn read(&self, bytes: &[u8]) -> Result<Option<(u64, usize)>, DecodeError> {
        let read = match self.prefix {
            Prefix::Integer(integer) => {
                return Ok(integer.read(bytes).map(|length| (length, integer.width())));
            }
            Prefix::IntegerCountingItself(integer) => {
                integer.read(bytes).map(|length| (length, integer.width()))
            }
            Prefix::Varint => return varint::read(bytes),
            Prefix::VarintCountingItself => varint::read(bytes)?,
        };
        let Some((length, width)) = read else { return Ok(None) };
        match length.checked_sub(width as u64) {
            Some(length) => Ok(Some((length, width))),
            None => Err(DecodeError::malformed("a length does not count its own bytes")),
        }
    }

    /// Returns the bytes of the length of a frame that is not over the limit in sending, and how many
    /// of them count.
    #[cold]
    fn length_bytes(&self, frame_bytes: u64) -> ([u8; VARINT_BYTES_MAX], usize) {
        let fixed = |integer: Integer, number| {
            let mut bytes = [0; VARINT_BYTES_MAX];
            bytes[..8].copy_from_slice(&integer.bytes(number));
            (bytes, integer.width())
        };
        match self.prefix {
            Prefix::Integer(integer) => fixed(integer, frame_bytes),
            Prefix::IntegerCountingItself(integer) => {
                fixed(integer, frame_bytes + integer.width() as u64)
            }
            Prefix::Varint => varint::bytes(frame_bytes),
            // The length of the length depends on itself: the shortest that is true.
            Prefix::VarintCountingItself => (1..=VARINT_BYTES_MAX)
                .map(|len| (len, varint::bytes(frame_bytes.saturating_add(len as u64))))
                .find_map(|(len, bytes)| (bytes.1 == len).then_some(bytes))
                .unwrap_or_default(),
        }
    }
}

impl Decoder for LengthPrefix {
    type Frame<'a> = &'a [u8];
    type Error = DecodeError;

    #[inline(always)]
    fn decode<'a>(&mut self, input: &mut Input<'a>) -> Result<Option<&'a [u8]>, DecodeError> {
        let (length, width) = if let Prefix::Integer(integer) = self.prefix
            && let Some(eight) = input.bytes().first_chunk()
        {
            (integer.pick(*eight), integer.width())
        } else {
            match self.read(input.bytes())? {
                Some(read) => read,
                None => return Ok(None),
            }
        };
        let limit_bytes = self.frame_bytes_max;
        let Some(frame_bytes) = usize::try_from(length).ok().filter(|len| *len <= limit_bytes)
        else {
            return Err(DecodeError::TooLong { announced_bytes: Some(length), limit_bytes });
        };
        Ok(input.take_behind(width, frame_bytes))
    }
}

impl<F: AsRef<[u8]> + ?Sized> Encoder<F> for LengthPrefix {
    type Error = EncodeError;

    #[inline(always)]
    fn encode(&mut self, frame: &F, output: &mut Output<'_>) -> Result<(), EncodeError> {
        let frame = frame.as_ref();
        EncodeError::check(frame.len(), self.sent_bytes_max)?;
        let frame_bytes = frame.len() as u64;
        if let Prefix::Integer(integer) = self.prefix {
            output.put_some(integer.bytes(frame_bytes), integer.width());
        } else {
            let (bytes, width) = self.length_bytes(frame_bytes);
            output.put(&bytes[..width]);
        }
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
