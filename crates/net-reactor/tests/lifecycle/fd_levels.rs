//! Descriptors of the user's own: what a handler is told, and when it is told again.

use std::cell::{Cell, RefCell};
use std::io::{ErrorKind, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;

use net_reactor::prelude::*;
use net_reactor::{AddFdError, AddFdRefused, Fd, FdId, Interest, Ready};
use rustix::event::{EventfdFlags, eventfd};

use crate::support::{turn_on, turn_until};

fn word(ready: Ready) -> String {
    format!("{ready:?}")
}

#[test]
fn what_is_left_unread_is_told_again_in_the_next_turn() {
    let mut event_loop = EventLoop::new().unwrap();
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(b"abcde").unwrap();
    let got = Rc::new(RefCell::new(Vec::new()));
    let bytes = Rc::clone(&got);
    let take_one = move |fd: &mut Fd<'_>, ready: Ready| {
        assert!(ready.is_readable());
        let mut one = [0];
        if fd.read(&mut one)? == Some(1) {
            bytes.borrow_mut().push(one[0]);
        }
        Ok(())
    };
    event_loop.reactor().watch_fd(reader, Interest::READ, take_one).unwrap();
    for so_far in 1..=5 {
        event_loop.turn(None).unwrap();
        assert_eq!(got.borrow().len(), so_far, "one call a turn");
    }
    assert_eq!(*got.borrow(), b"abcde");
    turn_on(&mut event_loop);
    assert_eq!(got.borrow().len(), 5);
    writer.write_all(b"f").unwrap();
    turn_until(&mut event_loop, "the next byte", || got.borrow().len() == 6);
}

#[test]
fn a_handler_that_reads_by_other_means_is_told_again_as_well() {
    let mut event_loop = EventLoop::new().unwrap();
    let (reader, mut writer) = std::io::pipe().unwrap();
    let calls = Rc::new(Cell::new(0));
    let count = Rc::clone(&calls);
    let mut own = reader.try_clone().unwrap();
    event_loop
        .reactor()
        .watch_fd(reader, Interest::READ, move |_, _| {
            count.set(count.get() + 1);
            std::io::Read::read(&mut own, &mut [0; 2])?;
            Ok(())
        })
        .unwrap();
    for round in 1..=3 {
        writer.write_all(b"four").unwrap();
        turn_until(&mut event_loop, "both halves", || calls.get() == 2 * round);
        turn_on(&mut event_loop);
        assert_eq!(calls.get(), 2 * round);
    }
}

#[test]
fn a_read_that_found_nothing_waits_for_the_next_edge() {
    let mut event_loop = EventLoop::new().unwrap();
    let (reader, mut writer) = std::io::pipe().unwrap();
    let total = Rc::new(Cell::new(0));
    let sum = Rc::clone(&total);
    event_loop
        .reactor()
        .watch_fd(reader, Interest::READ, move |fd, _| {
            let mut bytes = [0; 3];
            while let Some(len @ 1..) = fd.read(&mut bytes)? {
                sum.set(sum.get() + len);
            }
            Ok(())
        })
        .unwrap();
    for round in 1..=20 {
        writer.write_all(&[7; 10]).unwrap();
        turn_until(&mut event_loop, "ten more", || total.get() == 10 * round);
    }
}

#[test]
fn what_is_not_wanted_costs_no_turn() {
    let mut event_loop = EventLoop::new().unwrap();
    let calls = Rc::new(Cell::new(0));
    let mut peers = Vec::new();
    for interest in [Interest::NONE, Interest::READ, Interest::WRITE] {
        let (own, mut peer) = UnixStream::pair().unwrap();
        let mut event_loop_reactor = event_loop.reactor();
        let count = Rc::clone(&calls);
        event_loop_reactor
            .watch_fd(own, interest, move |fd, _| {
                count.set(count.get() + 1);
                fd.set_interest(Interest::NONE);
                Ok(())
            })
            .unwrap();
        peer.write_all(b"x").unwrap();
        peers.push(peer);
    }
    turn_until(&mut event_loop, "both that want something", || calls.get() == 2);
    turn_on(&mut event_loop);
    let before = event_loop.stats();
    for peer in &mut peers {
        peer.write_all(b"nobody wants that").unwrap();
    }
    event_loop.reactor().call_later(std::time::Duration::from_millis(40), |reactor| reactor.stop());
    event_loop.run().unwrap();
    // The timer, and the stop. The handlers close then.
    assert!(event_loop.stats().turns - before.turns <= 5, "{:?}", event_loop.stats());
    assert_eq!(calls.get(), 2);
}

