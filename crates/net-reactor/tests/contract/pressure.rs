//! Output that the peer does not take: marks, the automatic pause, the hard cap.

use std::time::Duration;

use bytes::Bytes;
use net_reactor::{CloseReason, Closed, ConnConfig, Pressure, Tag};

use crate::peer::{Host, Peer};
use crate::probe::{Plan, Seen, Step, Watch, command};
use crate::support::{ByHand, Chance, Echo, KIB, MIB, Served, assert_same, pattern, small_buffers};

/// Waits for the next pressure.
fn pressure(watch: &Watch) -> Pressure {
    match watch.until(|seen| matches!(seen, Seen::Pressure(_))) {
        Seen::Pressure(pressure) => pressure,
        other => unreachable!("{other:?}"),
    }
}

#[test]
fn high_and_low_strictly_alternate() {
    let (plan, watch) = Plan::passive();
    let config = small_buffers().marks(20 * KIB, 100 * KIB);
    let served = Served::with(config, move || plan.probe());
    let mut peer = Peer::connect_small(&served.address);
    let handle = watch.opened();
    let mut chance = Chance(7);
    let mut queued = 0;
    for _ in 0..300 {
        let len = chance.below(150 * KIB);
        queued += len;
        handle.send(pattern(len)).unwrap();
        if chance.below(3) == 0 {
            let count = chance.below(queued + 1);
            peer.receive(count);
            queued -= count;
        }
    }
    handle.close().unwrap();
    assert_eq!(peer.read_to_end().len(), queued);
    drop(peer);
    let (story, reason) = watch.story();
    assert!(matches!(reason, CloseReason::Closed), "{reason:?}");
    let mut expected = Pressure::High;
    let mut crossings = 0;
    for seen in story {
        let Seen::Pressure(pressure) = seen else { continue };
        assert_eq!(pressure, expected, "crossing {crossings}");
        crossings += 1;
        expected = if expected == Pressure::High { Pressure::Low } else { Pressure::High };
    }
    assert!(crossings > 1, "{crossings}");
}

#[test]
fn output_queued_before_the_connection_is_open_counts_for_the_marks() {
    let listener = Host::new();
    let (plan, watch) = Plan::passive();
    let mut by_hand = ByHand::new(ConnConfig::default(), Echo::new);
    let mut reactor = by_hand.event_loop.reactor();
    let id = reactor.connect(&listener.address, plan.probe()).unwrap();
    reactor.write(id, pattern(8 * MIB)).unwrap();
    reactor.conn(id).unwrap().shutdown_write().unwrap();
    let reading = std::thread::spawn(move || {
        let mut peer = listener.accept();
        peer.read_to_end()
    });
    by_hand.turn_until_empty();
    assert_same(&reading.join().unwrap(), &pattern(8 * MIB));
    let (story, _) = watch.story();
    let [Seen::Open(_), Seen::Pressure(first), Seen::Pressure(second), ..] = &story[..] else {
        panic!("{story:?}")
    };
    assert_eq!((*first, *second), (Pressure::High, Pressure::Low));
}

#[test]
fn a_flooding_peer_that_does_not_read_is_not_read_without_bound() {
    let config = small_buffers().receive_buffer(64 * KIB);
    let mut by_hand = ByHand::new(config, Echo::new);
    let mut peer = Peer::connect_small(&by_hand.address);
    by_hand.turn_until(|event_loop| event_loop.stats().accepted == 1);
    let flood = pattern(40 * MIB);
    let (mut sent, mut stuck) = (0, 0);
    while stuck < 20 {
        let count = peer.send_what_fits(&flood[sent..]);
        stuck = if count == 0 { stuck + 1 } else { 0 };
        sent += count;
        by_hand.turn();
    }
    let stats = by_hand.event_loop.stats();
    assert!(sent < flood.len(), "the peer was never held back");
    let held = stats.bytes_in - stats.bytes_out;
    assert!(held <= (256 + 256 + 1) * KIB as u64, "{held} bytes are held for a peer of no use");
    by_hand.assert_quiet();

    // It was held back, not harmed.
    peer.finish();
    let reading = std::thread::spawn(move || peer.read_to_end());
    by_hand.turn_until_empty();
    assert_same(&reading.join().unwrap(), &flood[..sent]);
}

#[test]
fn a_peer_that_never_reads_is_closed_at_the_cap_and_the_others_live_on() {
    const CAP: usize = 2 * MIB;
    let (plan, watch) = Plan::new(|conn, step| {
        match step {
            Step::Open => conn.set_timer(Tag(1), Duration::ZERO),
            Step::Timer(_) => {
                let written = conn.write(pattern(100 * KIB));
                let queued = conn.stats().queued_bytes;
                assert!(queued <= CAP, "{queued} bytes are queued");
                conn.set_timer(Tag(1), Duration::ZERO);
                written?;
            }
            _ => {}
        }
        Ok(())
    });
    let served = Served::with(small_buffers().output_max(CAP), move || plan.probe());
    let mut bystander = served.bystander();
    let mut peer = Peer::connect_small(&served.address);
    let (story, reason) = watch.story();
    let CloseReason::SlowConsumer { queued_bytes, limit_bytes } = reason else {
        panic!("{reason:?}")
    };
    assert_eq!(limit_bytes, CAP);
    assert!((CAP + 1..=CAP + 100 * KIB).contains(&queued_bytes), "{queued_bytes}");
    let crossings = story.iter().filter(|seen| matches!(seen, Seen::Pressure(_))).count();
    assert_eq!(crossings, 1);
    peer.read_until_reset();
    bystander.check();
}

