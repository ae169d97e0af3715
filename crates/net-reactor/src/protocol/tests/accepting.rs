//! Accepting on bad days: who is turned away, and how long the listener rests.

use super::bare::BareStream;
use super::rig::{Rig, ms, secs};
use super::teller::Teller;
use crate::base::ListenerId;
use crate::net::ConnConfig;
use crate::protocol::LoopConfig;
use crate::sys::memory::Call;

const EMFILE: i32 = 24;
const ENFILE: i32 = 23;
const ENOMEM: i32 = 12;
const ENOBUFS: i32 = 105;
const ECONNABORTED: i32 = 103;
const EPROTO: i32 = 71;
const EPERM: i32 = 1;

/// What accept(2) of Linux passes on from the pending connection.
const PENDING: [i32; 9] = [
    64,  // ENONET
    92,  // ENOPROTOOPT
    100, // ENETDOWN
    101, // ENETUNREACH
    104, // ECONNRESET
    110, // ETIMEDOUT
    112, // EHOSTDOWN
    113, // EHOSTUNREACH
    4,   // EINTR
];

/// A loop that listens, with `room` descriptors for peers, and `count` peers that connect.
fn crowded(room: usize, count: usize) -> (Rig, ListenerId, Vec<BareStream>) {
    let mut rig = Rig::new();
    rig.add("a", LoopConfig::default());
    let log = rig.log.clone();
    let listener = rig.listen(0, ConnConfig::default(), move || Teller::new(&log, "conn"));
    // The reserve and the listener have one each.
    rig.host(0).set_descriptor_limit(2 + room);
    let bare = rig.bare("b");
    let peers = (0..count).map(|_| bare.connect("10.0.0.1:7000")).collect();
    (rig, listener, peers)
}

/// Returns how often accepting failed and how many were turned away.
fn failures(rig: &Rig) -> (u64, u64) {
    let stats = rig.stats(0);
    (stats.accept_errors, stats.turned_away)
}

#[test]
fn without_descriptors_one_peer_is_turned_away_each_rest_and_the_rests_double_up_to_a_second() {
    let (mut rig, _, _peers) = crowded(3, 40);
    rig.settle();
    assert_eq!(rig.log.take(), ["0ns conn open"; 3], "those with a descriptor are served");
    assert_eq!(failures(&rig), (1, 1));
    let rests = [5, 10, 20, 40, 80, 160, 320, 640, 1_000, 1_000, 1_000, 1_000];
    for (turned_away, rest) in (2..).zip(rests) {
        rig.advance(ms(rest - 1));
        assert_eq!(failures(&rig).1, turned_away - 1, "before the end of a rest of {rest} ms");
        rig.advance(ms(1));
        assert_eq!(failures(&rig), (turned_away, turned_away), "after a rest of {rest} ms");
    }
    assert_eq!(rig.host(0).open_descriptors(), 5, "the reserve is back");
    assert!(rig.log.take().is_empty(), "who is turned away has no handler");
}

#[test]
fn a_starved_listener_hardly_wakes_the_loop() {
    let (mut rig, _, _peers) = crowded(3, 100);
    rig.settle();
    let before = rig.stats(0);
    rig.advance(secs(60));
    let after = rig.stats(0);
    assert!(after.accept_errors - before.accept_errors <= 9 + 59);
    assert_eq!(after.spins, 0);
}

#[test]
fn a_turned_away_peer_learns_at_once() {
    let (mut rig, _, mut peers) = crowded(3, 5);
    rig.settle();
    assert_eq!(peers[3].receive().unwrap(), (Vec::new(), true));
    assert_eq!(peers[4].receive().unwrap(), (Vec::new(), false), "its turn has not come");
}

#[test]
fn accepting_resumes_at_once_when_a_connection_ends() {
    let (mut rig, _, mut peers) = crowded(3, 6);
    rig.advance(ms(4));
    rig.log.take();
    peers.remove(0).close();
    rig.settle();
    let told = ["4ms conn eof", "4ms conn closed: closed by the peer", "4ms conn open"];
    assert_eq!(rig.log.take(), told);
}

#[test]
fn a_calm_of_more_than_2_s_makes_the_next_rest_short_again() {
    let (mut rig, _, mut peers) = crowded(1, 4);
    rig.advance(ms(5 + 10));
    assert_eq!(failures(&rig).1, 3, "all that waited were turned away");
    // The table is still full, and a listener is told so even when nobody waits.
    peers.clear();
    rig.host(0).set_descriptor_limit(100);
    rig.advance(secs(5));
    let calm = failures(&rig);
    rig.host(0).set_descriptor_limit(rig.host(0).open_descriptors());
    let bare = rig.bare("c");
    let _more: Vec<_> = (0..3).map(|_| bare.connect("10.0.0.1:7000")).collect();
    rig.settle();
    assert_eq!(failures(&rig).0, calm.0 + 1);
    rig.advance(ms(5));
    assert_eq!(failures(&rig).0, calm.0 + 2);
}

