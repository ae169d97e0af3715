//! One handler for many connections.

use std::cell::{Cell, RefCell};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::rc::Rc;

use net_reactor::prelude::*;
use net_reactor::{ConnConfig, ListenOptions, Shared};

use crate::support::{PATIENCE, closed_port, peer};

/// Answers with the number of calls so far, and panics when it is told to.
#[derive(Default)]
struct Counter {
    calls: usize,
    open: Vec<ConnId>,
    ends: Vec<String>,
}

impl Protocol for Counter {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        self.open.push(conn.id());
        Ok(())
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        self.calls += 1;
        assert!(input.take_all() != b"!", "told to panic");
        conn.write([u8::try_from(self.calls)?])?;
        Ok(())
    }

    fn on_close(&mut self, conn: &mut Conn<'_>, reason: CloseReason) {
        self.open.retain(|id| *id != conn.id());
        self.ends.push(reason.to_string());
    }

    fn on_connect_failed(&mut self, _: &mut Reactor<'_>, error: ConnectError) {
        assert!(matches!(error, ConnectError::Refused { .. }));
        self.ends.push("refused".to_owned());
    }
}

fn turn_until(event_loop: &mut EventLoop, what: &str, done: impl Fn() -> bool) {
    let given_up = Rc::new(Cell::new(false));
    let alarm = Rc::clone(&given_up);
    let timer = event_loop.reactor().call_later(PATIENCE, move |_| alarm.set(true));
    while !done() {
        assert!(!given_up.get(), "gave up waiting for {what}");
        event_loop.turn(None).unwrap();
    }
    event_loop.reactor().cancel(timer);
}

fn serve(event_loop: &mut EventLoop, handler: &Shared<Counter>) -> SocketAddr {
    let handler = handler.clone();
    let (options, config) = (ListenOptions::default(), ConnConfig::default());
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut reactor = event_loop.reactor();
    let listener = reactor.listen(address, &options, config, move |_| handler.clone()).unwrap();
    reactor.listener_address(listener).unwrap().ip().unwrap()
}

fn ask(event_loop: &mut EventLoop, handler: &Shared<Counter>, peer: &mut TcpStream, text: &[u8]) {
    let before = handler.with(|counter| counter.calls).unwrap();
    peer.write_all(text).unwrap();
    let calls = || handler.with(|counter| counter.calls).unwrap();
    turn_until(event_loop, "a call", || calls() > before);
}

#[test]
fn a_panic_in_a_callback_costs_one_connection_and_leaves_the_shared_handler_usable() {
    let mut event_loop = EventLoop::new().unwrap();
    let handler = Shared::new(Counter::default());
    let address = serve(&mut event_loop, &handler);
    let (mut first, mut second) = (peer(address), peer(address));
    ask(&mut event_loop, &handler, &mut first, b"a");
    ask(&mut event_loop, &handler, &mut second, b"!");
    let ends = || handler.with(|counter| counter.ends.len()).unwrap();
    turn_until(&mut event_loop, "the end of the second", || ends() == 1);
    ask(&mut event_loop, &handler, &mut first, b"b");
    let mut answers = [0; 2];
    first.read_exact(&mut answers).unwrap();
    assert_eq!(answers, [1, 3], "its state is what it was");
    handler.with(|counter| {
        assert_eq!(counter.open.len(), 1);
        assert!(counter.ends[0].starts_with("the handler panicked"), "{:?}", counter.ends);
    });
    assert!(second.read(&mut answers).is_err(), "reset");
    first.shutdown(Shutdown::Write).unwrap();
    turn_until(&mut event_loop, "the end of the first", || ends() == 2);
    assert_eq!(event_loop.stats().connections, 0);
}

#[test]
fn a_shared_handler_is_told_of_failed_attempts_and_of_its_own_connections_alike() {
    let mut event_loop = EventLoop::new().unwrap();
    let handler = Shared::new(Counter::default());
    let address = serve(&mut event_loop, &handler);
    for target in [address, closed_port(), address] {
        event_loop.reactor().connect(target, handler.clone()).unwrap();
    }
    let counts = || handler.with(|counter| (counter.open.len(), counter.ends.len())).unwrap();
    turn_until(&mut event_loop, "four opened, one refused", || counts() == (4, 1));
    event_loop.reactor().stop_now();
    let stopped = event_loop.run().unwrap();
    assert_eq!((stopped.aborted, counts()), (4, (0, 5)));
}

/// Looks at itself from within.
struct Mirror {
    own: Rc<RefCell<Option<Shared<Self>>>>,
    looks: usize,
}

impl Protocol for Mirror {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        let own = self.own.borrow().clone();
        assert!(own.and_then(|own| own.with(|mirror| mirror.looks)).is_none());
        self.looks += 1;
        conn.reactor().stop();
        Ok(())
    }

    fn on_data(&mut self, _: &mut Conn<'_>, _: &mut Input<'_>) -> Flow {
        Ok(())
    }
}

#[test]
fn a_shared_handler_that_looks_for_itself_finds_nothing_and_is_still_there_afterwards() {
    let mut event_loop = EventLoop::new().unwrap();
    let own: Rc<RefCell<Option<Shared<Mirror>>>> = Rc::default();
    let handler = Shared::new(Mirror { own: Rc::clone(&own), looks: 0 });
    *own.borrow_mut() = Some(handler.clone());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    event_loop.reactor().connect(address, handler.clone()).unwrap();
    drop(listener.accept().unwrap());
    event_loop.run().unwrap();
    assert_eq!(handler.with(|mirror| mirror.looks), Some(1));
    own.borrow_mut().take();
}

#[test]
fn a_panic_while_the_handler_is_looked_at_from_outside_leaves_it_in_its_place() {
    let handler = Shared::new(Counter::default());
    let look = std::panic::AssertUnwindSafe(|| {
        handler.with(|counter| {
            counter.calls = 7;
            panic!("while looking");
        })
    });
    assert!(std::panic::catch_unwind(look).is_err());
    assert_eq!(handler.with(|counter| counter.calls), Some(7));
}
