//! The other side: plain blocking sockets.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};

use crate::support::PATIENCE;

/// A blocking peer, patient but not for ever.
pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
}

impl Peer {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).unwrap())
    }

    /// Connects with a small receive window, so that a peer that does not read is felt soon.
    pub(crate) fn connect_small(address: SocketAddr) -> Self {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(16 * 1024).unwrap();
        socket.connect(&address.into()).unwrap();
        Self::over(socket.into())
    }

    pub(crate) fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.stream.local_addr().unwrap()
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

    /// Reads until the reset that must come; returns what came before.
    pub(crate) fn read_until_reset(&mut self) -> Vec<u8> {
        let (bytes, over) = self.read_until_over();
        assert_eq!(over, Some(io::ErrorKind::ConnectionReset), "after {} bytes", bytes.len());
        bytes
    }

    /// Sends FIN.
    pub(crate) fn finish(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// Closes with RST.
    pub(crate) fn reset(self) {
        SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
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
