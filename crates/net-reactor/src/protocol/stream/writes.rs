//! Writes whose end the kernel has not taken.

use std::collections::VecDeque;

use super::WriteRefused;
use crate::net::Closed;
use crate::protocol::Conn;

/// How many writes of one stream may wait to be told.
pub(crate) const WRITES_MAX: usize = 65_536;

/// Those who wait until the kernel has taken their bytes, in the order of their writes.
#[derive(Debug)]
pub(crate) struct Writes<T> {
    /// With the place of each write's end, counted in bytes of the connection's output. Through a
    /// layer it is known only when the layer was flushed.
    waiting: VecDeque<(Option<u64>, T)>,
}

impl<T> Default for Writes<T> {
    fn default() -> Self {
        Self { waiting: VecDeque::new() }
    }
}

impl<T> Writes<T> {
    /// Queues bytes on the connection, and has its handler told when they are sent.
    pub(crate) fn write(
        &mut self,
        conn: &mut Conn<'_>,
        bytes: &[u8],
        waiting: T,
    ) -> Result<(), WriteRefused> {
        if conn.is_open() && self.len() >= WRITES_MAX {
            return Err(WriteRefused::Full { limit_bytes: conn.limits().1 });
        }
        // Before the write: one that breaks the connection leaves nothing to count from.
        let stats = conn.stats();
        let plain_end = stats.bytes_out + (stats.queued_bytes + bytes.len()) as u64;
        write_within_limit(conn, bytes)?;
        self.waiting.push_back(((!conn.has_layer()).then_some(plain_end), waiting));
        conn.tell_sent();
        Ok(())
    }

    /// Gives writes through a layer, which was flushed, their place: behind all that is queued.
    pub(crate) fn place(&mut self, conn: &Conn<'_>) {
        let stats = conn.stats();
        let end = stats.bytes_out + stats.queued_bytes as u64;
        for (place, _) in &mut self.waiting {
            place.get_or_insert(end);
        }
    }

    /// Returns the next one if its bytes are among the first `sent`.
    pub(crate) fn pop_sent(&mut self, sent: u64) -> Option<T> {
        let is_sent = self.waiting.front()?.0.is_some_and(|end| end <= sent);
        if is_sent { self.pop() } else { None }
    }

    pub(crate) fn pop(&mut self) -> Option<T> {
        self.waiting.pop_front().map(|(_, waiting)| waiting)
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }
}

/// Queues bytes, unless they would take the output above its limit, which would end the connection.
pub(super) fn write_within_limit(conn: &mut Conn<'_>, bytes: &[u8]) -> Result<(), WriteRefused> {
    let limit_bytes = conn.limits().1;
    if conn.is_open() && conn.stats().queued_bytes + bytes.len() > limit_bytes {
        return Err(WriteRefused::Full { limit_bytes });
    }
    conn.write(bytes).map_err(|Closed| WriteRefused::Closed)
}
