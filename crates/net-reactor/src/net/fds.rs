//! Descriptors of the user's own: whether they are watched, and how that ends.

use std::error::Error;
use std::fmt;
use std::io;

use super::{CloseReason, Net, Notice};
use crate::base::Key;
use crate::driver::Ops;
use crate::sys::{Descriptor, Interest};

/// A descriptor was not added; it is given back.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "made to be taken apart")]
pub struct AddFdError {
    /// What was to be added.
    pub descriptor: Descriptor,
    /// Why it was refused.
    pub reason: AddFdRefused,
}

/// Why a descriptor was not added.
#[derive(Debug)]
#[non_exhaustive]
pub enum AddFdRefused {
    /// The kernel cannot say when it is ready, because it always is: a regular file, a directory.
    NotPollable {
        /// What the system call said.
        source: io::Error,
    },
    /// It is of another kernel than the loop: a real one in a simulation, or a simulated one
    /// outside of it.
    OtherKernel,
    /// The loop is stopping, and takes nothing new.
    Stopping,
    /// The kernel refused: it has no memory, or too much is watched.
    Failed {
        /// What the system call said.
        source: io::Error,
    },
}

impl AddFdRefused {
    fn from_io(source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::Unsupported => Self::OtherKernel,
            // EPERM of epoll_ctl(2).
            io::ErrorKind::PermissionDenied => Self::NotPollable { source },
            _ => Self::Failed { source },
        }
    }
}

impl fmt::Display for AddFdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.reason {
            AddFdRefused::NotPollable { .. } => "the descriptor is always ready, as a file is",
            AddFdRefused::OtherKernel => "the descriptor is of another kernel than the loop",
            AddFdRefused::Stopping => "the loop is stopping",
            AddFdRefused::Failed { .. } => "cannot watch the descriptor",
        })
    }
}

impl Error for AddFdError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.reason {
            AddFdRefused::NotPollable { source } | AddFdRefused::Failed { source } => Some(source),
            AddFdRefused::OtherKernel | AddFdRefused::Stopping => None,
        }
    }
}

/// A descriptor that is watched, or whose end was not told yet.
#[derive(Debug)]
pub(crate) struct WatchedFd {
    pub(crate) interest: Interest,
    /// The engine has it. Otherwise only the end is to be told.
    pub(crate) is_open: bool,
    /// A poke is on its way.
    pub(crate) is_poked: bool,
    /// A call on it has failed: what its handler then returns is the descriptor's fault.
    pub(crate) is_broken: bool,
}

impl Net {
    /// Begins to watch a descriptor.
    pub(crate) fn add_fd<O: Ops + ?Sized>(
        &mut self,
        descriptor: Descriptor,
        interest: Interest,
        ops: &mut O,
    ) -> Result<Key, AddFdError> {
        if self.stopping {
            return Err(AddFdError { descriptor, reason: AddFdRefused::Stopping });
        }
        let fd = WatchedFd { interest, is_open: true, is_poked: false, is_broken: false };
        let key = self.fds.insert(fd);
        match ops.add_fd(key, descriptor, interest) {
            Ok(()) => {
                self.notices.push_back(Notice::FdOpened(key));
                Ok(key)
            }
            Err((descriptor, error)) => {
                self.fds.remove(key);
                Err(AddFdError { descriptor, reason: AddFdRefused::from_io(error) })
            }
        }
    }

    pub(crate) fn fd(&self, key: Key) -> Option<&WatchedFd> {
        self.fds.get(key).filter(|fd| fd.is_open)
    }

    pub(crate) fn fd_mut(&mut self, key: Key) -> Option<&mut WatchedFd> {
        self.fds.get_mut(key).filter(|fd| fd.is_open)
    }

    /// Returns every descriptor that is watched.
    pub(crate) fn fd_keys(&self) -> Vec<Key> {
        self.fds.iter().filter(|(_, fd)| fd.is_open).map(|(key, _)| key).collect()
    }

    pub(crate) fn fds_len(&self) -> usize {
        self.fds.len()
    }

    /// Changes what is told; returns whether the descriptor is watched.
    pub(crate) fn set_fd_interest<O: Ops + ?Sized>(
        &mut self,
        key: Key,
        interest: Interest,
        ops: &mut O,
    ) -> bool {
        let Some(fd) = self.fd_mut(key) else { return false };
        fd.interest = interest;
        if let Err(source) = ops.set_fd_interest(key, interest) {
            self.close_fd(key, CloseReason::Broken { source }, ops);
            return false;
        }
        true
    }

    /// Has what a handler left undone told again.
    pub(crate) fn settle_fd<O: Ops + ?Sized>(&mut self, key: Key, ops: &mut O) {
        if self.fd(key).is_some()
            && let Err(source) = ops.settle_fd(key)
        {
            self.close_fd(key, CloseReason::Broken { source }, ops);
        }
    }

    /// Ends the watch and gives the descriptor back. The handler is told the reason.
    pub(crate) fn take_fd<O: Ops + ?Sized>(
        &mut self,
        key: Key,
        reason: CloseReason,
        ops: &mut O,
    ) -> Option<Descriptor> {
        self.fd_mut(key)?.is_open = false;
        self.notices.push_back(Notice::FdClosed(key, reason));
        ops.remove_fd(key)
    }

    /// Ends the watch and closes the descriptor.
    pub(crate) fn close_fd<O: Ops + ?Sized>(
        &mut self,
        key: Key,
        reason: CloseReason,
        ops: &mut O,
    ) -> bool {
        let taken = self.take_fd(key, reason, ops);
        self.descriptor_freed |= taken.is_some();
        taken.is_some()
    }

    /// Gives up the slot of a descriptor whose end was told.
    pub(crate) fn release_fd(&mut self, key: Key) {
        self.fds.remove(key);
    }
}
