//! What a loop tells, written into the trace: every callback, write and end.

use std::fmt::Write as _;

use crate::base::Key;
use crate::net::{Callback, CloseReason, ConnectError, Watch};
use crate::sys::memory::World;
use crate::sys::{CloseHow, Wire};

/// A watch that writes down what it hears, and passes it on.
///
/// The hash takes in numbers alone: texts of errors are the user's and may name anything. Lines are
/// made only when somebody reads them.
pub(super) struct Scribe {
    world: World,
    /// The kernel of the loop, by whose name its lines begin.
    kernel: usize,
    next: Box<dyn Watch>,
}

impl Scribe {
    pub(super) fn new(world: &World, kernel: usize, next: Box<dyn Watch>) -> Self {
        Self { world: world.clone(), kernel, next }
    }

    fn note(&self, kind: &str, conn: Option<Key>, words: &[u64], detail: impl FnOnce(&mut String)) {
        let mut all = [0; 4];
        let (first, rest) = all.split_at_mut(1);
        first[0] =
            conn.map_or(u64::MAX, |key| u64::from(key.generation) << 32 | u64::from(key.index));
        for (place, word) in rest.iter_mut().zip(words) {
            *place = *word;
        }
        self.world.note_in(self.kernel, kind, &all, |line| {
            if let Some(Key { index, generation }) = conn {
                // Writing to a string cannot fail.
                let _ = write!(line, " c{index}.{generation}");
            }
            detail(line);
        });
    }
}

impl Watch for Scribe {
    fn entered(&mut self, conn: Option<Key>, callback: Callback) -> bool {
        let panics = self.next.entered(conn, callback);
        self.note(callback.name(), conn, &[u64::from(panics)], |line| {
            line.push_str(if panics { ", which the simulation lets panic" } else { "" });
        });
        panics
    }

    fn left(&mut self, panic: Option<&str>) {
        if let Some(message) = panic {
            self.note("panicked", None, &[], |line| {
                let _ = write!(line, " with {message:?}");
            });
        }
        self.next.left(panic);
    }

    fn opened(&mut self, conn: Key, wire: Option<Wire>) {
        self.note("opened", Some(conn), &[], |_| ());
        self.next.opened(conn, wire);
    }

    fn wrote(&mut self, conn: Key, bytes: &[u8], queued_bytes: usize, limit_bytes: usize) {
        let len = bytes.len();
        self.note("wrote", Some(conn), &[len as u64, queued_bytes as u64], |line| {
            let _ = write!(line, " {len} bytes, {queued_bytes} queued");
        });
        self.next.wrote(conn, bytes, queued_bytes, limit_bytes);
    }

    fn consumed(&mut self, conn: Key, bytes: &[u8], kept_bytes: usize, limit_bytes: usize) {
        let len = bytes.len();
        self.note("took", Some(conn), &[len as u64, kept_bytes as u64], |line| {
            let _ = write!(line, " {len} bytes, left {kept_bytes}");
        });
        self.next.consumed(conn, bytes, kept_bytes, limit_bytes);
    }

    fn closed(&mut self, conn: Key, reason: &CloseReason, how: CloseHow) {
        let words = [number_of_reason(reason), u64::from(how == CloseHow::Reset)];
        self.note("closed", Some(conn), &words, |line| {
            let _ = write!(line, ": {reason}");
        });
        self.next.closed(conn, reason, how);
    }

    fn connect_failed(&mut self, conn: Key, error: &ConnectError) {
        self.note("not connected", Some(conn), &[number_of_error(error)], |line| {
            let _ = write!(line, ": {error}");
        });
        self.next.connect_failed(conn, error);
    }
}

const fn number_of_reason(reason: &CloseReason) -> u64 {
    match reason {
        CloseReason::PeerClosed => 1,
        CloseReason::Closed => 2,
        CloseReason::Aborted => 3,
        CloseReason::Reset { .. } => 4,
        CloseReason::Broken { .. } => 5,
        CloseReason::SlowConsumer { .. } => 6,
        CloseReason::InputOverflow { .. } => 7,
        CloseReason::LingerExpired { .. } => 8,
        CloseReason::HandlerFailed { .. } => 9,
        CloseReason::HandlerPanicked { .. } => 10,
        CloseReason::LoopStopped => 11,
        CloseReason::TransferFailed { .. } => 15,
        CloseReason::Malformed { .. } => 12,
        CloseReason::HeartbeatTimedOut { .. } => 13,
        CloseReason::TimedOut { .. } => 14,
    }
}

const fn number_of_error(error: &ConnectError) -> u64 {
    match error {
        ConnectError::Refused { .. } => 1,
        ConnectError::TimedOut { .. } => 2,
        ConnectError::Unreachable { .. } => 3,
        ConnectError::NameNotFound { .. } => 4,
        ConnectError::CannotBind { .. } => 5,
        ConnectError::Cancelled => 6,
        ConnectError::Failed { .. } => 7,
        ConnectError::NameFailed { .. } => 8,
    }
}
