//! C2b: a connect by name is opened, refused, or finds no name - and the loop goes on meanwhile.

use std::cell::Cell;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::mpsc::{self, Sender};

use net_reactor::prelude::*;

use crate::background::PATIENCE;

/// Tells what happens, in order.
struct QuickDisconnect(Sender<String>);

impl Protocol for QuickDisconnect {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        self.0.send(format!(
            "Connected to {}.",
            conn.peer_address().ip().map(|peer| peer.ip()).expect("a peer of IP")
        ))?;
        conn.close();
        Ok(())
    }

    fn on_data(&mut self, _conn: &mut Conn<'_>, _input: &mut Input<'_>) -> Flow {
        panic!("nobody sends anything");
    }

    fn on_close(&mut self, conn: &mut Conn<'_>, reason: CloseReason) {
        let text = if reason.is_clean() { "Connection was closed cleanly" } else { "it broke" };
        self.0.send(format!("Lost connection: {text}.")).expect("the test listens");
        conn.reactor().stop();
    }

    fn on_connect_failed(&mut self, reactor: &mut Reactor<'_>, error: ConnectError) {
        self.0.send(format!("Connection failed: {error}.")).expect("the test listens");
        reactor.stop();
    }
}

/// Stops a loop that is stuck, so that the test fails instead of hanging.
fn guard(reactor: &mut Reactor<'_>) {
    reactor.call_later(PATIENCE, |reactor| reactor.stop_now());
}

#[test]
fn connecting_by_name_opens_and_closes_cleanly() {
    let (log, seen) = mpsc::channel();
    let silent = Server::on_data(|_conn, _input| Ok(()));
    let mut server = silent.listen("127.0.0.1:0").unwrap();
    let target = format!("localhost:{}", server.local_address().port().unwrap());
    let mut reactor = server.reactor();
    guard(&mut reactor);
    reactor.connect(target, QuickDisconnect(log)).unwrap();
    assert_eq!(server.run().unwrap().aborted, 0);
    let seen: Vec<_> = seen.iter().collect();
    assert_eq!(
        seen,
        ["Connected to 127.0.0.1.", "Lost connection: Connection was closed cleanly."]
    );
}

#[test]
fn a_closed_port_refuses() {
    let (log, seen) = mpsc::channel();
    let closed = TcpListener::bind("127.0.0.1:0").and_then(|held| held.local_addr()).unwrap();
    let mut event_loop = EventLoop::new().unwrap();
    let mut reactor = event_loop.reactor();
    guard(&mut reactor);
    reactor.connect(format!("localhost:{}", closed.port()), QuickDisconnect(log)).unwrap();
    event_loop.run().unwrap();
    assert_eq!(
        seen.iter().collect::<Vec<_>>(),
        [format!("Connection failed: {closed} refused the connection.")]
    );
    assert_eq!(event_loop.stats().connections, 0);
}

#[test]
fn an_unknown_name_fails_and_never_blocks_the_loop() {
    let (log, seen) = mpsc::channel();
    let mut event_loop = EventLoop::new().unwrap();
    let mut reactor = event_loop.reactor();
    guard(&mut reactor);
    let client = QuickDisconnect(log);
    reactor.defer(|reactor| {
        // A look-up on this thread would have its outcome when the call returns.
        reactor.connect("nobody.invalid:80", client).unwrap();
    });
    let turns = Rc::new(Cell::new(0_u64));
    let count = Rc::clone(&turns);
    reactor.defer(|reactor| count_turns_until_the_outcome(reactor, count));
    event_loop.run().unwrap();
    let outcome = "Connection failed: cannot resolve the name \"nobody.invalid\".";
    assert_eq!(seen.iter().collect::<Vec<_>>(), [outcome]);
    assert!(turns.get() > 0, "the loop goes on while the name is looked up");
    assert_eq!(event_loop.stats().connections, 0);
}

/// The outcome stops the loop.
fn count_turns_until_the_outcome(reactor: &mut Reactor<'_>, turns: Rc<Cell<u64>>) {
    if !reactor.is_stopping() {
        turns.set(turns.get() + 1);
        reactor.defer(|reactor| count_turns_until_the_outcome(reactor, turns));
    }
}
