//! Beginning anew in a stream that the peer is in the middle of.

/// Where the peer stands in the frames of an algorithm, while its compressor is made anew.
///
/// What was packed last may be lost before it is sent. A compressor that has no way to forget it is
/// replaced: the new one begins with a frame of its own, and the frame that the peer is in is ended
/// first.
#[derive(Debug, Default)]
pub(super) struct Restart {
    /// The compressor has begun its frame.
    is_begun: bool,
    /// The peer is in the middle of a frame, and was before what was packed last.
    peer_is_inside: bool,
    peer_was_inside: bool,
}

impl Restart {
    /// Something is about to be packed. Returns whether an end mark has to come first.
    pub(super) fn before(&mut self) -> bool {
        self.peer_was_inside = self.peer_is_inside;
        self.peer_is_inside &= self.is_begun;
        self.peer_was_inside && !self.is_begun
    }

    /// The compressor has packed so many bytes.
    pub(super) fn after(&mut self, packed_bytes: usize) {
        if packed_bytes > 0 {
            self.is_begun = true;
            self.peer_is_inside = true;
        }
    }

    /// The compressor was replaced, and what it packed last is lost.
    pub(super) fn forget(&mut self) {
        self.is_begun = false;
        self.peer_is_inside = self.peer_was_inside;
    }
}
