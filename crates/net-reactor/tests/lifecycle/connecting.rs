//! Connecting, when it goes well: order, addresses, and where it may be started from.

use std::cell::{Cell, RefCell};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::rc::Rc;
use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::{ConnConfig, ConnectOptions, ListenOptions};

use crate::support::{
    Log, PATIENCE, Script, Told, closed_port, listen, loopback, std_listener, turn_on, turn_until,
    witness,
};

#[test]
fn an_opened_connection_is_told_once_and_not_from_within_the_call() {
    let (listener, address) = std_listener();
    let mut event_loop = EventLoop::new().unwrap();
    let (script, told) = witness();
    event_loop.reactor().connect(address, script).unwrap();
    assert!(told.borrow().is_empty(), "told from within the call");
    turn_until(&mut event_loop, "the outcome", || !told.borrow().is_empty());
    let (_peer, from) = listener.accept().unwrap();
    assert!(from.ip().is_loopback());
    turn_on(&mut event_loop);
    assert!(matches!(told.borrow()[..], [Told::Opened]), "{told:?}");
    assert_eq!(event_loop.stats().connected, 1);
}

#[test]
fn what_is_written_before_the_connection_is_open_is_sent_in_order() {
    let (listener, address) = std_listener();
    let mut event_loop = EventLoop::new().unwrap();
    let script = Script::new().on_open(|conn| {
        conn.write("third")?;
        conn.close();
        Ok(())
    });
    let id = event_loop.reactor().connect(address, script).unwrap();
    event_loop.reactor().write(id, "first ").unwrap();
    event_loop.reactor().conn_handle(id).send("second ").unwrap();
    let (mut peer, _) = listener.accept().unwrap();
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        peer.read_to_string(&mut text).map(|_| text)
    });
    turn_until(&mut event_loop, "the peer has read to the end", || reader.is_finished());
    // The post is taken in the task phase of the turn in which the connection opens, or before.
    let text = reader.join().unwrap().unwrap();
    assert!(text == "first third" || text == "first second third", "{text:?}");
}

#[test]
fn a_message_sent_before_the_connection_is_open_comes_after_on_open() {
    let (_listener, address) = std_listener();
    let mut event_loop = EventLoop::new().unwrap();
    let log = Log::default();
    let (open, message) = (log.clone(), log.clone());
    let script = Script::new()
        .on_open(move |_| {
            open.note("open");
            Ok(())
        })
        .on_message(move |_, text| {
            message.note(text.downcast::<&str>().unwrap());
            Ok(())
        });
    let id = event_loop.reactor().connect(address, script).unwrap();
    event_loop.reactor().message(id, "from the loop").unwrap();
    event_loop.reactor().conn_handle(id).message("from a handle").unwrap();
    turn_until(&mut event_loop, "both messages", || log.len() == 3);
    assert_eq!(log.lines(), ["open", "from the loop", "from a handle"]);
}

#[test]
fn a_close_before_the_connection_is_open_sends_nothing() {
    let (listener, address) = std_listener();
    let mut event_loop = EventLoop::new().unwrap();
    let (script, told) = witness();
    let id = event_loop.reactor().connect(address, script).unwrap();
    event_loop.reactor().write(id, "never").unwrap();
    assert!(event_loop.reactor().close(id));
    turn_until(&mut event_loop, "the outcome", || !told.borrow().is_empty());
    assert!(matches!(told.borrow()[..], [Told::Failed(ConnectError::Cancelled)]), "{told:?}");
    let (mut peer, _) = listener.accept().unwrap();
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut bytes = Vec::new();
    // A reset or a plain end, but no bytes.
    let _ = peer.read_to_end(&mut bytes);
    assert!(bytes.is_empty(), "{bytes:?}");
}

#[test]
fn the_bind_address_is_honoured() {
    let (listener, address) = std_listener();
    let local = SocketAddr::from(([127, 0, 0, 2], 0));
    let seen = Rc::new(Cell::new(None));
    let noted = Rc::clone(&seen);
    let script = Script::new().on_open(move |conn| {
        noted.set(conn.local_address()?.ip());
        Ok(())
    });
    let mut event_loop = EventLoop::new().unwrap();
    let options = ConnectOptions::default().bind(local);
    event_loop.reactor().connect_with(address, options, script).unwrap();
    turn_until(&mut event_loop, "opened", || seen.get().is_some());
    let (_peer, from) = listener.accept().unwrap();
    assert_eq!(from.ip(), local.ip());
    assert_eq!(seen.get(), Some(from));
}

#[test]
fn a_bind_address_of_the_other_family_is_never_silently_ignored() {
    let Ok(listener) = TcpListener::bind("[::1]:0") else { return };
    let address = listener.local_addr().unwrap();
    let mut event_loop = EventLoop::new().unwrap();
    let (script, told) = witness();
    let options = ConnectOptions::default().bind(SocketAddr::from(([127, 0, 0, 2], 0)));
    event_loop.reactor().connect_with(address, options, script).unwrap();
    turn_until(&mut event_loop, "the outcome", || !told.borrow().is_empty());
    let told = told.borrow();
    assert!(matches!(told[..], [Told::Failed(ConnectError::CannotBind { .. })]), "{told:?}");
}

