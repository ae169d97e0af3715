//! Listeners: families, ports, errors, and the end of one.

use std::io::Read;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};

use net_reactor::prelude::*;
use net_reactor::{ConnConfig, ListenError, ListenOptions, ListenerId};

use crate::support::{
    Log, PATIENCE, Script, echo, expect_echo, listen, no_fork, own_address, peer, std_listener,
    turn_on, turn_until,
};

fn try_listen(
    event_loop: &mut EventLoop,
    address: SocketAddr,
    options: &ListenOptions,
) -> Result<(ListenerId, SocketAddr), ListenError> {
    let mut reactor = event_loop.reactor();
    let listener = reactor.listen(address, options, ConnConfig::default(), |_| echo())?;
    Ok((listener, reactor.listener_address(listener).unwrap().ip().unwrap()))
}

/// Echoes one word with a peer on a thread of its own.
fn serve_one(event_loop: &mut EventLoop, address: SocketAddr) {
    let client = std::thread::spawn(move || expect_echo(&mut peer(address), b"hello"));
    turn_until(event_loop, "the echo", || client.is_finished());
    client.join().unwrap();
}

fn has_v6() -> bool {
    TcpListener::bind("[::1]:0").is_ok()
}

#[test]
fn port_zero_becomes_a_port_that_serves() {
    let mut event_loop = EventLoop::new().unwrap();
    let (_, address) = listen(&mut event_loop, |_| echo());
    assert_ne!(address.port(), 0);
    serve_one(&mut event_loop, address);
}

#[test]
fn an_ipv6_address_serves_ipv6_peers() {
    if !has_v6() {
        return;
    }
    let mut event_loop = EventLoop::new().unwrap();
    let any_port = SocketAddr::from((Ipv6Addr::LOCALHOST, 0));
    let (_, address) = try_listen(&mut event_loop, any_port, &ListenOptions::default()).unwrap();
    assert!(address.is_ipv6());
    serve_one(&mut event_loop, address);
}

#[test]
fn the_ipv6_wildcard_serves_both_families() {
    if !has_v6() {
        return;
    }
    let mut event_loop = EventLoop::new().unwrap();
    let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
    let (_, address) = try_listen(&mut event_loop, any, &ListenOptions::default()).unwrap();
    serve_one(&mut event_loop, SocketAddr::from((Ipv6Addr::LOCALHOST, address.port())));
    serve_one(&mut event_loop, SocketAddr::from((Ipv4Addr::LOCALHOST, address.port())));
}

#[test]
fn only_v6_refuses_ipv4_peers_and_leaves_them_the_port() {
    if !has_v6() {
        return;
    }
    let mut event_loop = EventLoop::new().unwrap();
    let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
    let options = ListenOptions::default().only_v6(true);
    let (_, v6) = try_listen(&mut event_loop, any, &options).unwrap();
    serve_one(&mut event_loop, SocketAddr::from((Ipv6Addr::LOCALHOST, v6.port())));
    let v4 = SocketAddr::new(own_address().ip(), v6.port());
    let refused = TcpStream::connect_timeout(&v4, PATIENCE).expect_err("IPv4 is not served");
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    TcpListener::bind(v4).expect("the port is free for IPv4");
}

#[test]
fn a_port_in_use_is_a_typed_error_and_leaves_the_loop_as_it_was() {
    let (_taken, address) = std_listener();
    let mut event_loop = EventLoop::new().unwrap();
    let error = try_listen(&mut event_loop, address, &ListenOptions::default()).unwrap_err();
    let ListenError::InUse { address: named, source } = &error else { panic!("{error:?}") };
    assert_eq!(*named, address);
    assert!(source.raw_os_error().is_some());
    let (_, other) = listen(&mut event_loop, |_| echo());
    serve_one(&mut event_loop, other);
}

#[test]
fn two_listeners_of_one_loop_cannot_share_a_port() {
    let mut event_loop = EventLoop::new().unwrap();
    let (_, address) = listen(&mut event_loop, |_| echo());
    let error = try_listen(&mut event_loop, address, &ListenOptions::default()).unwrap_err();
    assert!(matches!(error, ListenError::InUse { .. }), "{error:?}");
    serve_one(&mut event_loop, address);
}

