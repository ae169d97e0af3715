//! Lost segments, and what the sockets make of it.

use super::*;

#[test]
fn what_a_cut_loses_arrives_with_the_next_repetition() {
    let world = World::new(1);
    let Pair { mut a, mut b, mut client, mut server } = pair(&world);
    world.cut("a", "b");
    send(&mut a, &mut client, b"one").unwrap();
    world.advance(ms(500));
    send(&mut a, &mut client, b"two").unwrap();
    a.shutdown_write(&client).unwrap();
    // It is repeated after 200, 600, 1400 ms.
    world.advance(ms(400));
    world.mend("a", "b");
    world.advance(ms(499));
    assert_eq!(kind(receive(&mut b, &mut server)), ErrorKind::WouldBlock);
    world.advance(ms(1));
    assert_eq!(receive(&mut b, &mut server).unwrap(), b"onetwo");
    assert_eq!(receive(&mut b, &mut server).unwrap(), b"");
    assert_eq!(world.next_event(), None, "no timer is left");
}

#[test]
fn a_cut_takes_what_is_on_its_way() {
    let world = World::new(1);
    let Pair { mut a, mut b, mut client, mut server } = pair(&world);
    world.latency(ms(10));
    send(&mut a, &mut client, b"x").unwrap();
    world.advance(ms(5));
    world.cut("a", "b");
    world.mend("a", "b");
    // Sent again 200 ms and a round trip after the first time.
    world.advance(ms(224));
    assert_eq!(kind(receive(&mut b, &mut server)), ErrorKind::WouldBlock);
    world.advance(ms(1));
    assert_eq!(receive(&mut b, &mut server).unwrap(), b"x");
}

#[test]
fn a_sender_that_gets_nothing_through_times_out_and_its_peer_learns_later() {
    let world = World::new(1);
    let Pair { mut a, mut b, mut client, mut server } = pair(&world);
    world.cut("a", "b");
    send(&mut a, &mut client, b"x").unwrap();
    world.advance(ms(924_599));
    assert!(a.take_error(&client).unwrap().is_none());
    world.advance(ms(1));
    assert!(reports(&mut a)[0].failed);
    assert_eq!(kind(send(&mut a, &mut client, b"y")), ErrorKind::TimedOut);
    assert_eq!(kind(send(&mut a, &mut client, b"y")), ErrorKind::BrokenPipe);
    // Nobody told the peer. Its bytes reach a dead socket, whose reset does not come back.
    world.advance(ms(100_000));
    assert!(reports(&mut b).is_empty());
    send(&mut b, &mut server, b"hello?").unwrap();
    world.advance(ms(300));
    assert!(reports(&mut b).is_empty());
    world.mend("a", "b");
    world.advance(ms(300));
    assert_eq!(kind(receive(&mut b, &mut server)), ErrorKind::ConnectionReset);
}

#[test]
fn lost_acknowledgements_keep_the_senders_buffer_and_time_out_as_well() {
    let world = World::new(1);
    world.capacity(1_000);
    let Pair { mut a, mut b, mut client, mut server } = pair(&world);
    world.cut("b", "a");
    assert_eq!(send(&mut a, &mut client, &[1; 1_000]).unwrap(), 1_000);
    assert_eq!(receive(&mut b, &mut server).unwrap().len(), 1_000);
    assert_eq!(kind(send(&mut a, &mut client, b"x")), ErrorKind::WouldBlock);
    world.mend("b", "a");
    assert!(reports(&mut a).is_empty(), "not before the sender asks");
    world.advance(ms(200));
    assert!(reports(&mut a)[0].writable);
    world.cut("b", "a");
    send(&mut a, &mut client, b"x").unwrap();
    world.advance(ms(924_600));
    assert_eq!(kind(receive(&mut a, &mut client)), ErrorKind::TimedOut);
    assert_eq!(receive(&mut b, &mut server).unwrap(), b"x");
}

#[test]
fn a_sender_that_waits_for_room_notices_a_cut_too() {
    let world = World::new(1);
    world.capacity(1_000);
    let Pair { mut a, mut b, mut client, mut server } = pair(&world);
    for _ in 0..2 {
        send(&mut a, &mut client, &[1; 1_000]).unwrap();
    }
    world.cut("b", "a");
    // The news of the room is lost; a probe after the mending gets it.
    assert_eq!(receive(&mut b, &mut server).unwrap().len(), 1_000);
    assert_eq!(kind(receive(&mut b, &mut server)), ErrorKind::WouldBlock);
    world.advance(ms(150));
    world.mend("b", "a");
    world.advance(ms(50));
    assert_eq!(receive(&mut b, &mut server).unwrap().len(), 1_000);
    assert_eq!(world.next_event(), None);
    for _ in 0..2 {
        send(&mut a, &mut client, &[1; 1_000]).unwrap();
    }
    world.cut("a", "b");
    world.advance(ms(924_600));
    assert_eq!(kind(send(&mut a, &mut client, b"y")), ErrorKind::TimedOut);
}

#[test]
fn a_syn_is_repeated_and_times_out() {
    for (from, to) in [("a", "b"), ("b", "a")] {
        let world = World::new(1);
        let (mut a, mut b) = (world.host("a"), world.host("b"));
        let (listener, address) = listen(&mut b, 0, &ListenOptions::default());
        world.cut(from, to);
        let client = a.connect(token(1), &address.into(), None).unwrap();
        world.advance(ms(126_999));
        assert_eq!(kind(a.connected(&client)), ErrorKind::NotConnected);
        world.advance(ms(1));
        assert!(reports(&mut a)[0].failed);
        assert_eq!(kind(a.connected(&client)), ErrorKind::TimedOut);
        assert_eq!(kind(b.accept(&listener)), ErrorKind::WouldBlock, "{from}");
        let client = a.connect(token(2), &address.into(), None).unwrap();
        world.advance(ms(2_000));
        world.mend(from, to);
        world.advance(ms(999));
        assert_eq!(kind(a.connected(&client)), ErrorKind::NotConnected);
        world.advance(ms(1));
        assert!(a.connected(&client).is_ok());
        assert!(b.accept(&listener).is_ok());
    }
}

