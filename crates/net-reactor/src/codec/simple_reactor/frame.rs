//! A frame with a kind.

use std::fmt;

#[cfg(feature = "zlib")]
use crate::codec::Unpacked;

/// The bytes of the kind in front of the data.
pub(super) const KIND_BYTES: usize = 4;

/// The number of the application's frames.
const APPLICATION: u32 = 1;

/// What a frame of [`SimpleReactor`](super::SimpleReactor) is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "the wire has no others")]
pub enum Kind {
    /// The application's: number 1.
    Application,
    /// Something between the two systems, by its number. 1 is the application's here too.
    System(u32),
    /// Nothing: the frame is too short for a kind and data. None such is sent.
    Short,
}

impl Kind {
    /// A heartbeat: number 2.
    pub const HEARTBEAT: Self = Self::System(2);

    pub(super) const fn number(self) -> Option<u32> {
        match self {
            Self::Application => Some(APPLICATION),
            Self::System(number) => Some(number),
            Self::Short => None,
        }
    }

    const fn of(number: u32) -> Self {
        match number {
            APPLICATION => Self::Application,
            number => Self::System(number),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Application => f.write_str("application"),
            Self::System(number) => write!(f, "system type {number}"),
            Self::Short => f.write_str("too short"),
        }
    }
}

/// A frame of [`SimpleReactor`](super::SimpleReactor): a kind, and data.
///
/// One that was received borrows from the receive buffer, or from memory that its codec keeps.
pub struct TypedFrame<'a> {
    kind: Kind,
    payload: Payload<'a>,
    /// How much of the payload is not data.
    head_bytes: usize,
}

/// The bytes of a frame, wherever they are.
pub(super) enum Payload<'a> {
    Received(&'a [u8]),
    Revealed(Vec<u8>),
    #[cfg(feature = "zlib")]
    Unpacked(Unpacked<'static>),
}

impl Payload<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Received(bytes) => bytes,
            Self::Revealed(bytes) => bytes,
            #[cfg(feature = "zlib")]
            Self::Unpacked(bytes) => bytes,
        }
    }
}

impl<'a> Payload<'a> {
    pub(super) fn into_frame(self) -> TypedFrame<'a> {
        let (kind, head_bytes) = match self.bytes().split_first_chunk() {
            Some((number, [_, ..])) => (Kind::of(u32::from_le_bytes(*number)), KIND_BYTES),
            _ => (Kind::Short, 0),
        };
        TypedFrame { kind, payload: self, head_bytes }
    }
}

impl<'a> TypedFrame<'a> {
    /// Makes a frame to be sent.
    #[must_use]
    pub fn new<D: AsRef<[u8]> + ?Sized>(kind: Kind, data: &'a D) -> Self {
        Self { kind, payload: Payload::Received(data.as_ref()), head_bytes: 0 }
    }

    /// Returns what it is for.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns the data; of a [short](Kind::Short) frame all that there is.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        &self.payload.bytes()[self.head_bytes..]
    }
}

impl fmt::Debug for TypedFrame<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TypedFrame({}, {} bytes)", self.kind, self.data().len())
    }
}