#[test]
fn a_foreign_address_is_a_typed_error() {
    let mut event_loop = EventLoop::new().unwrap();
    // RFC 5737: for documents, so no host has it.
    let foreign = SocketAddr::from(([198, 51, 100, 7], 0));
    let error = try_listen(&mut event_loop, foreign, &ListenOptions::default()).unwrap_err();
    assert!(matches!(error, ListenError::BadAddress { .. }), "{error:?}");
}

#[test]
fn a_server_can_restart_at_once_on_its_port() {
    let _no_fork = no_fork();
    let mut address = own_address();
    for round in 0..3 {
        let mut event_loop = EventLoop::new().unwrap();
        let factory = |_: &Peer| {
            Script::new().on_open(|conn| {
                conn.close();
                Ok(())
            })
        };
        let (options, config) = (ListenOptions::default(), ConnConfig::default());
        let mut reactor = event_loop.reactor();
        let listened = reactor.listen(address, &options, config, factory);
        let listener = listened.unwrap_or_else(|error| panic!("round {round}: {error:?}"));
        address = reactor.listener_address(listener).unwrap().ip().unwrap();
        // The server closes first, so its side of the connection stays in TIME_WAIT.
        let client = std::thread::spawn(move || peer(address).read(&mut [0; 1]));
        turn_until(&mut event_loop, "the peer sees the end", || client.is_finished());
        assert_eq!(client.join().unwrap().unwrap(), 0);
        turn_on(&mut event_loop);
        assert_eq!((event_loop.stats().accepted, event_loop.stats().connections), (1, 0));
    }
}

#[test]
fn unlisten_keeps_the_connections_and_frees_the_port() {
    let _no_fork = no_fork();
    let mut event_loop = EventLoop::new().unwrap();
    let (listener, address) = listen(&mut event_loop, |_| echo());
    let mut kept = peer(address);
    let mut accepted = 0;
    while accepted == 0 {
        event_loop.turn(Some(PATIENCE)).unwrap();
        accepted = event_loop.stats().accepted;
    }
    assert!(event_loop.reactor().unlisten(listener));
    assert!(!event_loop.reactor().unlisten(listener), "it is closed already");
    assert_eq!(event_loop.reactor().listener_address(listener), None);
    let refused = TcpStream::connect_timeout(&address, PATIENCE).expect_err("nobody listens");
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    let client = std::thread::spawn(move || expect_echo(&mut kept, b"still here"));
    turn_until(&mut event_loop, "the echo", || client.is_finished());
    client.join().unwrap();
    let again = try_listen(&mut event_loop, address, &ListenOptions::default()).unwrap();
    assert_eq!(again.1, address);
    serve_one(&mut event_loop, address);
}

#[test]
fn an_id_of_another_loop_names_no_listener() {
    let mut one = EventLoop::new().unwrap();
    let mut other = EventLoop::new().unwrap();
    let (listener, _) = listen(&mut one, |_| echo());
    listen(&mut other, |_| echo());
    assert_eq!(other.reactor().listener_address(listener), None);
    assert!(!other.reactor().unlisten(listener));
}

#[test]
fn a_stale_listener_id_does_not_touch_its_successor() {
    let mut event_loop = EventLoop::new().unwrap();
    let (first, _) = listen(&mut event_loop, |_| echo());
    assert!(event_loop.reactor().unlisten(first));
    let (_, address) = listen(&mut event_loop, |_| echo());
    assert!(!event_loop.reactor().unlisten(first));
    serve_one(&mut event_loop, address);
}

#[test]
fn a_connection_names_the_listener_that_accepted_it() {
    let mut event_loop = EventLoop::new().unwrap();
    let log = Log::default();
    let mut listeners = Vec::new();
    for _ in 0..2 {
        let noted = log.clone();
        let factory = move |peer: &Peer| {
            let (noted, listener, from) = (noted.clone(), peer.listener(), peer.address().clone());
            Script::new().on_open(move |conn| {
                assert_eq!(conn.listener(), Some(listener));
                assert_eq!(conn.peer_address(), from);
                noted.note(listener);
                Ok(())
            })
        };
        listeners.push(listen(&mut event_loop, factory));
    }
    let peers: Vec<_> = listeners.iter().rev().map(|(_, address)| peer(*address)).collect();
    turn_until(&mut event_loop, "both accepted", || log.len() == 2);
    for (listener, _) in &listeners {
        assert!(log.has(&listener.to_string()), "{listener} in {:?}", log.lines());
    }
    drop(peers);
}
