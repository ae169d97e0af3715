//! Where all that is unpacked goes, whatever the algorithm: memory with an end.

/// The first step in which memory grows: 4 KiB. Each further step doubles it.
const STEP_BYTES_MIN: usize = 4096;

/// Takes unpacked bytes, up to a limit.
///
/// An algorithm asks for room, writes to it and says how much. It can write nowhere else, so that no
/// algorithm can forget the limit. Memory is made when the room before it is used up: what a
/// peer announces has no say in it.
///
/// ```text
///   [ written ........ ][ room ....... ]           |
///                       ^ filled       ^ memory     ^ limit
/// ```
#[derive(Debug)]
pub(crate) struct Sink<'a> {
    /// As long as it was ever made, so that it is cleared once and not for each frame.
    memory: &'a mut Vec<u8>,
    filled: usize,
    limit: usize,
}

impl<'a> Sink<'a> {
    /// Makes a sink of at most `limit` bytes. What `memory` held is overwritten.
    pub(crate) fn new(memory: &'a mut Vec<u8>, limit: usize) -> Self {
        Self { memory, filled: 0, limit }
    }

    /// Returns memory to write to: none when the limit is reached.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        let len = self.memory.len();
        if self.filled == len && len < self.limit {
            let grown = (len * 2).max(STEP_BYTES_MIN).min(self.limit);
            self.memory.reserve_exact(grown - len);
            self.memory.resize(grown, 0);
        }
        let end = self.memory.len().min(self.limit);
        &mut self.memory[self.filled..end]
    }

    /// Notes that the first `bytes` of the room were written to.
    pub(crate) fn advance(&mut self, bytes: usize) {
        self.filled += bytes;
        debug_assert!(self.filled <= self.limit, "there was no more room");
    }

    /// Writes bytes as they are, as many as there is room for.
    pub(crate) fn copy(&mut self, bytes: &mut &[u8]) -> super::Step {
        while !bytes.is_empty() {
            let room = self.room();
            if room.is_empty() {
                return super::Step::Full;
            }
            let (now, later) = bytes.split_at(room.len().min(bytes.len()));
            room[..now.len()].copy_from_slice(now);
            self.advance(now.len());
            *bytes = later;
        }
        super::Step::Drained
    }

    /// Returns how many bytes were written.
    pub(crate) fn filled(&self) -> usize {
        self.filled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_grows_in_steps_and_ends_at_the_limit() {
        let mut memory = Vec::new();
        let mut sink = Sink::new(&mut memory, 10_000);
        let mut steps = Vec::new();
        loop {
            let room = sink.room().len();
            if room == 0 {
                break;
            }
            steps.push(room);
            sink.advance(room);
        }
        assert_eq!(steps, [4096, 4096, 1808]);
        assert_eq!(sink.filled(), 10_000);
        assert_eq!((memory.len(), memory.capacity()), (10_000, 10_000));
    }

    #[test]
    fn memory_that_is_there_is_used_up_to_the_limit() {
        let mut memory = vec![1; 100];
        let mut sink = Sink::new(&mut memory, 10);
        assert_eq!(sink.room().len(), 10);
        sink.advance(10);
        assert_eq!(sink.room().len(), 0);
        assert_eq!(memory.len(), 100);
    }
}
