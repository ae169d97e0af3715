//! What a handler leaves unconsumed, and how its input is cut.

use std::sync::mpsc::{Receiver, Sender, channel};

use net_reactor::{CloseReason, Conn, ConnConfig, Failure, Flow, Input, Protocol};

use crate::peer::Peer;
use crate::support::{ByHand, Chance, Echo, KIB, MIB, PATIENCE, Served, assert_same, pattern};

/// Takes units out of the input with `take`, as often as it gives one.
struct Units<T> {
    take: T,
    units: Sender<Vec<u8>>,
    closed: Sender<CloseReason>,
}

impl<T> Protocol for Units<T>
where
    T: FnMut(&mut Input<'_>) -> Result<Option<Vec<u8>>, Failure> + 'static,
{
    fn on_data(&mut self, _conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        while let Some(unit) = (self.take)(input)? {
            self.units.send(unit)?;
        }
        Ok(())
    }

    fn on_close(&mut self, _conn: &mut Conn<'_>, reason: CloseReason) {
        // A test that has seen enough is gone.
        let _ = self.closed.send(reason);
    }
}

struct Heard {
    units: Receiver<Vec<u8>>,
    closed: Receiver<CloseReason>,
}

impl Heard {
    fn unit(&self) -> Vec<u8> {
        self.units.recv_timeout(PATIENCE).expect("a unit comes")
    }

    fn reason(&self) -> CloseReason {
        self.closed.recv_timeout(PATIENCE).expect("the connection ends")
    }
}

fn units<T>(take: T) -> (impl FnMut() -> Units<T> + Clone, Heard)
where
    T: FnMut(&mut Input<'_>) -> Result<Option<Vec<u8>>, Failure> + Clone + 'static,
{
    let ((unit_sender, units), (closed_sender, closed)) = (channel(), channel());
    let factory = move || Units {
        take: take.clone(),
        units: unit_sender.clone(),
        closed: closed_sender.clone(),
    };
    (factory, Heard { units, closed })
}

fn take_line(input: &mut Input<'_>) -> Result<Option<Vec<u8>>, Failure> {
    Ok(input.line(100)?.map(<[u8]>::to_vec))
}

/// Takes a frame: four bytes of length, then as many bytes.
fn take_frame(input: &mut Input<'_>) -> Result<Option<Vec<u8>>, Failure> {
    let Some(head) = input.bytes().first_chunk::<4>() else { return Ok(None) };
    let len = u32::from_be_bytes(*head) as usize;
    if input.len() < 4 + len {
        return Ok(None);
    }
    input.consume(4);
    Ok(input.take(len).map(<[u8]>::to_vec))
}

#[test]
fn lines_sent_byte_by_byte_arrive_as_lines() {
    let (factory, heard) = units(take_line);
    let served = Served::new(factory);
    let mut peer = served.peer();
    for byte in b"one\r\ntwo\n\nfour, the last\n" {
        peer.send([*byte]);
    }
    for line in ["one", "two", "", "four, the last"] {
        assert_eq!(heard.unit(), line.as_bytes());
    }
}

#[test]
fn what_is_left_comes_with_the_next_bytes_in_front_of_them() {
    let (factory, heard) = units(|input: &mut Input<'_>| Ok(input.take(10).map(<[u8]>::to_vec)));
    let mut by_hand = ByHand::new(ConnConfig::default(), factory);
    let mut peer = Peer::connect(&by_hand.address);
    // Each part is received by itself, because the loop turns in between.
    let mut sent = 0;
    for part in ["123", "45678", "9", "0abcdefghijklmnop", "qrs", "t"] {
        peer.send(part);
        sent += part.len() as u64;
        by_hand.turn_until(|event_loop| event_loop.stats().bytes_in == sent);
    }
    for unit in ["1234567890", "abcdefghij", "klmnopqrst"] {
        assert_eq!(heard.unit(), unit.as_bytes());
    }
}

#[test]
fn frames_cut_at_random_places_come_out_whole() {
    for seed in 0..6 {
        let (factory, heard) = units(take_frame);
        let mut by_hand = ByHand::new(ConnConfig::default(), factory);
        let mut peer = Peer::connect(&by_hand.address);
        let mut chance = Chance(seed);
        let mut frames = Vec::new();
        let mut stream = Vec::new();
        // Seeds differ in what they like: many tiny frames, leftovers around 64 KiB, up to 1 MiB.
        let largest =
            [20, 3000, 70 * KIB, 140 * KIB, 400 * KIB, MIB][usize::try_from(seed).unwrap()];
        while stream.len() < 3 * MIB && frames.len() < 3000 {
            let frame = pattern(chance.below(largest + 1));
            stream.extend_from_slice(&u32::try_from(frame.len()).unwrap().to_be_bytes());
            stream.extend_from_slice(&frame);
            frames.push(frame);
        }
        let mut rest = &stream[..];
        let mut sent = 0;
        while !rest.is_empty() {
            let most = [1, 10, KIB, 60 * KIB, 70 * KIB, 300 * KIB][chance.below(6)];
            let part = 1 + chance.below(most.min(rest.len()));
            let taken = peer.send_what_fits(&rest[..part]);
            rest = &rest[taken..];
            sent += taken as u64;
            if chance.below(4) > 0 {
                by_hand.turn_until(|event_loop| event_loop.stats().bytes_in == sent);
            }
        }
        by_hand.turn_until(|event_loop| event_loop.stats().bytes_in == sent);
        for (number, frame) in frames.iter().enumerate() {
            let got = heard.units.try_recv();
            assert!(got.as_ref() == Ok(frame), "seed {seed}, frame {number} of {}", frame.len());
        }
        assert!(heard.units.try_recv().is_err(), "seed {seed}: one too many");
        assert!(heard.closed.try_recv().is_err(), "seed {seed}: closed");
    }
}

#[test]
fn input_left_over_the_limit_closes_the_connection() {
    let (factory, heard) = units(|_input: &mut Input<'_>| Ok(None));
    let served = Served::with(ConnConfig::default().input_max(100 * KIB), factory);
    let mut bystander = served.bystander();
    let mut peer = served.peer();
    peer.send(pattern(100 * KIB));
    bystander.check();
    assert!(heard.closed.try_recv().is_err(), "exactly the limit is fine");
    peer.send("x");
    assert_eq!(peer.read_to_end(), b"", "closed gracefully");
    drop(peer);
    let reason = heard.reason();
    let CloseReason::InputOverflow { unconsumed_bytes, limit_bytes } = reason else {
        panic!("{reason:?}")
    };
    assert_eq!((unconsumed_bytes, limit_bytes), (100 * KIB + 1, 100 * KIB));
    bystander.check();
}

#[test]
fn a_flood_that_is_never_consumed_is_cut_off_near_the_limit() {
    let (factory, heard) = units(|_input: &mut Input<'_>| Ok(None));
    let served = Served::new(factory);
    let peer = served.peer();
    let flood = peer.send_aside(vec![0; 100 * MIB], false);
    let reason = heard.reason();
    let CloseReason::InputOverflow { unconsumed_bytes, .. } = reason else { panic!("{reason:?}") };
    assert!(unconsumed_bytes <= 2 * MIB + 256 * KIB, "{unconsumed_bytes}");
    assert!(flood.join().unwrap().is_err());
}

#[test]
fn a_line_that_is_too_long_closes_with_the_error_as_the_cause() {
    let (factory, heard) = units(take_line);
    let served = Served::new(factory);
    let mut peer = served.peer();
    peer.send([b'x'; 101]);
    peer.send("\n");
    let (_, over) = peer.read_until_over();
    assert_eq!(over, None);
    drop(peer);
    let reason = heard.reason();
    let CloseReason::HandlerFailed { source } = &reason else { panic!("{reason:?}") };
    let too_long = source.downcast_ref::<net_reactor::TooLong>().unwrap();
    assert_eq!(too_long.limit_bytes, 100);
}

#[test]
fn one_mebibyte_dripping_in_costs_linear_work() {
    // Quadratic work would be about 10^12 byte comparisons or copies, and never end.
    let (factory, heard) =
        units(|input: &mut Input<'_>| Ok(input.line(2 * MIB)?.map(<[u8]>::to_vec)));
    let mut by_hand = ByHand::new(ConnConfig::default(), factory);
    let mut peer = Peer::connect(&by_hand.address);
    let mut line = vec![b'x'; MIB];
    line.push(b'\n');
    for part in line.chunks(100) {
        peer.send(part);
        by_hand.event_loop.turn(Some(std::time::Duration::ZERO)).unwrap();
    }
    by_hand.turn_until(|event_loop| event_loop.stats().bytes_in == line.len() as u64);
    assert_same(&heard.unit(), &line[..MIB]);
}

#[test]
fn a_flooding_connection_leaves_the_others_their_share() {
    let served = Served::new(|| Units {
        take: |input: &mut Input<'_>| {
            input.take_all();
            Ok(None)
        },
        units: channel().0,
        closed: channel().0,
    });
    let mut bystander = served.bystander();
    let peer = served.peer();
    let flood = peer.send_aside(vec![0; 200 * MIB], true);
    for _ in 0..50 {
        bystander.check();
    }
    flood.join().unwrap().unwrap();
}

#[test]
fn many_connections_keep_their_leftovers_apart() {
    let served = Served::new(Echo::new);
    let (factory, heard) = units(take_line);
    let lines = Served::new(factory);
    let mut peers: Vec<_> = (0..50).map(|_| lines.peer()).collect();
    for round in 0..4 {
        for (number, peer) in peers.iter_mut().enumerate() {
            peer.send(format!("{number}:{round} "));
        }
    }
    peers.iter_mut().for_each(|peer| peer.send("\n"));
    let mut got: Vec<_> = peers.iter().map(|_| String::from_utf8(heard.unit()).unwrap()).collect();
    got.sort();
    let mut expected: Vec<_> = (0..50).map(|n| format!("{n}:0 {n}:1 {n}:2 {n}:3 ")).collect();
    expected.sort();
    assert_eq!(got, expected);
    served.finish();
}
