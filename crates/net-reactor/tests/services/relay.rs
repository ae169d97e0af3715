//! The relay: backpressure from end to end, both ends, losses, and what never opens.

use std::cell::Cell;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::rc::Rc;
use std::thread;

use net_reactor::prelude::*;
use net_reactor::sim::{Host, Simulation};
use net_reactor::{ConnConfig, ConnectOptions, OnHighMark, Relay};

use super::support::{KERNEL_BYTES, Side, accepting, connecting, ms, pattern, secs};

const LOW: usize = 10_000;
const HIGH: usize = 40_000;
/// What one turn may add: a receive never returns more than the peer's and the own kernel hold.
const TURN: usize = 256 * 1024;
const PLENTY: usize = 2_000_000;

fn marks() -> ConnConfig {
    let buffers = ConnConfig::default().receive_buffer(KERNEL_BYTES).send_buffer(KERNEL_BYTES);
    buffers.marks(LOW, HIGH)
}

/// A relay that notes how much was ever queued on either side.
#[derive(Clone)]
struct Measured {
    relay: Relay,
    most_queued: Rc<Cell<usize>>,
}

impl Measured {
    fn note(&mut self, conn: &mut Conn<'_>) {
        let other = self.relay.other().and_then(|id| Some(conn.reactor().conn(id)?.stats()));
        let queued = [conn.stats().queued_bytes, other.map_or(0, |stats| stats.queued_bytes)];
        let most = queued.into_iter().chain([self.most_queued.get()]).max();
        self.most_queued.set(most.unwrap_or(0));
        conn.set_timer(Tag(77), ms(1));
    }
}

/// It hands on what a relay needs, as any handler can that becomes one.
impl Protocol for Measured {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        self.note(conn);
        self.relay.on_open(conn)
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        self.relay.on_data(conn, input)?;
        self.note(conn);
        Ok(())
    }

    fn on_eof(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Result<Eof, Failure> {
        self.relay.on_eof(conn, input)
    }

    fn on_pressure(&mut self, conn: &mut Conn<'_>, pressure: Pressure) -> Flow {
        self.note(conn);
        self.relay.on_pressure(conn, pressure)
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, _tag: Tag) -> Flow {
        self.note(conn);
        Ok(())
    }

    fn on_stop(&mut self, conn: &mut Conn<'_>) -> Flow {
        self.relay.on_stop(conn)
    }

    fn on_close(&mut self, conn: &mut Conn<'_>, reason: CloseReason) {
        self.relay.on_close(conn, reason);
    }
}

struct Net {
    sim: Simulation,
    client: Host,
    relay: Host,
    server: Host,
    most_queued: Rc<Cell<usize>>,
}

/// A client, a relay with small marks, and a server.
fn relayed(client: &Side, server: &Side) -> Net {
    let mut sim = Simulation::new(1);
    let most_queued = Rc::new(Cell::new(0));
    let noted = Rc::clone(&most_queued);
    let server = accepting(&mut sim, "server", server);
    let relay = sim.host("relay", move |boot| {
        let options = ConnectOptions::default().config(marks());
        let relay = Relay::to("server:9000")?.options(options);
        let measured = Measured { relay, most_queued: Rc::clone(&noted) };
        let server = Server::new(move |_peer| measured.clone()).connections(marks());
        boot.serve(server, "0.0.0.0:9000").map(drop)
    });
    let client = connecting(&mut sim, "client", "relay:9000", client);
    Net { sim, client, relay, server, most_queued }
}

#[test]
fn every_byte_goes_both_ways_and_each_end_behind_its_bytes() {
    let (client, server) =
        (Side::says(pattern(PLENTY)).finishes(), Side::says(pattern(300)).finishes());
    let mut net = relayed(&client, &server);
    net.sim.eventually(secs(300), "both have ended", |_| client.is_closed() && server.is_closed());
    for (side, expected) in [(&server, PLENTY), (&client, 300)] {
        side.seen(|seen| {
            assert!(seen.bytes == pattern(expected), "{} bytes of {expected}", seen.bytes.len());
            assert!(seen.eof && matches!(seen.closed, Some(CloseReason::PeerClosed)), "{seen:?}");
        });
    }
    assert_eq!(net.sim.stats(net.relay).connections, 0);
    net.sim.finish();
}