#[test]
fn a_name_is_resolved_while_the_loop_goes_on() {
    let listener = TcpListener::bind(loopback(0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut event_loop = EventLoop::new().unwrap();
    let (script, told) = witness();
    let target = format!("localhost:{port}");
    event_loop.reactor().connect(target.as_str(), script).unwrap();
    assert!(told.borrow().is_empty());
    turn_until(&mut event_loop, "the outcome", || !told.borrow().is_empty());
    assert!(matches!(told.borrow()[..], [Told::Opened]), "{told:?}");
    listener.accept().unwrap();
}

#[test]
fn every_address_of_a_name_is_tried() {
    let addresses: Vec<_> = ("localhost", 0).to_socket_addrs().unwrap().collect();
    // Whichever family comes first, each is once the only one with a listener.
    for ip in addresses.iter().map(SocketAddr::ip) {
        let Ok(listener) = TcpListener::bind((ip, 0)) else { continue };
        let target = format!("localhost:{}", listener.local_addr().unwrap().port());
        let mut event_loop = EventLoop::new().unwrap();
        let (script, told) = witness();
        event_loop.reactor().connect(target.as_str(), script).unwrap();
        turn_until(&mut event_loop, "the outcome", || !told.borrow().is_empty());
        turn_on(&mut event_loop);
        assert!(matches!(told.borrow()[..], [Told::Opened]), "{ip}: {told:?}");
    }
}

#[test]
fn a_connection_can_be_started_from_every_callback() {
    let (listener, address) = std_listener();
    let mut event_loop = EventLoop::new().unwrap();
    let opened = Rc::new(RefCell::new(Vec::new()));
    let follow = move |reactor: &mut Reactor<'_>, from: &'static str, opened: &Opened| {
        let opened = Rc::clone(opened);
        let script = Script::new().on_open(move |_| {
            opened.borrow_mut().push(from);
            Ok(())
        });
        reactor.connect(address, script).unwrap();
    };
    event_loop.reactor().connect(address, busy_script(&opened, follow)).unwrap();
    let from_failure = Rc::clone(&opened);
    let fails = Script::new().on_failed(move |reactor, _| follow(reactor, "failed", &from_failure));
    event_loop.reactor().connect(closed_port(), fails).unwrap();
    let from_timer = Rc::clone(&opened);
    event_loop.reactor().call_later(Duration::ZERO, move |reactor| {
        follow(reactor, "call", &from_timer);
    });
    let peer = std::thread::spawn(move || {
        let (mut first, _) = listener.accept().unwrap();
        first.write_all(b"x").unwrap();
        first.shutdown(std::net::Shutdown::Write).unwrap();
        first.set_read_timeout(Some(PATIENCE)).unwrap();
        let _ = first.read(&mut [0; 1]);
        (first, listener)
    });
    turn_until(&mut event_loop, "all have opened", || opened.borrow().len() == 8);
    let mut from = opened.borrow().clone();
    from.sort_unstable();
    assert_eq!(from, ["call", "close", "data", "eof", "failed", "message", "open", "timer"]);
    drop(peer.join());
}

type Opened = Rc<RefCell<Vec<&'static str>>>;

/// A handler that starts a connection from each of its callbacks.
fn busy_script(
    opened: &Opened,
    follow: impl Fn(&mut Reactor<'_>, &'static str, &Opened) + Copy + 'static,
) -> Script {
    let opened = || Rc::clone(opened);
    let (open, data, eof, timer, message, close) =
        (opened(), opened(), opened(), opened(), opened(), opened());
    Script::new()
        .on_open(move |conn| {
            follow(conn.reactor(), "open", &open);
            conn.set_timer(Tag(1), Duration::ZERO);
            // Nothing is read until the timer and the message have come.
            conn.pause();
            Ok(())
        })
        .on_timer(move |conn, _| {
            follow(conn.reactor(), "timer", &timer);
            let id = conn.id();
            Ok(conn.reactor().message(id, ())?)
        })
        .on_message(move |conn, _| {
            follow(conn.reactor(), "message", &message);
            conn.resume();
            Ok(())
        })
        .on_data(move |conn, _| {
            follow(conn.reactor(), "data", &data);
            Ok(())
        })
        .on_eof(move |conn| {
            follow(conn.reactor(), "eof", &eof);
            Eof::Close
        })
        .on_close(move |conn, _| follow(conn.reactor(), "close", &close))
}

#[test]
fn a_handler_may_reconnect_from_on_close() {
    const ROUNDS: u32 = 5;

    fn dial(reactor: &mut Reactor<'_>, address: SocketAddr, round: u32, log: Log) {
        let script = Script::new().on_close(move |conn, reason| {
            log.note(format_args!("{round} {reason}"));
            if round < ROUNDS {
                dial(conn.reactor(), address, round + 1, log.clone());
            }
        });
        reactor.connect(address, script).unwrap();
    }

    let (listener, address) = std_listener();
    let peer = std::thread::spawn(move || {
        for _ in 0..ROUNDS {
            drop(listener.accept().unwrap());
        }
    });
    let log = Log::default();
    let mut event_loop = EventLoop::new().unwrap();
    dial(&mut event_loop.reactor(), address, 1, log.clone());
    turn_until(&mut event_loop, "all rounds", || log.len() == ROUNDS as usize);
    peer.join().unwrap();
    let expected: Vec<_> =
        (1..=ROUNDS).map(|round| format!("{round} closed by the peer")).collect();
    assert_eq!(log.lines(), expected);
    assert_eq!(event_loop.stats().connections, 0);
}

#[test]
fn a_reconnect_from_on_close_that_is_refused_is_told_so() {
    let (listener, address) = std_listener();
    let peer = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        // Gone before the peer can hear of its end.
        drop(listener);
        drop(stream);
    });
    let log = Log::default();
    let (lost, refused) = (log.clone(), log.clone());
    let mut event_loop = EventLoop::new().unwrap();
    let script = Script::new().on_close(move |conn, reason| {
        lost.note(format_args!("lost: {reason}"));
        let refused = refused.clone();
        let next = Script::new().on_failed(move |_reactor, error| {
            assert!(matches!(error, ConnectError::Refused { .. }));
            refused.note(error);
        });
        conn.reactor().connect(address, next).unwrap();
    });
    event_loop.reactor().connect(address, script).unwrap();
    turn_until(&mut event_loop, "both ends", || log.len() == 2);
    peer.join().unwrap();
    let expected =
        ["lost: closed by the peer".to_owned(), format!("{address} refused the connection")];
    assert_eq!(log.lines(), expected);
}

