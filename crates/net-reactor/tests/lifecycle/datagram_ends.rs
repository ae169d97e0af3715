//! Sockets of datagrams over the real kernel: their turns, their ends, and other threads.

use std::cell::{Cell, RefCell};
use std::io::Write;
use std::net::TcpStream;
use std::rc::Rc;
use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::{DatagramOptions, DatagramSendError, DatagramSocket, PostRefused};

use crate::datagrams::{Witness, bind, std_socket};
use crate::support::{Script, listen, own_address, turn_on, turn_until};

/// The most datagrams that one socket receives in a turn.
const SHARE: usize = 64;

#[test]
fn a_flood_of_datagrams_leaves_connections_their_turn() {
    let mut event_loop = EventLoop::new().unwrap();
    let count = Rc::new(Cell::new(0));
    let counted = Rc::clone(&count);
    let (witness, _) = Witness::new(move |_, _, _| {
        counted.set(counted.get() + 1);
        Ok(())
    });
    let (_, address) = bind(&mut event_loop, witness);
    let heard = Rc::new(Cell::new(None));
    let (hears, flood) = (Rc::clone(&heard), Rc::clone(&count));
    let (_, server) = listen(&mut event_loop, move |_| {
        let (heard, flood) = (Rc::clone(&hears), Rc::clone(&flood));
        Script::new().on_data(move |_, _| {
            heard.set(Some(flood.get()));
            Ok(())
        })
    });
    let mut client = TcpStream::connect(server).unwrap();
    turn_on(&mut event_loop);
    let (peer, _) = std_socket();
    for _ in 0..3 * SHARE {
        peer.send_to(b"x", address).unwrap();
    }
    client.write_all(b"me too").unwrap();
    // Both wait in the kernel by now.
    while count.get() < 3 * SHARE {
        let before = count.get();
        event_loop.turn(Some(Duration::ZERO)).unwrap();
        assert!(count.get() - before <= SHARE, "{} in one turn", count.get() - before);
    }
    assert_eq!(heard.get(), Some(SHARE), "the connection came after one share of the flood");
}

#[test]
fn long_datagrams_count_by_their_bytes() {
    let mut event_loop = EventLoop::new().unwrap();
    let (witness, log) = Witness::deaf();
    let options = DatagramOptions::default().receive_buffer(4 << 20);
    let mut reactor = event_loop.reactor();
    let id = reactor.bind_datagram(own_address(), &options, witness).unwrap();
    let address = reactor.datagram(id).unwrap().local_address();
    turn_on(&mut event_loop);
    let (peer, _) = std_socket();
    // Twelve of them are three shares of 256 KiB, if the system grants a buffer for so many.
    for _ in 0..12 {
        peer.send_to(&[0; 65_000], address).unwrap();
    }
    let mut most = 0;
    for _ in 0..20 {
        let before = log.borrow().len();
        event_loop.turn(Some(Duration::ZERO)).unwrap();
        most = most.max(log.borrow().len() - before);
    }
    assert!(log.borrow().len() > 3, "{}", log.borrow().len());
    assert!(most <= 5, "{most} in one turn");
}

