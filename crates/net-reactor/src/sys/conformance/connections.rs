//! What every kernel guarantees about listening and connecting.

use std::io::ErrorKind;
use std::net::{Ipv6Addr, SocketAddr};

use super::rig::{Rig, readable};
use crate::base::Address;
use crate::sys::{ListenOptions, Sys};

suite! {
    a_refused_connection_is_told_so,
    a_closed_listener_refuses_and_its_connections_live_on,
    a_closed_listener_resets_its_backlog,
    accepting_from_an_empty_backlog_would_block,
    each_peer_is_announced_after_a_fruitless_accept,
    turning_away_takes_one_pending_peer,
    port_zero_becomes_a_real_port,
    a_port_is_bound_once,
    a_shared_port_is_bound_by_all_who_share_it,
    both_ends_agree_on_their_addresses,
    a_connection_comes_from_the_address_it_was_bound_to,
    a_dual_listener_serves_both_families,
}

pub(super) fn a_refused_connection_is_told_so<S: Sys>(mut rig: Rig<S>) {
    let door = rig.listen();
    rig.sys.close_listener(door.listener);
    rig.refused(&door.address);
}

pub(super) fn a_closed_listener_refuses_and_its_connections_live_on<S: Sys>(mut rig: Rig<S>) {
    let door = rig.listen();
    let (mut client, _) = rig.connect(&door.address, None).unwrap();
    let (mut server, _) = rig.accept(&door);
    rig.sys.close_listener(door.listener);
    rig.refused(&door.address);
    rig.send_all(&mut client, b"still");
    rig.sys.shutdown_write(&client.stream).unwrap();
    assert_eq!(rig.receive_all(&mut server).unwrap(), b"still");
}

pub(super) fn a_closed_listener_resets_its_backlog<S: Sys>(mut rig: Rig<S>) {
    let door = rig.listen();
    let (mut client, _) = rig.connect(&door.address, None).unwrap();
    rig.report(door.token, readable);
    rig.sys.close_listener(door.listener);
    assert_eq!(rig.receive_until_error(&mut client), (vec![], ErrorKind::ConnectionReset));
}

pub(super) fn accepting_from_an_empty_backlog_would_block<S: Sys>(mut rig: Rig<S>) {
    let door = rig.listen();
    let error = rig.sys.accept(&door.listener).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
}

pub(super) fn each_peer_is_announced_after_a_fruitless_accept<S: Sys>(mut rig: Rig<S>) {
    let door = rig.listen();
    for _ in 0..3 {
        let (_client, addresses) = rig.connect(&door.address, None).unwrap();
        rig.report(door.token, readable);
        let (_server, peer) = rig.accept(&door);
        assert_eq!(peer, addresses.local);
        let error = rig.sys.accept(&door.listener).map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
    }
}

pub(super) fn turning_away_takes_one_pending_peer<S: Sys>(mut rig: Rig<S>) {
    let door = rig.listen();
    assert!(!rig.sys.turn_away(&door.listener).unwrap());
    let (mut client, _) = rig.connect(&door.address, None).unwrap();
    rig.report(door.token, readable);
    assert!(rig.sys.turn_away(&door.listener).unwrap());
    assert!(!rig.sys.turn_away(&door.listener).unwrap());
    assert!(rig.receive(&mut client).unwrap().is_empty());
}

fn port_zero_becomes_a_real_port<S: Sys>(mut rig: Rig<S>) {
    let (one, other) = (rig.listen(), rig.listen());
    assert!(!one.address.is_port_open() && !other.address.is_port_open());
    assert_ne!(one.address, other.address);
}

fn a_port_is_bound_once<S: Sys>(mut rig: Rig<S>) {
    let door = rig.listen();
    let again = rig.listen_on(&door.address.to_string(), &ListenOptions::default());
    assert_eq!(again.map(drop).unwrap_err().kind(), ErrorKind::AddrInUse);
    rig.sys.close_listener(door.listener);
    // Until then a test beside this one may be given the port.
    rig.until(|rig| rig.listen_on(&door.address.to_string(), &ListenOptions::default()).ok());
}

fn a_shared_port_is_bound_by_all_who_share_it<S: Sys>(mut rig: Rig<S>) {
    let sharing = ListenOptions::default().reuse_port(true);
    let one = rig.listen_on("127.0.0.1:0", &sharing).unwrap();
    let other = rig.listen_on(&one.address.to_string(), &sharing).unwrap();
    let (mut clients, mut ones, mut others) = (Vec::new(), 0, 0);
    while ones == 0 || others == 0 {
        assert!(clients.len() < 200, "one of two listeners gets everything");
        clients.push(rig.connect(&one.address, None).unwrap());
        let (got_one, got_other) = rig.until(|rig| {
            let one = rig.sys.accept(&one.listener).is_ok();
            let other = rig.sys.accept(&other.listener).is_ok();
            (one || other).then_some((one, other))
        });
        ones += usize::from(got_one);
        others += usize::from(got_other);
    }
    assert_eq!(ones + others, clients.len());
}

fn both_ends_agree_on_their_addresses<S: Sys>(mut rig: Rig<S>) {
    let door = rig.listen();
    let (client, addresses) = rig.connect(&door.address, None).unwrap();
    let (server, peer) = rig.accept(&door);
    assert_eq!(addresses.peer, door.address);
    assert_eq!(addresses.local, peer);
    assert_eq!(rig.sys.local_address(&client.stream).unwrap(), peer);
    assert_eq!(rig.sys.local_address(&server.stream).unwrap(), door.address);
    assert_eq!(rig.sys.connected(&server.stream).unwrap().peer, peer);
}

fn a_connection_comes_from_the_address_it_was_bound_to<S: Sys>(mut rig: Rig<S>) {
    let door = rig.listen();
    let (_client, addresses) =
        rig.connect(&door.address, Some(SocketAddr::from(([127, 0, 0, 1], 0)))).unwrap();
    assert!(!addresses.local.is_port_open());
    assert_eq!(rig.accept(&door).1, addresses.local);
    let foreign = SocketAddr::from(([192, 0, 2, 1], 0));
    let error = rig.connect(&door.address, Some(foreign)).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
}

fn a_dual_listener_serves_both_families<S: Sys>(mut rig: Rig<S>) {
    // A machine may have no IPv6 at all.
    let Ok(door) = rig.listen_on("[::]:0", &ListenOptions::default()) else { return };
    let port = ip(&door.address).port();
    let v4 = Address::Ip(SocketAddr::from(([127, 0, 0, 1], port)));
    let (_client, addresses) = rig.connect(&v4, None).unwrap();
    let (server, peer) = rig.accept(&door);
    assert_eq!(addresses.peer, v4);
    assert!(ip(&peer).is_ipv6());
    assert_eq!(ip(&peer).ip().to_canonical(), ip(&addresses.local).ip());
    assert!(ip(&rig.sys.local_address(&server.stream).unwrap()).is_ipv6());

    let v6 = Address::Ip(SocketAddr::from((Ipv6Addr::LOCALHOST, port)));
    let Ok((_client, addresses)) = rig.connect(&v6, None) else { return };
    let (_server, peer) = rig.accept(&door);
    assert_eq!(ip(&peer).ip(), ip(&addresses.local).ip());
}

fn ip(address: &Address) -> SocketAddr {
    address.ip().unwrap()
}
