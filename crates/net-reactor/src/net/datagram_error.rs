//! What can go wrong with datagrams, as values to act on.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;

use crate::sys::MESSAGE_TOO_LONG;

/// Why a socket of datagrams could not be made.
#[derive(Debug)]
#[non_exhaustive]
pub enum BindError {
    /// Another socket has the address.
    InUse {
        /// The address.
        address: SocketAddr,
        /// What the system call said.
        source: io::Error,
    },
    /// The port needs a privilege that this process does not have, or the peer is a broadcast
    /// address, which [`broadcast`](crate::DatagramOptions::broadcast) allows.
    NotPermitted {
        /// The address.
        address: SocketAddr,
        /// What the system call said.
        source: io::Error,
    },
    /// The address is none of this host, or a group's interface is none.
    BadAddress {
        /// The address.
        address: SocketAddr,
        /// What the system call said.
        source: io::Error,
    },
    /// The loop is stopping, and takes nothing new.
    Stopping,
    /// Another failure of the system.
    Failed {
        /// The address.
        address: SocketAddr,
        /// What the system call said.
        source: io::Error,
    },
}

impl BindError {
    /// Sorts an error of making a socket into the reasons.
    pub(crate) fn from_io(address: SocketAddr, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::InUse { address, source },
            io::ErrorKind::PermissionDenied => Self::NotPermitted { address, source },
            io::ErrorKind::AddrNotAvailable => Self::BadAddress { address, source },
            _ => Self::Failed { address, source },
        }
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse { address, .. } => write!(f, "{address} is in use"),
            Self::NotPermitted { address, .. } => write!(f, "not permitted to use {address}"),
            Self::BadAddress { address, .. } => write!(f, "{address} is no address of this host"),
            Self::Stopping => f.write_str("the loop is stopping"),
            Self::Failed { address, .. } => write!(f, "cannot use {address}"),
        }
    }
}

impl Error for BindError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::InUse { source, .. }
            | Self::NotPermitted { source, .. }
            | Self::BadAddress { source, .. }
            | Self::Failed { source, .. } => Some(source),
            Self::Stopping => None,
        }
    }
}

/// Why a datagram was not sent.
#[derive(Debug)]
#[non_exhaustive]
pub enum DatagramSendError {
    /// The socket is closed or closing.
    Closed,
    /// The kernel takes nothing now, and the queue is at its limit
    /// ([`queue_max`](crate::DatagramOptions::queue_max)).
    Full {
        /// Datagrams that wait.
        queued: usize,
        /// Their bytes.
        queued_bytes: usize,
    },
    /// It is longer than the network can carry: 65,507 bytes of payload over IPv4.
    TooLong {
        /// Its bytes.
        bytes: usize,
    },
    /// There is no address, and the socket has no peer.
    NoPeer,
    /// The address is a broadcast one and [`broadcast`](crate::DatagramOptions::broadcast) is off,
    /// or a firewall forbids it.
    NotPermitted {
        /// What the system call said.
        source: io::Error,
    },
    /// No route leads there.
    Unreachable {
        /// What the system call said.
        source: io::Error,
    },
    /// Another failure of the system, such as an address of the other family. The socket goes on.
    Failed {
        /// What the system call said.
        source: io::Error,
    },
}

impl DatagramSendError {
    /// Sorts an error of a send call into the reasons.
    pub(crate) fn from_io(bytes: usize, source: io::Error) -> Self {
        if source.raw_os_error() == Some(MESSAGE_TOO_LONG) {
            return Self::TooLong { bytes };
        }
        match source.kind() {
            io::ErrorKind::PermissionDenied => Self::NotPermitted { source },
            io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkDown => Self::Unreachable { source },
            _ => Self::Failed { source },
        }
    }
}

impl fmt::Display for DatagramSendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the socket is closed"),
            Self::Full { queued, queued_bytes } => {
                write!(f, "the queue is full: {queued} datagrams, {queued_bytes} bytes")
            }
            Self::TooLong { bytes } => write!(f, "{bytes} bytes are too many for a datagram"),
            Self::NoPeer => f.write_str("there is no address to send to"),
            Self::NotPermitted { .. } => f.write_str("not permitted to send there"),
            Self::Unreachable { .. } => f.write_str("no route leads there"),
            Self::Failed { .. } => f.write_str("cannot send the datagram"),
        }
    }
}

impl Error for DatagramSendError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NotPermitted { source }
            | Self::Unreachable { source }
            | Self::Failed { source } => Some(source),
            Self::Closed | Self::Full { .. } | Self::TooLong { .. } | Self::NoPeer => None,
        }
    }
}

/// What [`on_error`](crate::Datagram::on_error) is told. None of it closes the socket by itself.
#[derive(Debug)]
#[non_exhaustive]
pub enum DatagramError {
    /// The peer's host answered that nobody listens there. Only connected sockets hear of that.
    Refused {
        /// What the system call said.
        source: io::Error,
    },
    /// A datagram arrived that is longer than
    /// [`datagram_max`](crate::DatagramOptions::datagram_max); it was dropped.
    TooLong {
        /// Who sent it.
        from: SocketAddr,
        /// Its bytes.
        bytes: usize,
        /// The limit.
        limit_bytes: usize,
    },
    /// A datagram that waited in the queue, or was sent by a handle, was not sent.
    Unsent {
        /// Where it was to go; `None` for the peer of a connected socket.
        to: Option<SocketAddr>,
        /// Why.
        source: DatagramSendError,
    },
    /// Another error that the network or the kernel has told, such as a host that cannot be reached.
    Failed {
        /// What the system call said.
        source: io::Error,
    },
}

impl DatagramError {
    /// Sorts an error of a socket into the kinds.
    pub(crate) fn from_io(source: io::Error) -> Self {
        match source.kind() {
            // The second is what Windows says.
            io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset => {
                Self::Refused { source }
            }
            _ => Self::Failed { source },
        }
    }
}

impl fmt::Display for DatagramError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { .. } => f.write_str("nobody listens at the peer's address"),
            Self::TooLong { from, bytes, limit_bytes } => {
                write!(f, "a datagram of {from} has {bytes} bytes, with a limit of {limit_bytes}")
            }
            Self::Unsent { to: Some(to), .. } => write!(f, "a datagram to {to} was not sent"),
            Self::Unsent { to: None, .. } => f.write_str("a datagram was not sent"),
            Self::Failed { .. } => f.write_str("the network told an error"),
        }
    }
}

impl Error for DatagramError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Refused { source } | Self::Failed { source } => Some(source),
            Self::Unsent { source, .. } => Some(source),
            Self::TooLong { .. } => None,
        }
    }
}
