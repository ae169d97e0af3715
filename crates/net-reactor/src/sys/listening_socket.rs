//! Listening sockets that were made elsewhere.

use std::net::TcpListener;
#[cfg(unix)]
use std::os::unix::net::UnixListener;

#[cfg(unix)]
use crate::base::UnixAddress;
use crate::base::{Address, NOWHERE};

/// A listening socket that was made elsewhere, such as by a service manager.
///
/// It is made from a [`TcpListener`] or, on Unix, a `UnixListener` of the standard library. The file
/// of an adopted Unix socket belongs to whoever made it: it stays when the server is gone.
#[derive(Debug)]
pub struct ListeningSocket(pub(crate) Family);

/// A listening socket by its family.
#[derive(Debug)]
pub(crate) enum Family {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixListener),
}

impl ListeningSocket {
    /// Returns where it listens, as far as it says.
    pub(crate) fn address(&self) -> Address {
        match &self.0 {
            Family::Tcp(socket) => socket.local_addr().unwrap_or(NOWHERE).into(),
            #[cfg(unix)]
            Family::Unix(_) => UnixAddress::UNNAMED.into(),
        }
    }
}

impl From<TcpListener> for ListeningSocket {
    fn from(socket: TcpListener) -> Self {
        Self(Family::Tcp(socket))
    }
}

#[cfg(unix)]
impl From<UnixListener> for ListeningSocket {
    fn from(socket: UnixListener) -> Self {
        Self(Family::Unix(socket))
    }
}
