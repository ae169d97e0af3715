//! The part of the seam that is about datagrams.

use std::io;
use std::net::SocketAddr;

use super::{DatagramOptions, Membership, MulticastGroup, Token};

/// `EMSGSIZE` has no [`io::ErrorKind`].
pub(crate) const MESSAGE_TOO_LONG: i32 = if cfg!(windows) {
    10_040
} else if cfg!(any(target_os = "linux", target_os = "android")) {
    90
} else {
    40
};

/// The kernel, as one loop uses it for datagrams.
///
/// On top of what [`Sys`](super::Sys) guarantees:
///
/// - reports are edges. A socket that was reported readable is so until a receive would block, and
///   one that would block for sending is reported writable when there is room;
/// - a datagram is sent and received whole, or not at all;
/// - what a router or host answered to an earlier datagram of a connected socket is told once: by
///   the next call, or by [`take_udp_error`](Self::take_udp_error) after a report of failure. A
///   send that tells it has sent nothing.
pub(crate) trait DatagramSys {
    type Udp: 'static;

    /// Binds and registers a socket, and connects it if there is a peer; returns it with its own
    /// address. IPv6 sockets carry IPv6 alone.
    fn open_udp(
        &mut self,
        token: Token,
        local: SocketAddr,
        peer: Option<SocketAddr>,
        options: &DatagramOptions,
    ) -> io::Result<(Self::Udp, SocketAddr)>;

    /// Receives one datagram, cut to the size of `into`; returns how much of it is there.
    fn receive_from(
        &mut self,
        socket: &Self::Udp,
        into: &mut [u8],
    ) -> io::Result<(usize, SocketAddr)>;

    /// Sends one datagram, to the peer if there is no address.
    fn send_to(
        &mut self,
        socket: &Self::Udp,
        to: Option<SocketAddr>,
        bytes: &[u8],
    ) -> io::Result<()>;

    /// Takes the pending error.
    fn take_udp_error(&mut self, socket: &Self::Udp) -> io::Result<Option<io::Error>>;

    fn set_membership(
        &mut self,
        socket: &Self::Udp,
        group: MulticastGroup,
        change: Membership,
    ) -> io::Result<()>;

    fn close_udp(&mut self, socket: Self::Udp);
}
