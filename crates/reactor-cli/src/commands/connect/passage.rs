//! What the threads and the session hand to each other.

use std::fmt;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use net_reactor::ConnHandle;

/// Bytes of a buffer, in both directions.
pub(super) const BUFFER_BYTES: usize = 64 * 1024;
/// Buffers that go round in each direction.
pub(super) const BUFFERS: usize = 8;

/// What a thread tells the session.
#[derive(Debug)]
pub(super) enum Told {
    /// To be sent.
    Chunk(Vec<u8>),
    /// Nothing more is to be sent.
    End,
    /// What is to be sent cannot be read.
    Unreadable(io::Error),
    /// The person has had enough.
    Leave,
    /// What was received in this buffer is written.
    Emptied(Vec<u8>),
    /// What is received cannot be written any more.
    Unwritable,
}

/// The end of a thread that reads what is to be sent.
#[derive(Debug)]
pub(super) struct Intake {
    pub(super) conn: ConnHandle,
    pub(super) empty: Receiver<Vec<u8>>,
}

impl Intake {
    /// Waits for an empty buffer; there is none any more when the connection has ended.
    pub(super) fn buffer(&self) -> Option<Vec<u8>> {
        let mut buffer = self.empty.recv().ok()?;
        buffer.clear();
        Some(buffer)
    }

    pub(super) fn tell(&self, told: Told) {
        // A loop that is gone has no use for it. Its inbox holds more than there are buffers.
        let _ = self.conn.message(told);
    }
}

/// The end of a thread that writes what was received.
#[derive(Debug)]
pub(super) struct Outlet {
    pub(super) conn: ConnHandle,
    pub(super) full: Receiver<Vec<u8>>,
}

impl Outlet {
    /// Waits for bytes; none come any more when the connection has ended.
    pub(super) fn buffer(&self) -> Option<Vec<u8>> {
        self.full.recv().ok()
    }

    /// Waits for bytes, but not longer than that.
    pub(super) fn buffer_within(&self, time: Duration) -> Result<Vec<u8>, RecvTimeoutError> {
        self.full.recv_timeout(time)
    }

    pub(super) fn tell(&self, told: Told) {
        let _ = self.conn.message(told);
    }
}

/// What the two threads do; they start when the connection is open.
pub(super) struct Ends {
    pub(super) read: Box<dyn FnOnce(Intake) + Send>,
    pub(super) write: Box<dyn FnOnce(Outlet) -> io::Result<()> + Send>,
    /// Whether there is nothing left to do when the peer has finished: a person would go on waiting,
    /// a file or a pipe is still to be sent.
    pub(super) end_with_peer: bool,
}

impl fmt::Debug for Ends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ends").field("end_with_peer", &self.end_with_peer).finish_non_exhaustive()
    }
}