#[test]
fn the_write_that_goes_over_the_cap_is_refused_and_nothing_after_it_is_taken() {
    let (plan, watch) = Plan::new(|conn, step| {
        if step == Step::Open {
            let refused: Result<(), Closed> = conn.write(vec![0; MIB + 1]);
            assert!(refused.is_err());
            assert!(conn.write("x").is_err());
            assert!(!conn.is_open());
        }
        Ok(())
    });
    let served = Served::with(ConnConfig::default().output_max(MIB), move || plan.probe());
    let mut peer = served.peer();
    assert_eq!(peer.read_until_reset(), b"");
    let reason = watch.close_reason();
    assert!(matches!(reason, CloseReason::SlowConsumer { .. }), "{reason:?}");
}

#[test]
fn a_broadcast_counts_against_the_cap_of_each_and_holds_nobody_back() {
    let (plan, watch) = Plan::passive();
    let served = Served::with(small_buffers().output_max(MIB), move || plan.probe());
    let _slow = Peer::connect_small(&served.address);
    let slow_handle = watch.opened();
    let mut quick = served.peer();
    let quick_handle = watch.opened();
    let part = Bytes::from(pattern(64 * KIB));
    let mut slow_closed = false;
    for round in 0..40 {
        served.handle.broadcast(part.clone()).unwrap();
        assert_same(&quick.receive(part.len()), &part);
        slow_closed |= watch
            .so_far()
            .iter()
            .any(|seen| matches!(seen, Seen::Close(CloseReason::SlowConsumer { .. })));
        assert!(round > 10 || !slow_closed, "closed after {round} rounds");
    }
    assert!(slow_closed, "the slow one is still there");
    assert_ne!(slow_handle.id(), quick_handle.id());
}

#[test]
fn shared_bytes_are_shared_and_given_back() {
    const PEERS: usize = 20;
    let (plan, watch) = Plan::passive();
    let served = Served::with(small_buffers(), move || plan.probe());
    let payload = Bytes::from(vec![7; 8 * MIB]);
    let address = payload.as_ptr() as usize;
    let peers: Vec<_> = (0..PEERS).map(|_| Peer::connect_small(&served.address)).collect();
    for _ in &peers {
        let same = payload.clone();
        assert_eq!(same.as_ptr() as usize, address);
        command(&watch.opened(), move |conn| Ok(conn.write_shared(same)?));
    }
    for _ in 0..PEERS {
        assert_eq!(pressure(&watch), Pressure::High);
    }
    assert!(!payload.is_unique(), "the queues hold the very buffer");
    drop(peers);
    served.finish();
    assert!(payload.is_unique(), "a queue of a dead connection still holds the buffer");
}

#[test]
fn a_cap_of_a_few_bytes_holds_too() {
    for shared in [false, true] {
        let (plan, watch) = Plan::new(move |conn, step| {
            if step == Step::Open {
                conn.write("123456")?;
                if shared { conn.write_shared("78901".into())? } else { conn.write("78901")? }
            }
            Ok(())
        });
        let served = Served::with(ConnConfig::default().output_max(10), move || plan.probe());
        let _peer = served.peer();
        let reason = watch.close_reason();
        assert!(
            matches!(reason, CloseReason::SlowConsumer { queued_bytes: 11, limit_bytes: 10 }),
            "{reason:?}"
        );
    }
}

#[test]
fn a_producer_driven_by_pressure_streams_everything_in_bounded_memory() {
    const TOTAL: usize = 20 * MIB;
    let content = Bytes::from(pattern(TOTAL));
    let sent = content.clone();
    let (plan, watch) = Plan::new(move |conn, step| {
        if matches!(step, Step::Open | Step::Pressure(Pressure::Low)) {
            // As much as fits under the high mark and a little more, so that Low will come.
            let stats = conn.stats();
            let mut at = usize::try_from(stats.bytes_out)? + stats.queued_bytes;
            while at < TOTAL && conn.stats().queued_bytes <= 256 * KIB {
                let end = TOTAL.min(at + 50 * KIB);
                conn.write_shared(sent.slice(at..end))?;
                at = end;
            }
            assert!(conn.stats().queued_bytes <= 306 * KIB);
            if at == TOTAL {
                conn.close();
            }
        }
        Ok(())
    });
    let served = Served::new(move || plan.probe());
    let mut peer = served.peer();
    assert_same(&peer.read_to_end(), &content);
    drop(peer);
    assert!(matches!(watch.close_reason(), CloseReason::Closed));
}
