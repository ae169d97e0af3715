//! What only this kernel can do; what every kernel does is in `sys/conformance.rs`.

mod addresses;
mod any_world;
mod clocks;
mod datagrams;
mod faults;
mod held;
mod links;
mod partitions;
mod power;
mod traces;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::IpAddr;

use super::*;

/// How many worlds the random test makes.
const SEEDS: u64 = 150;

const EMFILE: i32 = 24;
const EAGAIN: i32 = 11;
const ECONNABORTED: i32 = 103;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn token(index: u32) -> Token {
    Token::stream(Key { index, generation: 0 })
}

fn listen(kernel: &mut Memory, port: u16, options: &ListenOptions) -> (Listener, SocketAddr) {
    let address = SocketAddr::new(kernel.host().ip(), port);
    let token = Token::listener(Key { index: 0, generation: 0 });
    let (listener, bound) = kernel.listen(token, &address.into(), options).unwrap();
    (listener, ip(&bound))
}

fn ip(address: &Address) -> SocketAddr {
    address.ip().unwrap()
}

fn send(kernel: &mut Memory, stream: &mut Stream, bytes: &[u8]) -> io::Result<usize> {
    kernel.send(stream, &[IoSlice::new(bytes)])
}

fn receive(kernel: &mut Memory, stream: &mut Stream) -> io::Result<Vec<u8>> {
    let mut buffer = [0; 256 * 1024];
    let len = kernel.receive(stream, &mut buffer)?;
    Ok(buffer[..len].to_vec())
}

fn reports(kernel: &mut Memory) -> Vec<Readiness> {
    let mut reports = Vec::new();
    kernel.wait(None, &mut reports).unwrap();
    reports
}

fn kind<T>(result: io::Result<T>) -> ErrorKind {
    result.map(drop).unwrap_err().kind()
}

/// Two hosts with one connection, registered at both ends.
struct Pair {
    a: Memory,
    b: Memory,
    client: Stream,
    server: Stream,
}

fn pair(world: &World) -> Pair {
    let (mut a, mut b) = (world.host("a"), world.host("b"));
    let (listener, address) = listen(&mut b, 0, &ListenOptions::default());
    let client = a.connect(token(1), &address.into(), None).unwrap();
    world.advance(ms(2_000));
    let (mut server, _) = b.accept(&listener).unwrap();
    b.register(token(2), &mut server).unwrap();
    b.close_listener(listener);
    assert!(a.connected(&client).is_ok());
    reports(&mut a);
    reports(&mut b);
    Pair { a, b, client, server }
}

#[test]
fn every_segment_takes_the_latency_of_its_link() {
    let world = World::new(1);
    let (mut a, mut b) = (world.host("a"), world.host("b"));
    world.latency(ms(30));
    world.link_latency("b", "a", ms(50));
    let (listener, address) = listen(&mut b, 0, &ListenOptions::default());
    let mut client = a.connect(token(1), &address.into(), None).unwrap();
    assert_eq!(kind(a.connected(&client)), ErrorKind::NotConnected);
    assert_eq!(world.next_event(), Some(Instant::ORIGIN + ms(30)));
    world.advance(ms(30));
    let (mut server, _) = b.accept(&listener).unwrap();
    assert!(reports(&mut a).is_empty());
    assert_eq!(world.next_event(), Some(Instant::ORIGIN + ms(80)));
    world.advance(ms(50));
    assert!(reports(&mut a)[0].writable);
    assert!(a.connected(&client).is_ok());

    send(&mut a, &mut client, b"hello").unwrap();
    // A faster link does not let the end overtake the bytes.
    world.latency(ms(1));
    a.shutdown_write(&client).unwrap();
    world.advance(ms(29));
    assert_eq!(kind(receive(&mut b, &mut server)), ErrorKind::WouldBlock);
    world.advance(ms(1));
    assert_eq!(receive(&mut b, &mut server).unwrap(), b"hello");
    assert_eq!(receive(&mut b, &mut server).unwrap(), b"");
    assert_eq!(world.now(), Instant::ORIGIN + ms(110));
    assert_eq!(world.next_event(), None);
}