#[test]
fn after_the_end_of_one_direction_the_other_goes_on() {
    for client_ends in [true, false] {
        let (one, other) = (Side::says("question").finishes(), Side::says(pattern(PLENTY)));
        let (client, server) = if client_ends { (&one, &other) } else { (&other, &one) };
        let mut net = relayed(client, server);
        net.sim.eventually(secs(300), "all is there", |_| one.got() == PLENTY);
        other.seen(|seen| assert!(seen.eof && seen.bytes == b"question", "{seen:?}"));
        assert!(!one.is_closed() && !one.seen(|seen| seen.eof), "nobody ended this direction");
        let (sim, relay) = (&mut net.sim, net.relay);
        assert_eq!(sim.stats(relay).connections, 2);
        sim.finish();
    }
}

#[test]
fn a_side_that_does_not_read_stops_the_other_and_memory_stays_bounded() {
    for client_is_deaf in [true, false] {
        let (deaf, talker) = (Side::default().deaf(), Side::says(pattern(PLENTY)));
        let (client, server) = if client_is_deaf { (&deaf, &talker) } else { (&talker, &deaf) };
        let mut net = relayed(client, server);
        net.sim.run_for(secs(60));
        let queued = net.most_queued.get();
        assert!(queued > HIGH, "the mark was never reached: {queued}");
        assert!(queued <= HIGH + TURN, "{queued} bytes were queued");
        let stats = net.sim.stats(net.relay);
        assert!(stats.bytes_in < (HIGH + TURN + 4 * KERNEL_BYTES) as u64, "{stats:?}");
        net.sim.finish();
    }
}

#[test]
fn a_direction_that_stands_still_does_not_hold_up_the_other() {
    for client_is_deaf in [true, false] {
        let (deaf, talker) = (Side::says(pattern(PLENTY)).deaf(), Side::says(pattern(PLENTY)));
        let (client, server) = if client_is_deaf { (&deaf, &talker) } else { (&talker, &deaf) };
        let mut net = relayed(client, server);
        net.sim.eventually(secs(300), "the free direction", |_| talker.got() == PLENTY);
        assert!(net.most_queued.get() > HIGH, "the other one stands");
        net.sim.finish();
    }
}

#[test]
fn a_reset_of_one_side_resets_the_other() {
    for client_dies in [true, false] {
        let (client, server) = (Side::says("a"), Side::says("b"));
        let mut net = relayed(&client, &server);
        net.sim.eventually(secs(10), "both talk", |_| client.got() + server.got() == 2);
        let (lost, left) = if client_dies { (net.client, &server) } else { (net.server, &client) };
        net.sim.reset_link(lost, net.relay);
        net.sim.eventually(secs(10), "the other learns of it", |_| left.is_closed());
        left.seen(|seen| {
            assert!(matches!(seen.closed, Some(CloseReason::Reset { .. })), "{seen:?}")
        });
        assert_eq!(net.sim.stats(net.relay).connections, 0);
        net.sim.finish();
    }
}

#[test]
fn who_asks_for_a_target_that_refuses_is_reset() {
    let mut sim = Simulation::new(1);
    sim.host("server", |_boot| Ok(()));
    sim.host("relay", |boot| {
        let relay = Relay::to("server:9000")?;
        boot.serve(Server::new(move |_peer| relay.clone()), "0.0.0.0:9000").map(drop)
    });
    let client = Side::says("hello").finishes();
    connecting(&mut sim, "client", "relay:9000", &client);
    sim.eventually(secs(10), "it is told", |_| client.is_closed());
    client.seen(|seen| {
        assert!(matches!(seen.closed, Some(CloseReason::Reset { .. })), "{seen:?}");
        assert!(!seen.eof, "nothing may look like an orderly end");
    });
    sim.finish();
}

#[test]
fn nothing_is_read_before_there_is_somewhere_to_send_it() {
    let client = Side::says(pattern(PLENTY));
    let mut net = relayed(&client, &Side::default());
    net.sim.partition(net.relay, net.server);
    net.sim.run_for(secs(10));
    let stats = net.sim.stats(net.relay);
    assert_eq!((stats.bytes_in, stats.connections), (0, 2));
    net.sim.mend(net.relay, net.server);
    net.sim.run_for(secs(10));
    assert!(net.sim.stats(net.relay).bytes_in > 0, "it goes on from there");
    net.sim.finish();
}

