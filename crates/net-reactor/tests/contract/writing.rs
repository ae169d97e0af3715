//! What was written arrives: whole, in order, to its own peer.

use std::sync::mpsc::channel;

use bytes::Bytes;
use net_reactor::{CloseReason, ConnHandle, ConnId};

use crate::peer::Peer;
use crate::probe::{Plan, Seen, Step, Watch, command};
use crate::support::{ByHand, Chance, KIB, MIB, Served, assert_same, brief, pattern};

/// Sizes around those at which the library takes another way.
const SIZES: [usize; 12] =
    [0, 1, 100, 511, 512, 4095, 16 * KIB, 64 * KIB - 1, 64 * KIB, 65 * KIB, 200 * KIB, MIB];

/// Opens `count` connections, each known by its first byte.
fn connected(
    by_hand: &mut ByHand,
    watch: &Watch,
    count: usize,
    connect: fn(&net_reactor::Address) -> Peer,
) -> (Vec<Peer>, Vec<ConnHandle>) {
    let mut peers = Vec::new();
    let mut handles = Vec::new();
    for _ in 0..count {
        peers.push(connect(&by_hand.address));
        by_hand.turn_until(|_| {
            handles.extend(watch.so_far().into_iter().filter_map(|seen| match seen {
                Seen::Open(handle) => Some(handle),
                _ => None,
            }));
            handles.len() == peers.len()
        });
    }
    (peers, handles)
}

#[test]
fn any_mix_of_writes_to_many_connections_in_a_turn_arrives_in_order() {
    for seed in 0..8 {
        let mut chance = Chance(seed);
        let (plan, watch) = Plan::passive();
        let config = brief().output_max(256 * MIB).marks(3 * KIB, 100 * KIB);
        let mut by_hand = ByHand::new(config, move || plan.probe());
        let connect = if seed % 2 == 0 { Peer::connect } else { Peer::connect_small };
        let (peers, handles) = connected(&mut by_hand, &watch, 4, connect);
        let ids: Vec<ConnId> = handles.iter().map(ConnHandle::id).collect();
        let readers: Vec<_> = peers
            .into_iter()
            .map(|mut peer| std::thread::spawn(move || peer.read_to_end()))
            .collect();
        let mut expected = vec![Vec::new(); ids.len()];
        // Small windows make large writes slow, and add nothing then.
        let sizes = if seed % 2 == 0 { &SIZES[..] } else { &SIZES[..8] };
        for round in 0..120 {
            let mut reactor = by_hand.event_loop.reactor();
            for _ in 0..1 + chance.below(12) {
                let which = chance.below(ids.len());
                let size = sizes[chance.below(sizes.len())];
                let size = chance.below(size + 1);
                let bytes = pattern(size + 300)[chance.below(300)..][..size].to_vec();
                expected[which].extend_from_slice(&bytes);
                let mut conn = reactor.conn(ids[which]).unwrap();
                if chance.below(2) == 0 {
                    conn.write(bytes).unwrap();
                } else {
                    conn.write_shared(Bytes::from(bytes)).unwrap();
                }
            }
            if round % 3 != 0 {
                by_hand.event_loop.turn(Some(std::time::Duration::ZERO)).unwrap();
            }
        }
        let mut reactor = by_hand.event_loop.reactor();
        ids.iter().for_each(|id| assert!(reactor.close(*id)));
        by_hand.turn_until_empty();
        for (reader, expected) in readers.into_iter().zip(&expected) {
            assert_same(&reader.join().unwrap(), expected);
        }
        let total: usize = expected.iter().map(Vec::len).sum();
        assert_eq!(by_hand.event_loop.stats().bytes_out, total as u64, "seed {seed}");
    }
}

#[test]
fn sixty_mebibytes_in_two_writes_and_a_close_arrive_whole() {
    let content = pattern(30 * MIB);
    let part = content.clone();
    let (plan, watch) = Plan::new(move |conn, step| {
        if step == Step::Open {
            conn.write(&part)?;
            conn.write_shared(Bytes::from(part.clone()))?;
            conn.close();
        }
        Ok(())
    });
    let served = Served::with(brief().output_max(64 * MIB), move || plan.probe());
    let mut peer = served.peer();
    let got = peer.read_to_end();
    assert_same(&got[..content.len()], &content);
    assert_same(&got[content.len()..], &content);
    drop(peer);
    assert!(matches!(watch.close_reason(), CloseReason::Closed));
}