#[test]
fn an_answer_to_a_syn_that_is_lost_on_its_way_comes_again() {
    let world = World::new(1);
    world.latency(ms(10));
    let (mut a, mut b) = (world.host("a"), world.host("b"));
    let (listener, address) = listen(&mut b, 0, &ListenOptions::default());
    let mut client = a.connect(token(1), &address.into(), None).unwrap();
    world.advance(ms(15));
    world.cut("b", "a");
    let (mut server, _) = b.accept(&listener).unwrap();
    // What the server sends to a client that is not connected yet is lost as well.
    send(&mut b, &mut server, b"early").unwrap();
    world.advance(ms(100));
    world.mend("b", "a");
    world.advance(ms(905));
    assert!(a.connected(&client).is_ok());
    world.advance(ms(1_000));
    assert_eq!(receive(&mut a, &mut client).unwrap(), b"early");
    assert_eq!(kind(b.accept(&listener)), ErrorKind::WouldBlock);
}

#[test]
fn a_reset_that_is_lost_leaves_half_a_connection() {
    let world = World::new(1);
    let Pair { mut a, mut b, client, mut server } = pair(&world);
    world.cut("a", "b");
    a.close(client, CloseHow::Reset);
    world.mend("a", "b");
    world.advance(ms(3_600_000));
    assert!(reports(&mut b).is_empty());
    assert_eq!(kind(receive(&mut b, &mut server)), ErrorKind::WouldBlock);
    send(&mut b, &mut server, b"x").unwrap();
    assert!(reports(&mut b)[0].failed);
    assert_eq!(kind(receive(&mut b, &mut server)), ErrorKind::ConnectionReset);
}

#[test]
fn a_closed_socket_gives_up_sooner_and_waits_for_the_peers_end_only_so_long() {
    let world = World::new(1);
    let Pair { mut a, mut b, mut client, mut server } = pair(&world);
    world.cut("a", "b");
    send(&mut a, &mut client, b"x").unwrap();
    a.close(client, CloseHow::Fin);
    assert_eq!(world.sockets_len(), 2);
    world.advance(ms(102_200));
    assert_eq!(world.sockets_len(), 1);
    world.mend("a", "b");
    assert_eq!(kind(receive(&mut b, &mut server)), ErrorKind::WouldBlock);

    let world = World::new(1);
    let Pair { mut a, mut b, client, mut server } = pair(&world);
    a.close(client, CloseHow::Fin);
    assert_eq!(receive(&mut b, &mut server).unwrap(), b"");
    world.advance(ms(59_999));
    assert_eq!(world.sockets_len(), 2);
    world.advance(ms(1));
    assert_eq!(world.sockets_len(), 1);
    b.close(server, CloseHow::Fin);
    assert_eq!(world.sockets_len(), 0);
}

/// One end of a connection that sends and receives numbered bytes.
struct End {
    stream: Stream,
    sent: usize,
    received: usize,
}

const BYTES: usize = 20_000;

impl End {
    fn serve(&mut self, kernel: &mut Memory) {
        let offered: Vec<u8> =
            (self.sent..BYTES).take(3_000).map(|n| u8::try_from(n % 251).unwrap()).collect();
        match send(kernel, &mut self.stream, &offered) {
            Ok(sent) => self.sent += sent,
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
        match receive(kernel, &mut self.stream) {
            Ok(bytes) => {
                for byte in bytes {
                    assert_eq!(usize::from(byte), self.received % 251);
                    self.received += 1;
                }
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
    }
}

#[test]
fn every_byte_arrives_in_order_over_links_that_come_and_go() {
    for seed in 0..SEEDS {
        let world = World::new(seed);
        world.capacity(2_000);
        let Pair { mut a, mut b, client, server } = pair(&world);
        let latency = Latency::LongTail { base: ms(seed % 9), spike: ms(300), spikes_ppm: 50_000 };
        world.set_links(Link { latency, bytes_per_second: Some(30_000) });
        let mut chance = crate::base::Rng::new(seed);
        let mut ends = [client, server].map(|stream| End { stream, sent: 0, received: 0 });
        for round in 0.. {
            assert!(round < 20_000, "seed {seed} makes no progress");
            ends[0].serve(&mut a);
            ends[1].serve(&mut b);
            if ends.iter().all(|end| end.received == BYTES) {
                break;
            }
            let (from, to) = if chance.below(2) == 0 { ("a", "b") } else { ("b", "a") };
            match chance.below(40) {
                0 => world.cut(from, to),
                1 => world.clog(from, to),
                2..10 => world.mend(from, to),
                10..20 => world.unclog(from, to),
                _ => {}
            }
            world.advance(ms(chance.below(50)));
        }
        for (from, to) in [("a", "b"), ("b", "a")] {
            world.mend(from, to);
            world.unclog(from, to);
        }
        world.advance(ms(300_000));
        assert_eq!(world.next_event(), None, "seed {seed}: a timer is left");
        let [client, server] = ends.map(|end| end.stream);
        a.close(client, CloseHow::Fin);
        b.close(server, CloseHow::Fin);
        world.advance(ms(300_000));
        assert_eq!(world.sockets_len(), 0, "seed {seed}");
    }
}
