//! Dispatchers, after asyncore's: what they are asked, what they are told, and the two seeds that
//! use them.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::rc::Rc;
use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::{AcceptedFd, Fd, FdDispatcher, FdRole, Interest, Ready};

use crate::support::{Log, closed_port, give_up, peer, std_listener, turn_on, turn_until};

/// Writes down what it is told; wants what its two switches say.
#[derive(Clone, Default)]
struct Probe {
    reads: Rc<Cell<bool>>,
    writes: Rc<Cell<bool>>,
    log: Log,
}

impl FdDispatcher for Probe {
    fn readable(&self) -> bool {
        self.reads.get()
    }

    fn writable(&self) -> bool {
        self.writes.get()
    }

    fn on_connect(&mut self, _fd: &mut Fd<'_>) -> Flow {
        self.log.note("connect");
        Ok(())
    }

    fn on_accept(&mut self, _fd: &mut Fd<'_>, peer: AcceptedFd) -> Flow {
        self.log.note(format!("accept {}", peer.address.is_some()));
        Ok(())
    }

    fn on_readable(&mut self, fd: &mut Fd<'_>) -> Flow {
        let mut bytes = [0; 16];
        let read = fd.read(&mut bytes)?;
        self.log.note(format!("readable {read:?}"));
        if read == Some(0) {
            fd.close();
        }
        Ok(())
    }

    fn on_writable(&mut self, _fd: &mut Fd<'_>) -> Flow {
        self.log.note("writable");
        self.writes.set(false);
        Ok(())
    }

    fn on_error(&mut self, _fd: &mut Fd<'_>, error: io::Error) -> Flow {
        self.log.note(format!("error {:?}", error.kind()));
        Err(error.into())
    }

    fn on_close(&mut self, _reactor: &mut Reactor<'_>, reason: CloseReason) {
        self.log.note(format!("close: {reason}"));
    }
}

impl Probe {
    fn wanting(reads: bool, writes: bool) -> Self {
        let probe = Self::default();
        probe.reads.set(reads);
        probe.writes.set(writes);
        probe
    }
}

/// asyncore's `test_readwrite`: each flag has its handler.
#[test]
fn each_kind_of_readiness_has_its_callback() {
    let mut event_loop = EventLoop::new().unwrap();
    let (own, mut other) = UnixStream::pair().unwrap();
    let probe = Probe::wanting(true, true);
    event_loop.reactor().add_dispatcher(own, FdRole::Open, probe.clone()).unwrap();
    turn_until(&mut event_loop, "room", || probe.log.has("writable"));
    other.write_all(b"four").unwrap();
    turn_until(&mut event_loop, "bytes", || probe.log.has("readable Some(4)"));
    drop(other);
    turn_until(&mut event_loop, "the end", || probe.log.has("close: closed by this side"));
    let expected =
        ["writable", "readable Some(4)", "readable Some(0)", "close: closed by this side"];
    assert_eq!(probe.log.lines(), expected);
}

/// asyncore's default spins: 128,018 passes in 0.3 s on an idle socket.
#[test]
fn an_idle_dispatcher_costs_no_turn_and_is_asked_after_a_poke() {
    let mut event_loop = EventLoop::new().unwrap();
    let (own, mut other) = UnixStream::pair().unwrap();
    other.write_all(b"news").unwrap();
    let probe = Probe::wanting(false, false);
    let id = event_loop.reactor().add_dispatcher(own, FdRole::Open, probe.clone()).unwrap();
    turn_on(&mut event_loop);
    let before = event_loop.stats().turns;
    event_loop.turn(Some(Duration::from_millis(30))).unwrap();
    assert_eq!(event_loop.stats().turns, before + 1);
    probe.reads.set(true);
    probe.writes.set(true);
    // Nobody asks by itself.
    event_loop.turn(Some(Duration::ZERO)).unwrap();
    assert_eq!(probe.log.len(), 0);
    assert!(event_loop.reactor().poke_fd(id));
    turn_until(&mut event_loop, "both", || probe.log.len() == 2);
    turn_on(&mut event_loop);
    assert_eq!(probe.log.lines(), ["readable Some(4)", "writable"]);
}

/// asyncore's `test_readwriteexc`: what a handler raises is told to it, and ends it alone.
#[test]
fn a_dispatcher_without_the_callback_that_it_asks_for_is_closed() {
    struct Forgetful(Log);

    impl FdDispatcher for Forgetful {
        fn on_close(&mut self, _reactor: &mut Reactor<'_>, reason: CloseReason) {
            let cause = std::error::Error::source(&reason).map(ToString::to_string);
            self.0.note(cause.unwrap_or_default());
        }
    }

    let mut event_loop = EventLoop::new().unwrap();
    let (own, mut other) = UnixStream::pair().unwrap();
    let log = Log::default();
    event_loop.reactor().add_dispatcher(own, FdRole::Open, Forgetful(log.clone())).unwrap();
    other.write_all(b"x").unwrap();
    turn_until(&mut event_loop, "the end", || log.len() == 1);
    assert!(log.has("the dispatcher is readable and has no on_readable"));
}

