//! Which algorithm, and how far it may go.

/// What is unpacked may be this many times as large as it was packed: 200.
const RATIO_MAX: u32 = 200;

/// Up to here the ratio does not count: 1 MiB, which is what a frame may have by default.
const UNRATED_BYTES: usize = crate::codec::FRAME_BYTES_MAX;

/// The sliding window of zlib: 2^15 bytes, the most there is, and the only one that many peers have.
#[cfg(feature = "zlib")]
const ZLIB_WINDOW_BITS: u8 = 15;

/// The level of zlib: 6, as everywhere.
#[cfg(feature = "zlib")]
const ZLIB_LEVEL: u32 = 6;

/// The level of zstd: 3, as its makers have it.
#[cfg(feature = "zstd")]
const ZSTD_LEVEL: u32 = 3;

/// The sliding window of zstd: 2^18 bytes. Its makers' default is 2^21, which is 2 MiB for each
/// direction of each connection.
#[cfg(feature = "zstd")]
const ZSTD_WINDOW_BITS: u8 = 18;

/// An algorithm that makes bytes fewer, and its settings.
///
/// | | feature | level, default | window bits, default | memory of a connection |
/// |---|---|---|---|---|
/// | `none` | any | | | none |
/// | `zlib` | `zlib` | 0 to 9, 6 | 9 to 15, 15 | about 256 KiB to send, 48 KiB to receive |
/// | `zstd` | `zstd` | 1 to 19, 3 | 10 to 27, 18 | about 1.2 MiB to send, 0.5 MiB to receive |
/// | `lz4` | `lz4` | one | 16 | about 220 KiB to send, 200 KiB to receive |
///
/// The memory of a direction is taken with its first byte, so a peer that says nothing costs
/// nothing. Both sides must use the same algorithm, and a receiver refuses what needs a larger window
/// than its own.
///
/// A few packed bytes can unpack to very many. How many is limited twice: by the size of a frame
/// ([`Compressed::max`](crate::codec::Compressed::max)), and by the ratio to what was packed
/// ([`ratio_max`](Self::ratio_max)). Memory grows with what is really unpacked, in steps, up to the
/// first limit that is reached.
///
/// Who packs secrets together with bytes that a stranger chose shows him, by the size, how alike
/// they are (the CRIME and BREACH attacks on TLS).
#[derive(Debug, Clone, Copy)]
pub struct Compression {
    pub(super) algorithm: Algorithm,
    pub(super) level: u32,
    pub(super) window_bits: u8,
    ratio_max: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    None,
    #[cfg(feature = "lz4")]
    Lz4,
    #[cfg(feature = "zlib")]
    Zlib,
    #[cfg(feature = "zstd")]
    Zstd,
}

impl Compression {
    const fn new(algorithm: Algorithm, level: u32, window_bits: u8) -> Self {
        Self { algorithm, level, window_bits, ratio_max: RATIO_MAX }
    }

    /// No compression: for a peer that wants none, where others do.
    #[must_use]
    pub const fn none() -> Self {
        Self::new(Algorithm::None, 0, 0)
    }

    /// The format of RFC 1950, as zlib writes it.
    #[cfg(feature = "zlib")]
    #[must_use]
    pub const fn zlib() -> Self {
        Self::new(Algorithm::Zlib, ZLIB_LEVEL, ZLIB_WINDOW_BITS)
    }

    /// The format of RFC 8878, through the C library of its makers, which is built along: smaller and
    /// faster than zlib.
    #[cfg(feature = "zstd")]
    #[must_use]
    pub const fn zstd() -> Self {
        Self::new(Algorithm::Zstd, ZSTD_LEVEL, ZSTD_WINDOW_BITS)
    }

    /// The frame format of LZ4, with blocks of 64 KiB, each of which may refer to those before it:
    /// less small, and many times faster. A peer's larger blocks are refused.
    #[cfg(feature = "lz4")]
    #[must_use]
    pub const fn lz4() -> Self {
        Self::new(Algorithm::Lz4, 0, 0)
    }

    /// Sets how hard the sender tries: higher is smaller and slower. A level that the algorithm does
    /// not have counts as the nearest that it has.
    #[must_use]
    pub const fn level(mut self, level: u32) -> Self {
        self.level = match self.algorithm {
            Algorithm::None => within(level, 0, 0),
            #[cfg(feature = "lz4")]
            Algorithm::Lz4 => within(level, 0, 0),
            #[cfg(feature = "zlib")]
            Algorithm::Zlib => within(level, 0, 9),
            #[cfg(feature = "zstd")]
            Algorithm::Zstd => within(level, 1, 19),
        };
        self
    }

    /// Sets how far back references may go, as a power of two, to send and to receive: it is what
    /// most of the memory is for. A number that the algorithm does not have counts as the nearest
    /// that it has.
    ///
    /// A peer whose window is larger is refused with [`Corrupt`](super::DecompressError::Corrupt).
    #[must_use]
    pub const fn window_bits(mut self, bits: u8) -> Self {
        self.window_bits = match self.algorithm {
            Algorithm::None => within_bits(bits, 0, 0),
            #[cfg(feature = "lz4")]
            Algorithm::Lz4 => within_bits(bits, 0, 0),
            #[cfg(feature = "zlib")]
            Algorithm::Zlib => within_bits(bits, 9, 15),
            #[cfg(feature = "zstd")]
            Algorithm::Zstd => within_bits(bits, 10, 27),
        };
        self
    }

    /// Sets how many times as large as they were packed bytes may become. Default: 200. It counts
    /// for frames of more than 1 MiB, which have to be allowed with
    /// [`max`](crate::codec::Compressed::max) first.
    ///
    /// Honest text is packed to a tenth, and the same again to a hundredth. Of nothing but zeros lz4 makes
    /// a 250th, zlib a 1000th, and zstd a 10,000th: who sends such needs a higher limit.
    #[must_use]
    pub const fn ratio_max(mut self, times: u32) -> Self {
        self.ratio_max = if times == 0 { 1 } else { times };
        self
    }

    /// Returns how much a frame of `packed_bytes` may unpack to, and what it is if it does not.
    pub(crate) fn frame_bytes_max(
        &self,
        packed_bytes: usize,
        frame_bytes_max: usize,
    ) -> (usize, super::DecompressError) {
        let rated = self.stream_bytes_max(packed_bytes as u64);
        let rated = usize::try_from(rated).unwrap_or(usize::MAX);
        if rated < frame_bytes_max {
            (rated, self.too_dense())
        } else {
            (frame_bytes_max, super::DecompressError::TooLong { limit_bytes: frame_bytes_max })
        }
    }

    /// Returns how much may come of so many packed bytes.
    pub(crate) fn stream_bytes_max(&self, packed_bytes: u64) -> u64 {
        packed_bytes.saturating_mul(self.ratio_max.into()).max(UNRATED_BYTES as u64)
    }

    /// Returns the error of a bomb.
    pub(crate) const fn too_dense(&self) -> super::DecompressError {
        super::DecompressError::TooDense { limit_ratio: self.ratio_max }
    }

    pub(crate) fn is_none(&self) -> bool {
        self.algorithm == Algorithm::None
    }
}

const fn within(number: u32, min: u32, max: u32) -> u32 {
    if number < min {
        min
    } else if number > max {
        max
    } else {
        number
    }
}

#[expect(clippy::cast_possible_truncation, reason = "it is at most max")]
const fn within_bits(bits: u8, min: u8, max: u8) -> u8 {
    within(bits as u32, min as u32, max as u32) as u8
}
