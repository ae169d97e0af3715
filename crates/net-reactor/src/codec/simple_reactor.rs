//! The wire of SimpleReactor.

mod frame;
mod obfuscation;

use self::frame::{KIND_BYTES, Payload};
pub use self::frame::{Kind, TypedFrame};
use self::obfuscation::{obfuscate, reveal};
#[cfg(feature = "zlib")]
use super::{Compressed, Compression, compressed::SPARE_BYTES_MAX};
use super::{DecodeError, Decoder, EncodeError, Encoder, FRAME_BYTES_MAX, LengthPrefix, Output};
use crate::base::{Input, examined};

/// The bytes of the length in front of a frame.
const LENGTH_BYTES: usize = 4;

/// The wire of `SimpleReactor`, a reactor in Python: frames with a kind, one by one packed with zlib.
///
/// ```text
///   plain   [ length, u32 LE ][ kind, u32 LE ][ data ...... ]
///   zlib    [ length, u32 LE ][ packed: kind and data ..... ]     one zlib stream for a direction,
///                                                                 Z_SYNC_FLUSH behind each frame
/// ```
///
/// Both sides must agree: `SimpleReactor` itself packs unless it is told not to. Bytes are sent as the
/// [application's](Kind::Application); a [`TypedFrame`] is sent with its kind.
///
/// ```
/// use net_reactor::{Input, codec::{Decoder, Encoder, Kind, SimpleReactor}};
///
/// let mut codec = SimpleReactor::plain();
/// let wire = codec.to_bytes("hello world")?;
/// assert_eq!(wire, &b"\x0f\0\0\0\x01\0\0\0hello world"[..]);
///
/// let mut input = Input::from_bytes(&wire);
/// let frame = codec.decode(&mut input)?.expect("the frame is whole");
/// assert_eq!((frame.kind(), frame.data()), (Kind::Application, &b"hello world"[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// An empty frame is passed over. A frame without data, or too short for a kind, is one of
/// [`Kind::Short`], with which there is nothing to do; none such can be sent. The data may have 1 MiB
/// by default, see [`max`](Self::max); what is announced or unpacks to more, or cannot be unpacked, is
/// a [`DecodeError`].
///
/// [`Framed`](crate::Framed) puts it on a connection like any codec.
/// [`TypedServer`](crate::simple_reactor::TypedServer) and [`TypedClient`](crate::simple_reactor::TypedClient) add what
/// `SimpleReactor` has around it.
#[derive(Debug)]
pub struct SimpleReactor {
    wire: LengthPrefix,
    data_bytes_max: usize,
    obfuscates: bool,
    #[cfg(feature = "zlib")]
    packing: Option<Packing>,
}

/// Packs and unpacks the frames of one connection.
#[cfg(feature = "zlib")]
#[derive(Debug)]
struct Packing {
    frames: Compressed<LengthPrefix>,
    /// Where kind and data come together before they are packed.
    payload: Vec<u8>,
}

impl SimpleReactor {
    /// Frames as they are. `SimpleReactor` has to be told so.
    #[must_use]
    pub fn plain() -> Self {
        Self {
            wire: plain_wire(FRAME_BYTES_MAX),
            data_bytes_max: FRAME_BYTES_MAX,
            obfuscates: false,
            #[cfg(feature = "zlib")]
            packing: None,
        }
    }

    /// Frames packed with zlib, as `SimpleReactor` does it by default.
    #[cfg(feature = "zlib")]
    #[must_use]
    pub fn zlib() -> Self {
        let packing = Some(Packing::new(FRAME_BYTES_MAX));
        Self { wire: packed_wire(FRAME_BYTES_MAX), packing, ..Self::plain() }
    }

    /// Sets the most bytes of data in a frame, in both directions.
    #[must_use]
    pub fn max(mut self, bytes: usize) -> Self {
        (self.wire, self.data_bytes_max) = (plain_wire(bytes), bytes);
        #[cfg(feature = "zlib")]
        if let Some(packing) = &mut self.packing {
            (self.wire, *packing) = (packed_wire(bytes), Packing::new(bytes));
        }
        self
    }

    /// Obfuscates frames, which `SimpleReactor` calls encryption: for peers that insist.
    ///
    /// It keeps no secret and notices no change: the key is a constant of `SimpleReactor`'s source,
    /// with which blocks of 17 bytes are combined and then turned round. Each frame is copied for it.
    #[must_use]
    pub fn obfuscated(mut self) -> Self {
        self.obfuscates = true;
        self
    }