#[test]
fn a_hang_up_that_nobody_cares_for_does_not_spin() {
    let mut event_loop = EventLoop::new().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    let told = Rc::new(RefCell::new(Vec::new()));
    let notes = Rc::clone(&told);
    event_loop
        .reactor()
        .watch_fd(reader, Interest::NONE, move |_, ready| {
            notes.borrow_mut().push(word(ready));
            Ok(())
        })
        .unwrap();
    drop(writer);
    turn_until(&mut event_loop, "the hang-up", || !told.borrow().is_empty());
    let before = event_loop.stats().turns;
    event_loop.reactor().call_later(std::time::Duration::from_millis(40), |reactor| reactor.stop());
    event_loop.run().unwrap();
    assert!(event_loop.stats().turns - before <= 5);
    assert_eq!(*told.borrow(), ["Ready(hung up)"]);
}

#[test]
fn an_end_that_was_read_is_told_once() {
    let mut event_loop = EventLoop::new().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    let ends = Rc::new(Cell::new(0));
    let count = Rc::clone(&ends);
    event_loop
        .reactor()
        .watch_fd(reader, Interest::READ, move |fd, ready| {
            if ready.is_readable() && fd.read(&mut [0; 8])? == Some(0) {
                count.set(count.get() + 1);
            }
            Ok(())
        })
        .unwrap();
    drop(writer);
    turn_until(&mut event_loop, "the end", || ends.get() == 1);
    turn_on(&mut event_loop);
    assert_eq!((ends.get(), event_loop.stats().spins), (1, 0));
}

#[test]
fn a_change_of_interest_holds_at_once_and_brings_what_is_there() {
    let mut event_loop = EventLoop::new().unwrap();
    let (own, mut peer) = UnixStream::pair().unwrap();
    peer.write_all(b"waiting").unwrap();
    let told = Rc::new(RefCell::new(Vec::new()));
    let notes = Rc::clone(&told);
    let id = event_loop
        .reactor()
        .watch_fd(own, Interest::WRITE, move |fd, ready| {
            notes.borrow_mut().push(word(ready));
            let other = if ready.is_writable() { Interest::READ } else { Interest::NONE };
            fd.set_interest(other);
            assert_eq!(fd.interest(), other);
            Ok(())
        })
        .unwrap();
    turn_until(&mut event_loop, "both", || told.borrow().len() == 2);
    turn_on(&mut event_loop);
    assert_eq!(*told.borrow(), ["Ready(writable)", "Ready(readable)"]);
    assert!(event_loop.reactor().set_interest(id, Interest::READ | Interest::WRITE));
    turn_until(&mut event_loop, "it again", || told.borrow().len() >= 3);
    assert_eq!(told.borrow()[2], "Ready(readable, writable)");
}

/// Tornado's `test_remove_handler_from_handler`, and Twisted's `test_removedFromReactor`.
#[test]
fn who_is_removed_or_changed_by_another_in_the_same_turn_is_not_called() {
    for change in 0..3 {
        let mut event_loop = EventLoop::new().unwrap();
        let ids: Rc<RefCell<Vec<FdId>>> = Rc::default();
        let calls = Rc::new(Cell::new(0));
        let mut writers = Vec::new();
        for number in 0..2 {
            let (reader, mut writer) = std::io::pipe().unwrap();
            writer.write_all(b"both are ready").unwrap();
            writers.push(writer);
            let (others, count) = (Rc::clone(&ids), Rc::clone(&calls));
            let spoil = move |fd: &mut Fd<'_>, _: Ready| {
                count.set(count.get() + 1);
                fd.set_interest(Interest::NONE);
                let other = others.borrow()[1 - number];
                match change {
                    0 => assert!(fd.reactor().take_fd(other).is_some()),
                    1 => assert!(fd.reactor().close_fd(other)),
                    _ => assert!(fd.reactor().set_interest(other, Interest::NONE)),
                }
                Ok(())
            };
            let id = event_loop.reactor().watch_fd(reader, Interest::READ, spoil).unwrap();
            ids.borrow_mut().push(id);
        }
        turn_until(&mut event_loop, "the first", || calls.get() > 0);
        turn_on(&mut event_loop);
        assert_eq!(calls.get(), 1, "change {change}");
    }
}

#[test]
fn an_event_of_an_earlier_owner_of_the_number_reaches_nobody() {
    let mut event_loop = EventLoop::new().unwrap();
    let wrong = Rc::new(Cell::new(0));
    let right = Rc::new(Cell::new(0));
    for round in 1..=50 {
        let event = eventfd(1, EventfdFlags::CLOEXEC).unwrap();
        let count = Rc::clone(&wrong);
        let old = event_loop
            .reactor()
            .watch_fd(event, Interest::READ, move |_, _| {
                count.set(count.get() + 1);
                Ok(())
            })
            .unwrap();
        // Reported by the next wait, in which this call comes first.
        let count = Rc::clone(&right);
        let mut reactor = event_loop.reactor();
        drop(reactor.take_fd(old));
        let next = eventfd(0, EventfdFlags::CLOEXEC).unwrap();
        let new = reactor
            .watch_fd(next, Interest::READ, move |_, _| {
                count.set(count.get() + 1);
                Ok(())
            })
            .unwrap();
        event_loop.turn(Some(std::time::Duration::ZERO)).unwrap();
        assert_eq!((wrong.get(), right.get()), (0, round - 1));
        event_loop.reactor().fd(new).unwrap().write(&1_u64.to_ne_bytes()).unwrap();
        turn_until(&mut event_loop, "the new one", || right.get() >= round);
        assert!(event_loop.reactor().close_fd(new));
        assert!(!event_loop.reactor().close_fd(old) && event_loop.reactor().fd(old).is_none());
        right.set(round);
    }
}

