//! Ports, `TIME_WAIT`, and descriptor numbers.

use super::*;

/// Connects, accepts, and closes: one end first, then the other.
fn close_in_turn(
    (a, b): (&mut Memory, &mut Memory),
    (listener, address): (&Listener, SocketAddr),
    own: SocketAddr,
    client_first: bool,
) {
    let client = a.connect(token(1), &address.into(), Some(own)).unwrap();
    let (server, _) = b.accept(listener).unwrap();
    if client_first {
        a.close(client, CloseHow::Fin);
        b.close(server, CloseHow::Fin);
    } else {
        b.close(server, CloseHow::Fin);
        a.close(client, CloseHow::Fin);
    }
}

#[test]
fn who_closes_first_cannot_use_the_addresses_again_for_a_while() {
    let world = World::new(1);
    let (mut a, mut b) = (world.host("a"), world.host("b"));
    let (listener, address) = listen(&mut b, 80, &ListenOptions::default());
    let (other, elsewhere) = listen(&mut b, 81, &ListenOptions::default());
    let own = SocketAddr::new(a.host().ip(), 700);
    close_in_turn((&mut a, &mut b), (&listener, address), own, true);
    assert_eq!((a.host().time_wait_len(), b.host().time_wait_len()), (1, 0));
    assert_eq!(world.sockets_len(), 0);
    assert_eq!(kind(a.connect(token(1), &address.into(), Some(own))), ErrorKind::AddrNotAvailable);
    close_in_turn((&mut a, &mut b), (&other, elsewhere), own, true);
    world.advance(ms(59_999));
    assert_eq!(kind(a.connect(token(1), &address.into(), Some(own))), ErrorKind::AddrNotAvailable);
    world.advance(ms(1));
    assert_eq!(a.host().time_wait_len(), 0);
    close_in_turn((&mut a, &mut b), (&listener, address), own, true);
}

#[test]
fn a_new_connection_of_the_peer_ends_time_wait() {
    let world = World::new(1);
    let (mut a, mut b) = (world.host("a"), world.host("b"));
    let (listener, address) = listen(&mut b, 80, &ListenOptions::default());
    let own = SocketAddr::new(a.host().ip(), 700);
    close_in_turn((&mut a, &mut b), (&listener, address), own, false);
    assert_eq!((a.host().time_wait_len(), b.host().time_wait_len()), (0, 1));
    let mut client = a.connect(token(1), &address.into(), Some(own)).unwrap();
    assert_eq!(b.host().time_wait_len(), 0);
    let (mut server, _) = b.accept(&listener).unwrap();
    send(&mut a, &mut client, b"new").unwrap();
    assert_eq!(receive(&mut b, &mut server).unwrap(), b"new");
}

#[test]
fn a_reset_leaves_no_time_wait() {
    let world = World::new(1);
    let Pair { mut a, mut b, client, server } = pair(&world);
    a.close(client, CloseHow::Reset);
    b.close(server, CloseHow::Fin);
    assert_eq!((a.host().time_wait_len(), b.host().time_wait_len()), (0, 0));
}

#[test]
fn both_remember_a_connection_that_both_closed_at_once() {
    let world = World::new(1);
    let Pair { mut a, mut b, client, server } = pair(&world);
    world.latency(ms(5));
    a.close(client, CloseHow::Fin);
    b.close(server, CloseHow::Fin);
    world.advance(ms(5));
    assert_eq!((a.host().time_wait_len(), b.host().time_wait_len()), (1, 1));
    assert_eq!(world.sockets_len(), 0);
}

#[test]
fn a_lost_last_acknowledgement_is_given_again() {
    let world = World::new(1);
    let Pair { mut a, mut b, client, server } = pair(&world);
    a.close(client, CloseHow::Fin);
    world.cut("a", "b");
    b.close(server, CloseHow::Fin);
    assert_eq!((a.host().time_wait_len(), world.sockets_len()), (1, 1));
    world.mend("a", "b");
    world.advance(ms(200));
    assert_eq!((a.host().time_wait_len(), world.sockets_len()), (1, 0));
}

