//! Services on connections with a layer: all that they send passes through it, and its end comes last.

use std::cell::Cell;
use std::io::Cursor;
use std::rc::Rc;
use std::time::Duration;

use net_reactor::codec::Compression;
use net_reactor::prelude::*;
use net_reactor::sim::Simulation;
use net_reactor::{ConnConfig, ConnectOptions, Group, Relay, Transfer};

use super::support::{Side, accepting, pattern, roomy, secs};

const TOTAL: usize = 300_000;
const CHUNK: usize = 7_000;
const LOW: usize = 10_000;

fn packed() -> ConnConfig {
    roomy().marks(LOW, 4 * LOW).layer(Compression::zlib().window_bits(9))
}

/// Adds a side that connects to port 9000 of the host "server" through the layer.
fn connecting(sim: &mut Simulation, side: &Side) {
    let side = side.clone();
    sim.host("client", move |boot| {
        let options = ConnectOptions::default().config(packed());
        boot.reactor().connect_with("server:9000", options, side.clone())?;
        Ok(())
    });
}

/// Pushes the pattern, a chunk each millisecond.
fn pushed(conn: &mut Conn<'_>) -> Transfer {
    let (transfer, pusher) = Transfer::push(|_reactor, _pressure| {});
    let mut left: Vec<Vec<u8>> = pattern(TOTAL).chunks(CHUNK).map(<[u8]>::to_vec).collect();
    left.reverse();
    conn.reactor().call_every(Duration::from_millis(1), move |reactor, tick| match left.pop() {
        Some(chunk) => pusher.write(reactor, chunk).expect("the connection takes it"),
        None => {
            pusher.end(reactor);
            reactor.cancel(tick.timer);
        }
    });
    transfer
}

const SOURCES: [fn(&mut Conn<'_>) -> Transfer; 3] = [
    |_conn| Transfer::chunks(pattern(TOTAL).chunks(CHUNK).map(<[u8]>::to_vec).collect::<Vec<_>>()),
    |_conn| Transfer::read(Cursor::new(pattern(TOTAL))).chunk_bytes(CHUNK),
    pushed,
];

/// How our side finishes; `None` leaves that to the peer, which finishes at once.
type Finish = Option<fn(&mut Conn<'_>)>;

const FINISHES: [Finish; 3] =
    [Some(|conn| conn.close()), Some(|conn| conn.shutdown_write().unwrap_or(())), None];

/// Starts a transfer behind a word, and finishes before it is through.
struct Sender {
    source: fn(&mut Conn<'_>) -> Transfer,
    finish: Finish,
}

impl Protocol for Sender {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        conn.write("head:")?;
        (self.source)(conn).start(conn)?;
        if let Some(finish) = self.finish {
            finish(conn);
        }
        Ok(())
    }

    fn on_data(&mut self, _conn: &mut Conn<'_>, _input: &mut Input<'_>) -> Flow {
        Ok(())
    }
}

#[test]
fn a_transfer_passes_through_the_layer_whose_end_follows_its_last_byte() {
    let expected = [b"head:", &pattern(TOTAL)[..]].concat();
    for source in SOURCES {
        for finish in FINISHES {
            let mut sim = Simulation::new(1);
            sim.host("server", move |boot| {
                let server = Server::new(move |_peer| Sender { source, finish });
                boot.serve(server.connections(packed()), "0.0.0.0:9000").map(drop)
            });
            let side = Side::default();
            let side = if finish.is_none() { side.finishes() } else { side };
            connecting(&mut sim, &side);
            sim.eventually(secs(300), "the end", |_| {
                side.seen(|seen| seen.eof || seen.closed.is_some())
            });
            side.seen(|seen| {
                assert_eq!((seen.bytes == expected, seen.eof), (true, true), "{seen:?}")
            });
            sim.finish();
        }
    }
}

/// Bytes that cannot be packed.
fn noise() -> impl Iterator<Item = Vec<u8>> {
    let mut word = 1_u64;
    let mut byte = move || {
        word = word.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        word.to_be_bytes()[0]
    };
    (0..100).map(move |_| (0..CHUNK).map(|_| byte()).collect())
}

/// Sends noise, and notes how much of it waits.
struct Measured(Rc<Cell<usize>>);

impl Protocol for Measured {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        Transfer::chunks(noise()).start(conn)?;
        self.on_timer(conn, Tag(0))
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, tag: Tag) -> Flow {
        self.0.set(conn.stats().queued_bytes);
        conn.set_timer(tag, secs(1));
        Ok(())
    }

    fn on_data(&mut self, _conn: &mut Conn<'_>, _input: &mut Input<'_>) -> Flow {
        Ok(())
    }
}

#[test]
fn what_a_layer_keeps_back_is_not_asked_for_twice() {
    let mut sim = Simulation::new(1);
    let queued = Rc::new(Cell::new(0));
    let noted = Rc::clone(&queued);
    sim.host("server", move |boot| {
        let noted = Rc::clone(&noted);
        let server = Server::new(move |_peer| Measured(Rc::clone(&noted))).connections(packed());
        server.listen_on(&mut boot.reactor(), ([0, 0, 0, 0], 9000))?;
        Ok(())
    });
    connecting(&mut sim, &Side::default().deaf());
    sim.run_for(secs(10));
    let (least, most) = (LOW, LOW + CHUNK + CHUNK / 10);
    assert!((least..=most).contains(&queued.get()), "{} bytes wait", queued.get());
    sim.finish();
}

#[test]
fn a_relay_packs_for_one_side_what_the_other_sends_plain() {
    let mut sim = Simulation::new(1);
    let plain = Side::says(pattern(TOTAL)).finishes();
    sim.host("server", |boot| {
        let relay = Relay::to("plain:9000")?;
        let server = Server::new(move |_peer| relay.clone()).connections(packed());
        boot.serve(server, "0.0.0.0:9000").map(drop)
    });
    accepting(&mut sim, "plain", &plain);
    let side = Side::says(pattern(TOTAL)).finishes();
    connecting(&mut sim, &side);
    for side in [&side, &plain] {
        sim.eventually(secs(300), "the end", |_| side.seen(|seen| seen.eof));
        assert!(side.seen(|seen| seen.bytes == pattern(TOTAL)), "{} bytes", side.got());
    }
    sim.finish();
}

#[test]
fn a_broadcast_is_packed_for_each_member() {
    let mut sim = Simulation::new(1);
    let group = Group::default();
    let room = group.clone();
    sim.host("server", move |boot| {
        let room = room.clone();
        let server = Server::new(move |_peer| Member(room.clone())).connections(packed());
        boot.serve(server, "0.0.0.0:9000").map(drop)
    });
    let side = Side::says("news");
    connecting(&mut sim, &side);
    sim.eventually(secs(10), "the broadcast", |_| side.got() == TOTAL + 4);
    assert!(side.seen(|seen| seen.bytes == [&pattern(TOTAL)[..], b"news"].concat()));
    sim.finish();
}

/// Sends a large buffer, and what it hears, to its group.
struct Member(Group);

impl Protocol for Member {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        self.0.join(conn)?;
        self.0.broadcast(conn.reactor(), pattern(TOTAL));
        Ok(())
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        self.0.broadcast(conn.reactor(), input.take_all().to_vec());
        Ok(())
    }
}
