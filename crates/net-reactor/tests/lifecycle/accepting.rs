//! Accepted peers: factories that decline, panic and end their listener.

use std::cell::Cell;
use std::io::Read;
use std::net::{Shutdown, TcpStream};
use std::rc::Rc;
use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::{ConnConfig, ListenOptions};

use crate::support::{
    Log, PATIENCE, Script, echo, expect_echo, listen, loopback, no_fork, peer, turn_on, turn_until,
};

#[test]
fn a_declined_peer_sees_a_clean_close_and_no_callback_is_called() {
    let mut event_loop = EventLoop::new().unwrap();
    let (_, address) = listen(&mut event_loop, |_| None::<Script>);
    let mut client = peer(address);
    let reader = std::thread::spawn(move || client.read(&mut [0; 1]));
    turn_until(&mut event_loop, "the peer sees the end", || reader.is_finished());
    assert_eq!(reader.join().unwrap().expect("a clean end, no reset"), 0);
    let stats = event_loop.stats();
    assert_eq!((stats.connections, stats.accepted, stats.closed), (0, 1, 1));
    assert_eq!(event_loop.handle().connections(), 0);
}

#[test]
fn a_factory_may_decline_some_and_serve_others() {
    let mut event_loop = EventLoop::new().unwrap();
    let mut calls = 0;
    let (_, address) = listen(&mut event_loop, move |_| {
        calls += 1;
        (calls % 2 == 0).then(echo)
    });
    let client = std::thread::spawn(move || {
        for _ in 0..5 {
            assert_eq!(peer(address).read(&mut [0; 1]).unwrap(), 0);
            expect_echo(&mut peer(address), b"served");
        }
    });
    turn_until(&mut event_loop, "ten peers", || client.is_finished());
    client.join().unwrap();
}

#[test]
fn a_panicking_factory_costs_one_peer() {
    let mut event_loop = EventLoop::new().unwrap();
    let mut calls = 0;
    let (_, address) = listen(&mut event_loop, move |_| {
        calls += 1;
        assert!(calls > 1, "the first peer is too much for this factory");
        echo()
    });
    let client = std::thread::spawn(move || {
        assert_eq!(peer(address).read(&mut [0; 1]).unwrap(), 0);
        expect_echo(&mut peer(address), b"served");
    });
    turn_until(&mut event_loop, "two peers", || client.is_finished());
    client.join().unwrap();
}

#[test]
fn a_listener_closed_in_a_batch_of_forty_accepts_no_more_and_harms_nobody() {
    let _no_fork = no_fork();
    const PENDING: usize = 40;
    let mut event_loop = EventLoop::new().unwrap();
    let log = Log::default();
    let (opened, closed) = (log.clone(), log.clone());
    let (_, address) = listen(&mut event_loop, move |peer| {
        let (opened, closed) = (opened.clone(), closed.clone());
        let listener = peer.listener();
        echo()
            .on_open(move |conn| {
                opened.note("opened");
                if opened.len() == 3 {
                    assert!(conn.reactor().unlisten(listener));
                }
                Ok(())
            })
            .on_close(move |_, reason| closed.note(reason))
    });
    // All of them are in the backlog before the loop looks for the first time.
    let mut peers: Vec<TcpStream> = (0..PENDING).map(|_| peer(address)).collect();
    turn_until(&mut event_loop, "three accepted", || log.len() >= 3);
    turn_on(&mut event_loop);
    assert_eq!(log.lines(), ["opened"; 3]);
    let client = std::thread::spawn(move || {
        for served in &mut peers[..3] {
            expect_echo(served, b"served");
        }
        for refused in &mut peers[3..] {
            assert!(!matches!(refused.read(&mut [0; 1]), Ok(1..)), "nobody serves it");
        }
    });
    turn_until(&mut event_loop, "all peers have seen their end", || client.is_finished());
    client.join().unwrap();
    turn_until(&mut event_loop, "the three closed", || log.len() == 6);
}

