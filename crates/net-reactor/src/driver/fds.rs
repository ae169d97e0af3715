//! Descriptors of the user's own: a level made from edges.

use std::io::{self, IoSlice};

use super::{Readiness, Ready};
use crate::base::Key;
use crate::sys::{Blocking, Descriptor, Interest, Sys, Token};

/// The verbs of an engine for descriptors that the user brought.
///
/// [`Event::Ready`](super::Event::Ready) tells what holds of one, and only what its interest asks
/// for, errors and hang-ups aside. It is told at most once a turn, and what is left undone is told
/// again in the next, once the slot was [settled](Self::settle_fd): the user sees a level, also if
/// the kernel reports edges.
pub(crate) trait FdOps {
    /// Takes a descriptor over. What cannot be watched is given back.
    fn add_fd(
        &mut self,
        slot: Key,
        fd: Descriptor,
        interest: Interest,
    ) -> Result<(), (Descriptor, io::Error)>;

    /// Changes what is told, from this moment on: what was known before is not told any more.
    fn set_fd_interest(&mut self, slot: Key, interest: Interest) -> io::Result<()>;

    /// Has what an event told and its handler left undone told again in a later turn.
    fn settle_fd(&mut self, slot: Key) -> io::Result<()>;

    /// Gives a descriptor back: no event names its slot afterwards.
    fn remove_fd(&mut self, slot: Key) -> Option<Descriptor>;

    /// Reads; `None` when there is nothing now.
    fn read_fd(&mut self, slot: Key, into: &mut [u8]) -> io::Result<Option<usize>>;

    /// Writes from the front of `slices`; returns how many bytes were taken, 0 when there is no
    /// room.
    fn write_fd(&mut self, slot: Key, slices: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Lends a descriptor to a call in this direction that the engine does not make itself, unless
    /// that might block. Afterwards [`fd_would_block`](Self::fd_would_block) is due, if it was so.
    fn lend_fd(&mut self, slot: Key, direction: Interest) -> Option<&Descriptor>;

    /// A call in this direction found nothing to do.
    fn fd_would_block(&mut self, slot: Key, direction: Interest);

    fn fd(&self, slot: Key) -> Option<&Descriptor>;
}

/// A descriptor, and what is known of it.
#[derive(Debug)]
pub(super) struct FdSlot {
    descriptor: Descriptor,
    blocking: Blocking,
    interest: Interest,
    /// Reported, and not told yet.
    reported: Ready,
    /// Told by the last event, and not settled.
    told: Interest,
    /// Of that, what a call has found nothing to do for: an edge announces more.
    dry: Interest,
    /// Calls that may be made on a descriptor that can block: one for each report.
    allowed: Interest,
    /// A read found the end. It stays there, and is not told again until there is something else.
    ended: bool,
    queued: bool,
}

impl FdSlot {
    fn new(descriptor: Descriptor, blocking: Blocking, interest: Interest) -> Self {
        Self {
            descriptor,
            blocking,
            interest,
            reported: Ready::default(),
            told: Interest::NONE,
            dry: Interest::NONE,
            allowed: Interest::NONE,
            ended: false,
            queued: false,
        }
    }

    /// Takes in a report; returns whether the descriptor is to be put on the ready list.
    pub(super) fn note(&mut self, report: crate::sys::Readiness) -> bool {
        let crate::sys::Readiness { readable, writable, hang_up, failed, over, .. } = report;
        if readable && !hang_up {
            self.ended = false;
        }
        self.reported.flows |= Interest::READ.when(readable || hang_up || failed);
        self.reported.flows |= Interest::WRITE.when(writable || over || failed);
        self.reported.hung_up |= over;
        self.reported.error |= failed;
        let enqueue = !self.queued && !self.due().is_nothing();
        self.queued |= enqueue;
        enqueue
    }

    /// Of what was reported, what is to be told.
    fn due(&self) -> Ready {
        Ready { flows: self.reported.flows.and(self.open_interest()), ..self.reported }
    }

    fn open_interest(&self) -> Interest {
        self.interest.without(Interest::READ.when(self.ended))
    }