#[test]
fn a_connecting_dispatcher_has_exactly_one_outcome() {
    let mut event_loop = EventLoop::new().unwrap();
    let (listener, address) = std_listener();
    let (good, bad) = (Probe::wanting(true, false), Probe::wanting(true, false));
    for (address, probe) in [(address, &good), (closed_port(), &bad)] {
        let domain = socket2::Domain::for_address(address);
        let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None).unwrap();
        socket.set_nonblocking(true).unwrap();
        // In progress, or refused at once, which the socket keeps as its error.
        let _ = socket.connect(&address.into());
        let fd = OwnedFd::from(socket);
        event_loop.reactor().add_dispatcher(fd, FdRole::Connecting, probe.clone()).unwrap();
    }
    turn_until(&mut event_loop, "both", || good.log.len() == 1 && bad.log.len() >= 2);
    assert_eq!(good.log.lines(), ["connect"]);
    assert_eq!(bad.log.lines(), ["error ConnectionRefused", "close: the connection broke"]);
    let (mut peer, _) = listener.accept().unwrap();
    peer.write_all(b"hi").unwrap();
    turn_until(&mut event_loop, "bytes", || good.log.has("readable Some(2)"));
}

/// asyncore's `test_handle_close_after_conn_broken`, with and without an interest in reading.
#[test]
fn a_reset_is_told_by_the_read_or_else_as_an_error() {
    for reads in [true, false] {
        let mut event_loop = EventLoop::new().unwrap();
        let (listener, address) = std_listener();
        let own = TcpStream::connect(address).unwrap();
        let (peer, _) = listener.accept().unwrap();
        let probe = Probe::wanting(reads, false);
        event_loop.reactor().add_dispatcher(own, FdRole::Open, probe.clone()).unwrap();
        turn_on(&mut event_loop);
        socket2::SockRef::from(&peer).set_linger(Some(Duration::ZERO)).unwrap();
        drop(peer);
        turn_until(&mut event_loop, "the reset", || probe.log.has("close: reset by the peer"));
        assert_eq!(probe.log.has("error ConnectionReset"), !reads);
    }
}

/// asyncore's `test_quick_connect`: a peer that is gone again before it is accepted.
#[test]
fn a_listening_dispatcher_accepts_in_batches_and_bears_resets() {
    let mut event_loop = EventLoop::new().unwrap();
    let (listener, address) = std_listener();
    let probe = Probe::wanting(true, true);
    event_loop.reactor().add_dispatcher(listener, FdRole::Listening, probe.clone()).unwrap();
    for round in 0..70 {
        let peer = peer(address);
        if round % 7 == 0 {
            socket2::SockRef::from(&peer).set_linger(Some(Duration::ZERO)).unwrap();
        }
    }
    turn_until(&mut event_loop, "all of them", || probe.log.len() >= 60);
    turn_on(&mut event_loop);
    // A listener is never told that it is writable, whatever it says.
    assert!(probe.log.lines().iter().all(|line| line == "accept true"));
}

#[test]
fn a_unix_listener_accepts_and_can_close_in_the_batch() {
    struct Door(Log);

    impl FdDispatcher for Door {
        fn on_accept(&mut self, fd: &mut Fd<'_>, peer: AcceptedFd) -> Flow {
            self.0.note(format!("accept {}", peer.address.is_some()));
            fd.close();
            Ok(())
        }

        fn on_close(&mut self, _reactor: &mut Reactor<'_>, reason: CloseReason) {
            self.0.note(reason);
        }
    }

    let mut event_loop = EventLoop::new().unwrap();
    let folder = std::env::temp_dir().join(format!("net-reactor-fd-{}", std::process::id()));
    let listener = UnixListener::bind(&folder).unwrap();
    let peers: Vec<UnixStream> = (0..5).map(|_| UnixStream::connect(&folder).unwrap()).collect();
    std::fs::remove_file(&folder).unwrap();
    let log = Log::default();
    event_loop.reactor().add_dispatcher(listener, FdRole::Listening, Door(log.clone())).unwrap();
    turn_until(&mut event_loop, "the end", || log.len() == 2);
    assert_eq!(log.lines(), ["accept false", "closed by this side"]);
    drop(peers);
}

/// Seed 004, second program: READ reads up to 1024 bytes and queues them, WRITE sends, an empty queue
/// switches back. Unlike the original it minds short writes.
#[derive(Default)]
struct RawEcho {
    queue: VecDeque<Vec<u8>>,
}