#[test]
fn a_loop_may_connect_to_its_own_listener() {
    let mut event_loop = EventLoop::new().unwrap();
    let (_, address) = listen(&mut event_loop, |_| crate::support::echo());
    let log = Log::default();
    let noted = log.clone();
    let script =
        Script::new().on_open(|conn| Ok(conn.write("to myself")?)).on_data(move |_, bytes| {
            noted.note(String::from_utf8_lossy(bytes));
            Ok(())
        });
    event_loop.reactor().connect(address, script).unwrap();
    turn_until(&mut event_loop, "the echo", || log.has("to myself"));
}

#[test]
fn a_self_connection_is_not_taken_for_a_peer() {
    // Bound to the very address it connects to, a socket meets itself: a simultaneous open.
    let address = closed_port();
    let mut event_loop = EventLoop::new().unwrap();
    let (script, told) = witness();
    let options = ConnectOptions::default().bind(address);
    event_loop.reactor().connect_with(address, options, script).unwrap();
    turn_until(&mut event_loop, "the outcome", || !told.borrow().is_empty());
    turn_on(&mut event_loop);
    let told = told.borrow();
    assert!(matches!(told[..], [Told::Failed(ConnectError::Refused { .. })]), "{told:?}");
    let stats = event_loop.stats();
    assert_eq!((stats.connections, stats.connected), (0, 0));
}

#[test]
fn what_was_written_to_a_self_connection_is_never_read_back() {
    let address = closed_port();
    let mut event_loop = EventLoop::new().unwrap();
    let log = Log::default();
    let (read, failed) = (log.clone(), log.clone());
    let script = Script::new()
        .on_data(move |_, _| {
            read.note("data");
            Ok(())
        })
        .on_failed(move |_, error| failed.note(error));
    let options = ConnectOptions::default().bind(address);
    let id = event_loop.reactor().connect_with(address, options, script).unwrap();
    event_loop.reactor().write(id, "secret").unwrap();
    turn_until(&mut event_loop, "the outcome", || log.len() > 0);
    turn_on(&mut event_loop);
    assert_eq!(log.lines(), [format!("{address} refused the connection")]);
}

#[test]
fn a_hundred_connections_started_at_once_all_open() {
    let mut event_loop = EventLoop::new().unwrap();
    let mut reactor = event_loop.reactor();
    let options = ListenOptions::default();
    let listener =
        reactor.listen(loopback(0), &options, ConnConfig::default(), |_| Script::new()).unwrap();
    let address = reactor.listener_address(listener).unwrap().ip().unwrap();
    let opened = Rc::new(Cell::new(0));
    for _ in 0..100 {
        let opened = Rc::clone(&opened);
        let script = Script::new().on_open(move |_| {
            opened.set(opened.get() + 1);
            Ok(())
        });
        reactor.connect(address, script).unwrap();
    }
    turn_until(&mut event_loop, "all open", || opened.get() == 100);
    turn_on(&mut event_loop);
    let stats = event_loop.stats();
    assert_eq!((stats.connected, stats.accepted, stats.connections), (100, 100, 200));
}
