//! Sockets of the standard library for the other side.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use socket2::{Domain, Socket, Type};

/// How long a test waits for an event before it gives up; only a failure reaches it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Connects a peer that gives up in the end.
pub(crate) fn peer(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Waits for the next report.
#[track_caller]
pub(crate) fn wait_for<T>(reports: &Receiver<T>, what: &str) -> T {
    reports.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("gave up waiting for {what}"))
}

/// Returns an address where nobody listens.
pub(crate) fn closed_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A listener whose backlog is full: connecting to it stays without an outcome.
#[derive(Debug)]
pub(crate) struct Deaf {
    pub(crate) address: SocketAddr,
    _socket: Socket,
    _waiting: Vec<Socket>,
}

impl Deaf {
    pub(crate) fn new() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        socket.listen(0).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        let fill = || {
            let peer = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            peer.set_nonblocking(true).unwrap();
            // Under way, which is all that is wanted.
            let _ = peer.connect(&address.into());
            peer
        };
        Self { address, _waiting: (0..4).map(|_| fill()).collect(), _socket: socket }
    }
}
