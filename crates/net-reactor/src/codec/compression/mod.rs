//! Packed bytes: one interface over every algorithm, and one limit.
//!
//! A [`Compressor`] and a [`Decompressor`] work on bytes alone, push-style: what they are given they
//! take, what they make they append. Everything that is unpacked goes through a [`Sink`].

mod error;
mod settings;
mod sink;
#[cfg(feature = "zlib")]
mod zlib;

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
    #[cfg(feature = "zlib")]
    Zlib(zlib::Compressor),
}

impl Compressor {
    /// Makes one, or `None` if nothing is to be packed.
    pub(crate) fn new(settings: &Compression) -> Option<Self> {
        match settings.algorithm {
            Algorithm::None => None,
            #[cfg(feature = "zlib")]
            Algorithm::Zlib => {
                Some(Self::Zlib(zlib::Compressor::new(settings.level, settings.window_bits)))
            }
        }
    }

    /// Takes all of `plain`, and appends to `packed`.
    pub(crate) fn pack(&mut self, plain: &[u8], flush: Flush, packed: &mut Vec<u8>) {
        match self {
            #[cfg(feature = "zlib")]
            Self::Zlib(zlib) => zlib.pack(plain, flush, packed),
        }
    }

    /// What was packed last does not reach the peer: nothing to come may refer to it.
    pub(crate) fn forget(&mut self) {
        match self {
            #[cfg(feature = "zlib")]
            Self::Zlib(zlib) => zlib.forget(),
        }
    }
}

/// Unpacks one direction of a connection.
#[derive(Debug)]
pub(crate) enum Decompressor {
    #[cfg(feature = "zlib")]
    Zlib(zlib::Decompressor),
}

impl Decompressor {
    /// Makes one, or `None` if nothing is packed.
    pub(crate) fn new(settings: &Compression) -> Option<Self> {
        match settings.algorithm {
            Algorithm::None => None,
            #[cfg(feature = "zlib")]
            Algorithm::Zlib => Some(Self::Zlib(zlib::Decompressor::new(settings.window_bits))),
        }
    }

    /// Unpacks from the front of `packed`, which is advanced, until it or the sink is used up.
    pub(crate) fn unpack(
        &mut self,
        packed: &mut &[u8],
        sink: &mut Sink<'_>,
    ) -> Result<Step, DecompressError> {
        match self {
            #[cfg(feature = "zlib")]
            Self::Zlib(zlib) => zlib.unpack(packed, sink),
        }
    }
}