#[test]
fn an_empty_write_is_fine_and_sends_nothing() {
    let (plan, watch) = Plan::new(|conn, step| {
        if step == Step::Open {
            conn.write("")?;
            conn.write_shared(Bytes::new())?;
            conn.shutdown_write()?;
            assert!(conn.write("").is_err(), "also nothing cannot be written after the end");
        }
        Ok(())
    });
    let served = Served::new(move || plan.probe());
    let mut peer = served.peer();
    assert_eq!(peer.read_to_end(), b"");
    drop(peer);
    let (_, reason) = watch.story();
    assert!(matches!(reason, CloseReason::PeerClosed), "{reason:?}");
}

#[test]
fn an_empty_write_leaves_nothing_behind_for_the_next_turn() {
    let (plan, watch) = Plan::passive();
    let mut by_hand = ByHand::new(brief(), move || plan.probe());
    let (mut peers, handles) = connected(&mut by_hand, &watch, 2, Peer::connect);
    let mut reactor = by_hand.event_loop.reactor();
    reactor.write(handles[0].id(), "something before it").unwrap();
    reactor.write(handles[1].id(), "").unwrap();
    by_hand.turn();
    let large = pattern(100 * KIB);
    by_hand.event_loop.reactor().write(handles[1].id(), &large).unwrap();
    let mut reactor = by_hand.event_loop.reactor();
    let mut conn = reactor.conn(handles[1].id()).unwrap();
    conn.write_shared(Bytes::from(large.clone())).unwrap();
    by_hand.turn();
    assert_eq!(peers[0].receive(19), b"something before it");
    assert_same(&peers[1].receive(large.len()), &large);
    assert_same(&peers[1].receive(large.len()), &large);
}

#[test]
fn a_small_write_behind_a_large_one_does_not_overtake_it() {
    let (plan, watch) = Plan::passive();
    let served = Served::new(move || plan.probe());
    let mut peer = Peer::connect_small(&served.address);
    let handle = watch.opened();
    let (told, written) = channel();
    command(&handle, move |conn| {
        conn.write("before")?;
        conn.write(pattern(8 * MIB))?;
        conn.write("after")?;
        Ok(told.send(())?)
    });
    written.recv().unwrap();
    // A later turn, while the large one still waits.
    handle.send("later").unwrap();
    handle.close().unwrap();
    let got = peer.read_to_end();
    assert_eq!(&got[..6], b"before");
    assert_same(&got[6..6 + 8 * MIB], &pattern(8 * MIB));
    assert_eq!(&got[6 + 8 * MIB..], b"afterlater");
}

#[test]
fn writes_after_a_close_in_the_same_turn_do_not_reach_another_connection() {
    // The slot and the staged bytes of a dead connection must not come to life in a new one.
    let (plan, watch) = Plan::passive();
    let mut by_hand = ByHand::new(brief(), move || plan.probe());
    let (mut peers, handles) = connected(&mut by_hand, &watch, 3, Peer::connect);
    let ids: Vec<ConnId> = handles.iter().map(ConnHandle::id).collect();
    let mut reactor = by_hand.event_loop.reactor();
    reactor.write(ids[0], "for the first").unwrap();
    reactor.write(ids[1], "never seen").unwrap();
    reactor.write(ids[2], "for the third").unwrap();
    assert!(reactor.abort(ids[1]));
    assert!(reactor.write(ids[1], "nor this").is_err());
    reactor.write(ids[0], ", twice").unwrap();
    by_hand.turn();
    let (mut new_peers, new_handles) = connected(&mut by_hand, &watch, 1, Peer::connect);
    by_hand.event_loop.reactor().write(new_handles[0].id(), "for the new one").unwrap();
    by_hand.turn();
    assert_eq!(peers[0].receive(20), b"for the first, twice");
    assert_eq!(peers[1].read_until_reset(), b"");
    assert_eq!(peers[2].receive(13), b"for the third");
    assert_eq!(new_peers[0].receive(15), b"for the new one");
}
