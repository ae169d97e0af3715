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

/// The area, given out to one connection.
#[derive(Debug, Default)]
pub(crate) struct Growing {
    /// What it holds already is not to be touched; what is appended becomes output.
    pub(crate) bytes: Vec<u8>,
    /// Where the connection began to append.
    from: usize,
    /// What is appended may not reach this.
    pub(crate) end_max: usize,
}

impl Growing {
    /// Makes memory for one frame, which is no part of the staging area.
    pub(super) fn aside(bytes: Vec<u8>) -> Self {
        Self { bytes, from: 0, end_max: 0 }
    }

    /// Whether the loop has to have it back: an area without memory yet is one too.
    #[inline]
    pub(crate) fn is_out(&self) -> bool {
        self.end_max > 0 || self.bytes.capacity() > 0
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

    /// Gives the area out, for a connection to append to its part; `None` where
    /// [`append`](Self::append) would refuse any write.
    ///
    /// Until it is [put back](Self::put_back), nobody else writes and nothing is sent.
    pub(super) fn give_out(&mut self, part: Staged, part_bytes_max: usize) -> Option<Growing> {
        let end = self.bytes.len();
        let start = if part.len == 0 { end } else { part.start as usize };
        let end_max = start.saturating_add(part_bytes_max).min(STAGED_BYTES_MAX);
        if start + part.len() != end || end >= end_max {
            return None;
        }
        Some(Growing { bytes: std::mem::take(&mut self.bytes), from: end, end_max })
    }

    /// Takes the area back, with what was appended to a connection's part, and returns that.
    #[expect(clippy::cast_possible_truncation, reason = "the area is smaller than 4 GiB")]
    pub(super) fn put_back(&mut self, part: &mut Staged, growing: Growing) -> &[u8] {
        let Growing { bytes, from, .. } = growing;
        let added = bytes.len() - from;
        // An empty part would name a place that is gone in the next turn.
        if part.len == 0 && added > 0 {
            part.start = from as u32;
        }
        part.len += added as u32;
        self.bytes = bytes;
        &self.bytes[from..]
    }

    /// Uses the place of the last part again, which no connection has any more.
    pub(super) fn free_last(&mut self, part: Staged) {
        debug_assert_eq!(part.start as usize + part.len(), self.bytes.len(), "it is the last");
        self.bytes.truncate(part.start as usize);
    }

    /// Returns a connection's part.
    pub(super) fn part(&self, part: Staged) -> &[u8] {
        let start = part.start as usize;
        &self.bytes[start..start + part.len()]
    }

    /// Forgets everything. No connection may have a part any more.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        // One large frame must not keep its memory for ever.
        if self.bytes.capacity() > 2 * STAGED_BYTES_MAX {
            self.bytes = Vec::new();
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
