//! The tag that a kernel event carries.

use crate::base::Key;

/// What kind of socket a token names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Listener,
    Stream,
    /// A stream that is being connected beside others for one connection.
    Dial,
    /// A descriptor that the user brought.
    Fd,
    /// A socket of datagrams.
    Udp,
}

/// The identity of a registered socket: its kind, slot and generation.
///
/// The kernel carries it as one word and hands it back with each event. A token whose generation
/// is stale names nothing, so that an event for a closed socket cannot reach the next one.
///
/// ```text
///   63          32 31  29 28         0
///   [ generation ][ kind ][   index   ]
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) key: Key,
}

const KIND_SHIFT: u32 = 29;
const INDEX_MASK: u64 = (1 << KIND_SHIFT) - 1;

const _: () = assert!(usize::BITS >= 64, "the kernel's tag must hold a 64-bit token");

impl Token {
    pub(crate) const fn listener(key: Key) -> Self {
        Self { kind: Kind::Listener, key }
    }

    pub(crate) const fn stream(key: Key) -> Self {
        Self { kind: Kind::Stream, key }
    }

    pub(crate) const fn dial(key: Key) -> Self {
        Self { kind: Kind::Dial, key }
    }

    pub(crate) const fn fd(key: Key) -> Self {
        Self { kind: Kind::Fd, key }
    }

    pub(crate) const fn udp(key: Key) -> Self {
        Self { kind: Kind::Udp, key }
    }

    pub(crate) fn to_word(self) -> u64 {
        debug_assert!(u64::from(self.key.index) <= INDEX_MASK, "at most 2^29 slots");
        let kind: u64 = match self.kind {
            Kind::Stream => 0,
            Kind::Listener => 1,
            Kind::Dial => 2,
            Kind::Fd => 3,
            Kind::Udp => 4,
        };
        u64::from(self.key.generation) << 32 | kind << KIND_SHIFT | u64::from(self.key.index)
    }

    pub(crate) const fn from_word(word: u64) -> Self {
        let kind = match (word >> KIND_SHIFT) & 7 {
            0 => Kind::Stream,
            1 => Kind::Listener,
            2 => Kind::Dial,
            3 => Kind::Fd,
            _ => Kind::Udp,
        };
        let key = Key { index: (word & INDEX_MASK) as u32, generation: (word >> 32) as u32 };
        Self { kind, key }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_the_way_through_the_kernel() {
        for key in [
            Key { index: 0, generation: 0 },
            Key { index: 7, generation: u32::MAX - 1 },
            Key { index: (1 << 29) - 1, generation: 3 },
        ] {
            let makers = [Token::listener, Token::stream, Token::dial, Token::fd, Token::udp];
            for token in makers.map(|make| make(key)) {
                assert_eq!(Token::from_word(token.to_word()), token);
            }
        }
    }
}
