//! One direction ends before the other.

use std::sync::mpsc::channel;

use net_reactor::{CloseReason, ConnConfig, Pressure};

use crate::peer::{Host, Peer};
use crate::probe::{Plan, Seen, Step, command};
use crate::support::{ByHand, Echo, KIB, MIB, Served, assert_same, pattern, small_buffers};

#[test]
fn after_shutdown_write_the_peer_can_still_send() {
    let (plan, watch) = Plan::new(|conn, step| {
        if step == Step::Open {
            conn.write("last words")?;
            conn.shutdown_write()?;
            assert!(conn.write("more").is_err());
            assert!(conn.shutdown_write().is_err());
            assert!(!conn.is_open());
        }
        Ok(())
    });
    let served = Served::new(move || plan.probe());
    let mut peer = served.peer();
    assert_eq!(peer.read_to_end(), b"last words");
    let sent = pattern(5 * MIB);
    peer.send(&sent);
    drop(peer);
    let (story, reason) = watch.story();
    assert_same(&crate::probe::data_of(&story), &sent);
    assert!(matches!(reason, CloseReason::PeerClosed), "{reason:?}");
    assert_eq!(story.iter().filter(|seen| matches!(seen, Seen::Eof)).count(), 1);
}

#[test]
fn a_hundred_megabytes_echoed_after_the_senders_fin_arrive_whole() {
    const LEN: usize = 100 * MIB;
    let served = Served::new(Echo::new);
    let mut peer = served.peer();
    let sent = pattern(LEN);
    let sending = peer.send_aside(sent.clone(), true);
    assert_same(&peer.read_to_end(), &sent);
    sending.join().unwrap().unwrap();
}

#[test]
fn a_request_and_a_fin_that_arrive_together_get_the_whole_20_mb_answer() {
    const PART: usize = 128 * KIB;
    let answer = pattern(20 * MIB);
    let reply = answer.clone();
    let (plan, watch) = Plan::new(move |conn, step| {
        if let Step::Data(_) = step {
            for part in reply.chunks(PART) {
                conn.write(part)?;
            }
        }
        Ok(())
    });
    let config = ConnConfig::default().output_max(32 * MIB);
    let mut by_hand = ByHand::new(config, move || plan.probe());
    let mut peer = Peer::connect(&by_hand.address);
    peer.send("everything, please");
    peer.finish();
    // Both are there before the loop looks for the first time.
    let reading = std::thread::spawn(move || peer.read_to_end());
    by_hand.turn_until_empty();
    assert_same(&reading.join().unwrap(), &answer);
    let (story, reason) = watch.story();
    assert!(matches!(reason, CloseReason::PeerClosed), "{reason:?}");
    assert_eq!(crate::probe::data_of(&story), b"everything, please");
}

#[test]
fn the_last_bytes_before_a_fin_are_delivered_before_it() {
    for round in 0..50 {
        let (plan, watch) = Plan::passive();
        let mut by_hand = ByHand::new(Default::default(), move || plan.probe());
        let mut peer = Peer::connect(&by_hand.address);
        let sent = pattern(round * 20 * KIB + 1);
        let sent = &sent[..peer.send_what_fits(&sent)];
        drop(peer);
        by_hand.turn_until_empty();
        let (story, reason) = watch.story();
        assert_same(&crate::probe::data_of(&story), sent);
        assert!(matches!(story.last(), Some(Seen::Eof)), "round {round}");
        assert!(matches!(reason, CloseReason::PeerClosed), "round {round}: {reason:?}");
    }
}

#[test]
fn a_handler_that_keeps_open_writes_for_long_after_the_peers_end() {
    let (plan, watch) = Plan::passive();
    let plan = plan.keep_open();
    let served = Served::new(move || plan.probe());
    let mut peer = served.peer();
    peer.finish();
    let handle = watch.opened();
    watch.until(|seen| matches!(seen, Seen::Eof));
    for round in 0..200_u8 {
        command(&handle, move |conn| Ok(conn.write([round; 1000])?));
        assert_eq!(peer.receive(1000), [round; 1000]);
    }
    handle.close().unwrap();
    assert_eq!(peer.read_to_end(), b"");
    assert!(matches!(watch.story().1, CloseReason::Closed));
}

