//! The framings that both sides know, and the frames that are exchanged: those of `frames.py`.

use net_reactor::codec::{AnyCodec, LengthPrefix, LineEnd, Lines, Netstring};

/// A framing, with its name in the programs in Python.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Framing {
    Line,
    Int32,
    Netstring,
}

impl Framing {
    pub(crate) const ALL: [Self; 3] = [Self::Line, Self::Int32, Self::Netstring];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Line => "line",
            Self::Int32 => "int32",
            Self::Netstring => "netstring",
        }
    }

    /// With the limits as they are by default, 1 MiB.
    pub(crate) fn codec(self) -> AnyCodec {
        match self {
            Self::Line => AnyCodec::new(Lines::new().end(LineEnd::CrLf)),
            Self::Int32 => AnyCodec::new(LengthPrefix::u32()),
            Self::Netstring => AnyCodec::new(Netstring::new()),
        }
    }
}

/// The sizes of the frames that go there and back one by one.
pub(crate) const SIZES: [usize; 4] = [0, 1, 65_535, 1024 * 1024];

/// How many small ones follow, all at once.
pub(crate) const MANY: usize = 1000;

/// A frame of so many bytes.
pub(crate) fn frame(size: usize) -> Vec<u8> {
    (32..127).cycle().take(size).collect()
}

/// All frames, in order.
pub(crate) fn frames() -> impl Iterator<Item = Vec<u8>> {
    SIZES.into_iter().chain((0..MANY).map(|number| number % 50)).map(frame)
}
