//! What can go wrong before and while a server or client runs.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use crate::net::{AddFdError, BindError, ConnectError, ListenError, TargetError};
use crate::protocol::LoopError;

/// Why a server or a client cannot start or go on.
#[non_exhaustive]
pub enum Error {
    /// The address cannot be listened on.
    Listen(ListenError),
    /// The socket of datagrams cannot be made.
    Bind(BindError),
    /// The connection could not be opened.
    Connect(ConnectError),
    /// The text does not say where to connect.
    Target(TargetError),
    /// The descriptor cannot be watched.
    AddFd(AddFdError),
    /// A descriptor cannot be opened.
    Descriptor(io::Error),
    /// The loop cannot be made, or cannot wait.
    Loop(LoopError),
    /// The signal handlers cannot be installed.
    Signals(io::Error),
    /// A thread for a loop cannot be started.
    Thread(io::Error),
}

// Each variant is its cause, so it shows the cause's own text and passes its source on; naming the
// cause twice would print it twice.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen(error) => error.fmt(f),
            Self::Bind(error) => error.fmt(f),
            Self::Connect(error) => error.fmt(f),
            Self::Target(error) => error.fmt(f),
            Self::AddFd(error) => error.fmt(f),
            Self::Descriptor(_) => f.write_str("cannot open a descriptor"),
            Self::Loop(error) => error.fmt(f),
            Self::Signals(_) => f.write_str("cannot install the signal handlers"),
            Self::Thread(_) => f.write_str("cannot start a thread for a loop"),
        }
    }
}

// What `main` prints when it returns an error is its `Debug`: one readable line, causes included.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        let mut cause = self.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Listen(error) => error.source(),
            Self::Bind(error) => error.source(),
            Self::Connect(error) => error.source(),
            Self::Target(error) => error.source(),
            Self::AddFd(error) => error.source(),
            Self::Loop(error) => error.source(),
            Self::Descriptor(error) | Self::Signals(error) | Self::Thread(error) => Some(error),
        }
    }
}

impl From<ListenError> for Error {
    fn from(error: ListenError) -> Self {
        Self::Listen(error)
    }
}

impl From<BindError> for Error {
    fn from(error: BindError) -> Self {
        Self::Bind(error)
    }
}

impl From<ConnectError> for Error {
    fn from(error: ConnectError) -> Self {
        Self::Connect(error)
    }
}

impl From<TargetError> for Error {
    fn from(error: TargetError) -> Self {
        Self::Target(error)
    }
}

impl From<AddFdError> for Error {
    fn from(error: AddFdError) -> Self {
        Self::AddFd(error)
    }
}

impl From<LoopError> for Error {
    fn from(error: LoopError) -> Self {
        Self::Loop(error)
    }
}
