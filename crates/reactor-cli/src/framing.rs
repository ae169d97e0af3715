//! Where messages begin and end, as the command line names it.

use std::error::Error;
use std::fmt;

use bytes::Bytes;
use clap::{Args, ValueEnum};
use net_reactor::codec::{
    AnyCodec, Decoder, Delimited, Encoder, LengthPrefix, Netstring, SimpleReactor,
};

use crate::failure::Failure;

/// The largest frame of each framing, in both directions: 1 MiB.
pub(crate) const FRAME_BYTES_MAX: usize = 1024 * 1024;

/// The options that say where messages begin and end.
#[derive(Debug, Clone, Args)]
pub(crate) struct FramingArgs {
    /// Where messages begin and end; both sides must speak the same
    #[arg(long, value_name = "FRAMING", default_value = "raw", value_enum)]
    framing: Named,

    /// With simplereactor: leave frames as they are, instead of packing them with zlib
    #[arg(long)]
    no_compression: bool,

    /// With simplereactor: neither send heartbeats nor expect them
    #[arg(long)]
    no_heartbeat: bool,
}

/// The framings, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Named {
    /// Nowhere: a stream of bytes
    Raw,
    /// Each ends in a line feed
    Line,
    /// Each stands behind its length: 4 bytes, big-endian, not counting themselves
    Length32,
    /// Netstrings, such as `5:hello,`
    Netstring,
    /// Those of the Python reactor of this name, with types, zlib and heartbeats
    #[value(name = "simplereactor")]
    SimpleReactor,
}

impl FramingArgs {
    /// Returns what they say, if it makes sense together.
    pub(crate) fn framing(&self) -> Result<Framing, Failure> {
        let &Self { framing, no_compression, no_heartbeat } = self;
        let option = match framing {
            _ if no_compression => "--no-compression",
            _ => "--no-heartbeat",
        };
        match framing {
            Named::SimpleReactor => {
                Ok(Framing::Typed(Typed { packs: !no_compression, beats: !no_heartbeat }))
            }
            _ if no_compression || no_heartbeat => Err(Failure::usage(format!(
                "{option} is for --framing simplereactor alone - leave it out"
            ))),
            Named::Raw => Ok(Framing::Raw),
            Named::Line => Ok(Framing::Plain(Plain::Line)),
            Named::Length32 => Ok(Framing::Plain(Plain::Length32)),
            Named::Netstring => Ok(Framing::Plain(Plain::Netstring)),
        }
    }
}

/// Where messages begin and end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Nowhere.
    Raw,
    Plain(Plain),
    Typed(Typed),
}

/// A framing that knows bytes alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plain {
    Line,
    Length32,
    Netstring,
}

/// `SimpleReactor`'s framing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Typed {
    packs: bool,
    /// The server sends heartbeats, the client expects them.
    pub(crate) beats: bool,
}

impl Plain {
    /// Makes the codec of one connection.
    pub(crate) fn codec(self) -> AnyCodec {
        match self {
            // `Lines` would take a CR for a part of the end. What is echoed should be what came.
            Self::Line => {
                AnyCodec::new(Delimited::new(Bytes::from_static(b"\n")).max(FRAME_BYTES_MAX))
            }
            Self::Length32 => AnyCodec::new(LengthPrefix::u32().max(FRAME_BYTES_MAX)),
            Self::Netstring => AnyCodec::new(Netstring::new().max(FRAME_BYTES_MAX)),
        }
    }
}

impl Typed {
    /// Returns what makes the codec of one connection.
    pub(crate) fn wire(self) -> fn() -> SimpleReactor {
        if self.packs {
            || SimpleReactor::zlib().max(FRAME_BYTES_MAX)
        } else {
            || SimpleReactor::plain().max(FRAME_BYTES_MAX)
        }
    }
}

impl Framing {
    /// Returns how many bytes go over the wire for a message, at most.
    pub(crate) fn wire_bytes_max(self, message_bytes: usize) -> usize {
        message_bytes
            + match self {
                Self::Raw => 0,
                Self::Plain(Plain::Line) => 1,
                Self::Plain(Plain::Length32) => 4,
                Self::Plain(Plain::Netstring) => {
                    message_bytes.checked_ilog10().unwrap_or(0) as usize + 3
                }
                // Length and type, and what zlib adds to what cannot be packed.
                Self::Typed(_) => 8 + message_bytes / 256 + 64,
            }
    }
}

impl fmt::Display for Framing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Raw => "raw",
            Self::Plain(Plain::Line) => "line",
            Self::Plain(Plain::Length32) => "length32",
            Self::Plain(Plain::Netstring) => "netstring",
            Self::Typed(_) => "simplereactor",
        })
    }
}

/// A codec whose messages are bytes, whatever else a frame has.
pub(crate) trait Codec:
    Decoder + Encoder<[u8], Error: Error + Send + Sync + 'static> + 'static
{
    /// Returns the message in a frame.
    fn message<'a>(frame: &'a Self::Frame<'_>) -> &'a [u8];
}

impl Codec for AnyCodec {
    fn message<'a>(frame: &'a Self::Frame<'_>) -> &'a [u8] {
        frame
    }
}

impl Codec for SimpleReactor {
    fn message<'a>(frame: &'a Self::Frame<'_>) -> &'a [u8] {
        frame.data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: [Plain; 3] = [Plain::Line, Plain::Length32, Plain::Netstring];
    const SIZES: [usize; 8] = [1, 9, 10, 99, 100, 12_345, 100_000, FRAME_BYTES_MAX];

    fn noise(bytes: usize) -> Vec<u8> {
        let words = (1_u32..).map(|word| word.wrapping_mul(0x9e37_79b9).to_be_bytes());
        words.flatten().map(|byte| if byte == b'\n' { 0 } else { byte }).take(bytes).collect()
    }

    #[test]
    fn the_bytes_of_a_frame_are_counted_right() {
        for plain in PLAIN {
            for message_bytes in SIZES {
                let wire = plain.codec().to_bytes(&noise(message_bytes)).unwrap();
                assert_eq!(wire.len(), Framing::Plain(plain).wire_bytes_max(message_bytes));
            }
        }
    }

    #[test]
    fn a_typed_frame_is_never_longer_than_that() {
        for packs in [false, true] {
            let typed = Typed { packs, beats: false };
            let mut codec = typed.wire()();
            for message_bytes in SIZES {
                let wire = codec.to_bytes(&noise(message_bytes)).unwrap();
                assert!(wire.len() <= Framing::Typed(typed).wire_bytes_max(message_bytes));
            }
        }
    }
}
