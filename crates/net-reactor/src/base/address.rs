//! Addresses of sockets.

use std::fmt;
use std::io;
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6, ToSocketAddrs};

use super::UnixAddress;

/// Where a socket is: an address and a port, or the name of a Unix socket.
///
/// ```
/// use net_reactor::{Address, UnixAddress};
///
/// let tcp = Address::from(std::net::SocketAddr::from(([127, 0, 0, 1], 80)));
/// assert_eq!(tcp.to_string(), "127.0.0.1:80");
/// let unix = Address::from(UnixAddress::path("/run/hub.sock")?);
/// assert_eq!(unix.to_string(), "unix:/run/hub.sock");
/// assert_eq!((tcp.port(), unix.port()), (Some(80), None));
/// # Ok::<(), net_reactor::UnixNameError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Address {
    /// An address of IP and a port.
    Ip(SocketAddr),
    /// A Unix socket on this host.
    Unix(UnixAddress),
}

impl Address {
    /// Returns the address of IP; `None` for a Unix socket.
    #[must_use]
    pub fn ip(&self) -> Option<SocketAddr> {
        match self {
            Self::Ip(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }

    /// Returns the name of the Unix socket; `None` for an address of IP.
    #[must_use]
    pub fn unix(&self) -> Option<&UnixAddress> {
        match self {
            Self::Ip(_) => None,
            Self::Unix(address) => Some(address),
        }
    }

    /// Returns the port of an address of IP; `None` for a Unix socket.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.ip().map(|address| address.port())
    }

    /// Whether the kernel is to choose the port.
    pub(crate) fn is_port_open(&self) -> bool {
        matches!(self, Self::Ip(address) if address.port() == 0)
    }
}

/// The address that stands where there is none: `0.0.0.0:0`.
pub(crate) const NOWHERE: SocketAddr =
    SocketAddr::V4(SocketAddrV4::new(std::net::Ipv4Addr::UNSPECIFIED, 0));

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Ip(address)
    }
}

impl From<([u8; 4], u16)> for Address {
    fn from(address: ([u8; 4], u16)) -> Self {
        Self::Ip(address.into())
    }
}

impl From<UnixAddress> for Address {
    fn from(address: UnixAddress) -> Self {
        Self::Unix(address)
    }
}

/// So that [`TcpStream::connect`](std::net::TcpStream::connect) takes it; it fails for a Unix socket.
impl ToSocketAddrs for Address {
    type Iter = std::option::IntoIter<SocketAddr>;

    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        let no_ip =
            || io::Error::new(io::ErrorKind::InvalidInput, "a Unix socket is no address of IP");
        self.ip().map(|address| Some(address).into_iter()).ok_or_else(no_ip)
    }
}

impl PartialEq<SocketAddr> for Address {
    fn eq(&self, other: &SocketAddr) -> bool {
        self.ip() == Some(*other)
    }
}

/// Writes it as [`Target`](crate::Target) reads it.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Unix(address) => address.fmt(f),
        }
    }
}

/// An [`Address`] in 16 bytes instead of 32; the rarer IPv6 address lies behind a pointer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CompactAddress {
    V4(SocketAddrV4),
    V6(Box<SocketAddrV6>),
    Unix(UnixAddress),
}

impl From<Address> for CompactAddress {
    fn from(address: Address) -> Self {
        match address {
            Address::Ip(SocketAddr::V4(address)) => Self::V4(address),
            Address::Ip(SocketAddr::V6(address)) => Self::V6(Box::new(address)),
            Address::Unix(address) => Self::Unix(address),
        }
    }
}

impl CompactAddress {
    pub(crate) fn get(&self) -> Address {
        match self {
            Self::V4(address) => Address::Ip(SocketAddr::V4(*address)),
            Self::V6(address) => Address::Ip(SocketAddr::V6(**address)),
            Self::Unix(address) => Address::Unix(address.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_library_connects_to_an_address_of_ip_and_to_no_other() {
        let own = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let ip = Address::from(own.local_addr().unwrap());
        assert!(std::net::TcpStream::connect(&ip).is_ok());
        let unix = Address::Unix(UnixAddress::path("/run/x").unwrap());
        assert_eq!(unix.to_socket_addrs().unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!((ip.port(), unix.port()), (Some(own.local_addr().unwrap().port()), None));
    }

    #[test]
    fn an_address_comes_back_as_it_was_from_half_the_space() {
        for text in ["192.0.2.1:80", "[2001:db8::1]:443", "[fe80::1%3]:7"] {
            let address = Address::Ip(text.parse().unwrap());
            assert_eq!(CompactAddress::from(address.clone()).get(), address);
        }
        let unix = Address::Unix(UnixAddress::path("/run/x").unwrap());
        assert_eq!(CompactAddress::from(unix.clone()).get(), unix);
        assert!(size_of::<CompactAddress>() * 2 <= size_of::<Address>());
    }
}