#[test]
fn a_socket_that_is_closed_in_a_callback_hears_nothing_more() {
    for end in ["close", "abort", "error", "panic"] {
        let mut event_loop = EventLoop::new().unwrap();
        let (witness, log) = Witness::new(move |socket, _, _| {
            match end {
                "close" => socket.close(),
                "abort" => socket.abort(),
                "error" => return Err(Failure::msg("enough")),
                _ => panic!("a bug"),
            }
            assert!(matches!(socket.send("x"), Err(DatagramSendError::Closed)));
            socket.set_timer(Tag(1), Duration::from_secs(3_600));
            let id = socket.id();
            assert!(socket.reactor().datagram(id).is_none());
            Ok(())
        });
        let (id, address) = bind(&mut event_loop, witness);
        let (other, other_log) = Witness::deaf();
        let (_, other_address) = bind(&mut event_loop, other);
        let (peer, _) = std_socket();
        peer.send_to(b"one", address).unwrap();
        peer.send_to(b"two", address).unwrap();
        peer.send_to(b"three", other_address).unwrap();
        turn_until(&mut event_loop, end, || log.borrow().len() > 2 && other_log.borrow().len() > 1);
        turn_on(&mut event_loop);
        let reason = match end {
            "close" => "closed by this side",
            "abort" => "aborted by this side",
            "error" => "the handler failed",
            _ => "the handler panicked: a bug",
        };
        assert_eq!(
            *log.borrow(),
            ["open".to_owned(), "one".to_owned(), format!("close: {reason}")]
        );
        assert_eq!(*other_log.borrow(), ["open", "three"], "{end}");
        assert!(event_loop.reactor().datagram(id).is_none());
        let stats = event_loop.stats();
        assert_eq!((stats.datagram_sockets, stats.timers), (1, 0), "{end}");
        // The address is free again.
        let options = DatagramOptions::default();
        event_loop.reactor().bind_datagram(address, &options, Witness::deaf().0).unwrap();
    }
}

#[test]
fn a_socket_can_be_closed_by_another_before_it_has_heard_what_waits_for_it() {
    let mut event_loop = EventLoop::new().unwrap();
    let (victim, log) = Witness::deaf();
    let (victim, victim_address) = bind(&mut event_loop, victim);
    turn_on(&mut event_loop);
    let (closer, closer_log) = Witness::new(move |socket, _, _| {
        if let Some(mut victim) = socket.reactor().datagram(victim) {
            victim.close();
        }
        Ok(())
    });
    let (_, address) = bind(&mut event_loop, closer);
    let (peer, _) = std_socket();
    // In this order they are reported.
    peer.send_to(b"close it", address).unwrap();
    peer.send_to(b"too late", victim_address).unwrap();
    turn_until(&mut event_loop, "the end", || {
        log.borrow().len() > 1 && closer_log.borrow().len() > 1
    });
    turn_on(&mut event_loop);
    let told = log.borrow();
    assert_eq!(told.last().unwrap(), "close: closed by this side");
    assert_eq!(told.iter().filter(|line| line.starts_with("close")).count(), 1);
}

#[test]
fn timers_are_told_unless_they_are_cancelled_and_end_with_their_socket() {
    let mut event_loop = EventLoop::new().unwrap();
    let (witness, log) = Witness::new(|socket, _, bytes| {
        match bytes {
            b"set" => {
                socket.set_timer(Tag(1), Duration::from_millis(1));
                socket.set_timer(Tag(2), Duration::from_millis(1));
                socket.set_timer(Tag(3), Duration::from_secs(3_600));
                assert!(socket.cancel_timer(Tag(2)) && !socket.cancel_timer(Tag(2)));
                socket.set_timer(Tag(3), Duration::from_millis(2));
            }
            _ => socket.set_timer(Tag(4), Duration::from_secs(3_600)),
        }
        if bytes == b"close" {
            socket.close();
        }
        Ok(())
    });
    let (_, address) = bind(&mut event_loop, witness);
    let (peer, _) = std_socket();
    peer.send_to(b"set", address).unwrap();
    turn_until(&mut event_loop, "the timers", || log.borrow().len() == 4);
    assert_eq!(*log.borrow(), ["open", "set", "timer 1", "timer 3"]);
    peer.send_to(b"close", address).unwrap();
    turn_until(&mut event_loop, "the end", || log.borrow().len() == 6);
    turn_on(&mut event_loop);
    assert_eq!(log.borrow()[4..], ["close", "close: closed by this side"]);
    assert_eq!(event_loop.stats().timers, 0);
}

