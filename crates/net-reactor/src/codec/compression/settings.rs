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

/// An algorithm that makes bytes fewer, and its settings.
///
/// | | feature | level, default | window bits, default | memory of a connection |
/// |---|---|---|---|---|
/// | [`none`](Self::none) | any | | | none |
/// | [`zlib`](Self::zlib) | `zlib` | 0 to 9, 6 | 9 to 15, 15 | about 256 KiB to send, 48 KiB to receive; a bit less of window halves both |
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
    #[cfg(feature = "zlib")]
    Zlib,
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

    /// Sets how hard the sender tries: higher is smaller and slower. A level that the algorithm does
    /// not have counts as the nearest that it has.
    #[must_use]
    pub const fn level(mut self, level: u32) -> Self {
        self.level = match self.algorithm {
            Algorithm::None => 0,
            #[cfg(feature = "zlib")]
            Algorithm::Zlib => at_most(level, 9),
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
            Algorithm::None => 0,
            #[cfg(feature = "zlib")]
            Algorithm::Zlib => within(bits, 9, 15),
        };
        self
    }

    /// Sets how many times as large as they were packed bytes may become. Default: 200. It counts
    /// for frames of more than 1 MiB, which have to be allowed with
    /// [`max`](crate::codec::Compressed::max) first.
    ///
    /// Honest text is packed to a tenth, and the same again to a hundredth. The most that zlib can do
    /// is 1032, with nothing but zeros: who sends such needs a higher limit.
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

#[cfg(feature = "zlib")]
const fn at_most(number: u32, max: u32) -> u32 {
    if number < max { number } else { max }
}

#[cfg(feature = "zlib")]
const fn within(number: u8, min: u8, max: u8) -> u8 {
    if number < min {
        min
    } else if number > max {
        max
    } else {
        number
    }
}
