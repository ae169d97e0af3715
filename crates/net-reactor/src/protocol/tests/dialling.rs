//! Several addresses at once: one connection, one outcome, and nothing left of the others.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::rig::{Rig, ms, secs};
use super::teller::Teller;
use crate::net::{ConnConfig, ConnectOptions};
use crate::sys::memory::{Call, NoHost};

/// Where no host is, and nobody answers.
const BLACK_HOLE: &str = "10.9.9.9";

/// A loop on `a`, and listeners on `b`, 10.0.0.2, and `c`, 10.0.0.3, which greet their peers.
fn rig() -> Rig {
    let mut rig = Rig::pair();
    rig.add("c", crate::protocol::LoopConfig::default());
    for (index, name) in [(1, "b"), (2, "c")] {
        let log = rig.log.clone();
        rig.listen(index, ConnConfig::default(), move || {
            Teller::new(&log, name).on_open(|conn| Ok(conn.write("hello")?))
        });
    }
    rig
}

fn name(rig: &Rig, addresses: &[&str]) {
    rig.world.name("service", addresses.iter().map(|text| text.parse().unwrap()).collect());
}

/// Connects on `a`, lets a minute pass, and returns what the client was told.
fn told(rig: &mut Rig, options: ConnectOptions) -> Vec<String> {
    let handler = Teller::new(&rig.log, "conn");
    let id = rig.connect_with(0, "service:7000", options, handler);
    rig.reactor(0).call_later(secs(50), move |reactor| {
        reactor.abort(id);
    });
    rig.advance(secs(60));
    rig.assert_clean(&"service");
    let lines = rig.log.take().into_iter();
    lines.filter(|line| line.contains("conn") && !line.contains("closed")).collect()
}

#[test]
fn a_black_hole_costs_a_quarter_of_a_second() {
    let mut rig = rig();
    rig.world.latency(ms(10));
    name(&rig, &[BLACK_HOLE, "10.0.0.2", "10.0.0.3"]);
    // What the server says at once arrives by the socket that moved.
    assert_eq!(told(&mut rig, ConnectOptions::default()), ["270ms conn open", "270ms conn data 5"]);
    assert_eq!((rig.stats(1).accepted, rig.stats(2).accepted), (1, 0));
    assert_eq!(rig.stats(0).stale_events, 0);
}

#[test]
fn a_black_hole_takes_the_delay_that_was_set() {
    let mut rig = rig();
    name(&rig, &[BLACK_HOLE, BLACK_HOLE, "10.9.9.8", "10.0.0.2"]);
    let options = ConnectOptions::default().dial_delay(ms(40));
    assert_eq!(told(&mut rig, options), ["80ms conn open", "80ms conn data 5"]);
}

#[test]
fn the_first_one_keeps_its_slot_when_it_answers_while_a_later_one_is_under_way() {
    let mut rig = rig();
    rig.world.link_latency("a", "b", ms(200));
    name(&rig, &["10.0.0.2", BLACK_HOLE]);
    assert_eq!(
        told(&mut rig, ConnectOptions::default()),
        ["200ms conn open", "200ms conn data 5"],
        "the answer takes no time"
    );
    rig.world.link_latency("a", "b", ms(300));
    assert_eq!(told(&mut rig, ConnectOptions::default()), ["60.3s conn open", "60.3s conn data 5"]);
}

#[test]
fn a_late_winner_is_closed() {
    let mut rig = rig();
    // Both answer; the second one first. What the first one says then finds nobody.
    rig.world.link_latency("a", "b", ms(100));
    rig.world.link_latency("b", "a", ms(300));
    rig.world.link_latency("a", "c", ms(20));
    name(&rig, &["10.0.0.2", "10.0.0.3"]);
    let handler = Teller::new(&rig.log, "conn");
    rig.connect(0, "service:7000", handler);
    rig.advance(secs(1));
    let lines = rig.log.take();
    assert_eq!(
        lines,
        [
            "100ms b open",
            "270ms conn open",
            "270ms c open",
            "270ms conn data 5",
            "500ms b closed: reset by the peer",
        ]
    );
    assert_eq!((rig.stats(0).connected, rig.stats(0).connections), (1, 1));
}

#[test]
fn two_that_answer_at_the_same_moment_make_one_connection() {
    let mut rig = rig();
    rig.world.link_latency("a", "b", ms(270));
    rig.world.link_latency("a", "c", ms(20));
    name(&rig, &["10.0.0.2", "10.0.0.3"]);
    let lines = told(&mut rig, ConnectOptions::default());
    assert_eq!(lines, ["270ms conn open", "270ms conn data 5"]);
    assert_eq!(rig.stats(0).connected, 1);
}

