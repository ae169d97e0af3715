//! From bytes to frames.

use std::error::Error;
use std::fmt;

#[cfg(any(feature = "lz4", feature = "zlib", feature = "zstd"))]
use super::DecompressError;
use crate::base::{Input, TooLong};

/// Finds frames in received bytes.
///
/// [`Framed`](crate::Framed) calls [`decode`](Self::decode) until it returns `None`, and again when
/// more has arrived. What a decoder leaves in the input comes again, with more behind it.
pub trait Decoder {
    /// A frame. It may borrow from the input: `&'a [u8]` with all codecs here.
    type Frame<'a>;

    /// What is wrong with the bytes.
    type Error: Error + Send + Sync + 'static;

    /// Takes the next frame out of the input, or `None` if it has not arrived as a whole.
    ///
    /// A decoder that returns a frame consumes at least a byte, or it would be asked for ever.
    ///
    /// # Errors
    ///
    /// An error ends the connection: nobody knows where the next frame begins.
    fn decode<'a>(&mut self, input: &mut Input<'a>)
    -> Result<Option<Self::Frame<'a>>, Self::Error>;

    /// Takes the next frame out of an input that nothing will follow. Called after
    /// [`decode`](Self::decode) had nothing left to give, until it returns `None`.
    ///
    /// The default does what `decode` does. What stays in the input is an
    /// [`UnfinishedFrame`].
    ///
    /// # Errors
    ///
    /// As for [`decode`](Self::decode).
    fn decode_end<'a>(
        &mut self,
        input: &mut Input<'a>,
    ) -> Result<Option<Self::Frame<'a>>, Self::Error> {
        self.decode(input)
    }
}

/// What becomes of bytes without a delimiter behind them when the peer has finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_enums, reason = "they are a frame or they are not")]
pub enum Trailing {
    /// They are no frame: the peer was cut short. See [`UnfinishedFrame`].
    #[default]
    Refuse,
    /// They are the last frame, as in a file whose last line has no end.
    Deliver,
}

/// Why received bytes are no frame. It is always the peer's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// The frame is longer than the codec's limit.
    TooLong {
        /// What the peer announced, if it did.
        announced_bytes: Option<u64>,
        /// The limit.
        limit_bytes: usize,
    },
    /// The bytes break the rules of the framing.
    Malformed {
        /// Which rule.
        rule: &'static str,
    },
    /// The frame cannot be unpacked.
    #[cfg(any(feature = "lz4", feature = "zlib", feature = "zstd"))]
    Compression {
        /// Why not.
        source: DecompressError,
    },
}

impl DecodeError {
    pub(super) const fn malformed(rule: &'static str) -> Self {
        Self::Malformed { rule }
    }
}

impl From<TooLong> for DecodeError {
    fn from(TooLong { limit_bytes }: TooLong) -> Self {
        Self::TooLong { announced_bytes: None, limit_bytes }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { announced_bytes: Some(bytes), limit_bytes } => {
                write!(f, "a frame of {bytes} bytes is over the limit of {limit_bytes}")
            }
            Self::TooLong { announced_bytes: None, limit_bytes } => {
                write!(f, "a frame has no end within {limit_bytes} bytes")
            }
            Self::Malformed { rule } => f.write_str(rule),
            #[cfg(any(feature = "lz4", feature = "zlib", feature = "zstd"))]
            Self::Compression { .. } => f.write_str("a frame cannot be unpacked"),
        }
    }
}

impl Error for DecodeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            #[cfg(any(feature = "lz4", feature = "zlib", feature = "zstd"))]
            Self::Compression { source } => Some(source),
            _ => None,
        }
    }
}

#[cfg(any(feature = "lz4", feature = "zlib", feature = "zstd"))]
impl From<DecompressError> for DecodeError {
    fn from(source: DecompressError) -> Self {
        Self::Compression { source }
    }
}

/// The peer finished sending in the middle of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnfinishedFrame {
    /// How much of the frame had arrived.
    pub received_bytes: usize,
}

impl UnfinishedFrame {
    /// Makes the error from what is left in the input.
    #[must_use]
    pub fn of(rest: &[u8]) -> Self {
        Self { received_bytes: rest.len() }
    }
}

impl fmt::Display for UnfinishedFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the peer finished {} bytes into a frame", self.received_bytes)
    }
}

impl Error for UnfinishedFrame {}
