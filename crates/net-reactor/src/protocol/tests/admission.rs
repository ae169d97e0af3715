//! Limits of how many peers come in, and what becomes of the others.

use super::bare::BareStream;
use super::rig::{Rig, secs};
use super::teller::Teller;
use crate::net::{ConnConfig, Door, PeerLimits};
use crate::protocol::LoopConfig;

/// A loop that serves peers within limits.
fn limited(limits: PeerLimits) -> Rig {
    let mut rig = Rig::new();
    rig.add("a", LoopConfig::default());
    let log = rig.log.clone();
    let listener = rig.listen(0, ConnConfig::default(), move || Teller::new(&log, "conn"));
    rig.reactor(0).set_door(listener, Door::new(limits).as_ref());
    rig
}

fn counts(rig: &Rig) -> (usize, u64) {
    let stats = rig.stats(0);
    (stats.connections, stats.refused)
}

#[test]
fn a_peer_beyond_the_total_is_reset_and_the_next_one_after_an_end_comes_in() {
    let mut rig = limited(PeerLimits::default().total(2));
    let bare = rig.bare("b");
    let mut peers: Vec<BareStream> = (0..3).map(|_| bare.connect("10.0.0.1:7000")).collect();
    rig.settle();
    assert_eq!(counts(&rig), (2, 1));
    peers.pop().unwrap().receive().expect_err("a reset");
    peers.pop().unwrap().close();
    rig.settle();
    let mut late = bare.connect("10.0.0.1:7000");
    rig.settle();
    assert!(late.receive().is_ok());
    assert_eq!(counts(&rig), (2, 1));
}

#[test]
fn a_connection_in_a_graceful_close_still_counts() {
    let mut rig = limited(PeerLimits::default().total(1));
    let bare = rig.bare("b");
    let _stays = bare.connect("10.0.0.1:7000");
    rig.settle();
    let id = rig.reactor(0).accepted()[0];
    rig.reactor(0).close(id);
    rig.settle();
    let _refused = bare.connect("10.0.0.1:7000");
    rig.settle();
    assert_eq!(counts(&rig), (1, 1));
    // The peer does not answer our FIN, so the socket is closed after the drain.
    rig.advance(secs(5));
    let mut late = bare.connect("10.0.0.1:7000");
    rig.settle();
    assert!(late.receive().is_ok());
}

#[test]
fn each_network_has_its_own_places() {
    let mut rig = limited(PeerLimits::default().per_network(2));
    let hosts = [rig.bare("b"), rig.bare("c")];
    let mut peers = Vec::new();
    for _ in 0..4 {
        peers.extend(hosts.iter().map(|host| host.connect("10.0.0.1:7000")));
    }
    rig.settle();
    assert_eq!(counts(&rig), (4, 4));
    let served = peers.iter_mut().map(|peer| peer.receive().is_ok());
    assert_eq!(served.collect::<Vec<_>>(), [true, true, true, true, false, false, false, false]);
}

#[test]
fn a_wider_prefix_makes_neighbours_one_network() {
    let mut rig = limited(PeerLimits::default().per_network(2).prefixes(24, 64));
    let hosts = [rig.bare("b"), rig.bare("c"), rig.bare("d")];
    let _peers: Vec<_> = hosts.iter().map(|host| host.connect("10.0.0.1:7000")).collect();
    rig.settle();
    assert_eq!(counts(&rig), (2, 1));
}

#[test]
fn a_storm_costs_no_place_and_no_memory() {
    let mut rig = limited(PeerLimits::default().total(5));
    let bare = rig.bare("b");
    let inside: Vec<_> = (0..5).map(|_| bare.connect("10.0.0.1:7000")).collect();
    rig.settle();
    for _ in 0..50 {
        let storm: Vec<_> = (0..40).map(|_| bare.connect("10.0.0.1:7000")).collect();
        rig.settle();
        storm.into_iter().for_each(BareStream::reset);
        rig.settle();
    }
    assert_eq!(counts(&rig), (5, 2_000));
    assert_eq!(rig.log.take().len(), 5, "nobody else had a handler");
    inside.into_iter().for_each(BareStream::close);
    rig.settle();
    assert_eq!(counts(&rig).0, 0);
}
