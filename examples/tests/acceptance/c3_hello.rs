//! C3: every peer of the hello acceptor reads "hello", then the end; and a restart works at once.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Barrier};
use std::thread;

use net_reactor::ListenError;
use net_reactor::prelude::*;

use crate::background::{Background, connect};

struct Hello;

impl Protocol for Hello {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        conn.write("hello")?;
        conn.close();
        Ok(())
    }

    fn on_data(&mut self, _conn: &mut Conn<'_>, _input: &mut Input<'_>) -> Flow {
        Ok(())
    }
}

fn acceptor(address: SocketAddr) -> Result<Background, Error> {
    Background::start(move || Server::new(|_peer| Hello).listen(address))
}

fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// Reads up to the end of the stream; a reset is an error.
fn visit(address: SocketAddr) -> io::Result<String> {
    io::read_to_string(connect(address)?)
}

#[test]
fn a_thousand_peers_in_sequence_are_all_greeted() {
    let server = acceptor(any_port()).unwrap();
    for number in 0..1000 {
        assert_eq!(visit(server.address).unwrap(), "hello", "peer {number}");
    }
    assert_eq!(server.stop().aborted, 0);
}

#[test]
fn a_hundred_peers_at_once_are_all_greeted() {
    let server = acceptor(any_port()).unwrap();
    let address = server.address;
    let start = Arc::new(Barrier::new(100));
    let peers: Vec<_> = (0..100)
        .map(|_| {
            let start = Arc::clone(&start);
            thread::spawn(move || {
                start.wait();
                visit(address)
            })
        })
        .collect();
    for peer in peers {
        assert_eq!(peer.join().unwrap().unwrap(), "hello");
    }
    assert_eq!(server.stop().aborted, 0);
}

#[test]
fn a_restart_on_the_same_port_works_at_once() {
    let mut address = any_port();
    for _ in 0..5 {
        let server = acceptor(address).unwrap();
        address = server.address;
        // The server finishes first, so its port is left in TIME_WAIT each time.
        assert_eq!(visit(address).unwrap(), "hello");
        server.stop();
    }
}

#[test]
fn a_port_that_is_served_cannot_be_taken() {
    let server = acceptor(any_port()).unwrap();
    let second = acceptor(server.address).map(|_| ()).unwrap_err();
    assert!(matches!(second, Error::Listen(ListenError::InUse { .. })), "{second}");
    assert_eq!(visit(server.address).unwrap(), "hello");
    server.stop();
}
