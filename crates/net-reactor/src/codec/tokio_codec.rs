//! Codecs that were written for tokio.

use std::error::Error;
use std::fmt;

use bytes::BytesMut;
use tokio_util::codec as theirs;

use super::{Decoder, Encoder, FRAME_BYTES_MAX, Output};
use crate::base::{Input, examined};

/// What a decoder may reserve beyond twice the limit: `BytesMut` rounds up to this when it moves.
const RESERVED_BYTES_FREE: usize = 64 * 1024;

/// The memory for encoded frames is kept between two of them up to this size: 1 KiB.
const SCRATCH_BYTES_KEPT: usize = 1024;

/// A codec written for [`tokio_util::codec`], as a codec here.
///
/// Whatever implements `tokio_util::codec::Decoder` decodes, and whatever implements
/// `tokio_util::codec::Encoder<Item>` encodes. Neither a runtime nor a task is involved: those traits
/// work on bytes too.
///
/// ```
/// use net_reactor::{codec::TokioCodec, prelude::*};
/// use tokio_util::codec::LinesCodec;
///
/// let codec = || TokioCodec::new(LinesCodec::new_with_max_length(4096));
/// let server = Server::new(move |_peer| {
///     Framed::on_frame(codec(), |conn, line: String| Ok(conn.send(&line)?))
/// });
/// ```
///
/// What differs from the codecs here:
///
/// - Frames are owned. Received bytes are copied once, into the buffer that such a decoder takes them
///   from, and a frame may cost an allocation. An idle connection owns no such buffer.
/// - An item is sent by reference and cloned for the encoder: cheap for `Bytes` and `&str`. An encoder
///   for `&Item` needs no clone of the item.
/// - No more than 1 MiB waits for a frame, whatever the decoder's own limit is; see
///   [`max`](Self::max). A decoder that reserves much more than that because a peer announced it is
///   stopped with the same error, after it has reserved: set its own limit too.
/// - At the peer's end `decode_eof` decides what a rest means. What it does not take by default is its
///   error, `bytes remaining on stream`, and not an [`UnfinishedFrame`](super::UnfinishedFrame).
/// - An error ends the connection, also one after which the decoder could go on.
///
/// A handler may change from and to such a codec between two frames and loses no byte: what the
/// decoder has not taken stays with the connection.
pub struct TokioCodec<C> {
    codec: C,
    /// A copy of the front of the input, from its first byte on: what the decoder is shown. What it
    /// takes from here is consumed there.
    pub(super) buffer: BytesMut,
    buffer_bytes_max: usize,
    /// Where an item is encoded to.
    pub(super) scratch: BytesMut,
}

impl<C> TokioCodec<C> {
    /// Adapts a codec.
    #[must_use]
    pub fn new(codec: C) -> Self {
        let buffer_bytes_max = FRAME_BYTES_MAX;
        Self { codec, buffer: BytesMut::new(), buffer_bytes_max, scratch: BytesMut::new() }
    }

    /// Sets the most bytes that may wait for a frame, with those of the framing. Default: 1 MiB.
    ///
    /// What a connection keeps is limited as well, by
    /// [`input_max`](crate::ConnConfig::input_max).
    #[must_use]
    pub fn max(mut self, bytes: usize) -> Self {
        self.buffer_bytes_max = bytes;
        self
    }

    /// Returns the codec inside, also to change it.
    pub fn codec(&mut self) -> &mut C {
        &mut self.codec
    }

    /// Returns the codec inside. One that left a connection and is to decode again needs a new
    /// adapter, because the old one remembers what was received.
    #[must_use]
    pub fn into_codec(self) -> C {
        self.codec
    }

    /// Copies what the decoder has not been shown. Returns whether it sees the whole input then.
    fn show(&mut self, input: &Input<'_>) -> bool {
        let shown = self.buffer.len();
        let fresh = input.bytes().get(shown..).unwrap_or_default();
        let room = self.buffer_bytes_max.saturating_sub(shown);
        let part = &fresh[..fresh.len().min(room)];
        let needed = shown + part.len();
        if self.buffer.capacity() < needed {
            // Not left to `BytesMut`, whose growth the limit would have to allow for.
            let doubled = shown.saturating_mul(2).min(self.buffer_bytes_max);
            let mut larger = BytesMut::with_capacity(needed.max(doubled));
            larger.extend_from_slice(&self.buffer);
            self.buffer = larger;
        }
        self.buffer.extend_from_slice(examined(part));
        part.len() == fresh.len()
    }
}

