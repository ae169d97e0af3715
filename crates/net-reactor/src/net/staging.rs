//! The staging area: where the small writes of a turn lie until its end.

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
    /// Appends `bytes` to a connection's part; `false` if another part lies behind it, or the area
    /// is full.
    pub(super) fn append(&mut self, part: &mut Staged, bytes: &[u8]) -> bool {
        let end = self.bytes.len();
        let fits = end + bytes.len() <= STAGED_BYTES_MAX;
        let grows = part.len == 0 || part.start as usize + part.len() == end;
        if !(fits && grows) {
            return false;
        }
        let invariant = "invariant: the staging area is smaller than 4 GiB";
        if part.len == 0 {
            part.start = u32::try_from(end).expect(invariant);
        }
        part.len += u32::try_from(bytes.len()).expect(invariant);
        self.bytes.extend_from_slice(bytes);
        true
    }

    /// Returns a connection's part.
    pub(super) fn part(&self, part: Staged) -> &[u8] {
        let start = part.start as usize;
        &self.bytes[start..start + part.len()]
    }

    /// Forgets everything. No connection may have a part any more.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_part_grows() {
        let mut staging = Staging::default();
        let (mut first, mut second) = (Staged::default(), Staged::default());
        assert!(staging.append(&mut first, b"ab"));
        assert!(staging.append(&mut first, b"cd"));
        assert!(staging.append(&mut second, b"ef"));
        assert!(!staging.append(&mut first, b"gh"));
        assert_eq!((staging.part(first), staging.part(second)), (&b"abcd"[..], &b"ef"[..]));
    }

    #[test]
    fn a_full_area_takes_nothing() {
        let mut staging = Staging::default();
        let mut part = Staged::default();
        assert!(staging.append(&mut part, &vec![0; STAGED_BYTES_MAX]));
        assert!(!staging.append(&mut part, b"x"));
        assert!(!staging.append(&mut Staged::default(), b"x"));
    }
}
