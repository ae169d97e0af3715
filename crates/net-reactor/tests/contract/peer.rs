//! The other side: plain blocking sockets.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::thread::JoinHandle;
use std::time::Duration;

use net_reactor::Address;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::family::{self, Family, family};
use crate::support::PATIENCE;

/// Returns the address as the system calls take it.
fn raw(address: &Address) -> SockAddr {
    match address {
        Address::Ip(address) => (*address).into(),
        Address::Unix(address) => {
            let name = address.as_abstract_name().unwrap();
            let name = str::from_utf8(name).unwrap();
            SockAddr::unix(format!("\0{name}")).unwrap()
        }
        other => panic!("an address of which family: {other}"),
    }
}

fn socket() -> Socket {
    let domain = match family() {
        Family::V4 => Domain::IPV4,
        Family::V6 => Domain::IPV6,
        Family::Unix => Domain::UNIX,
    };
    Socket::new(domain, Type::STREAM, None).unwrap()
}

/// Somebody who waits to be connected to.
pub(crate) struct Host {
    socket: Socket,
    pub(crate) address: Address,
}

impl Host {
    pub(crate) fn new() -> Self {
        let (socket, anywhere) = (socket(), family::anywhere());
        socket.bind(&raw(&anywhere)).unwrap();
        socket.listen(128).unwrap();
        let bound = socket.local_addr().unwrap().as_socket();
        Self { socket, address: bound.map_or(anywhere, Address::Ip) }
    }

    pub(crate) fn accept(&self) -> Peer {
        Peer::over(self.socket.accept().unwrap().0)
    }
}

/// A blocking peer, patient but not for ever.
pub(crate) struct Peer {
    pub(crate) stream: Socket,
}

impl Peer {
    pub(crate) fn connect(address: &Address) -> Self {
        let socket = socket();
        socket.connect(&raw(address)).unwrap();
        Self::over(socket)
    }

    /// Connects with a small receive window, so that a peer that does not read is felt soon.
    pub(crate) fn connect_small(address: &Address) -> Self {
        let socket = socket();
        socket.set_recv_buffer_size(16 * 1024).unwrap();
        socket.connect(&raw(address)).unwrap();
        Self::over(socket)
    }

    fn over(stream: Socket) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        if family() != Family::Unix {
            stream.set_tcp_nodelay(true).unwrap();
        }
        Self { stream }
    }

    /// Returns its address, if it is one of IP.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.stream.local_addr().unwrap().as_socket()
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// Reads exactly `count` bytes.
    pub(crate) fn receive(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.stream.read_exact(&mut bytes).unwrap();
        bytes
    }

    /// Reads to the end; fails on a reset.
    pub(crate) fn read_to_end(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.stream.read_to_end(&mut bytes).unwrap();
        bytes
    }

    /// Reads until the end or a failure; returns both what came before and which it was.
    pub(crate) fn read_until_over(&mut self) -> (Vec<u8>, Option<io::ErrorKind>) {
        let mut bytes = Vec::new();
        let over = self.stream.read_to_end(&mut bytes);
        (bytes, over.err().map(|error| error.kind()))
    }

    /// Reads until the reset that must come; returns what came before. Over a Unix socket an abort
    /// shows as an end, unless it left something unread.
    pub(crate) fn read_until_reset(&mut self) -> Vec<u8> {
        let (bytes, over) = self.read_until_over();
        if family() == Family::Unix && over.is_none() {
            return bytes;
        }
        assert_eq!(over, Some(io::ErrorKind::ConnectionReset), "after {} bytes", bytes.len());
        bytes
    }

    /// Sends FIN.
    pub(crate) fn finish(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// Closes with RST; a Unix socket knows none, and just closes.
    pub(crate) fn reset(self) {
        self.stream.set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// Sends as much as the kernel takes without waiting; returns how much.
    pub(crate) fn send_what_fits(&mut self, bytes: &[u8]) -> usize {
        self.stream.set_nonblocking(true).unwrap();
        let mut sent = 0;
        while sent < bytes.len() {
            match self.stream.write(&bytes[sent..]) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error}"),
            }
        }
        self.stream.set_nonblocking(false).unwrap();
        sent
    }

    /// Sends as much as fits, unless the other side is gone.
    pub(crate) fn try_send(&mut self, bytes: &[u8]) {
        self.stream.set_nonblocking(true).unwrap();
        // Full or gone: both are fine.
        let _ = self.stream.write(bytes);
        self.stream.set_nonblocking(false).unwrap();
    }

    /// Receives what is there, if anything.
    pub(crate) fn try_receive(&mut self) {
        self.stream.set_nonblocking(true).unwrap();
        let _ = self.stream.read(&mut [0; 16 * 1024]);
        self.stream.set_nonblocking(false).unwrap();
    }

    /// Sends on a thread of its own, then FIN if `finish`.
    pub(crate) fn send_aside(&self, bytes: Vec<u8>, finish: bool) -> JoinHandle<io::Result<()>> {
        let mut stream = self.stream.try_clone().unwrap();
        std::thread::spawn(move || {
            stream.write_all(&bytes)?;
            if finish {
                stream.shutdown(Shutdown::Write)?;
            }
            Ok(())
        })
    }
}
