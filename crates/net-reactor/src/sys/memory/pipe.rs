//! One direction of a byte stream: a bounded buffer at each end.
//!
//! ```text
//!   send --> [ unsent ] --> in flight --> [ received ] --> receive
//!            `--- Outgoing::room ---'     `- Incoming -'
//! ```
//!
//! Bytes in flight still count against the sender, as unacknowledged bytes do, and they are only
//! put in flight when the receiver has room for them, as the window of TCP demands.

use std::collections::VecDeque;
use std::io::IoSlice;

use crate::base::Instant;

/// The sending end.
#[derive(Debug)]
pub(super) struct Outgoing {
    unsent: VecDeque<u8>,
    in_flight_bytes: usize,
    capacity_bytes: usize,
    fin: Fin,
    /// It takes nothing, as if every buffer on the way were full.
    plugged: bool,
    /// When the last segment sent so far arrives; later ones must not overtake it.
    last_arrival: Instant,
}

/// How far the end of this direction has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fin {
    /// More bytes may follow.
    Open,
    /// No bytes follow those that are unsent.
    Wanted,
    /// FIN is in flight or has arrived.
    Sent,
}

impl Outgoing {
    /// Makes an empty sending end.
    pub(super) fn new(capacity_bytes: usize) -> Self {
        Self {
            unsent: VecDeque::new(),
            in_flight_bytes: 0,
            capacity_bytes,
            fin: Fin::Open,
            plugged: false,
            last_arrival: Instant::ORIGIN,
        }
    }

    /// Takes bytes from the front of `slices`, up to `limit_bytes` and the room there is.
    pub(super) fn push(&mut self, slices: &[IoSlice<'_>], limit_bytes: usize) -> usize {
        let mut left = self.room().min(limit_bytes);
        let mut taken = 0;
        for slice in slices {
            let len = slice.len().min(left);
            self.unsent.extend(&slice[..len]);
            left -= len;
            taken += len;
        }
        taken
    }

    /// Puts as many unsent bytes in flight as fit `window_bytes`.
    pub(super) fn launch(&mut self, window_bytes: usize) -> Option<Vec<u8>> {
        let len = self.unsent.len().min(window_bytes);
        if len == 0 {
            return None;
        }
        self.in_flight_bytes += len;
        Some(self.unsent.drain(..len).collect())
    }

    /// Turns a wanted FIN into a sent one, once nothing is unsent. Returns whether it did.
    pub(super) fn launch_fin(&mut self) -> bool {
        let due = self.fin == Fin::Wanted && self.unsent.is_empty();
        if due {
            self.fin = Fin::Sent;
        }
        due
    }

    /// Notes that bytes in flight have arrived.
    pub(super) fn arrived(&mut self, len: usize) {
        self.in_flight_bytes -= len;
    }

    /// Returns when a segment that could arrive at `earliest` does arrive.
    pub(super) fn arrival(&mut self, earliest: Instant) -> Instant {
        self.last_arrival = self.last_arrival.max(earliest);
        self.last_arrival
    }

    /// Takes no more bytes; FIN follows those that are unsent.
    pub(super) fn finish(&mut self) {
        if self.fin == Fin::Open {
            self.fin = Fin::Wanted;
        }
    }

    /// Drops what is unsent.
    pub(super) fn clear(&mut self) {
        self.unsent.clear();
    }

    /// Changes the capacity. What is buffered beyond it stays.
    pub(super) fn set_capacity(&mut self, bytes: usize) {
        self.capacity_bytes = bytes.max(1);
    }

    /// Lets nothing in, as if every buffer on the way were full, or lets in what fits.
    pub(super) fn plug(&mut self, plugged: bool) {
        self.plugged = plugged;
    }

    /// Returns how many more bytes fit.
    pub(super) fn room(&self) -> usize {
        if self.plugged {
            return 0;
        }
        self.capacity_bytes.saturating_sub(self.unsent.len() + self.in_flight_bytes)
    }

    /// Whether there is enough room to say so.
    ///
    /// Linux wants a third of the buffer free before it reports writability
    /// (`sk_stream_is_writeable`), so that a slow reader does not cause a report for each byte.
    pub(super) fn is_writable(&self) -> bool {
        let room = self.room();
        room > 0 && room >= self.capacity_bytes / 3
    }

    /// Returns the bytes in flight.
    pub(super) fn in_flight_bytes(&self) -> usize {
        self.in_flight_bytes
    }

    /// Returns how far the end has come.
    pub(super) fn fin(&self) -> Fin {
        self.fin
    }
}

/// The receiving end.
#[derive(Debug)]
pub(super) struct Incoming {
    received: VecDeque<u8>,
    capacity_bytes: usize,
    fin: bool,
}

impl Incoming {
    /// Makes an empty receiving end.
    pub(super) fn new(capacity_bytes: usize) -> Self {
        Self { received: VecDeque::new(), capacity_bytes, fin: false }
    }

