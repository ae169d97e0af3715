//! How long segments take.

use super::*;

/// Sends bytes one at a time, a millisecond apart, and returns how long each took.
fn delays(world: &World, pair: &mut Pair, count: u8) -> Vec<Duration> {
    let start = world.now();
    let mut arrivals = Vec::new();
    let mut sent = 0;
    while arrivals.len() < usize::from(count) {
        if sent < count && world.now() >= start + ms(sent.into()) {
            assert_eq!(send(&mut pair.a, &mut pair.client, &[sent]).unwrap(), 1);
            sent += 1;
        }
        if let Ok(bytes) = receive(&mut pair.b, &mut pair.server) {
            for byte in bytes {
                assert_eq!(usize::from(byte), arrivals.len(), "the order is kept");
                arrivals.push(world.now() - (start + ms(byte.into())));
            }
        }
        world.advance(Duration::from_micros(100));
    }
    arrivals
}

#[test]
fn an_even_spread_stays_within_its_bounds_and_fills_them() {
    let world = World::new(5);
    let mut pair = pair(&world);
    let latency = Latency::Uniform { min: ms(10), max: ms(20) };
    world.set_link("a", "b", Link { latency, ..Link::default() });
    let delays = delays(&world, &mut pair, 200);
    assert!(delays.iter().all(|delay| *delay >= ms(10) && *delay <= ms(21)));
    assert!(delays.iter().any(|delay| *delay < ms(13)) && delays.iter().any(|d| *d > ms(18)));
}

#[test]
fn a_long_tail_is_mostly_its_base_with_rare_spikes() {
    let world = World::new(5);
    let mut pair = pair(&world);
    let latency = Latency::LongTail { base: ms(5), spike: ms(500), spikes_ppm: 20_000 };
    world.set_links(Link { latency, ..Link::default() });
    let delays = delays(&world, &mut pair, 200);
    let late = delays.iter().filter(|delay| **delay > ms(6)).count();
    assert!(delays.iter().all(|delay| *delay >= ms(5)));
    // What comes behind a spike waits for it.
    assert!(late > 0, "no spike");
    assert!(delays.iter().any(|delay| *delay <= ms(6)), "nothing but spikes");
}

#[test]
fn a_spread_without_room_is_its_shortest_time() {
    let world = World::new(5);
    let mut pair = pair(&world);
    world.set_links(Link::new(Latency::Uniform { min: ms(10), max: ms(3) }));
    assert!(delays(&world, &mut pair, 20).iter().all(|delay| *delay == ms(10)));
}

#[test]
fn the_longest_latencies_do_not_overflow() {
    let most = Duration::MAX;
    let endless = [
        Latency::Fixed(most),
        Latency::Uniform { min: ms(1), max: most },
        Latency::LongTail { base: most, spike: most, spikes_ppm: 1_000_000 },
    ];
    for latency in endless {
        let world = World::new(5);
        let Pair { mut a, mut b, mut client, mut server } = pair(&world);
        world.set_links(Link::new(latency));
        send(&mut a, &mut client, b"x").unwrap();
        // The timer of what is lost counts on the latency there and back.
        world.cut("a", "b");
        world.advance(ms(3_600_000));
        assert_eq!(kind(receive(&mut b, &mut server)), ErrorKind::WouldBlock, "{latency:?}");
    }
}

#[test]
fn segments_queue_for_the_wire() {
    let world = World::new(1);
    let mut pair = pair(&world);
    let (listener, address) = listen(&mut pair.b, 0, &ListenOptions::default());
    let mut other = pair.a.connect(token(3), &address.into(), None).unwrap();
    let (mut other_end, _) = pair.b.accept(&listener).unwrap();
    let latency = Latency::Fixed(ms(10));
    world.set_link("a", "b", Link { latency, bytes_per_second: Some(1_000) });
    send(&mut pair.a, &mut pair.client, &[1; 500]).unwrap();
    send(&mut pair.a, &mut other, &[2; 500]).unwrap();
    world.advance(ms(509));
    assert!(receive(&mut pair.b, &mut pair.server).is_err());
    world.advance(ms(1));
    assert_eq!(receive(&mut pair.b, &mut pair.server).unwrap().len(), 500);
    world.advance(ms(499));
    assert!(receive(&mut pair.b, &mut other_end).is_err());
    world.advance(ms(1));
    assert_eq!(receive(&mut pair.b, &mut other_end).unwrap().len(), 500);
    // The other way has its own wire.
    send(&mut pair.b, &mut other_end, &[3; 5_000]).unwrap();
    assert_eq!(receive(&mut pair.a, &mut other).unwrap().len(), 5_000);
}