#[test]
fn a_long_advance_delivers_each_step_at_its_own_time() {
    let world = World::new(1);
    world.latency(ms(10));
    let mut pair = pair(&world);
    world.latency(ms(10));
    send(&mut pair.a, &mut pair.client, b"x").unwrap();
    pair.b.close(pair.server, CloseHow::Fin);
    // The byte meets a closed socket after 10 ms, and the reset is back 10 ms later.
    world.advance(ms(19));
    assert!(pair.a.take_error(&pair.client).unwrap().is_none());
    world.advance(ms(1));
    assert!(pair.a.take_error(&pair.client).unwrap().is_some());
}

#[test]
fn readiness_is_told_once_until_a_call_was_fruitless() {
    let Pair { mut a, mut b, mut client, mut server } = pair(&World::new(1));
    send(&mut a, &mut client, b"one").unwrap();
    assert!(reports(&mut b)[0].readable);
    send(&mut a, &mut client, b"two").unwrap();
    assert!(reports(&mut b).is_empty());
    assert_eq!(receive(&mut b, &mut server).unwrap(), b"onetwo");
    // That receive was short, which says as much as an empty one.
    send(&mut a, &mut client, b"three").unwrap();
    a.shutdown_write(&client).unwrap();
    let merged = reports(&mut b);
    assert!(merged.len() == 1 && merged[0].readable && merged[0].hang_up && !merged[0].failed);
}

#[test]
fn a_direction_holds_as_much_as_its_two_ends() {
    let world = World::new(1);
    world.capacity(1_000);
    let Pair { mut a, mut b, mut client, mut server } = pair(&world);
    let chunk = [1; 5_000];
    assert_eq!(send(&mut a, &mut client, &chunk).unwrap(), 1_000);
    assert_eq!(send(&mut a, &mut client, &chunk).unwrap(), 1_000);
    assert_eq!(kind(send(&mut a, &mut client, &chunk)), ErrorKind::WouldBlock);
    a.set_option(&client, SocketOption::SendBuffer(1_500)).unwrap();
    assert!(reports(&mut a)[0].writable);
    assert_eq!(send(&mut a, &mut client, &chunk).unwrap(), 500);
    b.set_option(&server, SocketOption::ReceiveBuffer(3_000)).unwrap();
    assert_eq!(receive(&mut b, &mut server).unwrap().len(), 2_500);
}

#[test]
fn bytes_in_flight_count_against_both_ends() {
    let world = World::new(1);
    world.capacity(1_000);
    let Pair { mut a, mut b, mut client, mut server } = pair(&world);
    world.latency(ms(10));
    a.set_option(&client, SocketOption::SendBuffer(5_000)).unwrap();
    for sent in [600, 600, 600] {
        assert_eq!(send(&mut a, &mut client, &vec![1; sent]).unwrap(), sent);
    }
    world.advance(ms(10));
    assert_eq!(receive(&mut b, &mut server).unwrap().len(), 1_000);
    world.advance(ms(10));
    assert_eq!(receive(&mut b, &mut server).unwrap().len(), 800);
}

#[test]
fn a_reset_destroys_what_was_not_sent_and_spares_what_was() {
    let world = World::new(1);
    world.capacity(1_000);
    let Pair { mut a, mut b, mut client, mut server } = pair(&world);
    for sent in [1_000, 1_000] {
        assert_eq!(send(&mut a, &mut client, &[1; 5_000]).unwrap(), sent);
    }
    send(&mut b, &mut server, b"unread").unwrap();
    a.close(client, CloseHow::Fin);
    assert_eq!(receive(&mut b, &mut server).unwrap().len(), 1_000);
    assert_eq!(kind(receive(&mut b, &mut server)), ErrorKind::ConnectionReset);
    b.close(server, CloseHow::Fin);
    assert_eq!(world.sockets_len(), 0);
}

#[test]
fn a_closed_socket_still_delivers_what_it_took() {
    let world = World::new(1);
    world.capacity(1_000);
    let Pair { mut a, mut b, mut client, mut server } = pair(&world);
    for _ in 0..2 {
        send(&mut a, &mut client, &[1; 5_000]).unwrap();
    }
    a.close(client, CloseHow::Fin);
    let lens = [0; 3].map(|_| receive(&mut b, &mut server).unwrap().len());
    assert_eq!(lens, [1_000, 1_000, 0]);
    b.close(server, CloseHow::Fin);
    assert_eq!(world.sockets_len(), 0);
}

