//! One listener, several loops: who gets which peer, and what becomes of one on its way.

use super::bare::BareStream;
use super::rig::{Rig, secs};
use super::teller::Teller;
use crate::net::ConnConfig;
use crate::protocol::{IntoHandler, LoopConfig, Peer, SpreadTo};

/// Three loops of one host; the first one accepts and spreads.
fn spread(config: &LoopConfig) -> Rig {
    let mut rig = Rig::new();
    for _ in 0..3 {
        rig.add("a", config.clone());
    }
    let log = rig.log.clone();
    let listener = rig.listen(0, ConnConfig::default(), move || Teller::new(&log, "loop 0"));
    for index in [1, 2] {
        let log = rig.log.clone();
        let factory =
            Box::new(move |_: &Peer| Teller::new(&log, format!("loop {index}")).into_handler());
        let listener_there = rig.reactor(index).add_fed_listener(
            ([0, 0, 0, 0], 7000).into(),
            ConnConfig::default(),
            factory,
        );
        let owner = rig.event_loop(index).handle();
        rig.reactor(0).spread_to(listener, SpreadTo { owner, listener: listener_there });
    }
    rig
}

fn crowd(rig: &mut Rig, count: usize) -> Vec<BareStream> {
    let bare = rig.bare("b");
    (0..count).map(|_| bare.connect("10.0.0.1:7000")).collect()
}

fn connections(rig: &Rig) -> [usize; 3] {
    [0, 1, 2].map(|index| rig.stats(index).connections)
}

#[test]
fn a_batch_of_peers_is_spread_evenly() {
    let mut rig = spread(&LoopConfig::default());
    let peers = crowd(&mut rig, 60);
    rig.settle();
    assert_eq!(connections(&rig), [20, 20, 20]);
    peers.into_iter().for_each(BareStream::close);
    rig.settle();
    rig.assert_clean(&"spread");
}

#[test]
fn a_peer_for_a_loop_that_takes_no_more_posts_is_served_by_the_one_that_accepted_it() {
    let mut rig = spread(&LoopConfig::default().inbox_tasks_max(0));
    let peers = crowd(&mut rig, 10);
    rig.settle();
    assert_eq!(connections(&rig), [10, 0, 0]);
    assert_eq!(rig.log.take(), ["0ns loop 0 open"; 10]);
    peers.into_iter().for_each(BareStream::close);
    rig.settle();
    rig.assert_clean(&"full");
    assert_eq!(rig.host(0).open_descriptors(), 3 + 1);
}

#[test]
fn a_peer_on_its_way_to_a_loop_that_stops_is_closed() {
    let mut rig = spread(&LoopConfig::default());
    let mut peers = crowd(&mut rig, 3);
    // The peers are with loop 0, one of them on its way to each of the others.
    rig.turn(0);
    rig.reactor(1).stop();
    rig.reactor(2).stop_now();
    rig.advance(secs(30));
    assert_eq!(rig.stops.len(), 2);
    assert_eq!(connections(&rig), [1, 0, 0]);
    let ends = peers.iter_mut().filter_map(|peer| peer.receive().ok());
    assert!(ends.filter(|(_, end)| *end).count() >= 1, "a graceful end");
    peers.into_iter().for_each(BareStream::close);
    rig.settle();
    rig.assert_clean(&"stopped");
    assert_eq!(rig.host(0).open_descriptors(), 3 + 1);
}

#[test]
fn a_peer_on_its_way_to_a_loop_that_no_longer_listens_is_closed() {
    let mut rig = spread(&LoopConfig::default());
    let log = rig.log.clone();
    rig.listen_on_port(1, 7001, move || Teller::new(&log, "slow").on_stop(|_| Ok(())));
    let bare = rig.bare("b");
    let slow = bare.connect("10.0.0.1:7001");
    rig.settle();
    // It waits for the slow one, and accepts nobody any more.
    rig.reactor(1).stop();
    rig.settle();
    rig.log.take();
    let mut peers = crowd(&mut rig, 8);
    rig.settle();
    assert_eq!(connections(&rig).iter().sum::<usize>(), 1 + rig.log.take().len());
    let closed = peers.iter_mut().filter_map(|peer| peer.receive().ok()).filter(|(_, end)| *end);
    assert!(closed.count() >= 1);
    slow.close();
    peers.into_iter().for_each(BareStream::close);
    rig.advance(secs(10));
    rig.assert_clean(&"closed");
    assert_eq!(rig.host(0).open_descriptors(), 3 + 1);
}