#[test]
fn a_failure_of_the_peer_is_skipped_without_a_rest() {
    for errno in [ECONNABORTED, EPROTO, EPERM].into_iter().chain(PENDING) {
        let (mut rig, _, _peers) = crowded(100, 2);
        for _ in 0..3 {
            rig.host(0).fail_next(Call::Accept, errno);
        }
        rig.settle();
        assert_eq!(rig.log.take(), ["0ns conn open"; 2], "errno {errno}");
        assert_eq!(failures(&rig), (3, 0), "errno {errno}");
        assert_eq!(rig.stats(0).timers, 0, "errno {errno}");
    }
}

#[test]
fn a_failure_of_the_system_costs_one_peer_and_a_rest() {
    for errno in [EMFILE, ENFILE, ENOMEM, ENOBUFS] {
        let (mut rig, _, _peers) = crowded(100, 3);
        rig.host(0).fail_next(Call::Accept, errno);
        rig.host(0).fail_next(Call::Accept, errno);
        rig.advance(ms(4));
        assert_eq!((rig.log.take().len(), failures(&rig)), (0, (1, 1)), "errno {errno}");
        rig.advance(ms(10));
        assert_eq!((rig.log.take().len(), failures(&rig)), (0, (2, 2)), "errno {errno}");
        rig.advance(ms(1));
        assert_eq!(rig.log.take(), ["15ms conn open"], "errno {errno}");
    }
}

#[test]
fn an_endless_run_of_peers_faults_does_not_keep_the_turn_from_ending() {
    let (mut rig, _, _peers) = crowded(100, 1);
    for _ in 0..1_000 {
        rig.host(0).fail_next(Call::Accept, ECONNABORTED);
    }
    rig.turn(0);
    assert_eq!(failures(&rig), (64, 0));
    rig.settle();
    assert_eq!(rig.log.take(), ["0ns conn open"]);
}

#[test]
fn a_turn_accepts_no_more_than_its_share() {
    let (mut rig, _, _peers) = crowded(1_000, 200);
    rig.turn(0);
    assert_eq!(rig.stats(0).accepted, 64);
    rig.turn(0);
    assert_eq!(rig.stats(0).accepted, 128);
    rig.settle();
    assert_eq!(rig.stats(0).accepted, 200);
}

#[test]
fn a_listener_can_be_closed_while_it_rests() {
    let (mut rig, listener, peers) = crowded(0, 5);
    rig.settle();
    assert_eq!(rig.stats(0).timers, 1);
    assert!(rig.reactor(0).unlisten(listener) && !rig.reactor(0).unlisten(listener));
    rig.advance(secs(10));
    assert_eq!(failures(&rig).0, 1);
    assert_eq!(rig.host(0).open_descriptors(), 1, "the reserve");
    peers.into_iter().for_each(BareStream::close);
    rig.settle();
    rig.assert_clean(&"unlistened");
}

#[test]
fn a_listener_that_rests_is_closed_by_a_stop() {
    let (mut rig, _, _peers) = crowded(0, 5);
    rig.settle();
    rig.reactor(0).stop();
    rig.settle();
    assert_eq!((rig.stops.len(), rig.stats(0).timers), (1, 0));
}

#[test]
fn a_declined_peer_is_closed_without_a_callback() {
    let mut rig = Rig::pair();
    rig.listen(1, ConnConfig::default(), || None::<Teller>);
    let handler = Teller::new(&rig.log, "conn");
    rig.connect(0, "10.0.0.2:7000", handler);
    rig.settle();
    let told = ["0ns conn open", "0ns conn eof", "0ns conn closed: closed by the peer"];
    assert_eq!(rig.log.take(), told);
    rig.assert_clean(&"declined");
}

#[test]
fn a_factory_that_panics_costs_its_peer_only() {
    let mut rig = Rig::pair();
    let log = rig.log.clone();
    let mut calls = 0;
    rig.listen(1, ConnConfig::default(), move || {
        calls += 1;
        assert!(calls != 1, "the first call panics");
        Teller::new(&log, "peer")
    });
    for name in ["one", "two"] {
        let handler = Teller::new(&rig.log, name);
        rig.connect(0, "10.0.0.2:7000", handler);
    }
    rig.settle();
    let lines = rig.log.take();
    assert!(lines.contains(&"0ns peer open".into()), "{lines:?}");
    assert!(lines.contains(&"0ns one closed: closed by the peer".into()), "{lines:?}");
}