#[test]
fn a_listener_closed_by_a_post_of_its_factory_still_serves_that_peer() {
    let _no_fork = no_fork();
    let mut event_loop = EventLoop::new().unwrap();
    let handle = event_loop.handle();
    let (_, address) = listen(&mut event_loop, move |peer| {
        let listener = peer.listener();
        handle
            .run_in_loop(move |reactor| {
                reactor.unlisten(listener);
            })
            .unwrap();
        echo()
    });
    let client = std::thread::spawn(move || {
        expect_echo(&mut peer(address), b"the last one");
        TcpStream::connect_timeout(&address, PATIENCE).expect_err("nobody listens");
    });
    turn_until(&mut event_loop, "the last one was served", || client.is_finished());
    client.join().unwrap();
}

#[test]
fn a_handler_may_listen_from_on_open() {
    let mut event_loop = EventLoop::new().unwrap();
    let (_, address) = listen(&mut event_loop, |_| {
        Script::new().on_open(|conn| {
            let options = ListenOptions::default();
            let reactor = conn.reactor();
            let second =
                reactor.listen(loopback(0), &options, ConnConfig::default(), |_| echo())?;
            let port = reactor.listener_address(second).unwrap().port().unwrap();
            conn.write(port.to_be_bytes())?;
            Ok(())
        })
    });
    let client = std::thread::spawn(move || {
        let mut port = [0; 2];
        let mut first = peer(address);
        first.read_exact(&mut port).unwrap();
        expect_echo(&mut peer(loopback(u16::from_be_bytes(port))), b"second");
    });
    turn_until(&mut event_loop, "served by the second", || client.is_finished());
    client.join().unwrap();
}

#[test]
fn peers_that_reset_before_they_are_accepted_do_no_harm() {
    let mut event_loop = EventLoop::new().unwrap();
    let (opened, closed) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let (opens, closes) = (Rc::clone(&opened), Rc::clone(&closed));
    let (_, address) = listen(&mut event_loop, move |_| {
        let (opens, closes) = (Rc::clone(&opens), Rc::clone(&closes));
        echo()
            .on_open(move |_| {
                opens.set(opens.get() + 1);
                Ok(())
            })
            .on_close(move |_, _| closes.set(closes.get() + 1))
    });
    for _ in 0..20 {
        for _ in 0..50 {
            reset(peer(address));
        }
        event_loop.turn(Some(Duration::from_millis(1))).unwrap();
    }
    let client = std::thread::spawn(move || expect_echo(&mut peer(address), b"alive"));
    turn_until(&mut event_loop, "the one that stays is served", || client.is_finished());
    client.join().unwrap();
    turn_until(&mut event_loop, "all have ended", || {
        opened.get() == closed.get() && opened.get() >= 1
    });
    assert_eq!(event_loop.stats().connections, 0);
}

/// Ends a connection with RST; see `SO_LINGER` in socket(7).
fn reset(stream: TcpStream) {
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    drop(stream);
}

#[test]
fn peers_that_left_before_they_are_accepted_get_the_whole_life() {
    let mut event_loop = EventLoop::new().unwrap();
    let log = Log::default();
    let noted = log.clone();
    let (_, address) = listen(&mut event_loop, move |_| {
        let (opened, closed) = (noted.clone(), noted.clone());
        Script::new()
            .on_open(move |_| {
                opened.note("opened");
                Ok(())
            })
            .on_close(move |_, reason| closed.note(reason))
    });
    let client = peer(address);
    client.shutdown(Shutdown::Both).unwrap();
    drop(client);
    turn_until(&mut event_loop, "closed", || log.len() == 2);
    turn_on(&mut event_loop);
    assert_eq!(log.lines(), ["opened", "closed by the peer"]);
}

#[test]
fn more_peers_than_one_turn_accepts_are_all_served() {
    const PEERS: usize = 150;
    let mut event_loop = EventLoop::new().unwrap();
    let (_, address) = listen(&mut event_loop, |_| echo());
    let peers: Vec<_> = (0..PEERS).map(|_| peer(address)).collect();
    event_loop.turn(Some(PATIENCE)).unwrap();
    let first_batch = event_loop.stats().accepted;
    assert!((1..=64).contains(&first_batch), "{first_batch} accepted in one turn");
    let client = std::thread::spawn(move || {
        for mut peer in peers {
            expect_echo(&mut peer, b"one of many");
        }
    });
    turn_until(&mut event_loop, "all are served", || client.is_finished());
    client.join().unwrap();
    assert_eq!(event_loop.stats().accepted, PEERS as u64);
}
