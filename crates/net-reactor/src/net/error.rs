//! Why things end, as values to act on.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::timeouts::Timeout;
use crate::base::Address;

/// The connection is closed or closing: nothing can be sent on it any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection is closed")
    }
}

impl Error for Closed {}

/// Why a connection ended. Each connection that was opened ends with exactly one.
#[derive(Debug)]
#[non_exhaustive]
pub enum CloseReason {
    /// The peer finished first, and everything queued for it was handed to the kernel.
    PeerClosed,
    /// This side called `close`, and everything queued was handed to the kernel.
    Closed,
    /// This side called `abort`; queued output was dropped.
    Aborted,
    /// The peer reset the connection.
    Reset {
        /// What the system call said.
        source: io::Error,
    },
    /// The connection broke in another way, such as a network that became unreachable.
    Broken {
        /// What the system call said.
        source: io::Error,
    },
    /// The peer read too slowly: queued output went over
    /// [`output_max`](crate::ConnConfig::output_max) and was dropped.
    SlowConsumer {
        /// Bytes that were queued, with the write that went over the limit.
        queued_bytes: usize,
        /// The limit.
        limit_bytes: usize,
    },
    /// The handler left more input unconsumed than [`input_max`](crate::ConnConfig::input_max).
    InputOverflow {
        /// Bytes that were left.
        unconsumed_bytes: usize,
        /// The limit.
        limit_bytes: usize,
    },
    /// A graceful close took longer than [`linger`](crate::ConnConfig::linger) and became an abort.
    LingerExpired {
        /// Bytes that were not sent.
        unsent_bytes: usize,
    },
    /// Nothing was heard of the peer for the tolerance of a [`Heartbeat`](crate::Heartbeat); the
    /// connection was aborted.
    HeartbeatTimedOut {
        /// How long nothing was heard.
        silence: Duration,
        /// The limit.
        tolerance: Duration,
    },
    /// One of the [`Timeouts`](crate::Timeouts) of the connection was reached.
    TimedOut {
        /// Which one.
        timeout: Timeout,
        /// The limit.
        after: Duration,
    },
    /// What the peer sent breaks the rules of the protocol: its framing, say.
    ///
    /// A handler says so with [`Failure::malformed`](crate::Failure::malformed).
    Malformed {
        /// Which rule; of [`Framed`](crate::Framed) with the codecs of this library a
        /// [`DecodeError`](crate::codec::DecodeError) or an
        /// [`UnfinishedFrame`](crate::codec::UnfinishedFrame).
        source: Box<dyn Error + Send + Sync>,
    },
    /// What was to be sent could not be made or read; the connection was reset, so that the peer does
    /// not take the part for the whole. See [`Transfer`](crate::Transfer).
    TransferFailed {
        /// What reading said.
        source: io::Error,
    },
    /// A callback of the handler returned an error.
    HandlerFailed {
        /// The error.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A callback of the handler panicked; the connection was aborted.
    HandlerPanicked {
        /// The message of the panic, if it had one.
        message: String,
    },
    /// The loop stopped, and the connection was not finished by the end of its patience.
    LoopStopped,
}

impl CloseReason {
    /// Whether one of the two sides closed, and nothing that was queued here was dropped.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        matches!(self, Self::PeerClosed | Self::Closed)
    }

    /// Sorts an error of a socket into the reasons.
    pub(crate) fn from_io(source: io::Error) -> Self {
        match source.kind() {
            // The last one is what shutdown(2) says after a reset that no other call has returned.
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::NotConnected => Self::Reset { source },
            _ => Self::Broken { source },
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PeerClosed => f.write_str("closed by the peer"),
            Self::Closed => f.write_str("closed by this side"),
            Self::Aborted => f.write_str("aborted by this side"),
            Self::Reset { .. } => f.write_str("reset by the peer"),
            Self::Broken { .. } => f.write_str("the connection broke"),
            Self::SlowConsumer { queued_bytes, limit_bytes } => {
                write!(f, "the peer reads too slowly: {queued_bytes} bytes queued of {limit_bytes}")
            }
            Self::InputOverflow { unconsumed_bytes, limit_bytes } => {
                write!(f, "too much unconsumed input: {unconsumed_bytes} bytes of {limit_bytes}")
            }
            Self::LingerExpired { unsent_bytes } => {
                write!(f, "the close took too long: {unsent_bytes} bytes were not sent")
            }
            Self::HeartbeatTimedOut { silence, tolerance } => {
                write!(f, "the peer was silent for {silence:?}, with a limit of {tolerance:?}")
            }
            Self::TimedOut { timeout, after } => write!(f, "timed out: {timeout} for {after:?}"),
            Self::Malformed { .. } => f.write_str("the peer broke the protocol"),
            Self::TransferFailed { .. } => f.write_str("the transfer failed"),
            Self::HandlerFailed { .. } => f.write_str("the handler failed"),
            Self::HandlerPanicked { message } => write!(f, "the handler panicked: {message}"),
            Self::LoopStopped => f.write_str("the loop stopped"),
        }
    }
}

