//! The loops of one server, seen from any thread.

use std::sync::Arc;

use bytes::Bytes;

use super::LoopHandle;

/// A running server, seen from any thread: the loops that serve one address together.
#[derive(Debug, Clone)]
pub struct ServerHandle {
    loops: Arc<[LoopHandle]>,
}

impl ServerHandle {
    pub(crate) fn new(loops: impl IntoIterator<Item = LoopHandle>) -> Self {
        Self { loops: loops.into_iter().collect() }
    }

    /// Returns the server's loops, the first one first.
    #[must_use]
    pub fn loops(&self) -> &[LoopHandle] {
        &self.loops
    }

    /// Stops every loop gracefully; see [`LoopHandle::stop`].
    pub fn stop(&self) {
        for owner in self.loops.iter() {
            owner.stop();
        }
    }

    /// Stops every loop at once; open connections are aborted. See [`LoopHandle::stop_now`].
    pub fn stop_now(&self) {
        for owner in self.loops.iter() {
            owner.stop_now();
        }
    }

    /// Sends `bytes` to every connection of the server; all share one buffer.
    ///
    /// Returns to how many loops it was posted; one that is gone or overloaded is left out.
    pub fn broadcast(&self, bytes: impl Into<Bytes>) -> usize {
        let bytes = bytes.into();
        self.loops.iter().filter(|owner| owner.broadcast(bytes.clone()).is_ok()).count()
    }

    /// Returns how many connections the server holds, about.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.loops.iter().map(LoopHandle::connections).sum()
    }
}