#[test]
fn a_full_descriptor_table_fails_and_the_reserve_turns_a_peer_away() {
    let world = World::new(1);
    let (mut a, mut b) = (world.host("a"), world.host("b"));
    let (listener, address) = listen(&mut b, 0, &ListenOptions::default());
    let mut client = a.connect(token(1), &address.into(), None).unwrap();
    let host = b.host();
    assert_eq!(host.open_descriptors(), 2);
    host.set_descriptor_limit(2);
    assert_eq!(b.accept(&listener).map(drop).unwrap_err().raw_os_error(), Some(EMFILE));
    let failed = b.connect(token(3), &address.into(), None);
    assert_eq!(failed.map(drop).unwrap_err().raw_os_error(), Some(EMFILE));
    assert!(b.turn_away(&listener).unwrap());
    assert!(!b.turn_away(&listener).unwrap());
    assert_eq!(receive(&mut a, &mut client).unwrap(), b"");
    assert_eq!(host.open_descriptors(), 2);

    // A table without a single number costs the reserve; it comes back with the next call.
    host.set_descriptor_limit(0);
    let _second = a.connect(token(4), &address.into(), None).unwrap();
    assert_eq!(b.turn_away(&listener).unwrap_err().raw_os_error(), Some(EMFILE));
    host.set_descriptor_limit(2);
    assert!(!b.turn_away(&listener).unwrap());
    assert!(b.turn_away(&listener).unwrap());
}

#[test]
fn a_full_backlog_makes_a_client_try_again_later() {
    let world = World::new(1);
    let (mut a, mut b) = (world.host("a"), world.host("b"));
    let (listener, address) = listen(&mut b, 0, &ListenOptions::default().backlog(0));
    let _first = a.connect(token(1), &address.into(), None).unwrap();
    let second = a.connect(token(2), &address.into(), None).unwrap();
    assert_eq!(kind(a.connected(&second)), ErrorKind::NotConnected);
    assert_eq!(world.next_event(), Some(Instant::ORIGIN + ms(1_000)));
    world.advance(ms(1_000));
    assert!(b.accept(&listener).is_ok());
    world.advance(ms(1_999));
    assert_eq!(kind(a.connected(&second)), ErrorKind::NotConnected);
    world.advance(ms(1));
    assert!(a.connected(&second).is_ok());

    let third = a.connect(token(3), &address.into(), None).unwrap();
    world.advance(Duration::from_secs(127));
    assert_eq!(kind(a.connected(&third)), ErrorKind::TimedOut);
}

#[test]
fn nobody_answers_for_an_address_that_no_host_has() {
    let world = World::new(1);
    let mut a = world.host("a");
    let nowhere = SocketAddr::from(([203, 0, 113, 9], 80));
    let silent = a.connect(token(1), &nowhere.into(), None).unwrap();
    world.advance(ms(126_999));
    assert!(reports(&mut a).is_empty());
    assert_eq!(kind(a.connected(&silent)), ErrorKind::NotConnected);
    world.advance(ms(1));
    assert!(reports(&mut a)[0].failed);
    assert_eq!(kind(a.connected(&silent)), ErrorKind::TimedOut);
    a.close(silent, CloseHow::Fin);
    world.no_host(NoHost::Unreachable);
    let unreachable = a.connect(token(2), &nowhere.into(), None).unwrap();
    assert!(reports(&mut a)[0].failed);
    assert_eq!(kind(a.connected(&unreachable)), ErrorKind::HostUnreachable);
    world.no_host(NoHost::Silent);
}

#[test]
fn loopback_stays_within_its_host() {
    let world = World::new(1);
    let (mut a, mut b) = (world.host("a"), world.host("b"));
    let here = SocketAddr::from(([127, 0, 0, 1], 700));
    let key = Key { index: 9, generation: 0 };
    b.listen(Token::listener(key), &here.into(), &ListenOptions::default()).unwrap();
    let client = a.connect(token(1), &here.into(), None).unwrap();
    assert_eq!(kind(a.connected(&client)), ErrorKind::ConnectionRefused);
    let client = b.connect(token(1), &here.into(), None).unwrap();
    assert_eq!(ip(&b.connected(&client).unwrap().local).ip(), here.ip());
    let foreign = SocketAddr::new(a.host().ip(), 0);
    let refused = b.listen(Token::listener(key), &foreign.into(), &ListenOptions::default());
    assert_eq!(kind(refused), ErrorKind::AddrNotAvailable);
}