#[test]
fn every_address_fails_and_the_last_failure_is_told() {
    let mut rig = rig();
    rig.world.latency(ms(150));
    rig.world.name("service", (2..=3).map(|last| IpAddr::from([10, 0, 0, last])).collect());
    let handler = Teller::new(&rig.log, "conn");
    rig.connect(0, "service:1", handler);
    rig.advance(secs(1));
    // Dialled at 0 and 250 ms, refused after 300 ms each.
    assert_eq!(rig.log.take(), ["550ms conn failed: 10.0.0.3:1 refused the connection"]);
    rig.assert_clean(&"refused");
}

#[test]
fn a_thousand_black_holes_cost_sixteen_sockets_and_the_deadline() {
    let mut rig = rig();
    let many = (0..1_000).map(|last| Ipv4Addr::from(0xC612_0000 + last).into()).collect();
    rig.world.name("service", many);
    let handler = Teller::new(&rig.log, "conn");
    rig.connect(0, "service:7000", handler);
    let quiet = rig.host(0).open_descriptors();
    for (at, sockets) in [(0, 1), (249, 1), (250, 2), (3_749, 15), (3_750, 16), (29_000, 16)] {
        rig.advance(ms(at) - (rig.world.now() - crate::base::Instant::ORIGIN));
        assert_eq!(rig.host(0).open_descriptors() - quiet, sockets, "at {at} ms");
    }
    rig.advance(secs(2));
    assert_eq!(rig.log.take(), ["30s conn failed: no answer within 30s"]);
    rig.assert_clean(&"a thousand");
}

#[test]
fn an_end_at_any_moment_is_the_only_outcome_and_leaves_nothing() {
    for moment in (0..=900).step_by(10) {
        for way in 0..3 {
            let mut rig = rig();
            rig.world.link_latency("a", "b", ms(200));
            rig.world.link_latency("a", "c", ms(130));
            rig.world.name_latency(ms(30));
            name(&rig, &[BLACK_HOLE, "10.0.0.2", "10.0.0.3", "10.9.9.8"]);
            let handler = Teller::new(&rig.log, "conn");
            let id = rig.connect(0, "service:7000", handler);
            rig.advance(ms(moment));
            match way {
                0 => drop(rig.reactor(0).close(id)),
                1 => drop(rig.reactor(0).abort(id)),
                _ => rig.reactor(0).stop(),
            }
            rig.advance(secs(60));
            let lines = rig.log.take();
            let ends = lines
                .iter()
                .filter(|line| line.contains("conn failed") || line.contains("conn closed"))
                .count();
            assert_eq!(ends, 1, "{moment} ms, {way}: {lines:?}");
            rig.assert_clean(&(moment, way));
        }
    }
}

#[test]
fn a_winner_that_cannot_take_its_slot_gives_way_to_the_next() {
    let mut rig = rig();
    rig.world.latency(ms(10));
    name(&rig, &[BLACK_HOLE, "10.0.0.2", "10.0.0.3"]);
    // The first dial needs no new name; the second does.
    rig.advance(ms(1));
    let handler = Teller::new(&rig.log, "conn");
    rig.connect(0, "service:7000", handler);
    rig.advance(ms(260));
    rig.host(0).fail_next(Call::Register, 12);
    rig.advance(secs(1));
    let lines: Vec<_> = rig.log.take().into_iter().filter(|line| line.contains("conn")).collect();
    assert_eq!(lines, ["291ms conn open", "291ms conn data 5"]);
    assert_eq!(rig.stats(2).accepted, 1);
}

#[test]
fn with_one_socket_to_spare_the_addresses_wait_for_each_other() {
    let mut rig = rig();
    let own = rig.host(0).open_descriptors();
    rig.host(0).set_descriptor_limit(own + 1);
    rig.world.no_host(NoHost::Silent);
    rig.world.link_latency("a", "b", ms(400));
    rig.world.name("service", (2..=3).map(|last| IpAddr::from([10, 0, 0, last])).collect());
    rig.connect(0, "service:7000", Teller::new(&rig.log, "first"));
    rig.advance(secs(1));
    let opened = rig.log.take().into_iter().any(|line| line == "400ms first open");
    assert!(opened, "no socket for the second address is no reason to give up the first");
}

#[test]
fn addresses_that_the_local_address_cannot_reach_take_no_turn() {
    let mut rig = rig();
    rig.world.latency(ms(10));
    name(&rig, &["fd00::2", "10.0.0.2"]);
    let options = ConnectOptions::default().bind("10.0.0.1:0".parse().unwrap());
    assert_eq!(told(&mut rig, options), ["20ms conn open", "20ms conn data 5"]);
    // And what refuses says so, whichever family comes last.
    name(&rig, &["10.0.0.2", "fd00::2"]);
    let options = ConnectOptions::default().bind("10.0.0.1:0".parse().unwrap());
    rig.connect_with(0, "service:1", options, Teller::new(&rig.log, "conn"));
    rig.advance(Duration::from_secs(1));
    assert_eq!(rig.log.take(), ["60.02s conn failed: 10.0.0.2:1 refused the connection"]);
}
