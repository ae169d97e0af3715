//! Hosts that vanish and come back, and keep-alive.

use super::*;
use crate::sys::KeepAlive;

fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[test]
fn a_host_without_power_says_nothing_and_a_rebooted_one_answers_by_a_reset() {
    let world = World::new(1);
    let Pair { mut a, mut b, mut client, server } = pair(&world);
    let mut idle = pair_again(&mut a, &mut b);
    let host = b.host();
    reports(&mut a);
    world.power_off("b");
    assert!(!host.is_on());
    assert_eq!((host.open_descriptors(), world.sockets_len()), (0, 2));
    world.advance(secs(1_000));
    assert!(reports(&mut a).is_empty());
    send(&mut a, &mut client, b"x").unwrap();
    world.advance(secs(1));
    assert!(reports(&mut a).is_empty());
    world.power_on("b");
    world.advance(secs(1));
    assert!(reports(&mut a)[0].failed);
    assert_eq!(kind(receive(&mut a, &mut client)), ErrorKind::ConnectionReset);
    // Who says nothing learns nothing.
    assert_eq!(kind(receive(&mut a, &mut idle)), ErrorKind::WouldBlock);
    send(&mut a, &mut idle, b"x").unwrap();
    assert_eq!(kind(receive(&mut a, &mut idle)), ErrorKind::ConnectionReset);
    // The process of before the failure is no more; whatever it does is of no effect.
    b.close(server, CloseHow::Fin);
    let target = SocketAddr::new(a.host().ip(), 1);
    assert_eq!(
        b.connect(token(9), &target.into(), None).map(drop).unwrap_err().raw_os_error(),
        Some(9)
    );
    drop(b);
    let b = world.host("b");
    assert_eq!(host.open_descriptors(), 1);
    drop(b);
}

fn pair_again(a: &mut Memory, b: &mut Memory) -> Stream {
    let (listener, address) = listen(b, 0, &ListenOptions::default());
    let client = a.connect(token(7), &address.into(), None).unwrap();
    b.accept(&listener).unwrap();
    client
}

#[test]
fn a_sender_to_a_host_without_power_times_out() {
    let world = World::new(1);
    world.latency(ms(10));
    let Pair { mut a, b, mut client, .. } = pair(&world);
    send(&mut a, &mut client, b"x").unwrap();
    world.advance(ms(5));
    // What is on its way to the host is lost, and what is on its way from it arrives.
    world.power_off("b");
    let address = SocketAddr::new(b.host().ip(), 80);
    let second = a.connect(token(2), &address.into(), None).unwrap();
    world.advance(secs(127));
    assert_eq!(kind(a.connected(&second)), ErrorKind::TimedOut);
    world.advance(secs(900));
    assert_eq!(kind(receive(&mut a, &mut client)), ErrorKind::TimedOut);
}

#[test]
fn a_killed_process_still_says_goodbye() {
    let world = World::new(1);
    let Pair { mut a, b, mut client, .. } = pair(&world);
    drop(b);
    assert_eq!(receive(&mut a, &mut client).unwrap(), b"");
}

#[test]
fn a_rebooted_server_can_bind_at_once() {
    let world = World::new(1);
    let (mut a, mut b) = (world.host("a"), world.host("b"));
    let strict = ListenOptions::default().reuse_address(false);
    let (listener, address) = listen(&mut b, 80, &strict);
    let client = a.connect(token(1), &address.into(), None).unwrap();
    let (server, _) = b.accept(&listener).unwrap();
    b.close(server, CloseHow::Fin);
    a.close(client, CloseHow::Fin);
    assert_eq!(b.host().time_wait_len(), 1);
    world.power_off("b");
    world.power_on("b");
    let mut b = world.host("b");
    assert_eq!(b.host().time_wait_len(), 0);
    let (listener, _) = listen(&mut b, 80, &strict);
    assert!(a.connect(token(1), &address.into(), None).is_ok());
    assert!(b.accept(&listener).is_ok());
}

#[test]
fn a_new_connection_of_a_rebooted_client_ends_the_old_one() {
    let world = World::new(1);
    let (mut a, mut b) = (world.host("a"), world.host("b"));
    let (listener, address) = listen(&mut b, 80, &ListenOptions::default());
    let own = SocketAddr::new(a.host().ip(), 600);
    a.connect(token(1), &address.into(), Some(own)).unwrap();
    let (mut old, _) = b.accept(&listener).unwrap();
    world.power_off("a");
    world.power_on("a");
    let mut a = world.host("a");
    let new = a.connect(token(1), &address.into(), Some(own)).unwrap();
    assert_eq!(kind(receive(&mut b, &mut old)), ErrorKind::ConnectionReset);
    assert_eq!(kind(a.connected(&new)), ErrorKind::NotConnected);
    world.advance(secs(1));
    assert!(a.connected(&new).is_ok());
    assert!(b.accept(&listener).is_ok());
}

/// Probes after 10 s, every 5 s, and gives up after 3.
fn keep_alive() -> SocketOption {
    SocketOption::KeepAlive(Some(KeepAlive::after(secs(10)).interval(secs(5)).probes(3)))
}

