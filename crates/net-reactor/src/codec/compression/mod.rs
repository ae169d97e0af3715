//! Packed bytes: one interface over every algorithm, and one limit.
//!
//! A [`Compressor`] and a [`Decompressor`] work on bytes alone, push-style: what they are given they
//! take, what they make they append. Everything that is unpacked goes through a [`Sink`].

mod error;
#[cfg(feature = "lz4")]
mod lz4;
#[cfg(any(feature = "lz4", feature = "zstd"))]
mod restart;
mod settings;
mod sink;
#[cfg(feature = "zlib")]
mod zlib;
#[cfg(feature = "zstd")]
mod zstd;

pub use self::error::DecompressError;
use self::settings::Algorithm;
pub use self::settings::Compression;
pub(crate) use self::sink::Sink;

/// What a compressor keeps back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flush {
    /// As much as makes the packed bytes fewer.
    Later,
    /// Nothing: the peer can unpack all that was packed.
    Now,
    /// Nothing, and the end stands behind it.
    Finish,
}

/// How far unpacking came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// All that was packed is unpacked.
    Drained,
    /// The sink is full, and there may be more.
    Full,
    /// What was packed has an end, and this is it.
    Ended,
}

/// Packs one direction of a connection: each byte may refer to those before it.
#[derive(Debug)]
pub(crate) enum Compressor {
    #[cfg(feature = "lz4")]
    Lz4(lz4::Compressor),
    #[cfg(feature = "zlib")]
    Zlib(zlib::Compressor),
    #[cfg(feature = "zstd")]
    Zstd(zstd::Compressor),
}

impl Compressor {
    /// Makes one, or `None` if nothing is to be packed.
    pub(crate) fn new(settings: &Compression) -> Option<Self> {
        match settings.algorithm {
            Algorithm::None => None,
            #[cfg(feature = "lz4")]
            Algorithm::Lz4 => Some(Self::Lz4(lz4::Compressor::new())),
            #[cfg(feature = "zlib")]
            Algorithm::Zlib => {
                Some(Self::Zlib(zlib::Compressor::new(settings.level, settings.window_bits)))
            }
            #[cfg(feature = "zstd")]
            Algorithm::Zstd => {
                Some(Self::Zstd(zstd::Compressor::new(settings.level, settings.window_bits)))
            }
        }
    }

    /// Takes all of `plain`, and appends to `packed`.
    pub(crate) fn pack(&mut self, plain: &[u8], flush: Flush, packed: &mut Vec<u8>) {
        match self {
            #[cfg(feature = "lz4")]
            Self::Lz4(lz4) => lz4.pack(plain, flush, packed),
            #[cfg(feature = "zlib")]
            Self::Zlib(zlib) => zlib.pack(plain, flush, packed),
            #[cfg(feature = "zstd")]
            Self::Zstd(zstd) => zstd.pack(plain, flush, packed),
        }
    }

    /// What was packed last does not reach the peer: nothing to come may refer to it.
    pub(crate) fn forget(&mut self) {
        match self {
            #[cfg(feature = "lz4")]
            Self::Lz4(lz4) => lz4.forget(),
            #[cfg(feature = "zlib")]
            Self::Zlib(zlib) => zlib.forget(),
            #[cfg(feature = "zstd")]
            Self::Zstd(zstd) => zstd.forget(),
        }
    }
}

/// Unpacks one direction of a connection.
#[derive(Debug)]
pub(crate) enum Decompressor {
    #[cfg(feature = "lz4")]
    Lz4(lz4::Decompressor),
    #[cfg(feature = "zlib")]
    Zlib(zlib::Decompressor),
    #[cfg(feature = "zstd")]
    Zstd(zstd::Decompressor),
}

impl Decompressor {
    /// Makes one, or `None` if nothing is packed.
    pub(crate) fn new(settings: &Compression) -> Option<Self> {
        match settings.algorithm {
            Algorithm::None => None,
            #[cfg(feature = "lz4")]
            Algorithm::Lz4 => Some(Self::Lz4(lz4::Decompressor::new())),
            #[cfg(feature = "zlib")]
            Algorithm::Zlib => Some(Self::Zlib(zlib::Decompressor::new(settings.window_bits))),
            #[cfg(feature = "zstd")]
            Algorithm::Zstd => Some(Self::Zstd(zstd::Decompressor::new(settings.window_bits))),
        }
    }

    /// Unpacks from the front of `packed`, which is advanced, until it or the sink is used up.
    pub(crate) fn unpack(
        &mut self,
        packed: &mut &[u8],
        sink: &mut Sink<'_>,
    ) -> Result<Step, DecompressError> {
        match self {
            #[cfg(feature = "lz4")]
            Self::Lz4(lz4) => lz4.unpack(packed, sink),
            #[cfg(feature = "zlib")]
            Self::Zlib(zlib) => zlib.unpack(packed, sink),
            #[cfg(feature = "zstd")]
            Self::Zstd(zstd) => zstd.unpack(packed, sink),
        }
    }

    /// Whether what follows an end is the next of the algorithm's frames, which a compressor writes
    /// that had to forget.
    pub(crate) fn goes_on(&self) -> bool {
        match self {
            #[cfg(feature = "lz4")]
            Self::Lz4(_) => true,
            #[cfg(feature = "zlib")]
            Self::Zlib(_) => false,
            #[cfg(feature = "zstd")]
            Self::Zstd(_) => true,
        }
    }
}
