//! A reset by the peer, in every state: one `on_close`, no spin, nobody else harmed.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use net_reactor::{CloseReason, ConnConfig, Pressure};

use crate::peer::Peer;
use crate::probe::{Plan, Seen, Step, Watch, data_of};
use crate::support::{ByHand, KIB, MIB, assert_same, pattern, small_buffers};

const FOR_EVER: Duration = Duration::from_secs(3600);

/// Waits by turning until the probe saw what `wanted` picks; keeps all that it saw.
fn turn_until_seen(
    by_hand: &mut ByHand,
    watch: &Watch,
    wanted: impl Fn(&Seen) -> bool,
) -> Vec<Seen> {
    let mut seen = Vec::new();
    by_hand.turn_until(|_| {
        seen.extend(watch.so_far());
        seen.iter().any(&wanted)
    });
    seen
}

/// Resets the peer of a connection in whatever state it is, and checks how that ends.
fn reset_and_check(by_hand: &mut ByHand, watch: &Watch, peer: Peer, state: &str) -> Vec<Seen> {
    by_hand.assert_quiet();
    peer.reset();
    by_hand.turn_until_empty();
    let (story, reason) = watch.story();
    assert!(matches!(reason, CloseReason::Reset { .. }), "{state}: {reason:?}");
    by_hand.assert_quiet();
    assert_eq!(by_hand.event_loop.stats().timers, 0, "{state}");
    assert!(watch.so_far().is_empty(), "{state}");
    story
}

fn opened(config: ConnConfig, plan: Plan) -> (ByHand, Peer) {
    let mut by_hand = ByHand::new(config, move || plan.probe());
    let peer = Peer::connect_small(&by_hand.address);
    by_hand.turn_until(|event_loop| event_loop.stats().accepted == 1);
    (by_hand, peer)
}

#[test]
fn a_reset_ends_an_idle_connection() {
    let (plan, watch) = Plan::passive();
    let (mut by_hand, peer) = opened(ConnConfig::default(), plan);
    let story = reset_and_check(&mut by_hand, &watch, peer, "idle");
    assert_eq!(story.len(), 1, "{story:?}");
}

#[test]
fn a_reset_ends_a_paused_connection() {
    let (plan, watch) = Plan::new(|conn, step| {
        if step == Step::Open {
            conn.pause();
        }
        Ok(())
    });
    let (mut by_hand, mut peer) = opened(ConnConfig::default(), plan);
    peer.send(pattern(8 * KIB));
    let story = reset_and_check(&mut by_hand, &watch, peer, "paused");
    assert_eq!(story.len(), 1, "paused: no on_data and no on_eof: {story:?}");
}

#[test]
fn a_reset_ends_a_connection_under_pressure() {
    let (plan, watch) = Plan::new(|conn, step| {
        if step == Step::Open {
            conn.write(pattern(4 * MIB))?;
        }
        Ok(())
    });
    let (mut by_hand, mut peer) = opened(small_buffers(), plan);
    turn_until_seen(&mut by_hand, &watch, |seen| matches!(seen, Seen::Pressure(Pressure::High)));
    peer.send("unread");
    reset_and_check(&mut by_hand, &watch, peer, "pressured");
}

#[test]
fn a_reset_ends_a_close_that_is_flushing() {
    let (plan, watch) = Plan::new(|conn, step| {
        if step == Step::Open {
            conn.write(pattern(4 * MIB))?;
            conn.close();
        }
        Ok(())
    });
    let (mut by_hand, mut peer) = opened(small_buffers().linger(FOR_EVER), plan);
    peer.receive(1);
    reset_and_check(&mut by_hand, &watch, peer, "flushing");
}

#[test]
fn a_reset_ends_a_close_that_is_draining() {
    let (plan, watch) = Plan::new(|conn, step| {
        if step == Step::Open {
            conn.close();
        }
        Ok(())
    });
    let (mut by_hand, mut peer) =
        opened(ConnConfig::default().linger(FOR_EVER).drain(FOR_EVER), plan);
    by_hand.turn();
    assert_eq!(peer.read_to_end(), b"");
    peer.send("still here");
    reset_and_check(&mut by_hand, &watch, peer, "draining");
}