#[test]
fn a_client_that_leaves_early_cancels_the_attempt_for_it() {
    let client = Side::says("hello");
    let mut net = relayed(&client, &Side::default());
    net.sim.partition(net.relay, net.server);
    net.sim.run_for(secs(5));
    assert_eq!(net.sim.stats(net.relay).connections, 2);
    net.sim.reset_link(net.client, net.relay);
    net.sim.run_for(ms(100));
    assert_eq!(net.sim.stats(net.relay).connections, 0, "the attempt would take 30 s otherwise");
    net.sim.finish();
}

#[test]
fn a_stopping_relay_lets_pairs_finish_and_ends_none_as_if_it_were_whole() {
    // One that finishes within the 10 s, and one that never would.
    for quick in [true, false] {
        let client = Side::says(pattern(200_000));
        let client = if quick { client.finishes() } else { client };
        let server = Side::says("ok").finishes();
        let mut net = relayed(&client, &server);
        net.sim.eventually(secs(10), "it has begun", |_| server.got() > 0);
        assert!(server.got() < 200_000, "the stop is to come in the middle");
        net.sim.stop(net.relay);
        net.sim.run_for(secs(30));
        assert_eq!(server.got(), 200_000);
        server.seen(|seen| {
            let clean = matches!(seen.closed, Some(CloseReason::PeerClosed));
            let reset = matches!(seen.closed, Some(CloseReason::Reset { .. }));
            assert!(
                if quick { clean && seen.eof } else { reset && !seen.eof },
                "{:?}",
                seen.closed
            );
        });
        net.sim.finish();
    }
}

#[test]
fn a_side_that_the_program_closes_closes_the_other() {
    let (client, server) = (Side::says("a"), Side::says("b"));
    let mut sim = Simulation::new(1);
    accepting(&mut sim, "server", &server);
    sim.host("relay", move |boot| {
        let relay = Relay::to("server:9000")?;
        let server = Server::new(move |_peer| relay.clone());
        server.listen_on(&mut boot.reactor(), ([0, 0, 0, 0], 9000))?;
        boot.reactor().call_later(secs(5), move |reactor| {
            let near = reactor.accepted();
            assert!(near.len() == 1 && reactor.close(near[0]));
        });
        Ok(())
    });
    connecting(&mut sim, "client", "relay:9000", &client);
    sim.run_for(secs(4));
    assert!(client.got() == 1 && server.got() == 1 && !server.seen(|seen| seen.eof));
    sim.eventually(secs(20), "both end", |_| {
        client.seen(|seen| seen.eof) && server.seen(|seen| seen.eof)
    });
    sim.finish();
}

#[test]
fn a_hundred_megabytes_compare_equal_over_real_sockets() {
    const CHUNK: usize = 1 << 20;
    let tell = ConnConfig::default().on_high_mark(OnHighMark::Tell);
    let echo = Server::on_data(|conn, input| Ok(conn.write(input.take_all())?))
        .connections(tell)
        .spawn("127.0.0.1:0")
        .unwrap();
    let relay = Relay::to(echo.local_address()).unwrap();
    let relay = Server::new(move |_peer| relay.clone()).loops(2).spawn("127.0.0.1:0").unwrap();
    let mut stream = TcpStream::connect(relay.local_address()).unwrap();
    let chunk = pattern(CHUNK);
    let (mut sender, sent) = (stream.try_clone().unwrap(), chunk.clone());
    let sending = thread::spawn(move || {
        (0..100).for_each(|_| sender.write_all(&sent).unwrap());
        sender.shutdown(Shutdown::Write).unwrap();
    });
    let mut got = vec![0; CHUNK];
    for number in 0..100 {
        stream.read_exact(&mut got).unwrap();
        assert!(got == chunk, "megabyte {number} is another");
    }
    assert_eq!(stream.read(&mut got).unwrap(), 0, "and nothing behind it");
    sending.join().unwrap();
    for server in [relay, echo] {
        server.handle().stop();
        server.join().unwrap();
    }
}
