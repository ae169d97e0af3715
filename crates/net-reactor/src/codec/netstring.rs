//! Netstrings: `5:hello,`.

use super::{DecodeError, Decoder, EncodeError, Encoder, FRAME_BYTES_MAX, Output};
use crate::base::{Input, examined};

/// Netstrings: the length in decimal digits, a colon, the frame, a comma.
///
/// As in [D. J. Bernstein's text](https://cr.yp.to/proto/netstrings.txt) a length has no zeros in
/// front. A frame may have 1 MiB by default.
#[derive(Debug, Clone, Copy)]
pub struct Netstring {
    frame_bytes_max: usize,
}

impl Netstring {
    /// Makes a codec with the default limit.
    #[must_use]
    pub const fn new() -> Self {
        Self { frame_bytes_max: FRAME_BYTES_MAX }
    }

    /// Sets the most bytes of a frame; what is around it does not count.
    #[must_use]
    pub const fn max(mut self, bytes: usize) -> Self {
        self.frame_bytes_max = bytes;
        self
    }

    /// Reads the length at the front of `bytes`, and how many bytes it takes with its colon.
    ///
    /// A number over the limit is refused at its first digit too many, so this looks at no more
    /// digits than the limit has, and one.
    fn read(self, bytes: &[u8]) -> Result<Option<(usize, usize)>, DecodeError> {
        let limit_bytes = self.frame_bytes_max;
        let mut length = 0_u64;
        for (at, byte) in bytes.iter().enumerate() {
            examined(std::slice::from_ref(byte));
            match byte {
                b'0'..=b'9' if at > 0 && length == 0 => {
                    return Err(DecodeError::malformed("a length begins with a zero"));
                }
                b'0'..=b'9' => {
                    let longer = length.checked_mul(10);
                    let longer = longer.and_then(|tens| tens.checked_add(u64::from(byte - b'0')));
                    // Without a number there is an end of digits too, whatever the limit.
                    length = match longer {
                        Some(length) if length <= limit_bytes as u64 => length,
                        announced_bytes => {
                            return Err(DecodeError::TooLong { announced_bytes, limit_bytes });
                        }
                    };
                }
                b':' if at > 0 => {
                    // At most the limit, which is a `usize`.
                    let length = usize::try_from(length).unwrap_or(limit_bytes);
                    return Ok(Some((length, at + 1)));
                }
                _ => return Err(DecodeError::malformed("a length has something else than digits")),
            }
        }
        Ok(None)
    }
}

impl Default for Netstring {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder for Netstring {
    type Frame<'a> = &'a [u8];
    type Error = DecodeError;

    fn decode<'a>(&mut self, input: &mut Input<'a>) -> Result<Option<&'a [u8]>, DecodeError> {
        let bytes = input.bytes();
        let Some((length, head)) = self.read(bytes)? else { return Ok(None) };
        let Some((frame, behind)) = bytes[head..].split_at_checked(length) else { return Ok(None) };
        match behind.first() {
            Some(b',') => {
                input.consume(head + length + 1);
                Ok(Some(frame))
            }
            Some(_) => Err(DecodeError::malformed("a netstring does not end in a comma")),
            None => Ok(None),
        }
    }
}

impl<F: AsRef<[u8]> + ?Sized> Encoder<F> for Netstring {
    type Error = EncodeError;

    fn encode(&mut self, frame: &F, output: &mut Output<'_>) -> Result<(), EncodeError> {
        let frame = frame.as_ref();
        EncodeError::check(frame.len(), self.frame_bytes_max)?;
        output.put_decimal(frame.len());
        output.put(b":");
        output.put(frame);
        output.put(b",");
        Ok(())
    }
}