#[test]
fn a_reset_ends_a_connection_after_our_half_close() {
    let (plan, watch) = Plan::new(|conn, step| {
        if step == Step::Open {
            conn.shutdown_write()?;
        }
        Ok(())
    });
    let (mut by_hand, mut peer) = opened(ConnConfig::default(), plan);
    by_hand.turn();
    assert_eq!(peer.read_to_end(), b"");
    reset_and_check(&mut by_hand, &watch, peer, "after our FIN");
}

#[test]
fn a_reset_ends_a_connection_after_the_peers_half_close() {
    for paused in [false, true] {
        let (plan, watch) = Plan::new(move |conn, step| {
            if step == Step::Eof && paused {
                conn.pause();
            }
            Ok(())
        });
        let (mut by_hand, peer) = opened(ConnConfig::default(), plan.keep_open());
        peer.finish();
        turn_until_seen(&mut by_hand, &watch, |seen| matches!(seen, Seen::Eof));
        reset_and_check(&mut by_hand, &watch, peer, "after the peer's FIN");
    }
}

#[test]
fn a_reset_ends_a_connection_that_waits_to_send_after_the_peers_half_close() {
    let (plan, watch) = Plan::new(|conn, step| {
        if step == Step::Eof {
            conn.write(pattern(4 * MIB))?;
        }
        Ok(())
    });
    for plan in [plan.clone(), plan.keep_open()] {
        let (mut by_hand, mut peer) = opened(small_buffers(), plan);
        peer.finish();
        turn_until_seen(&mut by_hand, &watch, |seen| matches!(seen, Seen::Eof));
        peer.receive(1);
        reset_and_check(&mut by_hand, &watch, peer, "after the peer's FIN, blocked");
    }
}

#[test]
fn a_reset_that_comes_between_two_looks_is_told_as_a_reset() {
    // In the middle of a callback: what the callback does next meets a dead socket.
    type Next = fn(&mut net_reactor::Conn<'_>);
    let nexts: [(&str, Next); 4] = [
        ("close", |conn| conn.close()),
        ("shutdown_write", |conn| conn.shutdown_write().unwrap()),
        ("write", |conn| conn.write("x").unwrap()),
        ("write much", |conn| conn.write(pattern(MIB)).unwrap()),
    ];
    for (name, next) in nexts {
        let doomed = Arc::new(Mutex::new(None::<Peer>));
        let inside = Arc::clone(&doomed);
        let (plan, watch) = Plan::new(move |conn, step| {
            if let Step::Data(_) = step {
                inside.lock().unwrap().take().unwrap().reset();
                next(conn);
            }
            Ok(())
        });
        let (mut by_hand, mut peer) = opened(ConnConfig::default(), plan);
        peer.send("now");
        *doomed.lock().unwrap() = Some(peer);
        by_hand.turn_until_empty();
        let reason = watch.close_reason();
        assert!(matches!(reason, CloseReason::Reset { .. }), "{name}: {reason:?}");
        by_hand.assert_quiet();
    }
}

#[test]
fn data_that_came_before_a_reset_is_delivered() {
    for len in [1, 10 * KIB, 40 * KIB] {
        let (plan, watch) = Plan::passive();
        let (mut by_hand, mut peer) = opened(ConnConfig::default(), plan);
        let sent = pattern(len);
        peer.send(&sent);
        peer.reset();
        by_hand.turn_until_empty();
        let (story, reason) = watch.story();
        assert_same(&data_of(&story), &sent);
        assert!(!story.iter().any(|seen| matches!(seen, Seen::Eof)), "a reset is no end");
        assert!(matches!(reason, CloseReason::Reset { .. }), "{reason:?}");
    }
}

#[test]
fn a_thousand_resets_leave_nothing_behind() {
    let (plan, watch) = Plan::passive();
    let mut by_hand = ByHand::new(ConnConfig::default(), move || plan.probe());
    for round in 0..1000 {
        let mut peer = Peer::connect(&by_hand.address);
        if round % 2 == 0 {
            peer.send("x");
        }
        if round % 3 == 0 {
            by_hand.turn();
        }
        peer.reset();
    }
    by_hand.turn_until(|event_loop| {
        let stats = event_loop.stats();
        stats.closed == 1000 && stats.connections == 0
    });
    let (mut open, mut closed) = (0, 0);
    for seen in watch.so_far() {
        open += usize::from(matches!(seen, Seen::Open(_)));
        closed += usize::from(matches!(seen, Seen::Close(_)));
    }
    assert_eq!((open, closed), (1000, 1000));
    by_hand.assert_quiet();
}