impl net_reactor::FdHandler for RawEcho {
    fn on_ready(&mut self, fd: &mut Fd<'_>, ready: Ready) -> Flow {
        if ready.is_readable() {
            let mut bytes = [0; 1024];
            match fd.read(&mut bytes)? {
                Some(0) => fd.close(),
                Some(len) => {
                    self.queue.push_back(bytes[..len].to_vec());
                    fd.set_interest(Interest::WRITE);
                }
                None => {}
            }
        } else if ready.is_writable() {
            match self.queue.front_mut() {
                Some(message) => {
                    let sent = fd.write(message)?;
                    message.drain(..sent);
                    if message.is_empty() {
                        self.queue.pop_front();
                    }
                }
                None => fd.set_interest(Interest::READ),
            }
        }
        Ok(())
    }
}

#[test]
fn the_raw_echo_of_seed_004_returns_more_than_fits_a_socket() {
    let (listener, address) = std_listener();
    let client = std::thread::spawn(move || {
        let mut stream = peer(address);
        let sent: Vec<u8> = (0..3_000_000_u32).map(|n| n.to_le_bytes()[1]).collect();
        let mut writer = stream.try_clone().unwrap();
        let bytes = sent.clone();
        let writing = std::thread::spawn(move || {
            writer.write_all(&bytes).unwrap();
        });
        let mut back = vec![0; sent.len()];
        stream.read_exact(&mut back).unwrap();
        writing.join().unwrap();
        back == sent
    });
    let mut event_loop = EventLoop::new().unwrap();
    let watched = listener.try_clone().unwrap();
    let accept = move |fd: &mut Fd<'_>, _: Ready| {
        if let Some((stream, _)) = fd.try_io(Interest::READ, |_| listener.accept())? {
            fd.reactor().add_fd(stream, Interest::READ, RawEcho::default())?;
        }
        Ok(())
    };
    event_loop.reactor().watch_fd(watched, Interest::READ, accept).unwrap();
    turn_until(&mut event_loop, "the echo", || client.is_finished());
    assert!(client.join().unwrap(), "other bytes came back");
    turn_until_closed(&mut event_loop);
}

/// Turns until no connection is left beside the listener.
fn turn_until_closed(event_loop: &mut EventLoop) {
    for _ in 0..1_000 {
        if event_loop.stats().descriptors == 1 {
            return;
        }
        event_loop.turn(Some(Duration::from_millis(5))).unwrap();
    }
    panic!("a connection stays");
}

/// Seed 003: the server's side of a connection.
struct EchoHandler;

impl FdDispatcher for EchoHandler {
    fn on_readable(&mut self, fd: &mut Fd<'_>) -> Flow {
        let mut bytes = [0; 1024];
        match fd.read(&mut bytes)? {
            Some(0) => fd.close(),
            Some(len) => assert_eq!(fd.write(&bytes[..len])?, len, "so little fits"),
            None => {}
        }
        Ok(())
    }
}

struct EchoServer;

impl FdDispatcher for EchoServer {
    fn on_accept(&mut self, fd: &mut Fd<'_>, peer: AcceptedFd) -> Flow {
        fd.reactor().add_dispatcher(peer.descriptor, FdRole::Open, EchoHandler)?;
        Ok(())
    }
}

/// Its client: one message for each time that there is room; ends when all are back.
struct EchoClient {
    messages: VecDeque<&'static str>,
    back: Rc<RefCell<String>>,
}

impl FdDispatcher for EchoClient {
    fn writable(&self) -> bool {
        !self.messages.is_empty()
    }

    fn on_writable(&mut self, fd: &mut Fd<'_>) -> Flow {
        if let Some(message) = self.messages.pop_front() {
            assert_eq!(fd.write(message.as_bytes())?, message.len());
        }
        Ok(())
    }

    fn on_readable(&mut self, fd: &mut Fd<'_>) -> Flow {
        let mut bytes = [0; 1024];
        if let Some(len) = fd.read(&mut bytes)? {
            let mut back = self.back.borrow_mut();
            back.push_str(&String::from_utf8_lossy(&bytes[..len]));
            if *back == "12345678910" {
                fd.close();
                fd.reactor().stop();
            }
        }
        Ok(())
    }
}

#[test]
fn the_echo_of_seed_003_runs_on_two_loops() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let (told, handle) = std::sync::mpsc::channel();
    let server = std::thread::spawn(move || {
        let mut event_loop = EventLoop::new().unwrap();
        event_loop.reactor().add_dispatcher(listener, FdRole::Listening, EchoServer).unwrap();
        told.send(event_loop.handle()).unwrap();
        event_loop.run().unwrap();
    });
    let server_loop = handle.recv().unwrap();
    let mut event_loop = EventLoop::new().unwrap();
    let gave_up = give_up(&mut event_loop.reactor());
    let back = Rc::default();
    let messages = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10"].into();
    let client = EchoClient { messages, back: Rc::clone(&back) };
    let stream = TcpStream::connect(address).unwrap();
    event_loop.reactor().add_dispatcher(stream, FdRole::Connecting, client).unwrap();
    event_loop.run().unwrap();
    assert!(!gave_up.get());
    assert_eq!(*back.borrow(), "12345678910");
    server_loop.stop();
    server.join().unwrap();
}
