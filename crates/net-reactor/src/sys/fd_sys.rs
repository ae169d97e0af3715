//! The part of the seam that is about descriptors of the user's own.

use std::io::{self, IoSlice};

use super::{Descriptor, Interest, Token};

/// Whether a call on a descriptor can block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blocking {
    /// It says [`io::ErrorKind::WouldBlock`] instead.
    Never,
    /// It can, if nothing was reported: one call for each report does not.
    Unannounced,
}

/// The kernel, as one loop uses it for descriptors that its user brings.
///
/// On top of what [`Sys`](super::Sys) guarantees:
///
/// - only what is in the interest is reported, and hang-ups and failures, which always are;
/// - what holds when a descriptor is added or [armed](Self::arm_fd) is reported, so that a level
///   can be had from edges by arming again;
/// - a descriptor of the other kind - real in a simulation, or simulated on the real kernel - is
///   refused with [`io::ErrorKind::Unsupported`].
///
/// The caller keeps the descriptor, and keeps it open from `add_fd` to `remove_fd`.
pub(crate) trait FdSys {
    /// Registers a descriptor, and makes it non-blocking unless its mode belongs to others too.
    fn add_fd(&mut self, token: Token, fd: &Descriptor, interest: Interest)
    -> io::Result<Blocking>;

    /// Changes what is reported. Reports that were made before may still come.
    fn arm_fd(&mut self, token: Token, fd: &Descriptor, interest: Interest) -> io::Result<()>;

    /// Forgets a descriptor: its token is never reported by a later wait.
    fn remove_fd(&mut self, fd: &Descriptor);

    fn read_fd(&mut self, fd: &Descriptor, into: &mut [u8]) -> io::Result<usize>;

    /// Writes from the front of `slices`; may take fewer bytes than offered.
    fn write_fd(&mut self, fd: &Descriptor, slices: &[IoSlice<'_>]) -> io::Result<usize>;
}
