//! Frames: where a message begins and ends in a stream of bytes.
//!
//! A codec works on bytes alone. It performs no I/O, reads no clock and knows no connection, so it
//! can be tested with a slice; [`Framed`](crate::Framed) puts it on a connection.
//!
//! | codec | a frame is |
//! |---|---|
//! | [`Lines`] | the bytes before LF or CR LF |
//! | [`Delimited`] | the bytes before a delimiter of any length |
//! | [`LengthPrefix`] | as many bytes as the number before them says: 1, 2, 3, 4, 8 bytes in either order, or a varint |
//! | [`LengthField`] | a header of the peer's making with a length somewhere in it, and what it counts |
//! | [`FixedSize`] | always the same number of bytes |
//! | [`Netstring`] | `5:hello,` |
//! | [`Raw`] | whatever has arrived |
//! | [`SimpleReactor`] | a kind and bytes, as `SimpleReactor` sends them |
//! | [`Terminated`] | what ends as the handler says: at a delimiter, after a count, or never; it may say so anew with each frame |
//! | `Compressed` | another codec's, packed one by one; with one of the features `zlib`, `lz4`, `zstd` |
//! | [`AnyCodec`] | any of them, to be exchanged for another on a live connection |
//! | `TokioCodec` | what a codec for `tokio_util` finds; with the feature `tokio-codec` |
//!
//! Decoded frames borrow from the receive buffer: nothing is copied or allocated for them. A length
//! that a peer announces never makes anybody allocate; memory grows with received bytes only. Each
//! codec has a limit, 1 MiB by default and set with its `max`; what is larger is a
//! [`DecodeError`] as soon as it is known, that is, before the frame has arrived.
//!
//! What a connection may hold unconsumed is limited too, to 2 MiB by default: a codec with a limit
//! above that needs a larger [`input_max`](crate::ConnConfig::input_max).
//!
//! ```
//! use net_reactor::{Input, codec::{Decoder, Encoder, LengthPrefix}};
//!
//! let mut codec = LengthPrefix::u32();
//! let wire = codec.to_bytes("hello")?;
//! assert_eq!(wire, &b"\0\0\0\x05hello"[..]);
//!
//! let mut input = Input::from_bytes(&wire);
//! assert_eq!(codec.decode(&mut input)?, Some(&b"hello"[..]));
//! assert_eq!(codec.decode(&mut input)?, None);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # A codec that exists
//!
//! With the feature `tokio-codec` whatever implements the traits of `tokio_util::codec` is a codec
//! here too, behind a `TokioCodec`: its frames are owned, and its bytes are copied once. The core
//! has nothing of tokio, and even with the feature no runtime runs.
//!
//! ```
//! # #[cfg(feature = "tokio-codec")] {
//! use net_reactor::{Input, codec::{Decoder, TokioCodec}};
//! use tokio_util::codec::LengthDelimitedCodec;
//!
//! let mut codec = TokioCodec::new(LengthDelimitedCodec::new());
//! let mut input = Input::from_bytes(b"\0\0\0\x05hello\0\0");
//! let frame = codec.decode(&mut input)?.expect("it is whole");
//! assert_eq!(frame, &b"hello"[..]);
//! assert_eq!(codec.decode(&mut input)?, None);
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # A codec of your own
//!
//! It reads its [`Input`](crate::Input) the way that [`Protocol::on_data`](crate::Protocol::on_data)
//! does: take a whole frame, or leave all of it. The frame may be of any type, such as a struct that
//! borrows from the input.
//!
//! ```
//! use net_reactor::{Input, codec::{DecodeError, Decoder, EncodeError, Encoder, Output}};
//!
//! /// One byte says what it is, one how long, then come the bytes.
//! struct Tagged;
//!
//! struct Record<'a> {
//!     tag: u8,
//!     value: &'a [u8],
//! }
//!
//! impl Decoder for Tagged {
//!     type Frame<'a> = Record<'a>;
//!     type Error = DecodeError;
//!
//!     fn decode<'a>(&mut self, input: &mut Input<'a>) -> Result<Option<Record<'a>>, DecodeError> {
//!         let Some(&[tag, len]) = input.bytes().first_chunk() else { return Ok(None) };
//!         let Some(whole) = input.take(2 + usize::from(len)) else { return Ok(None) };
//!         Ok(Some(Record { tag, value: &whole[2..] }))
//!     }
//! }
//!
//! impl Encoder<Record<'_>> for Tagged {
//!     type Error = EncodeError;
//!
//!     fn encode(&mut self, record: &Record<'_>, output: &mut Output<'_>) -> Result<(), EncodeError> {
//!         let (bytes, limit_bytes) = (record.value.len(), 255);
//!         let Ok(len) = u8::try_from(bytes) else {
//!             return Err(EncodeError::TooLong { bytes, limit_bytes });
//!         };
//!         output.put(&[record.tag, len]);
//!         output.put(record.value);
//!         Ok(())
//!     }
//! }
//! ```

mod any;
#[cfg(any(feature = "lz4", feature = "zlib", feature = "zstd"))]
mod compressed;
#[cfg(any(feature = "lz4", feature = "zlib", feature = "zstd"))]
pub(crate) mod compression;
mod decoder;
mod delimited;
mod encoder;
mod fixed_size;
mod integer;
mod length_field;
mod length_prefix;
mod lines;
mod netstring;
mod raw;
mod simple_reactor;
mod terminated;
#[cfg(test)]
mod tests;
#[cfg(feature = "tokio-codec")]
mod tokio_codec;
mod varint;

pub use self::any::AnyCodec;
#[cfg(any(feature = "lz4", feature = "zlib", feature = "zstd"))]
pub use self::compressed::{Compressed, Unpacked};
#[cfg(any(feature = "lz4", feature = "zlib", feature = "zstd"))]
pub use self::compression::{Compression, DecompressError};
pub use self::decoder::{DecodeError, Decoder, Trailing, UnfinishedFrame};
pub use self::delimited::Delimited;
pub use self::encoder::{EncodeError, Encoder, Output};
pub use self::fixed_size::FixedSize;
pub use self::length_field::LengthField;
pub use self::length_prefix::LengthPrefix;
pub use self::lines::{LineEnd, Lines};
pub use self::netstring::Netstring;
pub use self::raw::Raw;
pub use self::simple_reactor::{Kind, SimpleReactor, TypedFrame};
pub use self::terminated::{Terminated, Terminator};
#[cfg(feature = "tokio-codec")]
pub use self::tokio_codec::{TokioCodec, TokioCodecError};

/// The largest frame that a codec accepts unless it is told otherwise: 1 MiB.
const FRAME_BYTES_MAX: usize = 1024 * 1024;
