//! A descriptor that a user brings.

use std::fmt;
#[cfg(unix)]
use std::fs::File;
#[cfg(unix)]
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

#[cfg(any(test, feature = "sim"))]
use super::memory::PipeEnd;

/// An open descriptor: a pipe, a terminal, a socket of any kind, an eventfd.
///
/// It is made from whatever owns one in `std`, and turned back into that. Whoever holds it owns it:
/// dropping it closes the descriptor, and a loop that holds it never asks the kernel about a number
/// that belongs to somebody else by now. To keep using a descriptor beside the loop, give the loop
/// a duplicate ([`BorrowedFd::try_clone_to_owned`]).
///
/// In a simulation descriptors come from `sim::Boot::pipe` and `sim::Boot::pair` instead.
///
/// ```
/// # #[cfg(unix)] {
/// use net_reactor::Descriptor;
/// use std::os::fd::OwnedFd;
///
/// let (reader, _writer) = std::io::pipe()?;
/// let descriptor = Descriptor::from(reader);
/// let owned: OwnedFd = descriptor.try_into().expect("it is a real one");
/// # let _ = owned; }
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Platform
///
/// Unix; elsewhere only simulated ones exist.
pub struct Descriptor(pub(crate) Held);

/// What a [`Descriptor`] holds.
pub(crate) enum Held {
    /// A number in the descriptor table of this process.
    ///
    /// As a file, because that is what `std` reads and writes any kind of descriptor by.
    #[cfg(unix)]
    Real(File),
    /// One of a simulated host.
    #[cfg(any(test, feature = "sim"))]
    Simulated(PipeEnd),
}

impl Descriptor {
    /// Returns the real descriptor; `None` if it is a simulated one.
    ///
    /// # Platform
    ///
    /// Unix.
    #[cfg(unix)]
    #[must_use]
    pub fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        self.file().map(AsFd::as_fd)
    }

    /// Returns the real descriptor as a file.
    #[cfg(unix)]
    pub(crate) fn file(&self) -> Option<&File> {
        match &self.0 {
            Held::Real(file) => Some(file),
            #[cfg(any(test, feature = "sim"))]
            Held::Simulated(_) => None,
        }
    }

    /// Returns the simulated descriptor.
    #[cfg(any(test, feature = "sim"))]
    pub(crate) fn simulated(&self) -> Option<&PipeEnd> {
        match &self.0 {
            #[cfg(unix)]
            Held::Real(_) => None,
            Held::Simulated(end) => Some(end),
        }
    }
}

#[cfg(unix)]
impl<T: Into<OwnedFd>> From<T> for Descriptor {
    fn from(owner: T) -> Self {
        Self(Held::Real(File::from(owner.into())))
    }
}

#[cfg(unix)]
impl TryFrom<Descriptor> for OwnedFd {
    type Error = Descriptor;

    /// Takes the real descriptor out, or gives a simulated one back.
    fn try_from(descriptor: Descriptor) -> Result<Self, Descriptor> {
        match descriptor.0 {
            Held::Real(file) => Ok(file.into()),
            #[cfg(any(test, feature = "sim"))]
            Held::Simulated(_) => Err(descriptor),
        }
    }
}

impl fmt::Debug for Descriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            #[cfg(unix)]
            Held::Real(file) => f.debug_tuple("Descriptor").field(&file.as_fd()).finish(),
            #[cfg(any(test, feature = "sim"))]
            Held::Simulated(end) => f.debug_tuple("Descriptor").field(end).finish(),
        }
    }
}
