//! One direction of a byte stream: a bounded buffer at each end.
//!
//! ```text
//!   send --> [ unsent ] --> in flight --> [ received ] --> receive
//!            `--- Outgoing::room ---'     `- Incoming -'
//! ```
//!
//! Bytes in flight still count against the sender, as unacknowledged bytes do, and they are only
//! put in flight when the receiver has room for them, as the window of TCP demands. Sequence
//! numbers tell what has arrived; the end (FIN) counts as one more byte.

use std::collections::VecDeque;
use std::io::IoSlice;

use crate::base::Instant;

/// A buffer that is larger than this is given back when it runs empty: a simulated week holds many
/// quiet connections, and an idle one should own little.
const KEPT_BYTES_MAX: usize = 4 * 1024;

/// The sending end.
#[derive(Debug)]
pub(super) struct Outgoing {
    unsent: VecDeque<u8>,
    capacity_bytes: usize,
    fin: Fin,
    /// It takes nothing, as if every buffer on the way were full.
    plugged: bool,
    /// The number of the next byte that is put in flight.
    next: u64,
    /// Everything below has been acknowledged.
    acknowledged: u64,
    /// What has to be sent again, in the order of its numbers.
    lost: VecDeque<Lost>,
}

/// A segment that did not arrive.
#[derive(Debug)]
pub(super) struct Lost {
    pub(super) seq: u64,
    /// The bytes, or nothing for FIN.
    pub(super) bytes: Option<Vec<u8>>,
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
            capacity_bytes,
            fin: Fin::Open,
            plugged: false,
            next: 0,
            acknowledged: 0,
            lost: VecDeque::new(),
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

    /// Puts as many unsent bytes in flight as fit `window_bytes`: moves them into `buffer`, and
    /// returns the number of the first.
    pub(super) fn launch(&mut self, window_bytes: usize, buffer: &mut Vec<u8>) -> Option<u64> {
        let len = self.unsent.len().min(window_bytes);
        if len == 0 {
            return None;
        }
        buffer.extend(self.unsent.drain(..len));
        if self.unsent.is_empty() && self.unsent.capacity() > KEPT_BYTES_MAX {
            self.unsent = VecDeque::new();
        }
        let seq = self.next;
        self.next += u64::try_from(len).unwrap_or(u64::MAX);
        Some(seq)
    }

    /// Turns a wanted FIN into a sent one, once nothing is unsent, and returns its number.
    pub(super) fn launch_fin(&mut self) -> Option<u64> {
        if self.fin != Fin::Wanted || !self.unsent.is_empty() {
            return None;
        }
        self.fin = Fin::Sent;
        self.next += 1;
        Some(self.next - 1)
    }

    /// Notes that everything below `number` has arrived.
    pub(super) fn acknowledge(&mut self, number: u64) {
        self.acknowledged = self.acknowledged.max(number.min(self.next));
    }

    /// Takes back a segment that did not arrive.
    pub(super) fn lose(&mut self, lost: Lost) {
        let place = self.lost.partition_point(|other| other.seq < lost.seq);
        self.lost.insert(place, lost);
    }

    /// Returns everything that has to be sent again.
    pub(super) fn take_lost(&mut self) -> VecDeque<Lost> {
        std::mem::take(&mut self.lost)
    }

    /// Takes no more bytes; FIN follows those that are unsent.
    pub(super) fn finish(&mut self) {
        if self.fin == Fin::Open {
            self.fin = Fin::Wanted;
        }
    }

    /// Drops what is unsent or lost.
    pub(super) fn clear(&mut self) {
        self.unsent = VecDeque::new();
        self.lost = VecDeque::new();
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
        let in_flight = usize::try_from(self.next - self.acknowledged).unwrap_or(usize::MAX);
        self.capacity_bytes.saturating_sub(self.unsent.len().saturating_add(in_flight))
    }

    /// Whether there is enough room to say so.
    ///
    /// Linux wants a third of the buffer free before it reports writability
    /// (`sk_stream_is_writeable`), so that a slow reader does not cause a report for each byte.
    pub(super) fn is_writable(&self) -> bool {
        let room = self.room();
        room > 0 && room >= self.capacity_bytes / 3
    }

    /// Returns the number of the next byte that is put in flight.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// Whether a segment waits to be sent again.
    pub(super) fn has_lost(&self) -> bool {
        !self.lost.is_empty()
    }

    /// Whether everything that was put in flight has been acknowledged.
    pub(super) fn is_acknowledged(&self) -> bool {
        self.acknowledged == self.next
    }

