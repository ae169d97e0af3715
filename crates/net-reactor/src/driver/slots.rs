//! What the readiness engine knows about its sockets.

use crate::base::{Bug, planted};
use crate::sys::Readiness;

/// A connected or connecting stream.
#[derive(Debug)]
pub(super) struct StreamSlot<S> {
    pub(super) stream: S,
    pub(super) state: StreamState,
}

/// What is known to be true of a stream until a call says otherwise: one bit a fact.
///
/// Bits, because each stream is looked at several times in a turn, and half of all its facts at
/// once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct StreamState(u16);

impl StreamState {
    /// The outcome of connecting is not known yet.
    pub(super) const CONNECTING: Self = Self(1);
    /// A receive may find something: no receive came back empty since the last report.
    pub(super) const READABLE: Self = Self(1 << 1);
    /// The peer sent FIN: a short receive does not mean that there is nothing more to find.
    pub(super) const HANG_UP: Self = Self(1 << 2);
    /// The kernel reported an error that no call has returned yet.
    pub(super) const FAILED: Self = Self(1 << 3);
    /// The kernel reported room to send.
    pub(super) const WRITABLE: Self = Self(1 << 4);
    /// A flush found the kernel full; [`Event::Writable`](super::Event::Writable) is owed.
    pub(super) const BLOCKED: Self = Self(1 << 5);
    /// The layer above does not want input.
    pub(super) const PAUSED: Self = Self(1 << 6);
    /// The end or the failure was told; nothing more is to be read. A failure can follow an end.
    pub(super) const ENDED: Self = Self(1 << 7);
    /// The slot stands in the ready list.
    pub(super) const QUEUED: Self = Self(1 << 8);
    /// How much one receive may take is limited; see [`Ops::limit_receive`](super::Ops).
    pub(super) const METERED: Self = Self(1 << 9);

    /// Whether any of `facts` is true.
    pub(super) const fn has(self, facts: Self) -> bool {
        self.0 & facts.0 != 0
    }

    const fn and(self, facts: Self) -> Self {
        Self(self.0 | facts.0)
    }

    /// Makes `facts` true or false.
    pub(super) const fn set(&mut self, facts: Self, on: bool) {
        if on {
            self.0 |= facts.0;
        } else {
            self.0 &= !facts.0;
        }
    }

    /// Takes in a report; returns whether the stream is to be put on the ready list.
    pub(super) fn note(&mut self, report: Readiness) -> bool {
        let forgets = planted(Bug::LostPausedEdge) && self.has(Self::PAUSED);
        if report.readable && !forgets {
            self.set(Self::READABLE, true);
        }
        if report.writable {
            self.set(Self::WRITABLE, true);
        }
        if report.hang_up || report.failed {
            self.set(Self::READABLE.and(Self::HANG_UP), true);
        }
        if report.failed {
            self.set(Self::WRITABLE.and(Self::FAILED), true);
        }
        self.enqueue()
    }

    /// Returns whether the stream is to be put on the ready list; it counts as being there then.
    pub(super) fn enqueue(&mut self) -> bool {
        let enqueue = !self.has(Self::QUEUED) && self.wants_service();
        if enqueue {
            self.set(Self::QUEUED, true);
        }
        enqueue
    }

    /// The kernel took less than it was offered.
    pub(super) fn await_room(&mut self) {
        self.set(Self::BLOCKED, !planted(Bug::LostWriteEdge));
        self.set(Self::WRITABLE, false);
    }

    pub(super) fn wants_receive(self) -> bool {
        if planted(Bug::DataWhilePaused) && self.has(Self::HANG_UP) {
            return self.has(Self::READABLE) && !self.has(Self::ENDED);
        }
        self.has(Self::READABLE) && !self.has(Self::PAUSED.and(Self::ENDED))
    }

    /// Whether there is anything to do for this stream now.
    pub(super) fn wants_service(self) -> bool {
        let waits_for_room = self.has(Self::BLOCKED.and(Self::CONNECTING));
        let wants_write = self.has(Self::WRITABLE) && waits_for_room;
        let wants_read = self.wants_receive() && !self.has(Self::CONNECTING);
        wants_read || wants_write || self.has(Self::FAILED)
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