#[test]
fn a_listener_binds_over_time_wait_only_if_it_says_so() {
    let world = World::new(1);
    world.time_wait(ms(5_000));
    let (mut a, mut b) = (world.host("a"), world.host("b"));
    let (listener, address) = listen(&mut b, 80, &ListenOptions::default());
    let own = SocketAddr::new(a.host().ip(), 700);
    close_in_turn((&mut a, &mut b), (&listener, address), own, false);
    b.close_listener(listener);
    let strict = ListenOptions::default().reuse_address(false);
    assert_eq!(kind(b.listen(token(0), &address.into(), &strict)), ErrorKind::AddrInUse);
    let (listener, _) = listen(&mut b, 80, &ListenOptions::default());
    b.close_listener(listener);
    world.advance(ms(5_000));
    listen(&mut b, 80, &strict);
}

#[test]
fn connections_that_were_closed_use_up_the_ephemeral_ports() {
    let world = World::new(1);
    let (mut a, mut b) = (world.host("a"), world.host("b"));
    a.host().ephemeral_ports(5_000..=5_001);
    let (listener, address) = listen(&mut b, 80, &ListenOptions::default());
    let mut ports = Vec::new();
    for _ in 0..2 {
        let client = a.connect(token(1), &address.into(), None).unwrap();
        ports.push(ip(&a.local_address(&client).unwrap()).port());
        let (server, _) = b.accept(&listener).unwrap();
        a.close(client, CloseHow::Fin);
        b.close(server, CloseHow::Fin);
    }
    ports.sort_unstable();
    assert_eq!(ports, [5_000, 5_001]);
    assert_eq!(kind(a.connect(token(1), &address.into(), None)), ErrorKind::AddrNotAvailable);
    world.advance(ms(60_000));
    assert!(a.connect(token(1), &address.into(), None).is_ok());
}

#[test]
fn the_lowest_number_is_reused_at_once_whatever_the_socket() {
    let world = World::new(1);
    let (mut a, mut b) = (world.host("a"), world.host("b"));
    let (listener, address) = listen(&mut b, 0, &ListenOptions::default());
    // The reserve has 3, and the listener 4.
    let clients = [(); 3].map(|()| a.connect(token(1), &address.into(), None).unwrap());
    let servers = [(); 3].map(|()| b.accept(&listener).unwrap().0);
    let numbers = servers.each_ref().map(|server| b.descriptor(server));
    assert_eq!(numbers, [Some(5), Some(6), Some(7)]);
    let [first, second, third] = servers;
    b.close(second, CloseHow::Fin);
    b.close(first, CloseHow::Reset);
    // The closed ones are still finishing, and their numbers are free.
    let new = b.connect(token(2), &address.into(), None).unwrap();
    assert_eq!(b.descriptor(&new), Some(5));
    b.close_listener(listener);
    let (_listener, address) = listen(&mut b, 0, &ListenOptions::default());
    let next = a.connect(token(3), &address.into(), None).unwrap();
    assert_eq!(a.descriptor(&next), Some(7));
    assert_eq!(b.descriptor(&third), Some(7));
    assert_eq!(a.descriptor(&clients[0]), Some(4));
}

#[test]
fn the_limits_can_be_lowered_and_raised_at_any_time() {
    let world = World::new(1);
    let (mut a, mut b) = (world.host("a"), world.host("b"));
    let (_listener, address) = listen(&mut b, 0, &ListenOptions::default());
    let first = a.connect(token(1), &address.into(), None).unwrap();
    let _second = a.connect(token(2), &address.into(), None).unwrap();
    let host = a.host();
    let errno = |a: &mut Memory| {
        a.connect(token(3), &address.into(), None).map(drop).unwrap_err().raw_os_error()
    };
    host.set_descriptor_limit(2);
    assert_eq!(errno(&mut a), Some(EMFILE));
    // A number below the limit that is free can be had, however many are open.
    a.close(first, CloseHow::Fin);
    let third = a.connect(token(3), &address.into(), None).unwrap();
    host.set_descriptor_limit(100);
    host.set_file_limit(3);
    assert_eq!(errno(&mut a), Some(23));
    a.close(third, CloseHow::Fin);
    assert!(a.connect(token(3), &address.into(), None).is_ok());
    host.set_file_limit(usize::MAX);
    assert!(a.connect(token(4), &address.into(), None).is_ok());
}
