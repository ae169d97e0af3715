//! Listening sockets that were made elsewhere.

#[cfg(unix)]
use std::io;
use std::net::TcpListener;
#[cfg(unix)]
use std::os::fd::OwnedFd;
#[cfg(unix)]
use std::os::unix::net::UnixListener;

#[cfg(unix)]
use socket2::{Domain, Socket, Type};

#[cfg(unix)]
use crate::base::UnixAddress;
use crate::base::{Address, NOWHERE};

/// A listening socket that was made elsewhere, such as by a service manager.
///
/// It is made from a [`TcpListener`] or, on Unix, a `UnixListener` of the standard library, or from a
/// descriptor (`OwnedFd`) that is either. The file of an adopted Unix socket belongs to whoever made
/// it: it stays when the server is gone.
///
/// # Handing over to a successor
///
/// A new version of a server can take the place of the old one with no peer refused: both serve the
/// same socket for a moment, and its backlog is one queue. Standard input is a place where a
/// descriptor is inherited without `unsafe`, and also where systemd puts a socket with
/// `StandardInput=socket`:
///
/// ```no_run
/// # #[cfg(unix)] {
/// use std::net::TcpListener;
/// use std::os::fd::{AsFd, OwnedFd};
/// use std::process::{Command, Stdio};
///
/// use net_reactor::{ListeningSocket, Server};
///
/// // The old one keeps a duplicate of what it serves, and starts the new one with it.
/// let socket = TcpListener::bind("0.0.0.0:80")?;
/// let server = Server::on_data(|_, _| Ok(())).adopt(socket.try_clone()?)?;
/// let successor = Command::new("/usr/bin/server").stdin(Stdio::from(OwnedFd::from(socket))).spawn()?;
/// // When the new one says that it serves: `server.handle().stop()`, which lets its peers finish.
///
/// // The new one finds it there.
/// let inherited = std::io::stdin().as_fd().try_clone_to_owned()?;
/// Server::on_data(|_, _| Ok(())).adopt(ListeningSocket::try_from(inherited)?)?.run()?;
/// # let _ = (server, successor); }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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

/// Fails with [`io::ErrorKind::InvalidInput`] for what is no listening socket of a stream.
#[cfg(unix)]
impl TryFrom<OwnedFd> for ListeningSocket {
    type Error = io::Error;

    fn try_from(descriptor: OwnedFd) -> io::Result<Self> {
        let other = || io::Error::new(io::ErrorKind::InvalidInput, "not a listening socket");
        let socket = Socket::from(descriptor);
        // A file or pipe is no socket at all (`ENOTSOCK`).
        let of_call = |_| other();
        #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
        if !socket.is_listener().map_err(of_call)? {
            return Err(other());
        }
        if socket.r#type().map_err(of_call)? != Type::STREAM {
            return Err(other());
        }
        match socket.local_addr().map_err(of_call)?.domain() {
            Domain::IPV4 | Domain::IPV6 => Ok(TcpListener::from(socket).into()),
            Domain::UNIX => Ok(UnixListener::from(socket).into()),
            _ => Err(other()),
        }
    }
}

#[cfg(unix)]
impl From<UnixListener> for ListeningSocket {
    fn from(socket: UnixListener) -> Self {
        Self(Family::Unix(socket))
    }
}
