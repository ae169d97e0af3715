//! A free list of boxed buffers, so that steady traffic allocates nothing.

/// What a [`Pool`] keeps: a buffer that can be emptied and used again.
pub(crate) trait Recycle: Default {
    /// Empties the buffer for its next user.
    ///
    /// Returns `false` when it has grown too large to be kept.
    fn recycle(&mut self) -> bool;
}

/// A last-in, first-out store of idle buffers, bounded in number.
///
/// Idle connections own no buffer: they take one from here when bytes arrive and give it back when
/// the bytes are gone. The bound keeps what a burst leaves behind small.
// Boxed on purpose: a connection holds one pointer, and what moves in and out is that pointer.
#[derive(Debug)]
pub(crate) struct Pool<T> {
    idle: Vec<Box<T>>,
    idle_max: usize,
}

impl<T: Recycle> Pool<T> {
    pub(crate) const fn new(idle_max: usize) -> Self {
        Self { idle: Vec::new(), idle_max }
    }

    pub(crate) fn take(&mut self) -> Box<T> {
        self.idle.pop().unwrap_or_default()
    }

    pub(crate) fn give(&mut self, mut buffer: Box<T>) {
        if self.idle.len() < self.idle_max && buffer.recycle() {
            self.idle.push(buffer);
        }
    }
}
