//! Sockets of datagrams.

use std::io;
use std::net::SocketAddr;

use mio::net::UdpSocket;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::{Native, interests, kernel_word, retry};
use crate::sys::{DatagramOptions, DatagramSys, Group, Membership, MulticastGroup, Token};

impl DatagramSys for Native {
    type Udp = UdpSocket;

    fn open_udp(
        &mut self,
        token: Token,
        local: SocketAddr,
        peer: Option<SocketAddr>,
        options: &DatagramOptions,
    ) -> io::Result<(UdpSocket, SocketAddr)> {
        let mut socket = open(local, peer, options)?;
        let bound = socket.local_addr()?;
        self.poll.registry().register(&mut socket, kernel_word(token), interests())?;
        Ok((socket, bound))
    }

    fn receive_from(
        &mut self,
        socket: &UdpSocket,
        into: &mut [u8],
    ) -> io::Result<(usize, SocketAddr)> {
        retry(|| socket.recv_from(into))
    }

    fn send_to(
        &mut self,
        socket: &UdpSocket,
        to: Option<SocketAddr>,
        bytes: &[u8],
    ) -> io::Result<()> {
        // The kernel takes a datagram whole or not at all, so the count says nothing.
        match to {
            Some(to) => retry(|| socket.send_to(bytes, to)).map(drop),
            None => retry(|| socket.send(bytes)).map(drop),
        }
    }

    fn take_udp_error(&mut self, socket: &UdpSocket) -> io::Result<Option<io::Error>> {
        socket.take_error()
    }

    fn set_membership(
        &mut self,
        socket: &UdpSocket,
        group: MulticastGroup,
        change: Membership,
    ) -> io::Result<()> {
        set_membership(&SockRef::from(socket), group, change)
    }

    fn close_udp(&mut self, mut socket: UdpSocket) {
        // As for streams: a failure means that it is gone, which is what was asked for.
        let _ = self.poll.registry().deregister(&mut socket);
    }
}

fn open(
    local: SocketAddr,
    peer: Option<SocketAddr>,
    options: &DatagramOptions,
) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(local), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    if local.is_ipv6() {
        // The default differs between systems.
        socket.set_only_v6(true)?;
    }
    // On Windows it would let another process steal the port.
    #[cfg(unix)]
    socket.set_reuse_address(options.reuse_address)?;
    #[cfg(unix)]
    socket.set_reuse_port(options.reuse_port)?;
    socket.set_broadcast(options.broadcast)?;
    if let Some(bytes) = options.receive_buffer_bytes {
        socket.set_recv_buffer_size(bytes)?;
    }
    if let Some(bytes) = options.send_buffer_bytes {
        socket.set_send_buffer_size(bytes)?;
    }
    set_hops(&socket, local.is_ipv6(), options)?;
    socket.bind(&local.into())?;
    for group in &options.groups {
        set_membership(&socket, *group, Membership::Join)?;
    }
    if let Some(peer) = peer {
        socket.connect(&peer.into())?;
    }
    Ok(UdpSocket::from_std(socket.into()))
}

fn set_hops(socket: &Socket, is_v6: bool, options: &DatagramOptions) -> io::Result<()> {
    if is_v6 {
        // Without it a socket hears the groups that others on this host have joined.
        #[cfg(target_os = "linux")]
        socket.set_multicast_all_v6(false)?;
        socket.set_multicast_loop_v6(options.multicast_loop)?;
        socket.set_multicast_hops_v6(options.multicast_ttl)?;
        options.multicast_v6.map_or(Ok(()), |index| socket.set_multicast_if_v6(index))?;
        options.ttl.map_or(Ok(()), |hops| socket.set_unicast_hops_v6(hops))
    } else {
        #[cfg(target_os = "linux")]
        socket.set_multicast_all_v4(false)?;
        socket.set_multicast_loop_v4(options.multicast_loop)?;
        socket.set_multicast_ttl_v4(options.multicast_ttl)?;
        options.multicast_v4.map_or(Ok(()), |own| socket.set_multicast_if_v4(&own))?;
        options.ttl.map_or(Ok(()), |hops| socket.set_ttl_v4(hops))
    }
}

fn set_membership(socket: &Socket, group: MulticastGroup, change: Membership) -> io::Result<()> {
    match (group.0, change) {
        (Group::V4 { address, interface }, Membership::Join) => {
            socket.join_multicast_v4(&address, &interface)
        }
        (Group::V4 { address, interface }, Membership::Leave) => {
            socket.leave_multicast_v4(&address, &interface)
        }
        (Group::V6 { address, interface }, Membership::Join) => {
            socket.join_multicast_v6(&address, interface)
        }
        (Group::V6 { address, interface }, Membership::Leave) => {
            socket.leave_multicast_v6(&address, interface)
        }
    }
}
