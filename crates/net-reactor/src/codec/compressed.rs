//! Frames that are packed one by one.

use std::cell::Cell;
use std::fmt;
use std::ops::Deref;
use std::rc::Rc;

use super::compression::{Compressor, Decompressor, Flush, Sink, Step};
use super::{
    Compression, DecodeError, Decoder, DecompressError, EncodeError, Encoder, FRAME_BYTES_MAX,
    Output,
};
use crate::base::Input;

/// Memory for frames is kept up to this size between two of them: 16 KiB.
pub(super) const SPARE_BYTES_MAX: usize = 16 * 1024;

/// Another codec's frames, packed one by one.
///
/// ```text
///   frame --> compressor --> packed, flushed --> [ length ][ packed ]     the inner codec's frame
/// ```
///
/// Each direction of the connection has one compressor, so that a frame may refer to those before
/// it, and small frames that resemble each other become very small. Each frame is flushed: it can
/// be unpacked as soon as it has arrived. With [`Compression::zlib`] that is one zlib stream for a
/// direction, with a sync flush (`Z_SYNC_FLUSH`) at the end of each frame.
///
/// So a frame is packed for one connection, and leaves there with
/// [`FrameConn::send`](crate::FrameConn::send). For a broadcast each member needs bytes of its own, which
/// a [`Layer`](crate::Layer) makes. The inner codec must carry any bytes, as those with a length do;
/// [`Lines`](super::Lines) would refuse most of what is packed.
///
/// ```
/// # #[cfg(feature = "zlib")] {
/// use net_reactor::prelude::*;
/// use net_reactor::codec::{Compressed, Compression, LengthPrefix};
///
/// let echo = || {
///     let codec = Compressed::new(LengthPrefix::u32(), Compression::zlib());
///     Framed::on_frame(codec, |conn, frame| Ok(conn.send(&frame)?))
/// };
/// let server = Server::new(move |_peer| echo());
/// # }
/// ```
///
/// The frame before packing may have 1 MiB by default; see [`max`](Self::max). What unpacks to more,
/// or to too many times its packed size, or is not packed at all, is a
/// [`DecodeError::Compression`], which closes the connection like any other.
///
/// A frame that the inner codec refuses to send, such as one whose packed form is too long for it,
/// leaves the connection as it was, as with any codec; compression begins anew after it.
#[derive(Debug)]
pub struct Compressed<C> {
    inner: C,
    settings: Compression,
    frame_bytes_max: usize,
    /// Made with the first frame of their direction.
    compressor: Option<Compressor>,
    decompressor: Option<Decompressor>,
    /// Where frames are packed to before the inner codec takes them.
    packed: Vec<u8>,
    spare: Spare,
}

impl<C> Compressed<C> {
    /// Packs the frames of a codec.
    #[must_use]
    pub fn new(inner: C, settings: Compression) -> Self {
        Self {
            inner,
            settings,
            frame_bytes_max: FRAME_BYTES_MAX,
            compressor: None,
            decompressor: None,
            packed: Vec::new(),
            spare: Spare::default(),
        }
    }

    /// Sets the most bytes of a frame before it is packed, in both directions. The inner codec has a
    /// limit of its own, for what is packed.
    #[must_use]
    pub fn max(mut self, bytes: usize) -> Self {
        self.frame_bytes_max = bytes;
        self
    }

    /// Returns how much memory is kept for frames to come.
    #[cfg(test)]
    pub(super) fn kept_bytes(&self) -> usize {
        let spare = self.spare.0.take();
        let bytes = spare.capacity() + self.packed.capacity();
        self.spare.0.set(spare);
        bytes
    }

    /// Unpacks a frame into memory of its own, which the frame gives back.
    fn unpack(
        decompressor: &mut Decompressor,
        mut packed: &[u8],
        (frame_bytes_max, else_error): (usize, DecompressError),
        spare: &Spare,
    ) -> Result<Lent, DecompressError> {
        let mut memory = spare.0.take();
        // One byte more than there may be tells too many from just as many.
        let mut sink = Sink::new(&mut memory, frame_bytes_max.saturating_add(1));
        let mut step = decompressor.unpack(&mut packed, &mut sink)?;
        while step == Step::Ended && !packed.is_empty() && decompressor.goes_on() {
            step = decompressor.unpack(&mut packed, &mut sink)?;
        }
        let len = sink.filled();
        if len > frame_bytes_max {
            return Err(else_error);
        }
        if step == Step::Ended && !packed.is_empty() {
            return Err(DecompressError::Trailing);
        }
        Ok(Lent { memory, len, home: spare.clone() })
    }

