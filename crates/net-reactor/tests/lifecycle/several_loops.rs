//! Servers with several loops: who serves whom, and that all of them end.

use std::collections::HashMap;
use std::io::Read;
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::ThreadId;

use net_reactor::prelude::*;
use net_reactor::{Balance, Server};

use crate::support::{
    PATIENCE, Running, Script, echo, expect_echo, no_fork, own_address, peer, poll_until, wait_for,
};

/// A server of four loops that reports the thread of each connection it opens.
fn start(balance: Balance) -> (Running, mpsc::Receiver<ThreadId>) {
    let (report, reported) = mpsc::channel();
    let server = Running::start(move || {
        let factory = move |_: &Peer| {
            let report = report.clone();
            echo().on_open(move |_| {
                report.send(std::thread::current().id())?;
                Ok(())
            })
        };
        Server::new(factory).loops(4).balance(balance).listen("127.0.0.1:0")
    });
    (server, reported)
}

fn count(threads: impl IntoIterator<Item = ThreadId>) -> HashMap<ThreadId, usize> {
    let mut counts = HashMap::new();
    for thread in threads {
        *counts.entry(thread).or_default() += 1;
    }
    counts
}

fn connect_all(server: &Running, count: usize) -> Vec<TcpStream> {
    (0..count).map(|_| peer(server.address)).collect()
}

#[test]
fn every_peer_is_served_whichever_loop_gets_it() {
    for balance in [Balance::ReusePort, Balance::LeastLoaded] {
        let (server, opened) = start(balance);
        assert_eq!(server.handle.loops().len(), 4);
        let mut peers = connect_all(&server, 100);
        for peer in &mut peers {
            expect_echo(peer, b"served");
        }
        let loops = count((0..100).map(|_| wait_for(&opened, "a connection")));
        assert!(loops.len() >= 2, "{balance:?}: one loop serves all: {loops:?}");
        assert_eq!(server.handle.connections(), 100);
        drop(peers);
        assert_eq!(server.stop().aborted, 0);
    }
}

#[test]
fn least_loaded_spreads_long_lived_connections_evenly() {
    let (server, opened) = start(Balance::LeastLoaded);
    // They come in batches, faster than a loop can say how many it has.
    let peers = connect_all(&server, 40);
    let loops = count((0..40).map(|_| wait_for(&opened, "a connection")));
    assert_eq!(loops.len(), 4, "{loops:?}");
    let most = loops.values().max().unwrap();
    let least = loops.values().min().unwrap();
    assert!(most - least <= 1, "{loops:?}");
    drop(peers);
    server.stop();
}

#[test]
fn least_loaded_spreads_a_waiting_batch_evenly() {
    let (report, reported) = mpsc::channel();
    let (go, start) = mpsc::channel::<()>();
    let (tell, told) = mpsc::channel();
    let server = std::thread::spawn(move || {
        let factory = move |_: &Peer| {
            let report = report.clone();
            echo().on_open(move |_| Ok(report.send(std::thread::current().id())?))
        };
        let server = Server::new(factory).loops(4).balance(Balance::LeastLoaded);
        let bound = server.listen("127.0.0.1:0").unwrap();
        tell.send((bound.local_address().ip().unwrap(), bound.handle())).unwrap();
        // All forty are in the backlog when the loops begin.
        start.recv_timeout(PATIENCE).unwrap();
        bound.run().unwrap()
    });
    let (address, handle) = wait_for(&told, "bound");
    let peers: Vec<_> = (0..40).map(|_| peer(address)).collect();
    go.send(()).unwrap();
    let loops = count((0..40).map(|_| wait_for(&reported, "a connection")));
    let spread: Vec<_> = loops.values().copied().collect();
    assert_eq!(spread, [10; 4]);
    drop(peers);
    handle.stop();
    server.join().unwrap();
}

#[test]
fn least_loaded_counts_down_when_connections_end() {
    let (server, opened) = start(Balance::LeastLoaded);
    let peers = connect_all(&server, 20);
    for _ in 0..20 {
        wait_for(&opened, "a connection");
    }
    drop(peers);
    poll_until("all have ended", || server.handle.connections() == 0);
    let again = connect_all(&server, 8);
    let loops = count((0..8).map(|_| wait_for(&opened, "a connection")));
    assert!(loops.values().all(|count| *count == 2), "{loops:?}");
    drop(again);
    server.stop();
}

#[test]
fn declined_peers_do_not_count_as_load() {
    let calls = Arc::new(AtomicUsize::new(0));
    let server = Running::start(move || {
        let factory = move |_: &Peer| (calls.fetch_add(1, Ordering::Relaxed) == 0).then(echo);
        Server::new(factory).loops(2).balance(Balance::LeastLoaded).listen("127.0.0.1:0")
    });
    let mut served = peer(server.address);
    expect_echo(&mut served, b"served");
    // The first loop has one connection, so all of these are handed to the second.
    for _ in 0..20 {
        assert_eq!(peer(server.address).read(&mut [0; 1]).unwrap(), 0);
    }
    poll_until("only one is left", || server.handle.connections() == 1);
    drop(served);
    server.stop();
}

#[test]
fn a_loop_that_is_stopped_takes_its_server_with_it() {
    let (server, opened) = start(Balance::LeastLoaded);
    let peers = connect_all(&server, 8);
    for _ in 0..8 {
        wait_for(&opened, "a connection");
    }
    drop(peers);
    server.handle.loops()[2].stop();
    assert_eq!(server.wait().aborted, 0);
}

