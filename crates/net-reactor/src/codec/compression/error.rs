//! Why packed bytes cannot be unpacked.

use std::error::Error;
use std::fmt;

/// Why packed bytes cannot be unpacked. It is always the peer's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecompressError {
    /// A frame unpacks to more than its limit.
    TooLong {
        /// The limit.
        limit_bytes: usize,
    },
    /// The packed bytes unpack to too many times their number: a bomb.
    TooDense {
        /// How many times is too many; see [`Compression::ratio_max`](super::Compression::ratio_max).
        limit_ratio: u32,
    },
    /// The bytes are none that the algorithm writes.
    Corrupt {
        /// The algorithm.
        algorithm: &'static str,
    },
    /// The peer finished before the end of what it packed: it was cut short.
    Truncated,
    /// There are bytes behind the end of what was packed.
    Trailing,
}

impl fmt::Display for DecompressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { limit_bytes } => {
                write!(f, "a frame unpacks to more than {limit_bytes} bytes")
            }
            Self::TooDense { limit_ratio } => {
                write!(f, "what was packed unpacks to more than {limit_ratio} times its size")
            }
            Self::Corrupt { algorithm } => write!(f, "the bytes are no {algorithm}"),
            Self::Truncated => f.write_str("the peer finished before the end of what it packed"),
            Self::Trailing => f.write_str("bytes follow the end of what was packed"),
        }
    }
}

impl Error for DecompressError {}