#[test]
fn traffic_on_one_link_does_not_shift_the_chance_of_another() {
    let run = |noise: bool| {
        let world = World::new(9);
        let mut quiet = pair(&world);
        let latency = Latency::Uniform { min: ms(1), max: ms(9) };
        world.set_links(Link { latency, ..Link::default() });
        if noise {
            let mut c = world.host("c");
            let target = SocketAddr::new(quiet.a.host().ip(), 99);
            let _ = c.connect(token(8), &target.into(), None).unwrap();
        }
        delays(&world, &mut quiet, 50)
    };
    assert_eq!(run(false), run(true));
}

#[test]
fn loopback_takes_no_time_and_cannot_be_cut() {
    let world = World::new(1);
    world.latency(ms(50));
    world.cut("a", "a");
    let mut a = world.host("a");
    let (listener, address) = listen(&mut a, 0, &ListenOptions::default());
    let mut client = a.connect(token(1), &address.into(), None).unwrap();
    let (mut server, _) = a.accept(&listener).unwrap();
    send(&mut a, &mut client, b"x").unwrap();
    assert_eq!(receive(&mut a, &mut server).unwrap(), b"x");
    assert_eq!(world.now(), Instant::ORIGIN);
}

#[test]
fn loopback_takes_its_own_latency_and_keeps_the_order() {
    let world = World::new(1);
    let micros = Duration::from_micros;
    world.local_latency(micros(10));
    let mut a = world.host("a");
    let (listener, address) = listen(&mut a, 0, &ListenOptions::default());
    let mut client = a.connect(token(1), &address.into(), None).unwrap();
    assert_eq!(kind(a.accept(&listener)), ErrorKind::WouldBlock);
    world.advance(micros(10));
    let (mut server, _) = a.accept(&listener).unwrap();
    assert_eq!(kind(a.connected(&client)), ErrorKind::NotConnected);
    world.advance(micros(10));
    assert!(a.connected(&client).is_ok());

    send(&mut a, &mut client, b"first").unwrap();
    world.local_latency(micros(1));
    send(&mut a, &mut client, b"second").unwrap();
    a.shutdown_write(&client).unwrap();
    world.advance(micros(9));
    assert_eq!(kind(receive(&mut a, &mut server)), ErrorKind::WouldBlock);
    world.advance(micros(1));
    assert_eq!(receive(&mut a, &mut server).unwrap(), b"firstsecond");
    assert_eq!(receive(&mut a, &mut server).unwrap(), b"");
    // Nobody listens any more: the refusal comes back after both ways.
    a.close_listener(listener);
    let refused = a.connect(token(2), &address.into(), None).unwrap();
    assert_eq!(kind(a.connected(&refused)), ErrorKind::NotConnected);
    world.advance(micros(2));
    assert_eq!(kind(a.connected(&refused)), ErrorKind::ConnectionRefused);
}

#[test]
fn a_clogged_way_keeps_everything_in_order() {
    let world = World::new(1);
    world.capacity(1_000);
    let Pair { mut a, mut b, mut client, mut server } = pair(&world);
    world.clog("a", "b");
    send(&mut a, &mut client, b"one").unwrap();
    send(&mut a, &mut client, b"two").unwrap();
    a.shutdown_write(&client).unwrap();
    world.advance(ms(60_000));
    assert_eq!(kind(receive(&mut b, &mut server)), ErrorKind::WouldBlock);
    // The other way is open.
    send(&mut b, &mut server, b"back").unwrap();
    assert_eq!(receive(&mut a, &mut client).unwrap(), b"back");
    world.unclog("a", "b");
    assert_eq!(receive(&mut b, &mut server).unwrap(), b"onetwo");
    assert_eq!(receive(&mut b, &mut server).unwrap(), b"");
}

