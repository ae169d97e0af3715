//! A descriptor, as its handler holds it during a callback.

use std::io::{self, IoSlice};
#[cfg(unix)]
use std::os::fd::BorrowedFd;

use crate::base::{FdId, Key};
use crate::driver::Ops;
use crate::net::CloseReason;
use crate::protocol::Reactor;
use crate::protocol::core::Core;
use crate::sys::{Descriptor, Interest};

/// A descriptor, lent for one callback.
///
/// The loop owns it. No method calls a handler: what follows from a call is told after the current
/// callback. After [`close`](Self::close) or [`take`](Self::take) its calls fail with
/// [`io::ErrorKind::NotConnected`].
#[derive(Debug)]
pub struct Fd<'a> {
    key: Key,
    reactor: Reactor<'a>,
}

impl<'a> Fd<'a> {
    pub(crate) fn new(key: Key, core: &'a mut Core, ops: &'a mut dyn Ops) -> Self {
        Self { key, reactor: Reactor { core, ops } }
    }

    /// Reads what is there, at most as much as fits `into`.
    ///
    /// `None` when there is nothing now; `Some(0)` at the end. The end is told once, and not again
    /// before the interest changes or something new arrives.
    ///
    /// # Errors
    ///
    /// What read(2) says. "Would block" and "interrupted" are no errors here.
    pub fn read(&mut self, into: &mut [u8]) -> io::Result<Option<usize>> {
        let read = self.reactor.ops.read_fd(self.key, into);
        self.note_failure(read)
    }

    /// Writes a part of `bytes`; returns how many were taken, 0 when there is no room now.
    ///
    /// What was not taken is the caller's to keep, and to offer again when the descriptor is
    /// [writable](crate::Ready::is_writable).
    ///
    /// # Errors
    ///
    /// What write(2) says. "Would block" and "interrupted" are no errors here.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_slices(&[IoSlice::new(bytes)])
    }

    /// Writes a part of `slices`, from the front.
    ///
    /// # Errors
    ///
    /// As for [`write`](Self::write).
    pub fn write_slices(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let written = self.reactor.ops.write_fd(self.key, slices);
        self.note_failure(written)
    }

    /// Makes another call on the descriptor, such as recvmsg(2), and learns from its outcome.
    ///
    /// `direction` is what the call needs: [`Interest::READ`], to accept as well, or
    /// [`Interest::WRITE`]. The call must not block; when it says
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) this returns `None`, and an interrupted one is
    /// repeated. Calls that are made by [`as_fd`](Self::as_fd) work as well, but the loop learns
    /// nothing from them: it asks the kernel once more.
    ///
    /// # Errors
    ///
    /// What the call says; [`io::ErrorKind::Unsupported`] in a simulation.
    ///
    /// # Platform
    ///
    /// Unix.
    #[cfg(unix)]
    pub fn try_io<T>(
        &mut self,
        direction: Interest,
        mut call: impl FnMut(BorrowedFd<'_>) -> io::Result<T>,
    ) -> io::Result<Option<T>> {
        if !self.is_open() {
            return Err(io::ErrorKind::NotConnected.into());
        }
        let Some(descriptor) = self.reactor.ops.lend_fd(self.key, direction) else {
            return Ok(None);
        };
        let real = descriptor.as_fd().ok_or(io::ErrorKind::Unsupported)?;
        let result = loop {
            match call(real) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result,
            }
        };
        if matches!(&result, Err(error) if error.kind() == io::ErrorKind::WouldBlock) {
            self.reactor.ops.fd_would_block(self.key, direction);
            return Ok(None);
        }
        self.note_failure(result.map(Some))
    }

    /// Takes the pending error of a socket (`SO_ERROR`); `None` if there is none, or if the
    /// descriptor is no socket.
    ///
    /// # Platform
    ///
    /// Unix.
    #[cfg(unix)]
    pub fn take_error(&mut self) -> Option<io::Error> {
        let real = self.reactor.ops.fd(self.key)?.as_fd()?;
        // ENOTSOCK, of whatever is no socket, is no error of the descriptor.
        let error = socket2::SockRef::from(&real).take_error().ok()??;
        self.break_down();
        Some(error)
    }

    /// The pending error of a real socket.
    pub(crate) fn pending_error(&mut self) -> Option<io::Error> {
        #[cfg(unix)]
        return self.take_error();
        #[cfg(not(unix))]
        None
    }

    /// Why the descriptor is of no use any more.
    pub(crate) fn failure(&mut self) -> io::Error {
        let error = self.pending_error();
        self.break_down();
        // What is no socket has no pending error: a pipe that nobody reads.
        error.unwrap_or_else(|| io::ErrorKind::BrokenPipe.into())
    }

    /// Whether a socket that was being connected is by now; other descriptors always are.
    pub(crate) fn is_connected(&self) -> bool {
        #[cfg(unix)]
        if let Some(real) = self.as_fd() {
            let peer = socket2::SockRef::from(&real).peer_addr();
            return !matches!(peer, Err(error) if error.kind() == io::ErrorKind::NotConnected);
        }
        true
    }

    /// Returns the real descriptor, to set options or to hand it to other crates; `None` in a
    /// simulation, and when it is not watched any more.
    ///
    /// # Platform
    ///
    /// Unix.
    #[cfg(unix)]
    #[must_use]
    pub fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        self.reactor.ops.fd(self.key)?.as_fd()
    }

    /// Changes what the handler is told, from now on.
    pub fn set_interest(&mut self, interest: Interest) {
        let Reactor { core, ops } = &mut self.reactor;
        core.net.set_fd_interest(self.key, interest, &mut **ops);
    }

    /// Returns what the handler is told.
    #[must_use]
    pub fn interest(&self) -> Interest {
        self.reactor.core.net.fd(self.key).map_or(Interest::NONE, |fd| fd.interest)
    }

    /// Closes the descriptor. The only callback that still comes is
    /// [`on_close`](super::FdHandler::on_close).
    pub fn close(&mut self) {
        self.close_as(CloseReason::Closed);
    }

    pub(crate) fn close_as(&mut self, reason: CloseReason) {
        let Reactor { core, ops } = &mut self.reactor;
        core.net.close_fd(self.key, reason, &mut **ops);
    }

    /// Takes the descriptor back from the loop, open, and still non-blocking. The only callback that
    /// still comes is [`on_close`](super::FdHandler::on_close).
    ///
    /// `None` when it was closed or taken before.
    pub fn take(&mut self) -> Option<Descriptor> {
        let Reactor { core, ops } = &mut self.reactor;
        core.net.take_fd(self.key, CloseReason::Closed, &mut **ops)
    }

    /// Whether the loop watches the descriptor.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.reactor.core.net.fd(self.key).is_some()
    }

    /// Returns its identity.
    #[must_use]
    pub fn id(&self) -> FdId {
        self.reactor.core.fd_id(self.key)
    }

    /// Returns the loop: other descriptors, connections, timers, and more.
    pub fn reactor(&mut self) -> &mut Reactor<'a> {
        &mut self.reactor
    }

    /// Remembers that a call has failed, so that whoever returns the error is not taken for its
    /// origin.
    fn note_failure<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        if result.is_err() {
            self.break_down();
        }
        result
    }

    fn break_down(&mut self) {
        if let Some(fd) = self.reactor.core.net.fd_mut(self.key) {
            fd.is_broken = true;
        }
    }
}
