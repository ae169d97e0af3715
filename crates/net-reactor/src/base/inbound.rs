//! Received bytes that nobody has consumed yet.

use super::pool::Recycle;
use super::{Bug, planted};

/// A buffer that keeps more memory than this when empty is not pooled.
const KEPT_BYTES_MAX: usize = 64 * 1024;

/// Delimiters of up to this length are remembered as they are, longer ones by a fingerprint.
const DELIMITER_BYTES_MAX: usize = 8;

/// How far a search for a delimiter has come, so that the next one resumes there.
///
/// A slow sender that drips one byte at a time then costs linear work, not quadratic. The mark
/// belongs to one delimiter; a search for another one starts from the beginning.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ScanMark {
    searched: usize,
    delimiter: [u8; DELIMITER_BYTES_MAX],
    /// The delimiter's length; 255 stands for all that are longer than 254.
    delimiter_len: u8,
}

impl ScanMark {
    /// Returns where a search for `delimiter` may start, counted from the first unconsumed byte.
    pub(crate) fn resume(&self, delimiter: &[u8]) -> usize {
        if self.searched == 0 {
            return 0;
        }
        let known = (self.delimiter, self.delimiter_len);
        if known == brief(delimiter) { self.searched } else { 0 }
    }

    /// Forgets the search: the bytes that it looked at are gone.
    #[inline]
    pub(crate) const fn clear(&mut self) {
        self.searched = 0;
    }

    /// Notes that `delimiter` does not start in the first `searched` unconsumed bytes.
    pub(crate) fn note(&mut self, delimiter: &[u8], searched: usize) {
        let (delimiter, delimiter_len) = brief(delimiter);
        *self = Self { searched, delimiter, delimiter_len };
    }
}

/// Returns what a delimiter is remembered by: its bytes, or their FNV-1a hash, and its length.
///
/// Delimiters are chosen by the program and not by its peers, so nobody looks for two with one hash.
fn brief(delimiter: &[u8]) -> ([u8; DELIMITER_BYTES_MAX], u8) {
    let len = u8::try_from(delimiter.len()).unwrap_or(u8::MAX);
    let mut bytes = [0; DELIMITER_BYTES_MAX];
    if let Some(short) = bytes.get_mut(..delimiter.len()) {
        short.copy_from_slice(delimiter);
        return (bytes, len);
    }
    let hash = delimiter.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (hash.to_le_bytes(), len)
}

#[cfg(test)]
thread_local! {
    /// How many bytes this thread has moved to keep them: linear work is a count.
    pub(crate) static MOVED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Counts what is moved, in tests.
fn moved(bytes: &[u8]) -> &[u8] {
    #[cfg(test)]
    MOVED.set(MOVED.get() + bytes.len());
    bytes
}

/// Unconsumed input of one connection, kept until more arrives.
///
/// ```text
///   bytes [ consumed | unread ............ ]
///                    ^ start
/// ```
///
/// Consumed bytes are dropped from memory only when they are the larger part, so the total work
/// of moving bytes is linear in the bytes received.
#[derive(Debug, Default)]
pub(crate) struct Inbound {
    bytes: Vec<u8>,
    start: usize,
    pub(crate) mark: ScanMark,
}

impl Inbound {
    pub(crate) fn unread(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    pub(crate) fn append(&mut self, fresh: &[u8]) {
        if self.start > self.bytes.len() / 2 {
            moved(&self.bytes[self.start..]);
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        if self.bytes.capacity() - self.bytes.len() < fresh.len() {
            // It grows, by a constant factor, and everything moves.
            moved(&self.bytes);
        }
        self.bytes.extend_from_slice(moved(fresh));
    }

    /// Drops `count` unread bytes.
    pub(crate) fn consume(&mut self, count: usize) {
        debug_assert!(count <= self.unread().len(), "consumed more than there was");
        self.start += count;
    }
}

impl Recycle for Inbound {
    fn recycle(&mut self) -> bool {
        if planted(Bug::PooledInputKept) {
            return true;
        }
        self.bytes.clear();
        self.start = 0;
        self.mark = ScanMark::default();
        self.bytes.capacity() <= KEPT_BYTES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consumed_bytes_are_gone_and_the_rest_stays_in_order() {
        let mut inbound = Inbound::default();
        inbound.append(b"hello ");
        inbound.consume(5);
        inbound.append(b"world");
        assert_eq!(inbound.unread(), b" world");
        inbound.consume(6);
        inbound.append(b"!");
        assert_eq!(inbound.unread(), b"!");
    }

    #[test]
    fn memory_follows_the_unread_bytes_not_the_history() {
        let mut inbound = Inbound::default();
        for _ in 0..10_000 {
            inbound.append(&[0; 100]);
            inbound.consume(100);
        }
        assert!(inbound.bytes.capacity() <= 1024, "{}", inbound.bytes.capacity());
    }

    #[test]
    fn a_mark_counts_only_for_its_own_delimiter() {
        let mut mark = ScanMark::default();
        mark.note(b"\r\n", 90);
        assert_eq!(mark.resume(b"\r\n"), 90);
        assert_eq!(mark.resume(b"\n"), 0);
        mark.note(b"longer than eight", 90);
        assert_eq!(mark.resume(b"longer than eight"), 90);
        assert_eq!(mark.resume(b"longer than nine!"), 0);
    }
}
