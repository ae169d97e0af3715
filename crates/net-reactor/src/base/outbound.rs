//! The write queue: bytes on their way to a socket.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::Bytes;

use super::pool::Recycle;
use super::{Bug, planted};

/// Small writes are joined in owned chunks of about this size.
const CHUNK_BYTES: usize = 64 * 1024;

/// A shared payload below this size is copied: a copy is cheaper than one more I/O slice.
pub(crate) const SHARE_BYTES_MIN: usize = 512;

/// A queue that keeps more memory than this when empty is not pooled.
const KEPT_BYTES_MAX: usize = 2 * CHUNK_BYTES;

#[derive(Debug)]
enum Chunk {
    Owned(Vec<u8>),
    Shared(Bytes),
}

impl Chunk {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Owned(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}

/// Bytes in order, partly copied and partly shared, taken from the front as the kernel accepts
/// them.
///
/// ```text
///            front                                     back
///   chunks [ owned ....... ] [ shared (Bytes) ] [ owned ...   ]
///            ^ sent_in_front                             ^ small writes append here
/// ```
#[derive(Debug, Default)]
pub(crate) struct OutQueue {
    chunks: VecDeque<Chunk>,
    /// How much of the front chunk the kernel has taken already.
    sent_in_front: usize,
    /// Unsent bytes in all chunks.
    len: usize,
    /// An emptied owned chunk, kept for the next write.
    spare: Vec<u8>,
}

impl OutQueue {
    /// Appends a copy of `bytes`.
    pub(crate) fn push_copy(&mut self, mut bytes: &[u8]) {
        self.len += bytes.len();
        if let Some(Chunk::Owned(tail)) = self.chunks.back_mut() {
            let fits = CHUNK_BYTES.saturating_sub(tail.len()).min(bytes.len());
            tail.extend_from_slice(&bytes[..fits]);
            bytes = &bytes[fits..];
        }
        if !bytes.is_empty() {
            let mut chunk = std::mem::take(&mut self.spare);
            chunk.extend_from_slice(bytes);
            self.chunks.push_back(Chunk::Owned(chunk));
        }
    }

    /// Appends `bytes` without copying them.
    pub(crate) fn push_shared(&mut self, bytes: Bytes) {
        self.len += bytes.len();
        self.chunks.push_back(Chunk::Shared(bytes));
    }

    /// Returns the number of unsent bytes.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Fills `slices` with the first unsent bytes, at most `bytes_max`, and returns how many slices
    /// it used.
    pub(crate) fn gather<'a>(&'a self, slices: &mut [IoSlice<'a>], bytes_max: usize) -> usize {
        let mut skip = self.sent_in_front;
        let mut left = bytes_max;
        let mut used = 0;
        for (slice, chunk) in slices.iter_mut().zip(&self.chunks) {
            if left == 0 {
                break;
            }
            let bytes = &chunk.bytes()[skip..];
            let bytes = &bytes[..bytes.len().min(left)];
            *slice = IoSlice::new(bytes);
            left -= bytes.len();
            skip = 0;
            used += 1;
        }
        used
    }

    /// Returns the front of the queue if nothing stands behind it.
    pub(crate) fn only_chunk(&self) -> Option<&[u8]> {
        match self.chunks.len() {
            1 => Some(&self.chunks[0].bytes()[self.sent_in_front..]),
            _ => None,
        }
    }

    /// Drops `sent` bytes from the front: the kernel has them.
    pub(crate) fn advance(&mut self, sent: usize) {
        debug_assert!(sent <= self.len, "the kernel took more than it was given");
        self.len -= sent;
        let mut left = sent + self.sent_in_front;
        while let Some(front) = self.chunks.front() {
            let size = front.bytes().len();
            if left < size {
                break;
            }
            left -= size;
            if let Some(Chunk::Owned(chunk)) = self.chunks.pop_front() {
                self.keep_spare(chunk);
            }
        }
        self.sent_in_front = left;
    }

    /// Keeps the roomier of the emptied chunk and the spare one.
    fn keep_spare(&mut self, mut chunk: Vec<u8>) {
        if chunk.capacity() > self.spare.capacity() && chunk.capacity() <= KEPT_BYTES_MAX {
            chunk.clear();
            self.spare = chunk;
        }
    }
}

impl Recycle for OutQueue {
    fn recycle(&mut self) -> bool {
        if !planted(Bug::PooledOutputKept) {
            self.advance(self.len);
        }
        self.chunks.capacity() <= 64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Rng;

    fn contents(queue: &OutQueue) -> Vec<u8> {
        let mut slices = [IoSlice::new(&[]); 64];
        let used = queue.gather(&mut slices, usize::MAX);
        slices[..used].iter().flat_map(|slice| slice.to_vec()).collect()
    }

    #[test]
    fn small_writes_are_joined_into_one_slice() {
        let mut queue = OutQueue::default();
        for _ in 0..100 {
            queue.push_copy(b"abc");
        }
        assert_eq!(queue.only_chunk().map(<[u8]>::len), Some(300));
    }

    #[test]
    fn a_shared_payload_is_not_copied() {
        let payload = Bytes::from(vec![7; 4096]);
        let mut queue = OutQueue::default();
        queue.push_shared(payload.clone());
        assert_eq!(queue.only_chunk().map(<[u8]>::as_ptr), Some(payload.as_ptr()));
    }

    #[test]
    fn an_emptied_queue_keeps_its_memory_for_the_next_write() {
        let mut queue = OutQueue::default();
        queue.push_copy(&[1; 1000]);
        let memory = queue.only_chunk().map(<[u8]>::as_ptr);
        queue.advance(1000);
        queue.push_copy(&[2; 1000]);
        assert_eq!(queue.only_chunk().map(<[u8]>::as_ptr), memory);
    }

    #[test]
    fn any_cutting_of_the_sends_gives_the_same_bytes() {
        for seed in 0..200 {
            let mut rng = Rng::new(seed);
            let mut queue = OutQueue::default();
            let (mut expected, mut received) = (Vec::new(), Vec::new());
            for round in 0..50_u8 {
                let bytes = vec![round; usize::try_from(rng.below(3000)).unwrap()];
                expected.extend_from_slice(&bytes);
                if rng.below(2) == 0 {
                    queue.push_copy(&bytes);
                } else {
                    queue.push_shared(Bytes::from(bytes));
                }
                let waiting = contents(&queue);
                let sent = usize::try_from(rng.below(waiting.len() as u64 + 1)).unwrap();
                received.extend_from_slice(&waiting[..sent]);
                queue.advance(sent);
            }
            received.extend_from_slice(&contents(&queue));
            assert_eq!(received, expected, "seed {seed}");
        }
    }
}
