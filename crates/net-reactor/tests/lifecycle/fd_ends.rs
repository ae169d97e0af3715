//! Descriptors of the user's own: how they end, and who is told.

use std::cell::RefCell;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::rc::Rc;

use net_reactor::prelude::*;
use net_reactor::{AddFdRefused, Fd, FdHandler, Interest, Ready};

use crate::support::{give_up, std_listener, turn_on, turn_until};

type OnReady = Box<dyn FnMut(&mut Fd<'_>, Ready) -> Flow>;

/// Writes down what it is told.
struct Witness {
    told: Rc<RefCell<Vec<String>>>,
    ready: OnReady,
}

impl Witness {
    fn new(
        ready: impl FnMut(&mut Fd<'_>, Ready) -> Flow + 'static,
    ) -> (Self, Rc<RefCell<Vec<String>>>) {
        let told = Rc::default();
        (Self { told: Rc::clone(&told), ready: Box::new(ready) }, told)
    }

    fn note(&self, line: impl Into<String>) {
        self.told.borrow_mut().push(line.into());
    }
}

impl FdHandler for Witness {
    fn on_open(&mut self, _fd: &mut Fd<'_>) -> Flow {
        self.note("open");
        Ok(())
    }

    fn on_ready(&mut self, fd: &mut Fd<'_>, ready: Ready) -> Flow {
        self.note(format!("{ready:?}"));
        (self.ready)(fd, ready)
    }

    fn on_poke(&mut self, fd: &mut Fd<'_>) -> Flow {
        self.note("poke");
        assert!(fd.is_open());
        Ok(())
    }

    fn on_stop(&mut self, fd: &mut Fd<'_>) -> Flow {
        self.note("stop");
        fd.close();
        Ok(())
    }

    fn on_close(&mut self, _reactor: &mut Reactor<'_>, reason: CloseReason) {
        self.note(format!("close: {reason}"));
    }
}

/// Runs one descriptor that is readable to its end; returns what its handler was told.
fn end_of(ready: impl FnMut(&mut Fd<'_>, Ready) -> Flow + 'static) -> Vec<String> {
    let mut event_loop = EventLoop::new().unwrap();
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(b"x").unwrap();
    let (witness, told) = Witness::new(ready);
    event_loop.reactor().add_fd(reader, Interest::READ, witness).unwrap();
    let ended = || told.borrow().last().is_some_and(|line| line.starts_with("close"));
    turn_until(&mut event_loop, "the end", ended);
    turn_on(&mut event_loop);
    told.take()
}

#[test]
fn an_error_ends_the_descriptor_with_that_reason() {
    let told = end_of(|_, _| Err(Failure::msg("enough")));
    assert_eq!(told, ["open", "Ready(readable)", "close: the handler failed"]);
    let told = end_of(|_, _| panic!("a bug"));
    assert_eq!(told, ["open", "Ready(readable)", "close: the handler panicked: a bug"]);
    let told = end_of(|fd, _| {
        fd.close();
        assert!(!fd.is_open() && fd.take().is_none());
        let error = fd.read(&mut [0]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotConnected);
        Ok(())
    });
    assert_eq!(told, ["open", "Ready(readable)", "close: closed by this side"]);
    let told = end_of(|fd, _| {
        assert!(fd.take().is_some());
        Err(Failure::msg("which ended before"))
    });
    assert_eq!(told, ["open", "Ready(readable)", "close: closed by this side"]);
}

#[test]
fn an_end_disturbs_nobody_else() {
    let mut event_loop = EventLoop::new().unwrap();
    let (good, mut good_writer) = std::io::pipe().unwrap();
    let (bad, mut bad_writer) = std::io::pipe().unwrap();
    let (witness, told) = Witness::new(|_, _| panic!("mine alone"));
    let (other, other_told) = Witness::new(|fd, _| {
        fd.read(&mut [0; 8])?;
        Ok(())
    });
    event_loop.reactor().add_fd(bad, Interest::READ, witness).unwrap();
    event_loop.reactor().add_fd(good, Interest::READ, other).unwrap();
    bad_writer.write_all(b"x").unwrap();
    turn_until(&mut event_loop, "the panic", || told.borrow().len() == 3);
    good_writer.write_all(b"y").unwrap();
    turn_until(&mut event_loop, "the other one", || other_told.borrow().len() == 2);
    // The descriptor is closed, and its writer learns of it.
    assert_eq!(bad_writer.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
}

/// Resets the connection from the other side.
fn reset(peer: TcpStream) {
    // Unread input makes close(2) send RST; a linger time of zero is not in `std`.
    socket2::SockRef::from(&peer).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    drop(peer);
}

/// asyncore's `test_handle_close_after_conn_broken`: a reset is seen whatever is wanted.
#[test]
fn a_reset_is_told_as_an_error_with_any_interest() {
    for interest in [Interest::NONE, Interest::READ, Interest::WRITE] {
        let mut event_loop = EventLoop::new().unwrap();
        let (listener, address) = std_listener();
        let own = TcpStream::connect(address).unwrap();
        let (peer, _) = listener.accept().unwrap();
        let (witness, told) = Witness::new(|fd, ready| {
            if ready.is_error() {
                let error = fd.take_error().expect("a reset leaves an error");
                assert_eq!(error.kind(), ErrorKind::ConnectionReset);
                return Err(error.into());
            }
            fd.set_interest(Interest::NONE);
            Ok(())
        });
        event_loop.reactor().add_fd(own, interest, witness).unwrap();
        turn_on(&mut event_loop);
        reset(peer);
        let ended = || told.borrow().last().is_some_and(|line| line.starts_with("close"));
        turn_until(&mut event_loop, "the reset", ended);
        let told = told.borrow();
        assert!(told[told.len() - 2].contains("error"), "{told:?}");
        assert_eq!(told.last().unwrap(), "close: reset by the peer");
    }
}

#[test]
fn a_pipe_that_nobody_reads_is_told_as_an_error() {
    let mut event_loop = EventLoop::new().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    let (witness, told) = Witness::new(|fd, _| {
        assert!(fd.take_error().is_none(), "it is no socket");
        fd.write(b"to nobody")?;
        Ok(())
    });
    event_loop.reactor().add_fd(writer, Interest::NONE, witness).unwrap();
    turn_on(&mut event_loop);
    drop(reader);
    turn_until(&mut event_loop, "the error", || told.borrow().len() == 3);
    assert_eq!(*told.borrow(), ["open", "Ready(error)", "close: reset by the peer"]);
}

#[test]
fn a_pair_that_closes_after_its_last_words_is_read_to_the_end() {
    let mut event_loop = EventLoop::new().unwrap();
    let (own, mut peer) = UnixStream::pair().unwrap();
    peer.write_all(&[7; 5_000]).unwrap();
    drop(peer);
    let total = Rc::new(RefCell::new(0));
    let sum = Rc::clone(&total);
    let (witness, told) = Witness::new(move |fd, _| {
        match fd.read(&mut [0; 1024])? {
            Some(0) => fd.close(),
            Some(len) => *sum.borrow_mut() += len,
            None => {}
        }
        Ok(())
    });
    event_loop.reactor().add_fd(own, Interest::READ, witness).unwrap();
    let ended = || told.borrow().last().is_some_and(|line| line.starts_with("close"));
    turn_until(&mut event_loop, "the end", ended);
    assert_eq!(*total.borrow(), 5_000);
}

#[test]
fn pokes_before_the_call_are_one_and_those_after_the_end_none() {
    let mut event_loop = EventLoop::new().unwrap();
    let (reader, _writer) = std::io::pipe().unwrap();
    let (witness, told) = Witness::new(|_, _| Ok(()));
    let id = event_loop.reactor().add_fd(reader, Interest::READ, witness).unwrap();
    for _ in 0..3 {
        assert!(event_loop.reactor().poke_fd(id));
    }
    turn_on(&mut event_loop);
    assert_eq!(*told.borrow(), ["open", "poke"]);
    assert_eq!(event_loop.stats().descriptors, 1);
    let mut reactor = event_loop.reactor();
    assert!(reactor.poke_fd(id) && reactor.close_fd(id) && !reactor.poke_fd(id));
    turn_on(&mut event_loop);
    assert_eq!(*told.borrow(), ["open", "poke", "close: closed by this side"]);
    assert_eq!(event_loop.stats().descriptors, 0);
}

#[test]
fn a_graceful_stop_asks_and_a_hard_one_does_not() {
    for is_hard in [false, true] {
        let mut event_loop = EventLoop::new().unwrap();
        let gave_up = give_up(&mut event_loop.reactor());
        let (reader, _writer) = std::io::pipe().unwrap();
        let (witness, told) = Witness::new(|_, _| Ok(()));
        event_loop.reactor().add_fd(reader, Interest::READ, witness).unwrap();
        let stop = move |reactor: &mut Reactor<'_>| match is_hard {
            true => reactor.stop_now(),
            false => reactor.stop(),
        };
        event_loop.reactor().defer(stop);
        event_loop.run().unwrap();
        assert!(!gave_up.get());
        let expected: &[&str] = match is_hard {
            true => &["open", "close: the loop stopped"],
            false => &["open", "stop", "close: closed by this side"],
        };
        assert_eq!(*told.borrow(), expected);
    }
}

#[test]
fn a_stopping_loop_takes_no_descriptor() {
    struct Late(Rc<RefCell<Option<AddFdRefused>>>);

    impl FdHandler for Late {
        fn on_ready(&mut self, _fd: &mut Fd<'_>, _ready: Ready) -> Flow {
            Ok(())
        }

        fn on_close(&mut self, reactor: &mut Reactor<'_>, _reason: CloseReason) {
            let (reader, _writer) = std::io::pipe().unwrap();
            let error = reactor.watch_fd(reader, Interest::READ, |_, _| Ok(())).unwrap_err();
            self.0.replace(Some(error.reason));
        }
    }

    let mut event_loop = EventLoop::new().unwrap();
    let (reader, _writer) = std::io::pipe().unwrap();
    let refused = Rc::default();
    event_loop.reactor().add_fd(reader, Interest::READ, Late(Rc::clone(&refused))).unwrap();
    event_loop.reactor().stop();
    event_loop.run().unwrap();
    assert!(matches!(refused.take(), Some(AddFdRefused::Stopping)));
}

#[test]
fn a_loop_that_is_dropped_closes_its_descriptors() {
    let (own, mut peer) = UnixStream::pair().unwrap();
    let mut event_loop = EventLoop::new().unwrap();
    event_loop.reactor().watch_fd(own, Interest::READ, |_, _| Ok(())).unwrap();
    turn_on(&mut event_loop);
    drop(event_loop);
    assert_eq!(peer.read(&mut [0]).unwrap(), 0);
}