    /// Takes what is to be told, all of it at once.
    pub(super) fn take_ready(&mut self) -> Option<Ready> {
        self.queued = false;
        let ready = self.due();
        self.reported = Ready::default();
        self.told = ready.flows;
        self.allowed = ready.flows;
        self.dry = Interest::NONE;
        (!ready.is_nothing()).then_some(ready)
    }

    /// Whether a call in this direction is made at all: on a descriptor that can block only one for
    /// each report.
    fn may_call(&mut self, direction: Interest) -> bool {
        let may = self.blocking == Blocking::Never || self.allowed.has(direction);
        self.allowed = self.allowed.without(direction);
        may
    }

    /// Makes "would block" a state.
    fn judge<T>(&mut self, direction: Interest, result: io::Result<T>) -> io::Result<Option<T>> {
        match result {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.dry |= direction;
                Ok(None)
            }
            result => result.map(Some),
        }
    }
}

impl<S: Sys> FdOps for Readiness<S> {
    fn add_fd(
        &mut self,
        slot: Key,
        fd: Descriptor,
        interest: Interest,
    ) -> Result<(), (Descriptor, io::Error)> {
        match self.sys.add_fd(Token::fd(slot), &fd, interest) {
            Ok(blocking) => {
                self.fds.put(slot, FdSlot::new(fd, blocking, interest));
                Ok(())
            }
            Err(error) => Err((fd, error)),
        }
    }

    fn set_fd_interest(&mut self, slot: Key, interest: Interest) -> io::Result<()> {
        let Some(entry) = self.fds.get_mut(slot) else { return Ok(()) };
        if entry.interest == interest {
            return Ok(());
        }
        entry.interest = interest;
        entry.reported = Ready::default();
        entry.told = Interest::NONE;
        entry.ended = false;
        self.sys.arm_fd(Token::fd(slot), &entry.descriptor, interest)
    }

    fn settle_fd(&mut self, slot: Key) -> io::Result<()> {
        let Some(entry) = self.fds.get_mut(slot) else { return Ok(()) };
        let told = std::mem::take(&mut entry.told);
        entry.allowed = Interest::NONE;
        if told.and(entry.open_interest()).without(entry.dry) == Interest::NONE {
            return Ok(());
        }
        self.sys.arm_fd(Token::fd(slot), &entry.descriptor, entry.interest)
    }

    fn remove_fd(&mut self, slot: Key) -> Option<Descriptor> {
        let FdSlot { descriptor, .. } = self.fds.take(slot)?;
        self.sys.remove_fd(&descriptor);
        Some(descriptor)
    }

    fn read_fd(&mut self, slot: Key, into: &mut [u8]) -> io::Result<Option<usize>> {
        let entry = self.fds.get_mut(slot).ok_or(io::ErrorKind::NotConnected)?;
        if !entry.may_call(Interest::READ) {
            return Ok(None);
        }
        let read = self.sys.read_fd(&entry.descriptor, into);
        entry.ended |= matches!(read, Ok(0)) && !into.is_empty();
        entry.judge(Interest::READ, read)
    }

    fn write_fd(&mut self, slot: Key, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let entry = self.fds.get_mut(slot).ok_or(io::ErrorKind::NotConnected)?;
        if !entry.may_call(Interest::WRITE) {
            return Ok(0);
        }
        let written = self.sys.write_fd(&entry.descriptor, slices);
        Ok(entry.judge(Interest::WRITE, written)?.unwrap_or(0))
    }

    fn lend_fd(&mut self, slot: Key, direction: Interest) -> Option<&Descriptor> {
        let entry = self.fds.get_mut(slot)?;
        entry.may_call(direction).then_some(&entry.descriptor)
    }

    fn fd_would_block(&mut self, slot: Key, direction: Interest) {
        if let Some(entry) = self.fds.get_mut(slot) {
            entry.dry |= direction;
        }
    }

    fn fd(&self, slot: Key) -> Option<&Descriptor> {
        self.fds.get(slot).map(|entry| &entry.descriptor)
    }
}
