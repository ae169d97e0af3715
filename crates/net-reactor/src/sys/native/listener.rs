//! Listening sockets of either family, behind the same calls.

use std::io;

use mio::event;
use mio::net::TcpListener;
#[cfg(unix)]
use mio::net::UnixListener;

use super::sockets;
use super::stream::Stream;
#[cfg(unix)]
use super::unix::{self, SocketFile};
use crate::base::Address;
use crate::sys::listening_socket::Family;
use crate::sys::{ListenOptions, ListeningSocket};

/// A listening socket.
#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener),
    #[cfg(unix)]
    /// With the file that goes when the socket does, if it was made here.
    Unix(
        UnixListener,
        #[expect(dead_code, reason = "it is there to be dropped")] Option<SocketFile>,
    ),
}

impl Listener {
    pub(super) fn open(address: &Address, options: &ListenOptions) -> io::Result<Self> {
        match address {
            Address::Ip(address) => Ok(Self::Tcp(sockets::listen(*address, options)?)),
            #[cfg(unix)]
            Address::Unix(address) => {
                let (listener, file) = unix::listen(address, options)?;
                Ok(Self::Unix(listener, file))
            }
            #[cfg(not(unix))]
            Address::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    pub(super) fn adopt(socket: ListeningSocket) -> io::Result<Self> {
        match socket.0 {
            Family::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                Ok(Self::Tcp(TcpListener::from_std(listener)))
            }
            #[cfg(unix)]
            Family::Unix(listener) => {
                listener.set_nonblocking(true)?;
                Ok(Self::Unix(UnixListener::from_std(listener), None))
            }
        }
    }

    pub(super) fn accept(&self) -> io::Result<(Stream, Address)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept()?;
                Ok((Stream::Tcp(stream), Address::Ip(peer)))
            }
            #[cfg(unix)]
            Self::Unix(listener, ..) => {
                let (stream, peer) = listener.accept()?;
                Ok((Stream::Unix(stream), unix::address(&peer)))
            }
        }
    }

    pub(super) fn local_address(&self) -> io::Result<Address> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(Address::Ip),
            #[cfg(unix)]
            Self::Unix(listener, ..) => listener.local_addr().map(|name| unix::address(&name)),
        }
    }

    /// Returns what is registered.
    pub(super) fn source(&mut self) -> &mut dyn event::Source {
        either!(self, listener => listener)
    }
}