impl Error for CloseReason {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Reset { source } | Self::Broken { source } | Self::TransferFailed { source } => {
                Some(source)
            }
            Self::HandlerFailed { source } | Self::Malformed { source } => Some(source.as_ref()),
            _ => None,
        }
    }
}

/// Why a connection could not be opened. Each attempt ends with one of these or is opened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ConnectError {
    /// The peer's host answered that nobody listens there, or there is no such Unix socket.
    Refused {
        /// The address that was tried last.
        peer: Address,
        /// What the system call said.
        source: Arc<io::Error>,
    },
    /// There was no outcome within the deadline: an address did not answer, or nobody resolved the
    /// name.
    TimedOut {
        /// The deadline.
        after: Duration,
    },
    /// No route leads to the peer's host or network.
    Unreachable {
        /// The address that was tried last.
        peer: Address,
        /// What the system call said.
        source: Arc<io::Error>,
    },
    /// There is no such host name, or it has no address. Asking again soon will not help.
    NameNotFound {
        /// The name.
        host: String,
        /// What the resolver said.
        source: Arc<io::Error>,
    },
    /// The resolver could not tell: its name server is away, say, or too many names are under way.
    /// Asking again later may help.
    NameFailed {
        /// The name.
        host: String,
        /// What the resolver said.
        source: Arc<io::Error>,
    },
    /// The local address cannot be used: it is not of this host, or its ports are used up.
    CannotBind {
        /// What the system call said.
        source: Arc<io::Error>,
    },
    /// The connection was closed or aborted before it was open, or the loop stopped.
    Cancelled,
    /// Another failure of the system.
    Failed {
        /// What the system call said.
        source: Arc<io::Error>,
    },
}

impl ConnectError {
    /// Sorts an error of a connect call into the reasons.
    pub(crate) fn from_io(peer: Address, after: Duration, source: io::Error) -> Self {
        let kind = source.kind();
        let source = Arc::new(source);
        match kind {
            io::ErrorKind::ConnectionRefused
            | io::ErrorKind::NotFound
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted => Self::Refused { peer, source },
            io::ErrorKind::TimedOut => Self::TimedOut { after },
            io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkDown => Self::Unreachable { peer, source },
            io::ErrorKind::AddrInUse | io::ErrorKind::AddrNotAvailable => {
                Self::CannotBind { source }
            }
            _ => Self::Failed { source },
        }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { peer, .. } => write!(f, "{peer} refused the connection"),
            Self::TimedOut { after } => write!(f, "no answer within {after:?}"),
            Self::Unreachable { peer, .. } => write!(f, "{peer} cannot be reached"),
            Self::NameNotFound { host, .. } | Self::NameFailed { host, .. } => {
                write!(f, "cannot resolve the name {host:?}")
            }
            Self::CannotBind { .. } => f.write_str("cannot use the local address"),
            Self::Cancelled => f.write_str("connecting was cancelled"),
            Self::Failed { .. } => f.write_str("cannot connect"),
        }
    }
}

impl Error for ConnectError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Refused { source, .. }
            | Self::Unreachable { source, .. }
            | Self::NameNotFound { source, .. }
            | Self::NameFailed { source, .. }
            | Self::CannotBind { source }
            | Self::Failed { source } => Some(source.as_ref()),
            Self::TimedOut { .. } | Self::Cancelled => None,
        }
    }
}

/// Why an address could not be listened on.
#[derive(Debug)]
#[non_exhaustive]
pub enum ListenError {
    /// Another socket listens there.
    InUse {
        /// The address.
        address: Address,
        /// What the system call said.
        source: io::Error,
    },
    /// The port needs a privilege that this process does not have.
    NotPermitted {
        /// The address.
        address: Address,
        /// What the system call said.
        source: io::Error,
    },
    /// The text is no address, or names none of this host.
    BadAddress {
        /// The text or address.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// Another failure of the system.
    Failed {
        /// The address.
        address: Address,
        /// What the system call said.
        source: io::Error,
    },
}

impl ListenError {
    /// Sorts an error of making a listening socket into the reasons.
    pub(crate) fn from_io(address: Address, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::InUse { address, source },
            io::ErrorKind::PermissionDenied => Self::NotPermitted { address, source },
            io::ErrorKind::AddrNotAvailable => {
                Self::BadAddress { address: address.to_string(), source }
            }
            _ => Self::Failed { address, source },
        }
    }
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse { address, .. } => write!(f, "{address} is in use"),
            Self::NotPermitted { address, .. } => write!(f, "not permitted to listen on {address}"),
            Self::BadAddress { address, .. } => write!(f, "cannot listen on {address:?}"),
            Self::Failed { address, .. } => write!(f, "cannot listen on {address}"),
        }
    }
}

impl Error for ListenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::InUse { source, .. }
            | Self::NotPermitted { source, .. }
            | Self::BadAddress { source, .. }
            | Self::Failed { source, .. } => Some(source),
        }
    }
}