#[test]
fn keep_alive_leaves_a_peer_alone_that_answers() {
    let world = World::new(1);
    let Pair { mut a, mut b, client, .. } = pair(&world);
    // The silence counts from the beginning of the connection.
    a.set_option(&client, keep_alive()).unwrap();
    assert_eq!(world.next_event(), Some(Instant::ORIGIN + secs(10)));
    world.advance(secs(10_000));
    assert!(reports(&mut a).is_empty() && reports(&mut b).is_empty());
    a.set_option(&client, SocketOption::KeepAlive(None)).unwrap();
    assert_eq!(world.next_event(), None);
}

#[test]
fn keep_alive_ends_a_connection_whose_peer_is_unreachable() {
    let world = World::new(1);
    let Pair { mut a, mut b, mut client, mut server } = pair(&world);
    a.set_option(&client, keep_alive()).unwrap();
    world.advance(secs(4));
    send(&mut b, &mut server, b"heard").unwrap();
    world.cut("b", "a");
    world.advance(ms(24_999));
    assert!(reports(&mut a).iter().all(|report| !report.failed));
    world.advance(ms(1));
    assert!(reports(&mut a)[0].failed);
    assert_eq!(receive(&mut a, &mut client).unwrap(), b"heard");
    assert_eq!(kind(receive(&mut a, &mut client)), ErrorKind::TimedOut);
    // As Linux does, it says so to the peer, which may hear it.
    assert_eq!(kind(receive(&mut b, &mut server)), ErrorKind::ConnectionReset);
}

#[test]
fn keep_alive_finds_out_about_a_reboot() {
    let world = World::new(1);
    let Pair { mut a, b, mut client, .. } = pair(&world);
    a.set_option(&client, keep_alive()).unwrap();
    world.power_off("b");
    world.power_on("b");
    drop(b);
    world.advance(ms(9_999) - (world.now() - Instant::ORIGIN));
    assert!(reports(&mut a).is_empty());
    world.advance(ms(1));
    assert_eq!(kind(receive(&mut a, &mut client)), ErrorKind::ConnectionReset);
    assert_eq!(world.now(), Instant::ORIGIN + secs(10));
    assert_eq!(world.next_event(), None);
}

#[test]
fn a_connection_that_two_lives_of_a_host_have_answered_is_with_the_first() {
    let world = World::new(1);
    let (mut a, mut b) = (world.host("a"), world.host("b"));
    let (listener, address) = listen(&mut b, 7000, &ListenOptions::default());
    // What comes back waits, so that the SYN is sent again and again.
    world.clog("b", "a");
    let mut client = a.connect(token(2), &address.into(), None).unwrap();
    let (mut first, _) = b.accept(&listener).unwrap();
    send(&mut b, &mut first, b"1").unwrap();
    world.power_off("b");
    world.power_on("b");
    let mut b = world.host("b");
    let (listener, _) = listen(&mut b, 7000, &ListenOptions::default());
    world.advance(secs(10));
    let (mut second, _) = b.accept(&listener).unwrap();
    b.register(token(3), &mut second).unwrap();
    reports(&mut b);
    send(&mut b, &mut second, b"2").unwrap();
    world.unclog("b", "a");
    world.advance(secs(10));
    assert_eq!(receive(&mut a, &mut client).unwrap(), b"1");
    assert!(reports(&mut b).iter().any(|report| report.failed), "the second is reset");
}

#[cfg(feature = "sim")]
#[test]
fn the_open_sockets_of_a_loop_are_counted_until_it_closes_them() {
    let world = World::new(1);
    let (mut a, mut b) = (world.host("a"), world.host("b"));
    let (listener, address) = listen(&mut b, 5_000, &ListenOptions::default());
    let stream = a.connect(token(1), &address.into(), None).unwrap();
    world.advance(ms(10));
    let open =
        |a: &Memory, b: &Memory| (world.open_sockets(a.index()), world.open_sockets(b.index()));
    assert_eq!(open(&a, &b), (1, 1));
    let (accepted, _) = b.accept(&listener).unwrap();
    assert_eq!(open(&a, &b), (1, 2));
    // One that is closed is not open, although what it sent is still on its way.
    a.close(stream, CloseHow::Fin);
    assert_eq!(open(&a, &b), (0, 2));
    b.close(accepted, CloseHow::Fin);
    b.close_listener(listener);
    assert_eq!(open(&a, &b), (0, 0));
}

#[test]
fn a_kernel_that_has_ended_keeps_no_memory() {
    let world = World::new(1);
    let Pair { mut a, b, mut client, .. } = pair(&world);
    let kernel = b.index();
    send(&mut a, &mut client, b"x").unwrap();
    let capacities = || {
        let state = world.state();
        let kernel = &state.kernels[kernel];
        [kernel.ready.capacity(), kernel.arrived.capacity(), kernel.answers.capacity()]
    };
    assert!(capacities()[0] > 0);
    drop(b);
    assert_eq!(capacities(), [0; 3]);
}