#[test]
fn an_id_of_another_loop_names_nothing() {
    let mut event_loop = EventLoop::new().unwrap();
    let (reader, _writer) = std::io::pipe().unwrap();
    let id = event_loop.reactor().watch_fd(reader, Interest::READ, |_, _| Ok(())).unwrap();
    let mut other = EventLoop::new().unwrap();
    let mut reactor = other.reactor();
    assert!(reactor.fd(id).is_none() && reactor.take_fd(id).is_none());
    assert!(!reactor.poke_fd(id) && !reactor.set_interest(id, Interest::NONE));
}

#[test]
fn a_regular_file_is_refused_and_given_back() {
    let mut event_loop = EventLoop::new().unwrap();
    let file = std::fs::File::open("/proc/self/exe").unwrap();
    let error = event_loop.reactor().watch_fd(file, Interest::READ, |_, _| Ok(())).unwrap_err();
    assert_eq!(error.to_string(), "the descriptor is always ready, as a file is");
    let AddFdError { descriptor, reason: AddFdRefused::NotPollable { source } } = error else {
        panic!("{error:?}");
    };
    assert_eq!(source.kind(), ErrorKind::PermissionDenied);
    let file: OwnedFd = descriptor.try_into().unwrap();
    assert!(std::fs::File::from(file).metadata().unwrap().is_file());
}

#[test]
fn removing_gives_the_owner_back_open() {
    let mut event_loop = EventLoop::new().unwrap();
    let (reader, mut writer) = std::io::pipe().unwrap();
    let id = event_loop.reactor().watch_fd(reader, Interest::READ, |_, _| Ok(())).unwrap();
    turn_on(&mut event_loop);
    let back = event_loop.reactor().take_fd(id).unwrap();
    assert!(event_loop.reactor().take_fd(id).is_none());
    writer.write_all(b"still open").unwrap();
    let mut pipe = std::fs::File::from(OwnedFd::try_from(back).unwrap());
    let mut bytes = [0; 10];
    std::io::Read::read_exact(&mut pipe, &mut bytes).unwrap();
    assert_eq!(&bytes, b"still open");
}

#[test]
fn a_busy_descriptor_does_not_hold_up_the_others() {
    let mut event_loop = EventLoop::new().unwrap();
    let order = Rc::new(RefCell::new(Vec::new()));
    let mut writers = Vec::new();
    for number in 0..3 {
        let (reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(&[0; 100]).unwrap();
        writers.push(writer);
        let calls = Rc::clone(&order);
        event_loop
            .reactor()
            .watch_fd(reader, Interest::READ, move |fd, _| {
                calls.borrow_mut().push(number);
                fd.read(&mut [0])?;
                Ok(())
            })
            .unwrap();
    }
    for turns in 1..=20 {
        event_loop.turn(None).unwrap();
        let calls = order.borrow();
        for number in 0..3 {
            assert_eq!(calls.iter().filter(|each| **each == number).count(), turns);
        }
    }
}

#[test]
fn what_was_known_before_a_change_of_interest_is_not_told_after_it() {
    let mut event_loop = EventLoop::new().unwrap();
    let ids: Rc<RefCell<Vec<FdId>>> = Rc::default();
    let told = Rc::new(RefCell::new(Vec::new()));
    let mut peers = Vec::new();
    for number in 0..2 {
        let (own, mut peer) = UnixStream::pair().unwrap();
        peer.write_all(b"both are readable").unwrap();
        peers.push(peer);
        let (others, notes) = (Rc::clone(&ids), Rc::clone(&told));
        let spoil = move |fd: &mut Fd<'_>, ready: Ready| {
            notes.borrow_mut().push(word(ready));
            fd.set_interest(Interest::NONE);
            if notes.borrow().len() == 1 {
                // Nothing is left to read there, and something else is wanted.
                let other = others.borrow()[1 - number];
                let mut other = fd.reactor().fd(other).expect("it is watched");
                assert_eq!(other.read(&mut [0; 64])?, Some(17));
                other.set_interest(Interest::READ | Interest::WRITE);
            }
            Ok(())
        };
        let id = event_loop.reactor().watch_fd(own, Interest::READ, spoil).unwrap();
        ids.borrow_mut().push(id);
    }
    turn_until(&mut event_loop, "both", || told.borrow().len() == 2);
    assert_eq!(*told.borrow(), ["Ready(readable)", "Ready(writable)"]);
}
