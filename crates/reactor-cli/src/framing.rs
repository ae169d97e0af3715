//! Where messages begin and end, as the command line names it.

use std::fmt;

use bytes::Bytes;
use clap::ValueEnum;
use net_reactor::codec::{AnyCodec, Delimited, LengthPrefix, Netstring, Raw};

/// The largest frame of each framing, in both directions: 1 MiB.
pub(crate) const FRAME_BYTES_MAX: usize = 1024 * 1024;

/// Where messages begin and end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Framing {
    /// Nowhere: a stream of bytes
    #[default]
    Raw,
    /// Each ends in a line feed
    Line,
    /// Each stands behind its length: 4 bytes, big-endian, not counting themselves
    Length32,
    /// Netstrings, such as `5:hello,`
    Netstring,
}

impl Framing {
    /// Makes the codec of one connection.
    pub(crate) fn codec(self) -> AnyCodec {
        match self {
            Self::Raw => AnyCodec::new(Raw::new()),
            // `Lines` would take a CR for a part of the end. What is echoed should be what came.
            Self::Line => {
                AnyCodec::new(Delimited::new(Bytes::from_static(b"\n")).max(FRAME_BYTES_MAX))
            }
            Self::Length32 => AnyCodec::new(LengthPrefix::u32().max(FRAME_BYTES_MAX)),
            Self::Netstring => AnyCodec::new(Netstring::new().max(FRAME_BYTES_MAX)),
        }
    }

    /// Returns how many bytes go over the wire for a message.
    pub(crate) fn wire_bytes(self, message_bytes: usize) -> usize {
        message_bytes
            + match self {
                Self::Raw => 0,
                Self::Line => 1,
                Self::Length32 => 4,
                Self::Netstring => message_bytes.checked_ilog10().unwrap_or(0) as usize + 3,
            }
    }
}

impl fmt::Display for Framing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Raw => "raw",
            Self::Line => "line",
            Self::Length32 => "length32",
            Self::Netstring => "netstring",
        })
    }
}

#[cfg(test)]
mod tests {
    use net_reactor::codec::Encoder;

    use super::*;

    const FRAMED: [Framing; 3] = [Framing::Line, Framing::Length32, Framing::Netstring];

    #[test]
    fn the_names_are_those_of_the_command_line() {
        for framing in Framing::value_variants() {
            assert_eq!(Framing::from_str(&framing.to_string(), false), Ok(*framing));
        }
    }

    #[test]
    fn the_bytes_of_a_frame_are_counted_right() {
        for framing in FRAMED {
            for message_bytes in [0, 1, 9, 10, 99, 100, 12_345, FRAME_BYTES_MAX] {
                let wire = framing.codec().to_bytes(&vec![b'x'; message_bytes]).unwrap();
                assert_eq!(wire.len(), framing.wire_bytes(message_bytes), "{framing:?}");
            }
        }
    }
}
