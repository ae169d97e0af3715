//! Lines of text.

use memchr::memchr;

use super::{DecodeError, Decoder, EncodeError, Encoder, FRAME_BYTES_MAX, Output, Trailing};
use crate::base::Input;

/// Lines, without their ends. LF and CR LF are accepted; LF is sent.
///
/// A line may have 1 MiB by default. A line without an end when the peer has finished is no frame;
/// see [`trailing`](Self::trailing).
///
/// A frame that contains an LF or ends in a CR is refused in sending, because the peer would see
/// something else: no text can smuggle a second line in.
#[derive(Debug, Clone, Copy)]
pub struct Lines {
    line_bytes_max: usize,
    trailing: Trailing,
    end: LineEnd,
}

/// How lines are ended in sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_enums, reason = "there are no others")]
pub enum LineEnd {
    /// `\n`.
    #[default]
    Lf,
    /// `\r\n`.
    CrLf,
}

impl Lines {
    /// Makes a codec with the defaults.
    #[must_use]
    pub const fn new() -> Self {
        Self { line_bytes_max: FRAME_BYTES_MAX, trailing: Trailing::Refuse, end: LineEnd::Lf }
    }

    /// Sets the most bytes of a line; its end does not count.
    #[must_use]
    pub const fn max(mut self, bytes: usize) -> Self {
        self.line_bytes_max = bytes;
        self
    }

    /// Sets what becomes of a line without an end when the peer has finished. Default: refused.
    #[must_use]
    pub const fn trailing(mut self, trailing: Trailing) -> Self {
        self.trailing = trailing;
        self
    }

    /// Sets how lines are ended in sending. Default: LF.
    #[must_use]
    pub const fn end(mut self, end: LineEnd) -> Self {
        self.end = end;
        self
    }
}

impl Default for Lines {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder for Lines {
    type Frame<'a> = &'a [u8];
    type Error = DecodeError;

    fn decode<'a>(&mut self, input: &mut Input<'a>) -> Result<Option<&'a [u8]>, DecodeError> {
        Ok(input.line(self.line_bytes_max)?)
    }

    fn decode_end<'a>(&mut self, input: &mut Input<'a>) -> Result<Option<&'a [u8]>, DecodeError> {
        let line = self.decode(input)?;
        if line.is_some() || input.is_empty() || self.trailing == Trailing::Refuse {
            return Ok(line);
        }
        // A CR is what has come of CR LF. `decode` had to leave room for it: without one, a byte
        // over the limit has not been noticed yet.
        let rest = input.bytes();
        let line = rest.strip_suffix(b"\r").unwrap_or(rest);
        let limit_bytes = self.line_bytes_max;
        if line.len() > limit_bytes {
            return Err(DecodeError::TooLong { announced_bytes: None, limit_bytes });
        }
        input.take_all();
        Ok(Some(line))
    }
}

impl<F: AsRef<[u8]> + ?Sized> Encoder<F> for Lines {
    type Error = EncodeError;

    fn encode(&mut self, frame: &F, output: &mut Output<'_>) -> Result<(), EncodeError> {
        let line = frame.as_ref();
        EncodeError::check(line.len(), self.line_bytes_max)?;
        if memchr(b'\n', line).is_some() || line.ends_with(b"\r") {
            return Err(EncodeError::ContainsDelimiter);
        }
        output.put(line);
        output.put(match self.end {
            LineEnd::Lf => b"\n",
            LineEnd::CrLf => b"\r\n",
        });
        Ok(())
    }
}
