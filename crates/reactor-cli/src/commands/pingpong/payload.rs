//! The bytes that are sent, and the check that they came back.

use crate::framing::{Framing, Plain};

/// The one framing in which not every byte may stand.
const LINES: Framing = Framing::Plain(Plain::Line);

/// After so many bytes the pattern repeats. A prime, so that the messages of nearly every size
/// differ from their neighbours: a message that is lost, doubled or moved is noticed.
const PERIOD: usize = 4093;

/// An endless pattern of bytes, cut from a table so that sending is a copy and checking a compare.
#[derive(Debug)]
pub(super) struct Payload {
    /// The pattern, long enough for the longest piece at every place of it.
    table: Vec<u8>,
}

/// A place in the endless pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    offset: usize,
}

impl Place {
    /// Returns where a connection begins. Neighbours begin at different places, so that a mix-up
    /// between connections is noticed.
    pub(super) fn first(connection: usize) -> Self {
        Self { offset: connection % PERIOD * 31 % PERIOD }
    }
}

impl Payload {
    /// Makes a pattern for pieces of up to `piece_bytes_max` bytes.
    ///
    /// In lines it has printing characters alone: none that ends a line, or that a server of text
    /// might take for anything else than itself.
    pub(super) fn new(piece_bytes_max: usize, framing: Framing) -> Self {
        // A linear congruential generator; its high bits are random enough to differ.
        let mut state = 1_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let [byte, ..] = state.to_be_bytes();
            if framing == LINES { b'!' + byte % (b'~' - b'!' + 1) } else { byte }
        };
        let period: Vec<u8> = (0..PERIOD).map(|_| next()).collect();
        let table = period.iter().copied().cycle().take(PERIOD + piece_bytes_max).collect();
        Self { table }
    }

    /// Returns the next `count` bytes and moves the place behind them.
    pub(super) fn next(&self, place: &mut Place, count: usize) -> &[u8] {
        let bytes = &self.table[place.offset..place.offset + count];
        place.offset = (place.offset + count) % PERIOD;
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_any_size_make_the_same_stream() {
        let payload = Payload::new(10_000, Framing::Raw);
        let mut whole_place = Place::first(7);
        let whole = payload.next(&mut whole_place, 10_000);
        let mut place = Place::first(7);
        let mut pieces: Vec<u8> = Vec::new();
        for count in [1, 63, 4093, 0, 4094, 1749] {
            pieces.extend(payload.next(&mut place, count));
        }
        assert_eq!(pieces, whole);
        assert_eq!(place, whole_place);
    }

    #[test]
    fn messages_and_connections_differ_from_their_neighbours() {
        for framing in [Framing::Raw, LINES] {
            let payload = Payload::new(64, framing);
            for connection in 0..10_000 {
                let mut place = Place::first(connection);
                let mut neighbour = Place::first(connection + 1);
                let first = payload.next(&mut place, 64);
                assert_ne!(first, payload.next(&mut place, 64));
                assert_ne!(first, payload.next(&mut neighbour, 64));
            }
        }
    }

    #[test]
    fn a_line_has_printing_characters_alone() {
        let payload = Payload::new(0, LINES);
        assert!(payload.next(&mut Place::first(0), PERIOD).iter().all(u8::is_ascii_graphic));
    }
}
