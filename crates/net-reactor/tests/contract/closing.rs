//! A graceful close: flush, FIN, drain - and its limits.

use std::sync::mpsc::channel;
use std::time::Duration;

use net_reactor::{CloseReason, ConnConfig, Failure};

use crate::peer::Peer;
use crate::probe::{Plan, Seen, Step, command};
use crate::support::{ByHand, KIB, MIB, ON_PURPOSE, Served, assert_same, pattern, small_buffers};

/// So long that a test would fail before it is over.
const FOR_EVER: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(50);

#[test]
fn what_was_written_before_a_close_arrives_and_nothing_after() {
    let (refused, refusals) = channel();
    let (plan, watch) = Plan::new(move |conn, step| {
        if step == Step::Open {
            conn.write("A")?;
            conn.close();
            let shared = conn.write_shared("C".into());
            refused.send((conn.write("B").is_err(), shared.is_err(), conn.is_open())).unwrap();
        }
        Ok(())
    });
    let served = Served::new(move || plan.probe());
    let mut peer = served.peer();
    assert_eq!(peer.read_to_end(), b"A");
    assert_eq!(refusals.recv().unwrap(), (true, true, false));
    drop(peer);
    assert!(matches!(watch.close_reason(), CloseReason::Closed));
}

#[test]
fn a_close_with_4_mb_queued_and_unread_input_delivers_all_4_mb() {
    let answer = pattern(4 * MIB);
    let reply = answer.clone();
    let (plan, watch) = Plan::new(move |conn, step| {
        if let Step::Data(_) = step {
            conn.write(&reply)?;
            conn.close();
        }
        Ok(())
    });
    let served = Served::new(move || plan.probe());
    let mut peer = served.peer();
    // Far more than one turn reads: most of it is unread when the close begins.
    let sending = peer.send_aside(pattern(3 * MIB), false);
    sending.join().unwrap().unwrap();
    assert_same(&peer.read_to_end(), &answer);
    drop(peer);
    let (story, reason) = watch.story();
    assert!(matches!(reason, CloseReason::Closed), "{reason:?}");
    let data = story.iter().filter(|seen| matches!(seen, Seen::Data(_))).count();
    assert_eq!(data, 1, "no on_data after close()");
}

#[test]
fn a_peer_that_goes_on_sending_after_our_fin_still_gets_everything() {
    let answer = pattern(2 * MIB);
    let reply = answer.clone();
    let (plan, watch) = Plan::new(move |conn, step| {
        if step == Step::Open {
            conn.write(&reply)?;
            conn.close();
        }
        Ok(())
    });
    let served = Served::new(move || plan.probe());
    let mut peer = served.peer();
    let got = peer.receive(answer.len());
    assert_same(&got, &answer);
    assert_eq!(peer.read_to_end(), b"", "FIN");
    for _ in 0..100 {
        peer.send(pattern(64 * KIB));
    }
    drop(peer);
    assert!(matches!(watch.close_reason(), CloseReason::Closed));
}

#[test]
fn a_close_that_cannot_flush_within_its_linger_time_becomes_an_abort() {
    let (plan, watch) = Plan::new(|conn, step| {
        if step == Step::Open {
            conn.write(pattern(8 * MIB))?;
            conn.close();
        }
        Ok(())
    });
    let served = Served::with(small_buffers().linger(SHORT), move || plan.probe());
    let mut peer = Peer::connect_small(&served.address);
    let reason = watch.close_reason();
    let CloseReason::LingerExpired { unsent_bytes } = reason else { panic!("{reason:?}") };
    assert!((1..8 * MIB).contains(&unsent_bytes), "{unsent_bytes}");
    assert!(peer.read_until_reset().len() < 8 * MIB);
}

#[test]
fn a_peer_that_never_finishes_is_waited_for_no_longer_than_the_drain_time() {
    let (plan, watch) = Plan::new(|conn, step| {
        if step == Step::Open {
            conn.write("bye")?;
            conn.close();
        }
        Ok(())
    });
    let config = ConnConfig::default().linger(FOR_EVER).drain(SHORT);
    let served = Served::with(config, move || plan.probe());
    let mut peer = served.peer();
    assert!(matches!(watch.close_reason(), CloseReason::Closed));
    assert_eq!(peer.read_to_end(), b"bye");
}

#[test]
fn the_drain_time_holds_also_for_a_close_after_shutdown_write() {
    let (plan, watch) = Plan::passive();
    let config = ConnConfig::default().linger(FOR_EVER).drain(SHORT);
    let served = Served::with(config, move || plan.probe());
    let mut peer = served.peer();
    let handle = watch.opened();
    command(&handle, |conn| Ok(conn.shutdown_write()?));
    assert_eq!(peer.read_to_end(), b"", "our FIN");
    handle.close().unwrap();
    assert!(matches!(watch.story().1, CloseReason::Closed));
}

