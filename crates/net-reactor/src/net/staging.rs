//! The staging area: where the small writes of a turn lie until its end.

use super::config::SEND_AT_ONCE_BYTES;

/// When this much is staged, further writes go to the connections' own queues: 1 MiB.
const STAGED_BYTES_MAX: usize = 1024 * 1024;

/// Bytes written in this turn, of all connections one after the other.
///
/// Most connections write once in a turn and the kernel takes all of it. A queue of its own for
/// each of them would touch several cache lines that nobody needs a moment later; here the bytes
/// lie side by side and are sent from where they are. What cannot be sent moves to the
/// connection's queue, so the area is empty between two turns.
///
/// ```text
///   [ conn 7 ][ conn 3 .. ][ conn 9 ]|
///             ^ start, len            ^ only the last one can grow
/// ```
#[derive(Debug, Default)]
pub(super) struct Staging {
    bytes: Vec<u8>,
}

/// The part of the staging area that belongs to one connection.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Staged {
    start: u32,
    len: u32,
}

impl Staged {
    pub(crate) const fn len(self) -> usize {
        self.len as usize
    }
}

impl Staging {
    /// Appends `bytes` to a connection's part.
    ///
    /// Returns `false` when they are none or large, another part lies behind this one, the area is
    /// full, or the part would reach `part_bytes_max`, which is at most 4 GiB.
    #[expect(clippy::cast_possible_truncation, reason = "the area is smaller than 4 GiB")]
    pub(super) fn append(
        &mut self,
        part: &mut Staged,
        bytes: &[u8],
        part_bytes_max: usize,
    ) -> bool {
        let end = self.bytes.len();
        let grown = part.len() + bytes.len();
        // An empty part would name a place that is gone in the next turn.
        let stages = !bytes.is_empty() && bytes.len() < SEND_AT_ONCE_BYTES;
        if !stages || grown >= part_bytes_max || end >= STAGED_BYTES_MAX {
            return false;
        }
        if part.len == 0 {
            part.start = end as u32;
        } else if part.start as usize + part.len() != end {
            return false;
        }
        part.len = grown as u32;
        self.bytes.extend_from_slice(bytes);
        true
    }

    /// Lends the area to write to a connection's part where it is sent from.
    ///
    /// Returns `None` where [`append`](Self::append) would refuse a small write. What was written
    /// belongs to nobody until [`keep`](Self::keep) or [`drop_behind`](Self::drop_behind) is called.
    #[inline]
    pub(super) fn lend(&mut self, part: Staged) -> Option<&mut Vec<u8>> {
        let end = self.bytes.len();
        let adjacent = part.len == 0 || part.start as usize + part.len() == end;
        (adjacent && end < STAGED_BYTES_MAX).then_some(&mut self.bytes)
    }

    /// Adds what was written to the lent area to a connection's part, if that stays below
    /// `part_bytes_max`, which is at most 4 GiB; returns whether it did.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the area is smaller than 4 GiB")]
    pub(super) fn keep(&mut self, part: &mut Staged, start: usize, part_bytes_max: usize) -> bool {
        let written = self.bytes.len() - start;
        let grown = part.len() + written;
        if written == 0 || grown >= part_bytes_max {
            return false;
        }
        if part.len == 0 {
            part.start = start as u32;
        }
        part.len = grown as u32;
        true
    }

    /// Returns where the area ends: where the next write begins.
    #[inline]
    pub(super) fn end(&self) -> usize {
        self.bytes.len()
    }

    /// Drops what was written to the lent area from `start` on.
    pub(super) fn drop_behind(&mut self, start: usize) {
        self.bytes.truncate(start);
    }

    /// Returns a connection's part.
    pub(super) fn part(&self, part: Staged) -> &[u8] {
        let start = part.start as usize;
        &self.bytes[start..start + part.len()]
    }

    /// Returns what was written from `start` on.
    pub(super) fn behind(&self, start: usize) -> &[u8] {
        &self.bytes[start..]
    }

    /// Forgets everything. No connection may have a part any more.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        // One large frame must not keep its memory for ever.
        if self.bytes.capacity() > 2 * STAGED_BYTES_MAX {
            self.bytes.shrink_to(STAGED_BYTES_MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_part_grows() {
        let mut staging = Staging::default();
        let (mut first, mut second) = (Staged::default(), Staged::default());
        assert!(staging.append(&mut first, b"ab", 100));
        assert!(staging.append(&mut first, b"cd", 100));
        assert!(staging.append(&mut second, b"ef", 100));
        assert!(!staging.append(&mut first, b"gh", 100));
        assert_eq!((staging.part(first), staging.part(second)), (&b"abcd"[..], &b"ef"[..]));
    }

    #[test]
    fn a_part_stays_below_its_limit() {
        let mut staging = Staging::default();
        let mut part = Staged::default();
        assert!(staging.append(&mut part, b"1234", 6));
        assert!(!staging.append(&mut part, b"56", 6));
        assert_eq!(part.len(), 4);
    }

    #[test]
    fn a_full_area_takes_nothing() {
        let mut staging = Staging::default();
        let write = [0; SEND_AT_ONCE_BYTES - 1];
        let mut writes = 0;
        while staging.append(&mut Staged::default(), &write, usize::MAX) {
            writes += 1;
        }
        assert_eq!(writes, STAGED_BYTES_MAX.div_ceil(write.len()));
        assert!(!staging.append(&mut Staged::default(), b"x", usize::MAX));
    }
}