    /// Unpacks what another codec has found, or returns `None` where nothing is packed.
    pub(super) fn unpack_apart(
        &mut self,
        packed: &[u8],
    ) -> Result<Option<Unpacked<'static>>, DecodeError> {
        if self.decompressor.is_none() {
            self.decompressor = Decompressor::new(&self.settings);
        }
        let Some(decompressor) = &mut self.decompressor else { return Ok(None) };
        let limit = self.settings.frame_bytes_max(packed.len(), self.frame_bytes_max);
        let lent = Self::unpack(decompressor, packed, limit, &self.spare)?;
        Ok(Some(Unpacked { frame: Frame::Unpacked(lent) }))
    }

    fn unpacked<'a>(
        &mut self,
        packed: Option<&'a [u8]>,
    ) -> Result<Option<Unpacked<'a>>, DecodeError> {
        let Some(packed) = packed else { return Ok(None) };
        let as_received = Unpacked { frame: Frame::AsReceived(packed) };
        Ok(Some(self.unpack_apart(packed)?.unwrap_or(as_received)))
    }
}

impl<C> Decoder for Compressed<C>
where
    C: for<'a> Decoder<Frame<'a> = &'a [u8], Error = DecodeError>,
{
    type Frame<'a> = Unpacked<'a>;
    type Error = DecodeError;

    fn decode<'a>(&mut self, input: &mut Input<'a>) -> Result<Option<Unpacked<'a>>, DecodeError> {
        let packed = self.inner.decode(input)?;
        self.unpacked(packed)
    }

    fn decode_end<'a>(
        &mut self,
        input: &mut Input<'a>,
    ) -> Result<Option<Unpacked<'a>>, DecodeError> {
        let packed = self.inner.decode_end(input)?;
        self.unpacked(packed)
    }
}

impl<C, F> Encoder<F> for Compressed<C>
where
    C: Encoder<[u8], Error = EncodeError>,
    F: AsRef<[u8]> + ?Sized,
{
    type Error = EncodeError;

    fn encode(&mut self, frame: &F, output: &mut Output<'_>) -> Result<(), EncodeError> {
        let frame = frame.as_ref();
        EncodeError::check(frame.len(), self.frame_bytes_max)?;
        if self.compressor.is_none() {
            self.compressor = Compressor::new(&self.settings);
        }
        let Some(compressor) = &mut self.compressor else {
            return self.inner.encode(frame, output);
        };
        self.packed.clear();
        compressor.pack(frame, Flush::Now, &mut self.packed);
        let encoded = self.inner.encode(&self.packed, output);
        if encoded.is_err() {
            compressor.forget();
        }
        if self.packed.capacity() > SPARE_BYTES_MAX {
            self.packed = Vec::new();
        }
        encoded
    }
}

/// A frame of [`Compressed`], unpacked: bytes.
///
/// Its memory belongs to the codec and serves the next frame when this one is dropped.
pub struct Unpacked<'a> {
    frame: Frame<'a>,
}

enum Frame<'a> {
    AsReceived(&'a [u8]),
    Unpacked(Lent),
}

impl Deref for Unpacked<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.frame {
            Frame::AsReceived(bytes) => bytes,
            Frame::Unpacked(Lent { memory, len, .. }) => &memory[..*len],
        }
    }
}

impl AsRef<[u8]> for Unpacked<'_> {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for Unpacked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// Memory of a codec between two frames.
#[derive(Clone, Default)]
struct Spare(Rc<Cell<Vec<u8>>>);

impl fmt::Debug for Spare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spare").finish_non_exhaustive()
    }
}

/// Memory of a codec, while a frame has it.
struct Lent {
    /// More than the frame: what was made once is not cleared again.
    memory: Vec<u8>,
    len: usize,
    home: Spare,
}

impl Drop for Lent {
    fn drop(&mut self) {
        if self.memory.capacity() <= SPARE_BYTES_MAX {
            self.home.0.set(std::mem::take(&mut self.memory));
        }
    }
}