    /// Stores bytes that arrived.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.received.extend(bytes);
    }

    /// Moves bytes into `into`.
    pub(super) fn take(&mut self, into: &mut [u8]) -> usize {
        let (first, second) = self.received.as_slices();
        let from_first = first.len().min(into.len());
        let from_second = second.len().min(into.len() - from_first);
        into[..from_first].copy_from_slice(&first[..from_first]);
        into[from_first..from_first + from_second].copy_from_slice(&second[..from_second]);
        let taken = from_first + from_second;
        self.received.drain(..taken);
        if self.received.is_empty() {
            // A simulated week holds many quiet connections: an idle one owns no buffer.
            self.received = VecDeque::new();
        }
        taken
    }

    /// Notes that the peer sends no more.
    pub(super) fn finish(&mut self) {
        self.fin = true;
    }

    /// Changes the capacity. What is buffered beyond it stays.
    pub(super) fn set_capacity(&mut self, bytes: usize) {
        self.capacity_bytes = bytes.max(1);
    }

    /// Returns how many more bytes fit, those in flight not counted.
    pub(super) fn window(&self) -> usize {
        self.capacity_bytes.saturating_sub(self.received.len())
    }

    /// Whether no bytes are waiting to be read.
    pub(super) fn is_empty(&self) -> bool {
        self.received.is_empty()
    }

    /// Whether FIN has arrived.
    pub(super) fn is_finished(&self) -> bool {
        self.fin
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_end_takes_the_front_of_what_is_offered() {
        let mut out = Outgoing::new(5);
        let offered = [IoSlice::new(b"abc"), IoSlice::new(b"def")];
        assert_eq!(out.push(&offered, usize::MAX), 5);
        assert_eq!(out.push(&offered, usize::MAX), 0);
        assert_eq!(out.launch(4), Some(b"abcd".to_vec()));
        assert_eq!(out.room(), 0);
        out.arrived(4);
        assert_eq!(out.room(), 4);
    }

    #[test]
    fn fin_waits_for_the_last_unsent_byte() {
        let mut out = Outgoing::new(5);
        out.push(&[IoSlice::new(b"abc")], usize::MAX);
        out.finish();
        assert!(!out.launch_fin());
        assert!(out.launch(9).is_some());
        assert!(out.launch_fin());
        assert!(!out.launch_fin());
    }

    #[test]
    fn bytes_come_out_in_order_across_the_ring() {
        let mut input = Incoming::new(8);
        input.push(b"abcdef");
        let mut into = [0; 4];
        assert_eq!(input.take(&mut into), 4);
        input.push(b"ghijkl");
        let mut rest = [0; 9];
        assert_eq!(input.take(&mut rest), 8);
        assert_eq!(&rest[..8], b"efghijkl");
        assert!(input.is_empty());
        assert_eq!(input.window(), 8);
    }

    #[test]
    fn a_segment_never_overtakes_an_earlier_one() {
        let mut out = Outgoing::new(1);
        assert_eq!(out.arrival(Instant::from_nanos(9)), Instant::from_nanos(9));
        assert_eq!(out.arrival(Instant::from_nanos(3)), Instant::from_nanos(9));
    }
}
