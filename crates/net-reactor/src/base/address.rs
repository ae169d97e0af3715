//! Socket addresses in half the space.

use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};

/// A [`SocketAddr`] in 16 bytes instead of 32; the rarer IPv6 address lies behind a pointer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CompactAddress {
    V4(SocketAddrV4),
    V6(Box<SocketAddrV6>),
}

impl From<SocketAddr> for CompactAddress {
    fn from(address: SocketAddr) -> Self {
        match address {
            SocketAddr::V4(address) => Self::V4(address),
            SocketAddr::V6(address) => Self::V6(Box::new(address)),
        }
    }
}

impl CompactAddress {
    pub(crate) fn get(&self) -> SocketAddr {
        match self {
            Self::V4(address) => SocketAddr::V4(*address),
            Self::V6(address) => SocketAddr::V6(**address),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_comes_back_as_it_was_from_half_the_space() {
        for text in ["192.0.2.1:80", "[2001:db8::1]:443", "[fe80::1%3]:7"] {
            let address: SocketAddr = text.parse().unwrap();
            assert_eq!(CompactAddress::from(address).get(), address);
        }
        assert_eq!(size_of::<CompactAddress>() * 2, size_of::<SocketAddr>());
    }
}