#[test]
fn hosts_reach_each_other_over_both_families() {
    let world = World::new(1);
    let (mut a, mut b) = (world.host("a"), world.host("b"));
    let any: SocketAddr = "[::]:80".parse().unwrap();
    let key = Key { index: 9, generation: 0 };
    let (listener, _) =
        b.listen(Token::listener(key), &any.into(), &ListenOptions::default()).unwrap();
    for (to, from) in [(b.host().ip(), a.host().ip()), (b.host().ip_v6(), a.host().ip_v6())] {
        let client = a.connect(token(1), &SocketAddr::new(to, 80).into(), None).unwrap();
        let addresses = a.connected(&client).unwrap();
        assert_eq!((ip(&addresses.peer).ip(), ip(&addresses.local).ip()), (to, from));
        let (server, peer) = b.accept(&listener).unwrap();
        assert_eq!(ip(&peer).ip().to_canonical(), from);
        assert!(ip(&b.local_address(&server).unwrap()).is_ipv6());
    }
}

#[test]
fn a_socket_can_meet_itself() {
    let world = World::new(1);
    let mut a = world.host("a");
    a.host().ephemeral_ports(5_000..=5_003);
    let own = SocketAddr::new(a.host().ip(), 5_001);
    let refused = a.connect(token(1), &own.into(), None).unwrap();
    assert_eq!(kind(a.connected(&refused)), ErrorKind::ConnectionRefused);
    let mut met = a.connect(token(2), &own.into(), None).unwrap();
    let addresses = a.connected(&met).unwrap();
    assert_eq!((ip(&addresses.local), ip(&addresses.peer)), (own, own));
    send(&mut a, &mut met, b"echo").unwrap();
    assert_eq!(receive(&mut a, &mut met).unwrap(), b"echo");
    a.shutdown_write(&met).unwrap();
    assert_eq!(receive(&mut a, &mut met).unwrap(), b"");
    a.close(met, CloseHow::Fin);
    a.close(refused, CloseHow::Fin);
    assert_eq!((world.sockets_len(), a.host().open_descriptors()), (0, 1));
}

#[test]
fn crossing_connections_become_one() {
    let world = World::new(1);
    world.latency(ms(5));
    let (mut a, mut b) = (world.host("a"), world.host("b"));
    let (at_a, at_b) = (SocketAddr::new(a.host().ip(), 600), SocketAddr::new(b.host().ip(), 601));
    let mut left = a.connect(token(1), &at_b.into(), Some(at_a)).unwrap();
    let mut right = b.connect(token(2), &at_a.into(), Some(at_b)).unwrap();
    world.advance(ms(20));
    assert!(a.connected(&left).is_ok() && b.connected(&right).is_ok());
    send(&mut a, &mut left, b"ping").unwrap();
    world.advance(ms(5));
    assert_eq!(receive(&mut b, &mut right).unwrap(), b"ping");
    a.close(left, CloseHow::Fin);
    b.close(right, CloseHow::Fin);
    world.advance(ms(20));
    assert_eq!(world.sockets_len(), 0);
}

#[test]
fn ports_run_out_and_come_back() {
    let world = World::new(1);
    let (mut a, mut b) = (world.host("a"), world.host("b"));
    a.host().ephemeral_ports(5_000..=5_001);
    let (_listener, address) = listen(&mut b, 80, &ListenOptions::default());
    let first = a.connect(token(1), &address.into(), None).unwrap();
    let _second = a.connect(token(2), &address.into(), None).unwrap();
    assert_eq!(kind(a.connect(token(3), &address.into(), None)), ErrorKind::AddrNotAvailable);
    // Another target makes another connection of the same port.
    let (_other, elsewhere) = listen(&mut b, 81, &ListenOptions::default());
    assert!(a.connect(token(3), &elsewhere.into(), None).is_ok());
    a.close(first, CloseHow::Reset);
    assert!(a.connect(token(4), &address.into(), None).is_ok());
}