#[test]
fn clogged_acknowledgements_keep_the_senders_buffer_until_they_come() {
    let world = World::new(1);
    world.capacity(1_000);
    let Pair { mut a, mut b, mut client, mut server } = pair(&world);
    world.clog("b", "a");
    assert_eq!(send(&mut a, &mut client, &[1; 1_000]).unwrap(), 1_000);
    assert_eq!(receive(&mut b, &mut server).unwrap().len(), 1_000);
    assert_eq!(kind(send(&mut a, &mut client, b"x")), ErrorKind::WouldBlock);
    world.advance(ms(10_000));
    assert_eq!(kind(send(&mut a, &mut client, b"x")), ErrorKind::WouldBlock);
    world.unclog("b", "a");
    assert!(reports(&mut a)[0].writable);
    assert_eq!(send(&mut a, &mut client, b"x").unwrap(), 1);
    assert_eq!(receive(&mut b, &mut server).unwrap(), b"x");
    assert_eq!(world.next_event(), None, "no timer is left");
}

#[test]
fn healing_ends_every_cut_and_every_clog() {
    let world = World::new(1);
    let Pair { mut a, mut b, mut client, mut server } = pair(&world);
    let mut c = world.host("c");
    let (listener, address) = listen(&mut b, 0, &ListenOptions::default());
    let mut other = c.connect(token(1), &address.into(), None).unwrap();
    let (mut other_end, _) = b.accept(&listener).unwrap();
    world.cut("a", "b");
    world.clog("c", "b");
    world.clog("b", "c");
    send(&mut a, &mut client, b"lost").unwrap();
    send(&mut c, &mut other, b"kept").unwrap();
    send(&mut b, &mut other_end, b"back").unwrap();
    world.advance(ms(100));
    assert_eq!(kind(receive(&mut b, &mut server)), ErrorKind::WouldBlock);
    assert_eq!(kind(receive(&mut b, &mut other_end)), ErrorKind::WouldBlock);
    world.heal();
    assert_eq!(receive(&mut b, &mut other_end).unwrap(), b"kept");
    assert_eq!(receive(&mut c, &mut other).unwrap(), b"back");
    // What was lost comes when its sender tries again.
    assert_eq!(kind(receive(&mut b, &mut server)), ErrorKind::WouldBlock);
    world.advance(ms(200));
    assert_eq!(receive(&mut b, &mut server).unwrap(), b"lost");
    // With nothing left to heal nothing happens.
    let event = world.next_event();
    world.heal();
    assert_eq!((event, world.next_event()), (None, None));
}

#[test]
fn a_box_on_the_way_can_reset_both_ends() {
    let world = World::new(1);
    let Pair { mut a, mut b, mut client, mut server } = pair(&world);
    let mut c = world.host("c");
    let (listener, address) = listen(&mut b, 0, &ListenOptions::default());
    let mut spared = c.connect(token(1), &address.into(), None).unwrap();
    let (mut spared_end, _) = b.accept(&listener).unwrap();
    send(&mut a, &mut client, b"read me").unwrap();
    world.reset_link("b", "a");
    assert!([&mut a, &mut b].map(|each| reports(each).iter().any(|r| r.failed)) == [true; 2]);
    assert_eq!(receive(&mut b, &mut server).unwrap(), b"read me");
    assert_eq!(kind(receive(&mut b, &mut server)), ErrorKind::ConnectionReset);
    assert_eq!(kind(receive(&mut a, &mut client)), ErrorKind::ConnectionReset);
    send(&mut c, &mut spared, b"here").unwrap();
    assert_eq!(receive(&mut b, &mut spared_end).unwrap(), b"here");
}