    /// Whether anything waits for the peer: it is unsent, or not acknowledged.
    pub(super) fn is_pending(&self) -> bool {
        !self.is_acknowledged() || !self.unsent.is_empty() || self.fin == Fin::Wanted
    }

    /// Whether FIN has been acknowledged.
    pub(super) fn is_finished(&self) -> bool {
        self.fin == Fin::Sent && self.is_acknowledged()
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
    /// The number of the next byte that is to arrive.
    expected: u64,
    /// When the last segment sent so far arrives; later ones must not overtake it.
    last_arrival: Instant,
}

impl Incoming {
    /// Makes an empty receiving end.
    pub(super) fn new(capacity_bytes: usize) -> Self {
        let (received, last_arrival) = (VecDeque::new(), Instant::ORIGIN);
        Self { received, capacity_bytes, fin: false, expected: 0, last_arrival }
    }

    /// Stores bytes that arrived.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.received.extend(bytes);
        self.expected += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
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
        if self.received.is_empty() && self.received.capacity() > KEPT_BYTES_MAX {
            self.received = VecDeque::new();
        }
        taken
    }

    /// Notes that the peer sends no more.
    pub(super) fn finish(&mut self) {
        self.fin = true;
        self.expected += 1;
    }

    /// Returns when a segment that could arrive at `earliest` does arrive.
    pub(super) fn arrival(&mut self, earliest: Instant) -> Instant {
        self.last_arrival = self.last_arrival.max(earliest);
        self.last_arrival
    }

    /// Changes the capacity. What is buffered beyond it stays.
    pub(super) fn set_capacity(&mut self, bytes: usize) {
        self.capacity_bytes = bytes.max(1);
    }

    /// Returns how many more bytes a peer may send that has sent everything below `sent`.
    pub(super) fn window(&self, sent: u64) -> usize {
        let coming = usize::try_from(sent.saturating_sub(self.expected)).unwrap_or(usize::MAX);
        self.capacity_bytes.saturating_sub(self.received.len().saturating_add(coming))
    }

    /// Returns the number of the next byte that is to arrive.
    pub(super) fn expected(&self) -> u64 {
        self.expected
    }

    /// Returns how many bytes are waiting to be read.
    pub(super) fn len(&self) -> usize {
        self.received.len()
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
        let mut sent = Vec::new();
        assert_eq!(out.launch(4, &mut sent), Some(0));
        assert_eq!((sent.as_slice(), out.room()), (&b"abcd"[..], 0));
        out.acknowledge(4);
        assert_eq!(out.room(), 4);
        // What was never sent cannot be acknowledged.
        out.acknowledge(400);
        assert!(out.is_acknowledged() && out.is_pending());
    }

    #[test]
    fn fin_waits_for_the_last_unsent_byte() {
        let mut out = Outgoing::new(5);
        out.push(&[IoSlice::new(b"abc")], usize::MAX);
        out.finish();
        assert_eq!(out.launch_fin(), None);
        assert_eq!(out.launch(9, &mut Vec::new()), Some(0));
        assert_eq!(out.launch_fin(), Some(3));
        assert_eq!(out.launch_fin(), None);
        out.acknowledge(3);
        assert!(!out.is_finished());
        out.acknowledge(4);
        assert!(out.is_finished());
    }

    #[test]
    fn lost_segments_are_sent_again_in_order() {
        let mut out = Outgoing::new(5);
        for seq in [4, 0, 2] {
            out.lose(Lost { seq, bytes: None });
        }
        let order: Vec<u64> = out.take_lost().iter().map(|lost| lost.seq).collect();
        assert_eq!(order, [0, 2, 4]);
        assert!(!out.has_lost());
    }

    #[test]
    fn bytes_come_out_in_order_across_the_ring() {
        let mut input = Incoming::new(8);
        input.push(b"abcdef");
        let mut into = [0; 4];
        assert_eq!(input.take(&mut into), 4);
        input.push(b"ghijkl");
        assert_eq!((input.expected(), input.window(12), input.window(13)), (12, 0, 0));
        let mut rest = [0; 9];
        assert_eq!(input.take(&mut rest), 8);
        assert_eq!(&rest[..8], b"efghijkl");
        assert!(input.is_empty());
        assert_eq!((input.window(12), input.window(15)), (8, 5));
    }

    #[test]
    fn a_segment_never_overtakes_an_earlier_one() {
        let mut input = Incoming::new(1);
        assert_eq!(input.arrival(Instant::from_nanos(9)), Instant::from_nanos(9));
        assert_eq!(input.arrival(Instant::from_nanos(3)), Instant::from_nanos(9));
    }
}
