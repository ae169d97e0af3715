//! Layers: what the bytes of a whole connection pass through.
//!
//! [`net`](crate::net) says what a layer is and drives it; here is what it does with the bytes. This
//! layer of the library knows no handler.

#[cfg(any(feature = "lz4", feature = "zlib", feature = "zstd"))]
mod compression;
