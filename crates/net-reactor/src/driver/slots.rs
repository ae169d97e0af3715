//! What the readiness engine knows about its sockets.

use crate::sys::Readiness;

/// A connected or connecting stream.
#[derive(Debug)]
pub(super) struct StreamSlot<S> {
    pub(super) stream: S,
    pub(super) state: StreamState,
}

/// What is known to be true of a stream until a call says otherwise.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts about one socket")]
pub(super) struct StreamState {
    /// The outcome of connecting is not known yet.
    pub(super) connecting: bool,
    /// A receive may find something: no receive came back empty since the last report.
    pub(super) readable: bool,
    /// The peer sent FIN: a short receive does not mean that there is nothing more to find.
    pub(super) hang_up: bool,
    /// The kernel reported an error that no call has returned yet.
    pub(super) failed: bool,
    /// The kernel reported room to send.
    pub(super) writable: bool,
    /// A flush found the kernel full; [`Event::Writable`](super::Event::Writable) is owed.
    pub(super) blocked: bool,
    pub(super) paused: bool,
    /// The end or the failure was told; nothing more is to be read. A failure can follow an end.
    pub(super) ended: bool,
    /// The slot stands in the ready list.
    pub(super) queued: bool,
}

impl StreamState {
    /// Takes in a report; returns whether the stream is to be put on the ready list.
    pub(super) fn note(&mut self, report: Readiness) -> bool {
        let over = report.hang_up || report.failed;
        self.readable |= report.readable || over;
        self.hang_up |= over;
        self.failed |= report.failed;
        self.writable |= report.writable || report.failed;
        self.enqueue()
    }

    /// Returns whether the stream is to be put on the ready list; it counts as being there then.
    pub(super) fn enqueue(&mut self) -> bool {
        let enqueue = !self.queued && self.wants_service();
        self.queued |= enqueue;
        enqueue
    }

    /// The kernel took less than it was offered.
    pub(super) fn await_room(&mut self) {
        self.blocked = true;
        self.writable = false;
    }

    pub(super) fn wants_receive(self) -> bool {
        self.readable && !self.paused && !self.ended
    }

    /// Whether there is anything to do for this stream now.
    pub(super) fn wants_service(self) -> bool {
        let wants_write = self.writable && (self.blocked || self.connecting);
        let wants_read = self.wants_receive() && !self.connecting;
        wants_read || wants_write || self.failed
    }
}

#[derive(Debug)]
pub(super) struct ListenerSlot<L> {
    pub(super) listener: L,
    /// An accept may find something.
    pub(super) ready: bool,
    pub(super) resting: bool,
    pub(super) queued: bool,
}

impl<L> ListenerSlot<L> {
    pub(super) const fn new(listener: L) -> Self {
        Self { listener, ready: false, resting: false, queued: false }
    }

    /// Takes in a report; returns whether the listener is to be put on the ready list.
    pub(super) fn note(&mut self) -> bool {
        self.ready = true;
        self.enqueue()
    }

    /// Returns whether the listener is to be put on the ready list; it counts as being there then.
    pub(super) fn enqueue(&mut self) -> bool {
        let enqueue = !self.queued && self.ready && !self.resting;
        self.queued |= enqueue;
        enqueue
    }
}