#[test]
fn a_paused_socket_hears_later_what_the_kernel_has_kept() {
    let mut event_loop = EventLoop::new().unwrap();
    let (witness, log) = Witness::new(|socket, _, _| {
        socket.pause();
        assert!(socket.is_paused());
        Ok(())
    });
    let (id, address) = bind(&mut event_loop, witness);
    let (peer, _) = std_socket();
    for text in ["one", "two"] {
        peer.send_to(text.as_bytes(), address).unwrap();
    }
    turn_until(&mut event_loop, "the first", || log.borrow().len() == 2);
    peer.send_to(b"three", address).unwrap();
    turn_on(&mut event_loop);
    assert_eq!(log.borrow().len(), 2, "it is paused");
    for heard in 3..=4 {
        event_loop.reactor().datagram(id).unwrap().resume();
        turn_until(&mut event_loop, "the next", || log.borrow().len() == heard);
        turn_on(&mut event_loop);
        assert_eq!(log.borrow().len(), heard, "it pauses again each time");
    }
    assert_eq!(*log.borrow(), ["open", "one", "two", "three"]);
}

#[test]
fn other_threads_send_tell_and_close_by_a_handle() {
    let mut event_loop = EventLoop::new().unwrap();
    let (witness, log) = Witness::deaf();
    let (id, own) = bind(&mut event_loop, witness);
    let handle = event_loop.reactor().datagram(id).unwrap().handle();
    assert_eq!(handle.id(), id);
    let (peer, address) = std_socket();
    let remote = handle.clone();
    let thread = std::thread::spawn(move || {
        remote.send_to(address, "from a thread").unwrap();
        // It has no peer; its handler is told.
        remote.send("to nobody").unwrap();
        remote.message(7_u32).unwrap();
        remote.close().unwrap();
        remote.message(8_u32).unwrap();
        remote.send_to(address, "too late").unwrap();
    });
    thread.join().unwrap();
    turn_until(&mut event_loop, "the end", || log.borrow().len() == 4);
    turn_on(&mut event_loop);
    let expected =
        ["open", "error: a datagram was not sent", "message 7", "close: closed by this side"];
    assert_eq!(*log.borrow(), expected);
    let mut bytes = [0; 64];
    let (len, from) = peer.recv_from(&mut bytes).unwrap();
    assert_eq!((&bytes[..len], from), (&b"from a thread"[..], own));
    drop(event_loop);
    let error = handle.send_to(address, "hello?").unwrap_err();
    assert_eq!((&error.value[..], error.reason), (&b"hello?"[..], PostRefused::LoopGone));
    assert_eq!(handle.message(9_u32).unwrap_err().value.downcast_ref::<u32>(), Some(&9));
}

/// Stays open when the loop stops.
struct Stubborn(Rc<RefCell<Vec<String>>>);

impl net_reactor::Datagram for Stubborn {
    fn on_datagram(
        &mut self,
        _socket: &mut DatagramSocket<'_>,
        _from: std::net::SocketAddr,
        _bytes: &[u8],
    ) -> Flow {
        Ok(())
    }

    fn on_stop(&mut self, socket: &mut DatagramSocket<'_>) -> Flow {
        self.0.borrow_mut().push("stop".to_owned());
        let options = DatagramOptions::default();
        let refused = socket.reactor().bind_datagram(own_address(), &options, Witness::deaf().0);
        assert!(matches!(refused, Err(net_reactor::BindError::Stopping)));
        // Patience with it ends at once.
        socket.reactor().stop_now();
        Ok(())
    }

    fn on_close(&mut self, _socket: &mut DatagramSocket<'_>, reason: CloseReason) {
        self.0.borrow_mut().push(reason.to_string());
    }
}

#[test]
fn a_stop_closes_sockets_and_ends_those_that_stay() {
    let mut event_loop = EventLoop::new().unwrap();
    let (witness, log) = Witness::deaf();
    bind(&mut event_loop, witness);
    let told = Rc::default();
    bind(&mut event_loop, Stubborn(Rc::clone(&told)));
    event_loop.reactor().stop();
    event_loop.run().unwrap();
    assert_eq!(*log.borrow(), ["open", "close: closed by this side"]);
    assert_eq!(*told.borrow(), ["stop", "the loop stopped"]);
    assert_eq!(event_loop.stats().datagram_sockets, 0);
}
