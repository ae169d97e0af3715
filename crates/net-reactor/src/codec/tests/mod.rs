//! Promises that all codecs keep.

#[cfg(feature = "tokio-codec")]
mod adapted;
#[cfg(any(feature = "lz4", feature = "zlib", feature = "zstd"))]
mod compressed;
mod hostile;
mod identity;
mod linear;
mod simple_reactor;
mod splits;

use bytes::Bytes;

use super::{
    AnyCodec, DecodeError, Decoder, Delimited, FixedSize, LengthField, LengthPrefix, Lines,
    Netstring, Raw, Terminated, Terminator, Trailing,
};
use crate::base::{Input, ScanMark};

/// The limit of every codec here: small, so that random frames go over it.
const FRAME_BYTES_MAX: usize = 40;

/// A codec, by the name that a failed test tells.
struct Named {
    name: &'static str,
    make: fn() -> AnyCodec,
}

macro_rules! named {
    ($($codec:expr),* $(,)?) => {
        &[$(Named { name: stringify!($codec), make: || AnyCodec::new($codec) }),*]
    };
}

/// Every codec with every setting that changes what it does.
const ALL: &[Named] = named![
    Lines::new().max(FRAME_BYTES_MAX),
    Lines::new().max(FRAME_BYTES_MAX).end(super::LineEnd::CrLf).trailing(Trailing::Deliver),
    Delimited::new(";").max(FRAME_BYTES_MAX),
    Delimited::new("\r\n").max(FRAME_BYTES_MAX),
    Delimited::new("aab").max(FRAME_BYTES_MAX).trailing(Trailing::Deliver),
    Delimited::new("abaabaabaaba").max(FRAME_BYTES_MAX),
    LengthPrefix::u8().max(FRAME_BYTES_MAX),
    LengthPrefix::u8().counts_itself().max(FRAME_BYTES_MAX),
    LengthPrefix::u16().max(FRAME_BYTES_MAX),
    LengthPrefix::u16().little_endian().counts_itself().max(FRAME_BYTES_MAX),
    LengthPrefix::u24().max(FRAME_BYTES_MAX),
    LengthPrefix::u24().little_endian().max(FRAME_BYTES_MAX),
    LengthPrefix::u32().max(FRAME_BYTES_MAX),
    LengthPrefix::u32().little_endian().counts_itself().max(FRAME_BYTES_MAX),
    LengthPrefix::u64().max(FRAME_BYTES_MAX),
    LengthPrefix::u64().little_endian().max(FRAME_BYTES_MAX),
    LengthPrefix::varint().max(FRAME_BYTES_MAX),
    LengthPrefix::varint().counts_itself().max(300),
    LengthField::u8(0).max(FRAME_BYTES_MAX),
    LengthField::u16(3).uncounted(2).max(FRAME_BYTES_MAX),
    LengthField::u24(1).little_endian().counts_itself().max(FRAME_BYTES_MAX),
    LengthField::u32(2).counts_all().max(FRAME_BYTES_MAX),
    LengthField::u64(0).little_endian().max(FRAME_BYTES_MAX),
    FixedSize::new(1),
    FixedSize::new(7),
    Netstring::new().max(FRAME_BYTES_MAX),
    Raw::new(),
    Terminated::by("\r\n").max(FRAME_BYTES_MAX),
    Terminated::new(Terminator::Count(5)).max(FRAME_BYTES_MAX),
    Terminated::new(Terminator::Count(0)).max(FRAME_BYTES_MAX),
    Terminated::new(Terminator::None).max(FRAME_BYTES_MAX),
    Terminated::by(Bytes::new()),
];

/// What came out of a stream of bytes.
#[derive(Debug, Default, PartialEq, Eq)]
struct Decoded {
    frames: Vec<Vec<u8>>,
    /// What was left at the end, or what was wrong before it.
    end: Option<Result<Vec<u8>, DecodeError>>,
}

/// Does what a connection does: keeps what a codec leaves, and how far it has looked.
#[derive(Default)]
struct Stream {
    kept: Vec<u8>,
    mark: ScanMark,
    decoded: Decoded,
}

impl Stream {
    fn feed<C>(&mut self, codec: &mut C, bytes: &[u8])
    where
        C: for<'a> Decoder<Frame<'a> = &'a [u8], Error = DecodeError>,
    {
        self.kept.extend_from_slice(bytes);
        self.decode(|input| codec.decode(input));
    }

    fn finish<C>(mut self, codec: &mut C) -> Decoded
    where
        C: for<'a> Decoder<Frame<'a> = &'a [u8], Error = DecodeError>,
    {
        self.decode(|input| codec.decode_end(input));
        self.decoded.end.get_or_insert(Ok(self.kept));
        self.decoded
    }

    fn decode(
        &mut self,
        mut decode: impl for<'a> FnMut(&mut Input<'a>) -> Result<Option<&'a [u8]>, DecodeError>,
    ) {
        if self.decoded.end.is_some() {
            return;
        }
        let mut input = Input::new(&self.kept, self.mark);
        loop {
            match decode(&mut input) {
                Ok(Some(frame)) => self.decoded.frames.push(frame.to_vec()),
                Ok(None) => break,
                Err(error) => {
                    self.decoded.end = Some(Err(error));
                    break;
                }
            }
        }
        self.mark = input.mark();
        let consumed = self.kept.len() - input.len();
        self.kept.drain(..consumed);
    }
}

/// Decodes a stream that comes in these parts.
fn decode<'a>(codec: &mut AnyCodec, parts: impl IntoIterator<Item = &'a [u8]>) -> Decoded {
    let mut stream = Stream::default();
    for part in parts {
        stream.feed(codec, part);
    }
    stream.finish(codec)
}
