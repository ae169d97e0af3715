//! From frames to bytes.

use std::error::Error;
use std::fmt;
use std::io::Write;

use bytes::Bytes;

/// Writes frames of the type `F`. The codecs here take everything that is bytes: `[u8]`, `str`,
/// `String`, `Vec<u8>`, `Bytes`.
pub trait Encoder<F: ?Sized> {
    /// Why a frame cannot be sent.
    type Error: Error + Send + Sync + 'static;

    /// Appends the bytes of one frame.
    ///
    /// # Errors
    ///
    /// When the framing cannot carry the frame. What was appended is dropped again, so that the
    /// stream stays whole.
    fn encode(&mut self, frame: &F, output: &mut Output<'_>) -> Result<(), Self::Error>;

    /// Encodes one frame by itself, such as for a broadcast: encoded once, and shared with
    /// [`write_shared`](crate::Conn::write_shared).
    ///
    /// A codec that remembers what it has sent, as `Compressed` does, encodes for one connection
    /// alone: what it makes must leave there, in order, and makes no sense to another peer. To pack
    /// what is broadcast, give the connections a [`Layer`](crate::Layer) instead.
    ///
    /// # Errors
    ///
    /// As for [`encode`](Self::encode).
    fn to_bytes(&mut self, frame: &F) -> Result<Bytes, Self::Error> {
        let mut bytes = Vec::new();
        self.encode(frame, &mut Output::behind(&mut bytes))?;
        Ok(bytes.into())
    }
}

/// Where an encoder writes: the very memory that the connection sends from.
#[derive(Debug)]
pub struct Output<'a> {
    bytes: &'a mut Vec<u8>,
    /// Where this frame begins.
    start: usize,
}

impl<'a> Output<'a> {
    /// Makes an output that appends to `bytes`.
    #[inline]
    #[must_use]
    pub fn behind(bytes: &'a mut Vec<u8>) -> Self {
        Self { start: bytes.len(), bytes }
    }

    /// Appends bytes.
    #[inline]
    pub fn put(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Appends the first `count` of eight bytes, which is cheaper than a copy of any length.
    #[inline]
    pub(super) fn put_some(&mut self, eight: [u8; 8], count: usize) {
        self.bytes.extend_from_slice(&eight);
        self.bytes.truncate(self.bytes.len() + count.min(8) - 8);
    }

    /// Appends a number in decimal digits.
    pub fn put_decimal(&mut self, number: usize) {
        // Writing to a `Vec` cannot fail.
        let _infallible = write!(self.bytes, "{number}");
    }

    /// Makes room for a frame of this many bytes at once.
    #[inline]
    pub fn reserve(&mut self, bytes: usize) {
        self.bytes.reserve(bytes);
    }

    /// Returns what was appended, also to change it: a length that is known only at the end, say. Where
    /// another codec wraps this one, what that has put comes first.
    #[inline]
    pub fn frame(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..]
    }
}

/// Why a frame cannot be sent. It is always the caller's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodeError {
    /// The frame is longer than the codec's limit, or than its length can say.
    TooLong {
        /// The frame's length.
        bytes: usize,
        /// The limit.
        limit_bytes: usize,
    },
    /// The frame contains its own end: the peer would see two frames.
    ContainsDelimiter,
    /// The frame has not the length that this codec's frames must have, or at least have.
    WrongSize {
        /// The frame's length.
        bytes: usize,
        /// The length it must have.
        required_bytes: usize,
    },
}

impl EncodeError {
    /// Checks a frame against the limit of its codec.
    #[inline]
    pub(super) fn check(bytes: usize, limit_bytes: usize) -> Result<(), Self> {
        if bytes > limit_bytes { Err(Self::TooLong { bytes, limit_bytes }) } else { Ok(()) }
    }
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { bytes, limit_bytes } => {
                write!(f, "a frame of {bytes} bytes is over the limit of {limit_bytes}")
            }
            Self::ContainsDelimiter => f.write_str("the frame contains its own delimiter"),
            Self::WrongSize { bytes, required_bytes } => {
                write!(f, "a frame of {bytes} bytes where {required_bytes} are required")
            }
        }
    }
}

impl Error for EncodeError {}
