//! Several loops that serve one address begin and end together.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc;
use std::thread::JoinHandle;

use net_reactor::prelude::*;
use net_reactor::{Balance, RunningServer};

use crate::support::{peer, wait_for};

/// Stops its own loop when it gets a byte.
struct Stopper {
    stop: fn(&mut Reactor<'_>),
    opened: mpsc::Sender<()>,
}

impl Protocol for Stopper {
    fn on_open(&mut self, _: &mut Conn<'_>) -> Flow {
        self.opened.send(())?;
        Ok(())
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, _: &mut Input<'_>) -> Flow {
        (self.stop)(conn.reactor());
        Ok(())
    }
}

fn start(balance: Balance, stop: fn(&mut Reactor<'_>)) -> (RunningServer, mpsc::Receiver<()>) {
    let (open, opened) = mpsc::channel();
    let factory = move |_: &Peer| Stopper { stop, opened: open.clone() };
    let server = Server::new(factory).loops(3).balance(balance).spawn("127.0.0.1:0").unwrap();
    (server, opened)
}

/// Connects twelve peers and waits until all are served.
fn crowd(address: &Address, opened: &mpsc::Receiver<()>) -> Vec<TcpStream> {
    let peers = (0..12).map(|_| peer(address.ip().unwrap())).collect();
    (0..12).for_each(|_| wait_for(opened, "a connection"));
    peers
}

/// Closes each peer when its end comes, be it a graceful one or a reset.
fn await_ends(peers: Vec<TcpStream>) -> Vec<JoinHandle<()>> {
    let end = |mut peer: TcpStream| {
        // Both kinds will do.
        let _ = peer.read_to_end(&mut Vec::new());
    };
    peers.into_iter().map(|peer| std::thread::spawn(move || end(peer))).collect()
}

#[test]
fn when_one_loop_is_stopped_all_stop() {
    for balance in [Balance::ReusePort, Balance::LeastLoaded] {
        for index in 0..3 {
            let (server, opened) = start(balance, |_| {});
            let peers = crowd(&server.local_address(), &opened);
            let handle = server.handle();
            // The peers end when they are told to: their other side is closed by now.
            drop(peers);
            handle.loops()[index].stop();
            assert_eq!(server.join().unwrap().aborted, 0, "{balance:?} {index}");
            assert_eq!(handle.connections(), 0);
        }
    }
}

#[test]
fn when_a_handler_stops_its_loop_all_stop_whichever_loop_it_is_on() {
    for balance in [Balance::ReusePort, Balance::LeastLoaded] {
        for chosen in [0, 5, 11] {
            let (server, opened) = start(balance, |reactor| reactor.stop());
            let mut peers = crowd(&server.local_address(), &opened);
            peers[chosen].write_all(b"x").unwrap();
            let ends = await_ends(peers);
            server.join().unwrap();
            ends.into_iter().for_each(|end| end.join().unwrap());
        }
    }
}

#[test]
fn a_hard_stop_of_one_loop_ends_the_others_as_well() {
    let (server, opened) = start(Balance::LeastLoaded, |reactor| reactor.stop_now());
    let mut peers = crowd(&server.local_address(), &opened);
    peers[7].write_all(b"x").unwrap();
    let ends = await_ends(peers);
    let stopped = server.join().unwrap();
    assert!((1..=12).contains(&stopped.aborted), "{stopped:?}");
    ends.into_iter().for_each(|end| end.join().unwrap());
}

#[test]
fn a_server_that_is_stopped_before_it_runs_ends_at_once() {
    let server = Server::on_data(|_, _| Ok(())).loops(3).listen("127.0.0.1:0").unwrap();
    let (address, handle) = (server.local_address(), server.handle());
    handle.loops()[2].stop();
    server.run().unwrap();
    assert!(TcpStream::connect(address).is_err(), "nobody listens");
}

#[test]
fn all_loops_share_a_port_that_is_free_again_afterwards() {
    for balance in [Balance::ReusePort, Balance::LeastLoaded] {
        let (server, opened) = start(balance, |_| {});
        let address = server.local_address();
        let peers = crowd(&address, &opened);
        drop(peers);
        server.handle().stop();
        server.join().unwrap();
        let again = Server::on_data(|_, _| Ok(())).loops(2).listen(&address).unwrap();
        assert_eq!(again.local_address(), address);
    }
}