#[test]
fn an_asked_for_failure_happens_once() {
    let world = World::new(1);
    let (mut a, mut b) = (world.host("a"), world.host("b"));
    let host = b.host();
    host.fail_next(Call::Listen, EMFILE);
    let address = SocketAddr::new(host.ip(), 80);
    let failed = b.listen(token(0), &address.into(), &ListenOptions::default());
    assert_eq!(failed.map(drop).unwrap_err().raw_os_error(), Some(EMFILE));
    let (listener, address) = listen(&mut b, 80, &ListenOptions::default());
    let client = a.connect(token(1), &address.into(), None).unwrap();
    host.fail_next(Call::Accept, ECONNABORTED);
    assert_eq!(b.accept(&listener).map(drop).unwrap_err().raw_os_error(), Some(ECONNABORTED));
    let (mut server, _) = b.accept(&listener).unwrap();
    for call in
        [Call::Register, Call::Connected, Call::Receive, Call::ShutdownWrite, Call::SetOption]
    {
        host.fail_next(call, EMFILE);
    }
    let option = SocketOption::NoDelay(true);
    let failures = [
        kind(b.register(token(2), &mut server)),
        kind(b.connected(&server)),
        kind(receive(&mut b, &mut server)),
        kind(b.shutdown_write(&server)),
        kind(b.set_option(&server, option)),
    ];
    assert_eq!(failures, [io::Error::from_raw_os_error(EMFILE).kind(); 5]);
    host.fail_next(Call::Wait, EMFILE);
    host.fail_next(Call::Connect, EMFILE);
    assert!(b.wait(None, &mut Vec::new()).is_err());
    assert!(b.connect(token(3), &address.into(), None).is_err());
    assert!(b.register(token(2), &mut server).is_ok());
    assert!(a.connected(&client).is_ok());
}

#[test]
fn an_injected_would_block_is_followed_by_a_report() {
    let Pair { mut a, mut b, mut client, mut server } = pair(&World::new(1));
    send(&mut a, &mut client, b"x").unwrap();
    reports(&mut b);
    b.host().fail_next(Call::Receive, EAGAIN);
    a.host().fail_next(Call::Send, EAGAIN);
    assert_eq!(kind(receive(&mut b, &mut server)), ErrorKind::WouldBlock);
    assert_eq!(kind(send(&mut a, &mut client, b"y")), ErrorKind::WouldBlock);
    assert!(reports(&mut b)[0].readable);
    assert!(reports(&mut a)[0].writable);
    let (listener, address) = listen(&mut b, 0, &ListenOptions::default());
    let _second = a.connect(token(5), &address.into(), None).unwrap();
    reports(&mut b);
    b.host().fail_next(Call::Accept, EAGAIN);
    assert_eq!(kind(b.accept(&listener)), ErrorKind::WouldBlock);
    assert!(reports(&mut b)[0].readable);
}

#[test]
fn a_chopped_call_is_followed_by_a_report() {
    let world = World::new(1);
    let Pair { mut a, mut b, mut client, mut server } = pair(&world);
    world.chop(3);
    let sent = send(&mut a, &mut client, b"0123456789").unwrap();
    assert!((1..=3).contains(&sent));
    assert_eq!(kind(send(&mut a, &mut client, b"0123456789")), ErrorKind::WouldBlock);
    world.chop(0);
    assert!(reports(&mut a)[0].writable);
    assert_eq!(send(&mut a, &mut client, b"0123456789").unwrap(), 10);
    reports(&mut b);
    world.chop(1);
    assert_eq!(receive(&mut b, &mut server).unwrap(), b"0");
    assert_eq!(kind(receive(&mut b, &mut server)), ErrorKind::WouldBlock);
    assert!(reports(&mut b)[0].readable);
}

