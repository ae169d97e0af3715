//! Streams of either family, behind the same calls.

use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr};

use mio::event;
use mio::net::TcpStream;
#[cfg(unix)]
use mio::net::UnixStream;

use super::sockets;
#[cfg(unix)]
use super::unix;
use crate::base::Address;
use crate::sys::{Credentials, SocketOption};

/// A connected or connecting socket.
#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

impl Stream {
    pub(super) fn connect(peer: &Address, bind: Option<SocketAddr>) -> io::Result<Self> {
        match peer {
            Address::Ip(peer) => Ok(Self::Tcp(sockets::connect(*peer, bind)?)),
            #[cfg(unix)]
            Address::Unix(peer) => Ok(Self::Unix(unix::connect(peer)?)),
            #[cfg(not(unix))]
            Address::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    pub(super) fn receive(&mut self, into: &mut [u8]) -> io::Result<usize> {
        either!(self, stream => stream.read(into))
    }

    pub(super) fn send(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match slices {
            [only] => either!(self, stream => stream.write(only)),
            several => either!(self, stream => stream.write_vectored(several)),
        }
    }

    pub(super) fn take_error(&self) -> io::Result<Option<io::Error>> {
        either!(self, stream => stream.take_error())
    }

    pub(super) fn shutdown_write(&self) -> io::Result<()> {
        either!(self, stream => stream.shutdown(Shutdown::Write))
    }

    pub(super) fn peer_address(&self) -> io::Result<Address> {
        match self {
            Self::Tcp(stream) => stream.peer_addr().map(Address::Ip),
            #[cfg(unix)]
            Self::Unix(stream) => stream.peer_addr().map(|name| unix::address(&name)),
        }
    }

    pub(super) fn local_address(&self) -> io::Result<Address> {
        match self {
            Self::Tcp(stream) => stream.local_addr().map(Address::Ip),
            #[cfg(unix)]
            Self::Unix(stream) => stream.local_addr().map(|name| unix::address(&name)),
        }
    }

    /// Changes the socket. A Unix socket takes the options of TCP, to which it has nothing to do.
    pub(super) fn set_option(&self, option: SocketOption) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => sockets::set_option(stream, option),
            #[cfg(unix)]
            Self::Unix(stream) => unix::set_option(stream, option),
        }
    }

    /// Makes the close a reset. A Unix socket knows none: its peer reads what was sent, then the
    /// end, or a reset if it sent something that was not read here.
    pub(super) fn reset_on_close(&self) {
        match self {
            Self::Tcp(stream) => sockets::reset_on_close(stream),
            #[cfg(unix)]
            Self::Unix(_) => {}
        }
    }

    pub(super) fn peer_credentials(&self) -> io::Result<Credentials> {
        match self {
            Self::Tcp(_) => Err(io::ErrorKind::Unsupported.into()),
            #[cfg(unix)]
            Self::Unix(stream) => unix::peer_credentials(stream),
        }
    }

    /// Returns what is registered.
    pub(super) fn source(&mut self) -> &mut dyn event::Source {
        either!(self, stream => stream)
    }
}