#[test]
fn a_broadcast_reaches_the_connections_of_all_loops() {
    let (server, opened) = start(Balance::LeastLoaded);
    let peers = connect_all(&server, 12);
    for _ in 0..12 {
        wait_for(&opened, "a connection");
    }
    let text = "news for everybody".repeat(1000);
    assert_eq!(server.handle.broadcast(text.clone()), 4);
    for mut peer in peers {
        let mut got = vec![0; text.len()];
        peer.read_exact(&mut got).unwrap();
        assert_eq!(got, text.as_bytes());
    }
    server.stop();
    assert_eq!(server.handle.broadcast("nobody is left"), 0);
}

#[test]
fn a_stop_ends_all_loops_and_tells_all_handlers() {
    let (report, reported) = mpsc::channel();
    let (open, opened) = mpsc::channel();
    let server = Running::start(move || {
        let factory = move |_: &Peer| {
            let (stop, close, open) = (report.clone(), report.clone(), open.clone());
            Script::new()
                .on_open(move |_| Ok(open.send(())?))
                .on_stop(move |conn| {
                    stop.send("stop")?;
                    conn.close();
                    Ok(())
                })
                .on_close(move |_, _| close.send("close").unwrap())
        };
        Server::new(factory).loops(4).balance(Balance::LeastLoaded).listen("127.0.0.1:0")
    });
    let peers = connect_all(&server, 12);
    for _ in 0..12 {
        wait_for(&opened, "a connection");
    }
    server.handle.stop();
    for mut peer in peers {
        assert_eq!(peer.read(&mut [0; 1]).unwrap(), 0);
    }
    assert_eq!(server.wait().aborted, 0);
    let told: Vec<_> = reported.try_iter().collect();
    assert_eq!(told.iter().filter(|what| **what == "stop").count(), 12);
    assert_eq!(told.iter().filter(|what| **what == "close").count(), 12);
    for owner in server.handle.loops() {
        assert!(owner.run_in_loop(|_| {}).is_err(), "a loop is left");
    }
}

#[test]
fn a_hard_stop_ends_all_loops_and_counts_what_it_aborted() {
    let (server, opened) = start(Balance::LeastLoaded);
    let peers = connect_all(&server, 12);
    for _ in 0..12 {
        wait_for(&opened, "a connection");
    }
    server.handle.stop_now();
    assert_eq!(server.wait().aborted, 12);
    drop(peers);
}

#[test]
fn each_loop_has_a_factory_of_its_own() {
    let (report, reported) = mpsc::channel();
    let server = Running::start(move || {
        let mut number = 0;
        let factory = move |_: &Peer| {
            number += 1;
            report.send((std::thread::current().id(), number)).unwrap();
            echo()
        };
        Server::new(factory).loops(2).balance(Balance::LeastLoaded).listen("127.0.0.1:0")
    });
    let peers = connect_all(&server, 6);
    let mut numbers: HashMap<ThreadId, Vec<u32>> = HashMap::new();
    for _ in 0..6 {
        let (thread, number) = wait_for(&reported, "a factory");
        numbers.entry(thread).or_default().push(number);
    }
    assert_eq!(numbers.len(), 2);
    assert!(numbers.values().all(|numbers| numbers[..] == [1, 2, 3]), "{numbers:?}");
    drop(peers);
    server.stop();
}

#[test]
fn a_server_that_is_never_run_leaves_no_thread_and_no_port() {
    let _no_fork = no_fork();
    let bound = Server::new(|_: &Peer| echo()).loops(3).listen(own_address()).unwrap();
    let (address, handle) = (bound.local_address().ip().unwrap(), bound.handle());
    drop(bound);
    poll_until("no loop is left", || {
        handle.loops().iter().all(|owner| owner.run_in_loop(|_| {}).is_err())
    });
    TcpStream::connect_timeout(&address, PATIENCE).expect_err("nobody listens");
}

#[test]
fn two_servers_do_not_share_a_port_by_mistake() {
    let _guard = no_fork();
    let first = Server::new(|_: &Peer| echo()).loops(2).listen("127.0.0.1:0").expect("free");
    let address = first.local_address();
    let second = Server::new(|_: &Peer| echo()).loops(2).listen(&address);
    let error = second.expect_err("the port is taken").to_string();
    assert_eq!(error, format!("{address} is in use"));
    // Who asks for a shared port gets one.
    let shared = net_reactor::ListenOptions::default().reuse_port(true);
    let third = Server::new(|_: &Peer| echo()).listener(shared).listen(address);
    assert!(third.is_ok(), "{third:?}");
}

#[test]
fn a_hard_stop_of_one_loop_is_as_hard_for_the_others() {
    let (open, opened) = mpsc::channel();
    let server = Running::start(move || {
        let factory = move |_: &Peer| {
            let open = open.clone();
            // These handlers stay, so a graceful stop would wait for the loop's whole patience.
            Script::new().on_open(move |_| Ok(open.send(())?)).on_stop(|_| Ok(()))
        };
        let server = Server::new(factory).loops(2).balance(Balance::LeastLoaded);
        let config = net_reactor::LoopConfig::default().drain(100 * PATIENCE);
        server.loop_config(config).listen("127.0.0.1:0")
    });
    let peers = connect_all(&server, 8);
    for _ in 0..8 {
        wait_for(&opened, "a connection");
    }
    server.handle.loops()[1].stop();
    server.handle.loops()[1].stop_now();
    assert_eq!(server.wait().aborted, 8);
    drop(peers);
}