    /// Returns what a frame holds, after all that was done to it is undone.
    fn payload<'a>(&mut self, body: &'a [u8]) -> Result<Payload<'a>, DecodeError> {
        if self.obfuscates {
            let mut revealed = examined(body).to_vec();
            reveal(&mut revealed);
            let unpacked = self.unpack(&revealed)?;
            return Ok(unpacked.unwrap_or(Payload::Revealed(revealed)));
        }
        Ok(self.unpack(body)?.unwrap_or(Payload::Received(body)))
    }

    /// Unpacks a frame, or returns `None` if it is not packed.
    #[cfg(feature = "zlib")]
    fn unpack(&mut self, body: &[u8]) -> Result<Option<Payload<'static>>, DecodeError> {
        let Some(packing) = &mut self.packing else { return Ok(None) };
        Ok(packing.frames.unpack_apart(body)?.map(Payload::Unpacked))
    }

    #[cfg(not(feature = "zlib"))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "nothing is packed here")]
    fn unpack(&mut self, _body: &[u8]) -> Result<Option<Payload<'static>>, DecodeError> {
        Ok(None)
    }

    /// Appends a frame; what it appends on an error is dropped by the caller.
    fn put(&mut self, kind: Kind, data: &[u8], output: &mut Output<'_>) -> Result<(), EncodeError> {
        let number = kind.number().filter(|_| !data.is_empty());
        let Some(kind) = number else {
            return Err(EncodeError::WrongSize { bytes: data.len(), required_bytes: 1 });
        };
        EncodeError::check(data.len(), self.data_bytes_max)?;
        let start = output.frame().len();
        self.put_clear(kind, data, output)?;
        if self.obfuscates {
            obfuscate(&mut output.frame()[start + LENGTH_BYTES..]);
        }
        Ok(())
    }

    fn put_clear(
        &mut self,
        kind: u32,
        data: &[u8],
        output: &mut Output<'_>,
    ) -> Result<(), EncodeError> {
        #[cfg(feature = "zlib")]
        if let Some(packing) = &mut self.packing {
            return packing.put(kind, data, output);
        }
        let payload_bytes = KIND_BYTES + data.len();
        let Ok(length) = u32::try_from(payload_bytes) else {
            let limit_bytes = u32::MAX as usize;
            return Err(EncodeError::TooLong { bytes: payload_bytes, limit_bytes });
        };
        output.reserve(LENGTH_BYTES + payload_bytes);
        output.put(&length.to_le_bytes());
        output.put(&kind.to_le_bytes());
        output.put(data);
        Ok(())
    }
}

/// The framing for a kind and data of so many bytes.
const fn plain_wire(data_bytes_max: usize) -> LengthPrefix {
    LengthPrefix::u32().little_endian().max(data_bytes_max.saturating_add(KIND_BYTES))
}

/// The same for what is packed: zlib makes what cannot be packed a little longer, by less than a
/// 256th.
#[cfg(feature = "zlib")]
const fn packed_wire(data_bytes_max: usize) -> LengthPrefix {
    plain_wire(data_bytes_max.saturating_add(data_bytes_max / 256 + 64))
}

#[cfg(feature = "zlib")]
impl Packing {
    fn new(data_bytes_max: usize) -> Self {
        let frames = Compressed::new(packed_wire(data_bytes_max), Compression::zlib());
        let payload_bytes_max = data_bytes_max.saturating_add(KIND_BYTES);
        Self { frames: frames.max(payload_bytes_max), payload: Vec::new() }
    }

    fn put(&mut self, kind: u32, data: &[u8], output: &mut Output<'_>) -> Result<(), EncodeError> {
        self.payload.clear();
        self.payload.extend_from_slice(&kind.to_le_bytes());
        self.payload.extend_from_slice(data);
        let encoded = self.frames.encode(&self.payload, output);
        if self.payload.capacity() > SPARE_BYTES_MAX {
            self.payload = Vec::new();
        }
        encoded
    }
}

impl Decoder for SimpleReactor {
    type Frame<'a> = TypedFrame<'a>;
    type Error = DecodeError;

    fn decode<'a>(&mut self, input: &mut Input<'a>) -> Result<Option<TypedFrame<'a>>, DecodeError> {
        loop {
            match self.wire.decode(input)? {
                // What is behind it may be whole already, and nothing may ever follow.
                Some([]) => {}
                Some(body) => return Ok(Some(self.payload(body)?.into_frame())),
                None => return Ok(None),
            }
        }
    }
}

impl<F: AsRef<[u8]> + ?Sized> Encoder<F> for SimpleReactor {
    type Error = EncodeError;

    fn encode(&mut self, data: &F, output: &mut Output<'_>) -> Result<(), EncodeError> {
        self.put(Kind::Application, data.as_ref(), output)
    }
}

impl Encoder<TypedFrame<'_>> for SimpleReactor {
    type Error = EncodeError;

    fn encode(
        &mut self,
        frame: &TypedFrame<'_>,
        output: &mut Output<'_>,
    ) -> Result<(), EncodeError> {
        self.put(frame.kind(), frame.data(), output)
    }
}
