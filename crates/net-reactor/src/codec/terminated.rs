//! Frames that end as the handler says.

use bytes::Bytes;

use super::delimited::put_delimited;
use super::{DecodeError, Decoder, EncodeError, Encoder, FRAME_BYTES_MAX, Output};
use crate::base::Input;

/// How the next frame ends.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the three kinds that asynchat had")]
pub enum Terminator {
    /// Before these bytes, which are dropped. Of no bytes at all, it is [`None`](Self::None).
    Delimiter(Bytes),
    /// After this many bytes; none is a frame of no bytes, at once.
    Count(usize),
    /// Never: a frame is whatever has arrived.
    None,
}

/// Frames that end as the handler says, and it may say so anew with each: a header that ends in an
/// empty line, then a body of as many bytes as the header said.
///
/// After asynchat's `set_terminator`. A terminator stays until it is changed. A frame may have
/// 1 MiB by default, also one that is counted. A count of zero gives one empty frame and then
/// becomes [`Terminator::None`], so that there is an end to it.
///
/// ```
/// use net_reactor::{Input, codec::{Decoder, Terminated, Terminator}};
///
/// let mut input = Input::from_bytes(b"length 5\r\nhello");
/// let mut codec = Terminated::by("\r\n");
/// assert_eq!(codec.decode(&mut input)?, Some(&b"length 5"[..]));
/// codec.set(Terminator::Count(5));
/// assert_eq!(codec.decode(&mut input)?, Some(&b"hello"[..]));
/// # Ok::<(), net_reactor::codec::DecodeError>(())
/// ```
///
/// In sending the terminator counts too: a delimiter is appended, a count must be met.
#[derive(Debug, Clone)]
pub struct Terminated {
    terminator: Terminator,
    frame_bytes_max: usize,
}

impl Terminated {
    /// Makes a codec whose first frame ends as `terminator` says.
    #[must_use]
    pub const fn new(terminator: Terminator) -> Self {
        Self { terminator, frame_bytes_max: FRAME_BYTES_MAX }
    }

    /// Makes a codec whose first frame ends before `delimiter`.
    #[must_use]
    pub fn by(delimiter: impl Into<Bytes>) -> Self {
        Self::new(Terminator::Delimiter(delimiter.into()))
    }

    /// Sets the most bytes of a frame; a delimiter does not count.
    #[must_use]
    pub const fn max(mut self, bytes: usize) -> Self {
        self.frame_bytes_max = bytes;
        self
    }

    /// Says how frames end from the next one on.
    pub fn set(&mut self, terminator: Terminator) {
        self.terminator = terminator;
    }

    /// Returns how the next frame ends.
    #[must_use]
    pub const fn terminator(&self) -> &Terminator {
        &self.terminator
    }
}

impl Decoder for Terminated {
    type Frame<'a> = &'a [u8];
    type Error = DecodeError;

    fn decode<'a>(&mut self, input: &mut Input<'a>) -> Result<Option<&'a [u8]>, DecodeError> {
        let limit_bytes = self.frame_bytes_max;
        match &self.terminator {
            Terminator::Delimiter(delimiter) if !delimiter.is_empty() => {
                Ok(input.take_until(delimiter, limit_bytes)?)
            }
            Terminator::Count(count) if *count > limit_bytes => {
                let announced_bytes = Some(*count as u64);
                Err(DecodeError::TooLong { announced_bytes, limit_bytes })
            }
            Terminator::Count(0) => {
                self.terminator = Terminator::None;
                Ok(Some(&[]))
            }
            Terminator::Count(count) => Ok(input.take(*count)),
            Terminator::Delimiter(_) | Terminator::None => {
                Ok((!input.is_empty()).then(|| input.take_all()))
            }
        }
    }
}

impl<F: AsRef<[u8]> + ?Sized> Encoder<F> for Terminated {
    type Error = EncodeError;

    fn encode(&mut self, frame: &F, output: &mut Output<'_>) -> Result<(), EncodeError> {
        let frame = frame.as_ref();
        EncodeError::check(frame.len(), self.frame_bytes_max)?;
        match &self.terminator {
            Terminator::Count(count) if *count != frame.len() => {
                Err(EncodeError::WrongSize { bytes: frame.len(), required_bytes: *count })
            }
            Terminator::Delimiter(delimiter) if !delimiter.is_empty() => {
                put_delimited(frame, delimiter, output)
            }
            _ => {
                output.put(frame);
                Ok(())
            }
        }
    }
}