impl<C: theirs::Decoder> TokioCodec<C> {
    fn decode_next(
        &mut self,
        input: &mut Input<'_>,
        is_end: bool,
    ) -> Result<Option<C::Item>, TokioCodecError<C::Error>> {
        let limit_bytes = self.buffer_bytes_max;
        loop {
            let is_whole = self.show(input);
            let shown = self.buffer.len();
            let decoded = if is_end && is_whole {
                self.codec.decode_eof(&mut self.buffer)
            } else {
                self.codec.decode(&mut self.buffer)
            };
            let item = decoded.map_err(|source| TokioCodecError::Codec { source })?;
            let taken = shown.checked_sub(self.buffer.len()).ok_or(TokioCodecError::Added)?;
            input.consume(taken);
            let reserved_max = limit_bytes.saturating_mul(2).saturating_add(RESERVED_BYTES_FREE);
            if self.buffer.capacity() > reserved_max {
                return Err(TokioCodecError::TooLong { limit_bytes });
            }
            if item.is_some() {
                return Ok(item);
            }
            if is_whole {
                if self.buffer.is_empty() {
                    self.buffer = BytesMut::new();
                }
                return Ok(None);
            }
            if taken == 0 {
                return Err(TokioCodecError::TooLong { limit_bytes });
            }
        }
    }
}

impl<C> Decoder for TokioCodec<C>
where
    C: theirs::Decoder,
    C::Error: Error + Send + Sync + 'static,
{
    type Frame<'a> = C::Item;
    type Error = TokioCodecError<C::Error>;

    fn decode<'a>(&mut self, input: &mut Input<'a>) -> Result<Option<C::Item>, Self::Error> {
        self.decode_next(input, false)
    }

    fn decode_end<'a>(&mut self, input: &mut Input<'a>) -> Result<Option<C::Item>, Self::Error> {
        self.decode_next(input, true)
    }
}

impl<C, I> Encoder<I> for TokioCodec<C>
where
    C: theirs::Encoder<I>,
    <C as theirs::Encoder<I>>::Error: Error + Send + Sync + 'static,
    I: Clone,
{
    type Error = <C as theirs::Encoder<I>>::Error;

    fn encode(&mut self, item: &I, output: &mut Output<'_>) -> Result<(), Self::Error> {
        let encoded = self.codec.encode(item.clone(), &mut self.scratch);
        if encoded.is_ok() {
            output.put(&self.scratch);
        }
        self.scratch.clear();
        if self.scratch.capacity() > SCRATCH_BYTES_KEPT {
            self.scratch = BytesMut::new();
        }
        encoded
    }
}

impl<C: fmt::Debug> fmt::Debug for TokioCodec<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokioCodec").field("codec", &self.codec).finish_non_exhaustive()
    }
}

/// Why received bytes are no frame of a [`TokioCodec`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokioCodecError<E> {
    /// The decoder says so.
    Codec {
        /// What it said.
        source: E,
    },
    /// There is no frame within the limit, or the decoder has reserved memory far beyond it.
    TooLong {
        /// The limit.
        limit_bytes: usize,
    },
    /// The decoder has put bytes into the buffer that it takes them from. That is not supported:
    /// nobody knows any longer which bytes it has taken.
    Added,
}

/// What the decoder said speaks for itself: it is shown as it is.
impl<E: fmt::Display> fmt::Display for TokioCodecError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Codec { source } => source.fmt(f),
            Self::TooLong { limit_bytes } => {
                write!(f, "a frame needs more than the limit of {limit_bytes} bytes")
            }
            Self::Added => f.write_str("the codec added bytes to its input"),
        }
    }
}

impl<E: Error> Error for TokioCodecError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Codec { source } => source.source(),
            Self::TooLong { .. } | Self::Added => None,
        }
    }
}