#[test]
fn a_stream_can_move_to_another_loop_of_its_host() {
    let world = World::new(1);
    let (mut a, mut b, mut b2) = (world.host("a"), world.host("b"), world.host("b"));
    let (listener, address) = listen(&mut b, 0, &ListenOptions::default());
    let mut client = a.connect(token(1), &address.into(), None).unwrap();
    let (mut server, _) = b.accept(&listener).unwrap();
    assert!(a.register(token(2), &mut server).is_err());
    // A report that the first loop has not fetched moves along.
    b.register(token(2), &mut server).unwrap();
    b2.register(token(2), &mut server).unwrap();
    send(&mut a, &mut client, b"x").unwrap();
    assert!(reports(&mut b).iter().all(|report| report.token != token(2)));
    assert!(reports(&mut b2)[0].readable);
    drop(b);
    assert_eq!(receive(&mut b2, &mut server).unwrap(), b"x");
    drop(b2);
    assert_eq!(receive(&mut a, &mut client).unwrap(), b"");
}

#[test]
fn a_dropped_kernel_closes_what_it_holds() {
    let world = World::new(1);
    let Pair { a, mut b, mut server, .. } = pair(&world);
    let host = a.host();
    drop(a);
    assert_eq!(host.open_descriptors(), 0);
    assert_eq!(receive(&mut b, &mut server).unwrap(), b"");
}

#[test]
fn names_resolve_by_the_table_then_by_host() {
    let world = World::new(1);
    let mut a = world.host("a");
    let ips: Vec<IpAddr> = vec!["10.0.0.7".parse().unwrap(), "fd00::7".parse().unwrap()];
    world.name("Server.Example", ips.clone());
    world.hang_name("tar.pit");
    world.name_latency(ms(5));
    for (index, host) in (0..).zip(["server.EXAMPLE", "a", "tar.pit", "unknown"]) {
        a.resolve(Key { index, generation: 0 }, host);
    }
    world.advance(ms(5));
    assert!(a.resolved().is_none(), "not before a wait");
    assert!(!world.is_quiet());
    reports(&mut a);
    let answers: BTreeMap<u32, _> = std::iter::from_fn(|| a.resolved())
        .map(|resolution| (resolution.query.index, resolution.outcome))
        .collect();
    assert_eq!(answers.keys().copied().collect::<Vec<_>>(), [0, 1, 3]);
    assert_eq!(answers[&0].as_ref().unwrap(), &ips);
    assert_eq!(answers[&1].as_ref().unwrap(), &[a.host().ip()]);
    assert_eq!(answers[&3].as_ref().unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn a_wake_up_is_seen_by_one_wait() {
    let world = World::new(1);
    let mut a = world.host("a");
    let waker = a.waker();
    std::thread::spawn(move || waker.wake()).join().unwrap();
    assert!(a.was_woken() && !world.is_quiet());
    reports(&mut a);
    assert!(!a.was_woken() && world.is_quiet());
}

#[test]
fn jobs_run_in_the_next_wait_and_are_bounded() {
    let world = World::new(1);
    let mut a = world.host("a");
    let (waker, runs) = (a.waker(), Arc::new(std::sync::atomic::AtomicUsize::new(0)));
    assert!(a.offload(Box::new(|| panic!("the job's own fault"))).is_ok());
    let jobs_max = WorkersLimits::default().queued_max;
    for _ in 1..jobs_max {
        let (waker, runs) = (Arc::clone(&waker), Arc::clone(&runs));
        let job = move || {
            runs.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            waker.wake();
        };
        assert!(a.offload(Box::new(job)).is_ok());
    }
    assert!(a.offload(Box::new(|| {})).is_err());
    assert!(!world.is_quiet());
    reports(&mut a);
    assert_eq!(runs.load(std::sync::atomic::Ordering::SeqCst), jobs_max - 1);
    assert!(world.is_quiet());
}

#[test]
fn a_wire_names_both_ends_and_never_twice() {
    let world = World::new(1);
    let Pair { mut a, mut b, client, server } = pair(&world);
    let (here, there) = (a.wire(&client).unwrap(), b.wire(&server).unwrap());
    assert_eq!((here.own, here.peer), (there.peer, there.own));
    assert_ne!(here.own, here.peer);
    a.close(client, CloseHow::Reset);
    assert_eq!(b.wire(&server).unwrap(), there);
    b.close(server, CloseHow::Reset);

    let own = SocketAddr::new(a.host().ip(), 7070);
    let met = a.connect(token(2), &own.into(), Some(own)).unwrap();
    assert!(a.connected(&met).is_ok());
    assert_eq!(a.wire(&met), None);
}
