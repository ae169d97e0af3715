//! Listening sockets that a service manager has opened for this process.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};

use super::ListeningSocket;

/// Whether the descriptors have been given out: a second owner of one would close it under the
/// first.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// A descriptor that a service manager has passed to this process, with the name that its unit file
/// gives it.
#[derive(Debug)]
pub struct PassedSocket {
    name: Option<String>,
    descriptor: OwnedFd,
}

/// Takes the descriptors that the service manager has passed to this process, in their order.
///
/// There are none when the process was not started by socket activation, and from the second call
/// on. They are not inherited by children.
///
/// ```no_run
/// use net_reactor::{Error, Server, passed_sockets};
///
/// for passed in passed_sockets()? {
///     println!("serving on {:?}", passed.name());
///     let socket = passed.into_listening_socket()?;
///     Server::on_data(|conn, input| Ok(conn.write(input.take_all())?)).adopt(socket)?.run()?;
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// What the environment says is believed, since the service manager wrote it: `LISTEN_FDS` in the
/// hands of anybody else can name descriptors that are somebody's already. Call it first in `main`,
/// and let no other library take the same descriptors.
///
/// # Errors
///
/// [`io::ErrorKind::InvalidInput`] when the variables are malformed, and what the system says of a
/// descriptor that is none.
///
/// # Platform
///
/// Linux with systemd or what speaks its protocol; elsewhere there are none. Source:
/// sd_listen_fds(3).
pub fn passed_sockets() -> io::Result<Vec<PassedSocket>> {
    if TAKEN.swap(true, Ordering::SeqCst) {
        return Ok(Vec::new());
    }
    let malformed = |error| io::Error::new(io::ErrorKind::InvalidInput, error);
    let passed = sd_listen_fds::get().map_err(malformed)?;
    passed
        .into_iter()
        .map(|(name, descriptor)| {
            let socket = socket2::Socket::from(descriptor.into_std());
            socket.set_cloexec(true)?;
            let name = name.filter(|name| !name.is_empty());
            Ok(PassedSocket { name, descriptor: socket.into() })
        })
        .collect()
}

impl PassedSocket {
    /// Returns the socket's name (`FileDescriptorName=`), if it has one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Makes it a socket that [`Server::adopt`](crate::Server::adopt) takes.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidInput`] when it is no listening socket of streams.
    pub fn into_listening_socket(self) -> io::Result<ListeningSocket> {
        self.descriptor.try_into()
    }

    /// Returns the descriptor, such as of a datagram socket or a named pipe.
    #[must_use]
    pub fn into_descriptor(self) -> OwnedFd {
        self.descriptor
    }
}