#[test]
fn a_flood_after_our_fin_is_drained_only_so_far() {
    let (plan, watch) = Plan::new(|conn, step| {
        if step == Step::Open {
            conn.close();
        }
        Ok(())
    });
    let config = ConnConfig::default().linger(FOR_EVER).drain(FOR_EVER);
    let served = Served::with(config, move || plan.probe());
    let peer = served.peer();
    // 64 MiB is far over the bound: the flood must end in a failure, not be read to its end.
    let flood = peer.send_aside(vec![0; 64 * MIB], false);
    assert!(matches!(watch.close_reason(), CloseReason::Closed));
    assert!(flood.join().unwrap().is_err(), "the peer could send everything");
    let (_, stats) = served.finish();
    assert!(stats.bytes_in <= 17 * MIB as u64, "{stats:?}");
}

#[test]
fn closing_twice_and_aborting_after_it_ends_once() {
    let (plan, watch) = Plan::new(|conn, step| {
        if step == Step::Open {
            conn.write("lost or not")?;
            conn.close();
            conn.close();
            conn.abort();
            conn.abort();
            conn.close();
        }
        Ok(())
    });
    let served = Served::new(move || plan.probe());
    let mut peer = served.peer();
    assert_eq!(peer.read_until_reset(), b"", "an abort drops what was queued");
    assert!(matches!(watch.close_reason(), CloseReason::Aborted));
}

#[test]
fn closing_after_an_abort_does_nothing() {
    let (plan, watch) = Plan::new(|conn, step| {
        if step == Step::Open {
            conn.abort();
            conn.close();
            assert!(conn.shutdown_write().is_err());
            assert!(conn.write("x").is_err());
        }
        Ok(())
    });
    let served = Served::new(move || plan.probe());
    let mut peer = served.peer();
    peer.read_until_reset();
    assert!(matches!(watch.close_reason(), CloseReason::Aborted));
}

#[test]
fn a_close_from_another_thread_comes_after_the_sends_of_that_thread() {
    let (plan, watch) = Plan::passive();
    let served = Served::new(move || plan.probe());
    let mut peer = served.peer();
    let handle = watch.opened();
    for part in 0..100_u8 {
        handle.send(vec![part; 10 * KIB]).unwrap();
    }
    handle.close().unwrap();
    handle.send("too late").unwrap();
    let expected: Vec<u8> = (0..100).flat_map(|part| vec![part; 10 * KIB]).collect();
    assert_same(&peer.read_to_end(), &expected);
    drop(peer);
    assert!(matches!(watch.close_reason(), CloseReason::Closed));
}

#[test]
fn a_paused_connection_closes_like_any_other() {
    let (plan, watch) = Plan::new(|conn, step| {
        if step == Step::Open {
            conn.pause();
            conn.write("bye")?;
            conn.close();
            conn.pause();
        }
        Ok(())
    });
    let config = ConnConfig::default().linger(FOR_EVER).drain(FOR_EVER);
    let served = Served::with(config, move || plan.probe());
    let mut peer = served.peer();
    peer.send(pattern(100 * KIB));
    assert_eq!(peer.read_to_end(), b"bye");
    drop(peer);
    let (story, reason) = watch.story();
    assert!(matches!(reason, CloseReason::Closed), "{reason:?}");
    assert_eq!(story.len(), 1, "{story:?}");
}

#[test]
fn a_peers_reset_during_the_goodbye_of_a_failed_handler_does_not_hide_the_failure() {
    let (plan, watch) = Plan::new(|conn, step| match step {
        Step::Open => {
            conn.write(pattern(4 * MIB))?;
            Err(Failure::msg(ON_PURPOSE))
        }
        _ => Ok(()),
    });
    let served = Served::with(small_buffers(), move || plan.probe());
    let mut peer = Peer::connect_small(&served.address);
    peer.receive(1);
    peer.reset();
    let reason = watch.close_reason();
    assert!(matches!(reason, CloseReason::HandlerFailed { .. }), "{reason:?}");
}

#[test]
fn a_failed_handlers_goodbye_that_lingers_too_long_keeps_its_cause() {
    let (plan, watch) = Plan::new(|conn, step| match step {
        Step::Open => {
            conn.write(pattern(4 * MIB))?;
            Err(Failure::msg(ON_PURPOSE))
        }
        _ => Ok(()),
    });
    let served = Served::with(small_buffers().linger(SHORT), move || plan.probe());
    let _peer = Peer::connect_small(&served.address);
    let reason = watch.close_reason();
    assert!(matches!(reason, CloseReason::HandlerFailed { .. }), "{reason:?}");
}

#[test]
fn a_loop_with_a_closing_connection_sleeps() {
    let (plan, watch) = Plan::new(|conn, step| {
        if step == Step::Open {
            conn.close();
        }
        Ok(())
    });
    let config = ConnConfig::default().linger(FOR_EVER).drain(FOR_EVER);
    let mut by_hand = ByHand::new(config, move || plan.probe());
    let mut peer = Peer::connect(&by_hand.address);
    by_hand.turn_until(|event_loop| event_loop.stats().connections == 1);
    by_hand.turn();
    assert_eq!(peer.read_to_end(), b"", "our FIN");
    by_hand.assert_quiet();
    drop(peer);
    by_hand.turn_until_empty();
    assert!(matches!(watch.close_reason(), CloseReason::Closed));
}