#[test]
fn both_halves_closed_end_the_connection_whoever_is_first() {
    // Ours first, then the peer's; a handler that keeps open cannot hold what is over.
    let (plan, watch) = Plan::new(|conn, step| {
        if step == Step::Open {
            conn.shutdown_write()?;
        }
        Ok(())
    });
    let plan = plan.keep_open();
    let served = Served::new(move || plan.probe());
    let mut peer = served.peer();
    assert_eq!(peer.read_to_end(), b"");
    peer.finish();
    assert!(matches!(watch.close_reason(), CloseReason::PeerClosed));

    // The peer's first, then ours: within on_eof, and later.
    for later in [false, true] {
        let (plan, watch) = Plan::new(move |conn, step| {
            if step == Step::Eof && !later {
                conn.write("x")?;
                conn.shutdown_write()?;
            }
            Ok(())
        });
        let plan = plan.keep_open();
        let served = Served::new(move || plan.probe());
        let mut peer = served.peer();
        peer.finish();
        if later {
            let handle = watch.opened();
            watch.until(|seen| matches!(seen, Seen::Eof));
            command(&handle, |conn| {
                conn.write("x")?;
                Ok(conn.shutdown_write()?)
            });
        }
        assert_eq!(peer.read_to_end(), b"x");
        assert!(matches!(watch.story().1, CloseReason::PeerClosed), "later: {later}");
    }
}

#[test]
fn half_closing_and_closing_in_on_eof_finishes() {
    let (plan, watch) = Plan::new(|conn, step| {
        if step == Step::Eof {
            conn.write("x")?;
            conn.shutdown_write()?;
            conn.close();
        }
        Ok(())
    });
    let served = Served::new(move || plan.probe());
    let mut peer = served.peer();
    peer.finish();
    assert_eq!(peer.read_to_end(), b"x");
    watch.close_reason();
}

#[test]
fn a_reset_after_the_peers_fin_closes_a_connection_that_was_kept_open() {
    let (plan, watch) = Plan::passive();
    let plan = plan.keep_open();
    let mut by_hand = ByHand::new(Default::default(), move || plan.probe());
    let peer = Peer::connect(&by_hand.address);
    peer.finish();
    let (seen, eof) = channel();
    by_hand.turn_until(|_| {
        watch.so_far().into_iter().for_each(|step| seen.send(step).unwrap());
        eof.try_iter().any(|step| matches!(step, Seen::Eof))
    });
    by_hand.assert_quiet();
    peer.reset();
    by_hand.turn_until_empty();
    let reason = watch.close_reason();
    assert!(matches!(reason, CloseReason::Reset { .. }), "{reason:?}");
}

#[test]
fn a_peer_that_is_gone_is_noticed_after_one_write_to_it() {
    // The peer closes both directions at once, as most programs do. The first write meets a reset;
    // no second one must be needed to hear of it.
    let (plan, watch) = Plan::new(|conn, step| {
        if step == Step::Eof {
            conn.write("are you there?")?;
        }
        Ok(())
    });
    let plan = plan.keep_open();
    let served = Served::new(move || plan.probe());
    drop(served.peer());
    let reason = watch.close_reason();
    assert!(matches!(reason, CloseReason::Reset { .. }), "{reason:?}");
}

#[test]
fn a_fin_behind_pressure_is_told_when_the_pressure_is_gone() {
    let (plan, watch) = Plan::new(|conn, step| {
        if let Step::Data(_) = step {
            conn.write(pattern(2 * MIB))?;
        }
        Ok(())
    });
    let served = Served::with(small_buffers(), move || plan.probe());
    let mut peer = Peer::connect_small(&served.address);
    peer.send("x");
    watch.until(|seen| matches!(seen, Seen::Pressure(Pressure::High)));
    peer.finish();
    assert_same(&peer.read_to_end(), &pattern(2 * MIB));
    let (story, reason) = watch.story();
    assert!(matches!(story[..], [Seen::Pressure(Pressure::Low), Seen::Eof]), "{story:?}");
    assert!(matches!(reason, CloseReason::PeerClosed), "{reason:?}");
}

#[test]
fn shutting_down_before_the_connection_is_open_sends_what_was_queued_then_fin() {
    let listener = Host::new();
    let (plan, watch) = Plan::passive();
    let mut by_hand = ByHand::new(Default::default(), Echo::new);
    let mut reactor = by_hand.event_loop.reactor();
    let id = reactor.connect(&listener.address, plan.probe()).unwrap();
    let mut conn = reactor.conn(id).unwrap();
    conn.write("early").unwrap();
    conn.shutdown_write().unwrap();
    let accepting = std::thread::spawn(move || {
        let mut peer = listener.accept();
        peer.read_to_end()
    });
    by_hand.turn_until_empty();
    assert_eq!(accepting.join().unwrap(), b"early");
    assert!(matches!(watch.close_reason(), CloseReason::PeerClosed));
}
