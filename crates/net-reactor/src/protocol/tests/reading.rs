//! Pausing, resuming, the peer's end, and resets: in every order.

use super::bare::BareStream;
use super::rig::{Rig, secs};
use super::teller::Teller;
use crate::base::ConnId;
use crate::net::ConnConfig;
use crate::protocol::Failure;

/// Loop 0 with one accepted connection, its peer, and its id.
fn accepted(handler: impl FnOnce(Teller) -> Teller + 'static) -> (Rig, BareStream, ConnId) {
    let mut rig = Rig::pair();
    let log = rig.log.clone();
    let mut handler = Some(handler);
    rig.listen(0, ConnConfig::default(), move || {
        handler.take().map(|handler| handler(Teller::new(&log, "conn")))
    });
    let bare = rig.bare("c");
    let peer = bare.connect("10.0.0.1:7000");
    rig.settle();
    let id = rig.reactor(0).accepted()[0];
    assert_eq!(rig.log.take(), ["0ns conn open"]);
    (rig, peer, id)
}

fn pause(rig: &mut Rig, id: ConnId) {
    rig.reactor(0).conn(id).unwrap().pause();
}

fn resume(rig: &mut Rig, id: ConnId) {
    rig.reactor(0).conn(id).unwrap().resume();
}

#[test]
fn a_paused_connection_hears_neither_data_nor_the_end_until_it_resumes() {
    let (mut rig, mut peer, id) = accepted(|teller| teller);
    pause(&mut rig, id);
    peer.send(b"data").unwrap();
    rig.advance(secs(1));
    peer.finish();
    rig.advance(secs(100));
    assert!(rig.log.take().is_empty());
    resume(&mut rig, id);
    rig.settle();
    let told = ["101s conn data 4", "101s conn eof", "101s conn closed: closed by the peer"];
    assert_eq!(rig.log.take(), told);
}

#[test]
fn a_handler_that_pauses_between_data_and_end_hears_the_end_when_it_resumes() {
    let (mut rig, mut peer, id) = accepted(|teller| {
        teller.on_data(|conn, input| {
            input.take_all();
            conn.pause();
            Ok(())
        })
    });
    peer.send(b"data").unwrap();
    peer.finish();
    rig.advance(secs(1));
    assert_eq!(rig.log.take(), ["0ns conn data 4"]);
    resume(&mut rig, id);
    rig.settle();
    assert_eq!(rig.log.take(), ["1s conn eof", "1s conn closed: closed by the peer"]);
}

#[test]
fn what_a_pause_left_unconsumed_comes_before_the_end() {
    let mut calls = 0;
    let (mut rig, mut peer, id) = accepted(move |teller| {
        teller.on_data(move |conn, input| {
            calls += 1;
            input.consume(3);
            if calls == 1 {
                conn.pause();
            }
            Ok(())
        })
    });
    peer.send(b"12345678").unwrap();
    peer.finish();
    rig.settle();
    assert_eq!(rig.log.take(), ["0ns conn data 8"]);
    resume(&mut rig, id);
    rig.settle();
    let told = ["0ns conn data 5", "0ns conn eof", "0ns conn closed: closed by the peer"];
    assert_eq!(rig.log.take(), told);
}

#[test]
fn pausing_and_resuming_within_one_callback_changes_nothing() {
    let (mut rig, mut peer, _) = accepted(|teller| {
        teller.on_data(|conn, input| {
            input.take_all();
            conn.pause();
            assert!(conn.is_paused());
            conn.resume();
            Ok(())
        })
    });
    for _ in 0..3 {
        peer.send(b"x").unwrap();
        rig.settle();
    }
    peer.finish();
    rig.settle();
    let lines = rig.log.take();
    assert_eq!(lines[..3], ["0ns conn data 1"; 3]);
    assert_eq!(lines[3..], ["0ns conn eof", "0ns conn closed: closed by the peer"]);
}

#[test]
fn a_reset_is_told_at_once_also_to_a_paused_connection() {
    let (mut rig, mut peer, id) = accepted(|teller| teller);
    pause(&mut rig, id);
    peer.send(b"unheard").unwrap();
    rig.advance(secs(1));
    peer.reset();
    rig.settle();
    assert_eq!(rig.log.take(), ["1s conn closed: reset by the peer"]);
    rig.assert_clean(&"paused");
}

#[test]
fn data_that_came_before_a_reset_is_told_before_it() {
    let (mut rig, mut peer, _) = accepted(|teller| teller);
    peer.send(b"data").unwrap();
    peer.reset();
    rig.settle();
    assert_eq!(rig.log.take(), ["0ns conn data 4", "0ns conn closed: reset by the peer"]);
    rig.assert_clean(&"reset");
}

#[test]
fn a_reset_after_the_end_closes_a_connection_that_was_kept_open() {
    let (mut rig, peer, id) = accepted(Teller::keeps_open);
    peer.finish();
    rig.advance(secs(1));
    assert_eq!(rig.log.take(), ["0ns conn eof"]);
    assert!(rig.reactor(0).conn(id).unwrap().is_open());
    peer.reset();
    rig.settle();
    assert_eq!(rig.log.take(), ["1s conn closed: reset by the peer"]);
    rig.assert_clean(&"kept open");
}

#[test]
fn a_reset_after_an_end_that_a_pause_held_back_is_told_at_once() {
    let (mut rig, peer, id) = accepted(Teller::keeps_open);
    pause(&mut rig, id);
    peer.finish();
    rig.advance(secs(1));
    peer.reset();
    rig.settle();
    assert_eq!(rig.log.take(), ["1s conn closed: reset by the peer"]);
}

#[test]
fn the_end_and_the_reset_in_one_turn_are_both_told() {
    let (mut rig, mut peer, _) = accepted(Teller::keeps_open);
    peer.send(b"data").unwrap();
    peer.finish();
    peer.reset();
    rig.settle();
    let told = ["0ns conn data 4", "0ns conn eof", "0ns conn closed: reset by the peer"];
    assert_eq!(rig.log.take(), told);
}

#[test]
fn a_reset_while_output_is_stuck_is_told_once() {
    let (mut rig, peer, id) = accepted(|teller| teller);
    rig.reactor(0).write(id, vec![0; 1_000_000]).unwrap();
    rig.settle();
    peer.reset();
    rig.settle();
    assert_eq!(rig.log.take(), ["0ns conn High", "0ns conn closed: reset by the peer"]);
    rig.assert_clean(&"stuck");
}

#[test]
fn a_reset_during_a_graceful_close_is_the_reason_told() {
    let (mut rig, peer, id) = accepted(|teller| teller);
    rig.reactor(0).write(id, vec![0; 100_000]).unwrap();
    assert!(rig.reactor(0).close(id));
    rig.advance(secs(3));
    peer.reset();
    rig.settle();
    assert_eq!(rig.log.take(), ["3s conn closed: reset by the peer"]);
    rig.assert_clean(&"closing");
}

#[test]
fn a_connection_kept_open_after_the_end_still_sends() {
    let (mut rig, mut peer, id) = accepted(Teller::keeps_open);
    peer.finish();
    rig.advance(secs(60));
    rig.reactor(0).write(id, "answer").unwrap();
    assert!(rig.reactor(0).close(id));
    rig.settle();
    assert_eq!(peer.receive().unwrap(), (b"answer".to_vec(), true));
    assert_eq!(rig.log.take(), ["0ns conn eof", "60s conn closed: closed by this side"]);
}

#[test]
fn both_ends_half_closed_close_the_connection_whoever_is_first() {
    for ours_first in [false, true] {
        let (mut rig, peer, id) = accepted(Teller::keeps_open);
        if !ours_first {
            peer.finish();
            rig.settle();
        }
        rig.reactor(0).conn(id).unwrap().shutdown_write().unwrap();
        assert!(rig.reactor(0).conn(id).unwrap().shutdown_write().is_err());
        rig.settle();
        if ours_first {
            assert!(rig.log.take().is_empty());
            peer.finish();
            rig.settle();
        }
        let told = ["0ns conn eof", "0ns conn closed: closed by the peer"];
        assert_eq!(rig.log.take(), told, "ours first: {ours_first}");
        peer.close();
        rig.assert_clean(&ours_first);
    }
}

#[test]
fn a_close_while_paused_still_hears_the_peers_end() {
    let (mut rig, mut peer, id) = accepted(|teller| teller);
    pause(&mut rig, id);
    peer.send(b"unread").unwrap();
    rig.advance(secs(1));
    assert!(rig.reactor(0).close(id));
    peer.finish();
    rig.settle();
    assert_eq!(rig.log.take(), ["1s conn closed: closed by this side"]);
    assert_eq!(peer.receive().unwrap(), (Vec::new(), true), "no reset");
    peer.close();
    rig.assert_clean(&"paused");
}

#[test]
fn input_beyond_its_limit_closes_the_connection() {
    let mut rig = Rig::pair();
    let log = rig.log.clone();
    rig.listen(0, ConnConfig::default().input_max(10), move || {
        Teller::new(&log, "conn").on_data(|_, _| Ok(()))
    });
    let bare = rig.bare("c");
    let mut peer = bare.connect("10.0.0.1:7000");
    for part in ["12345", "67890", "x"] {
        peer.send(part.as_bytes()).unwrap();
        rig.settle();
    }
    peer.finish();
    rig.settle();
    let lines = rig.log.take();
    assert_eq!(lines[1..4], ["0ns conn data 5", "0ns conn data 10", "0ns conn data 11"]);
    assert_eq!(lines[4], "0ns conn closed: too much unconsumed input: 11 bytes of 10");
}

#[test]
fn a_panic_resets_the_connection_and_an_error_ends_it_after_what_was_written() {
    let (mut rig, mut peer, _) = accepted(|teller| {
        teller.on_data(|conn, _| {
            conn.write("never sent")?;
            panic!("ouch")
        })
    });
    peer.send(b"x").unwrap();
    rig.settle();
    assert_eq!(rig.log.take()[1], "0ns conn closed: the handler panicked: ouch");
    assert!(peer.receive().is_err());
    let (mut rig, mut peer, _) = accepted(|teller| {
        teller.on_data(|conn, _| {
            conn.write("why")?;
            Err(Failure::msg("enough"))
        })
    });
    peer.send(b"x").unwrap();
    rig.settle();
    assert_eq!(peer.receive().unwrap(), (b"why".to_vec(), true));
    peer.close();
    rig.settle();
    assert_eq!(rig.log.take()[1], "0ns conn closed: the handler failed");
}

#[test]
fn the_end_is_told_once_however_often_reading_is_paused_after_it() {
    let (mut rig, peer, id) = accepted(Teller::keeps_open);
    peer.finish();
    rig.settle();
    assert_eq!(rig.log.take(), ["0ns conn eof"]);
    for _ in 0..3 {
        pause(&mut rig, id);
        resume(&mut rig, id);
        rig.settle();
    }
    assert!(rig.log.take().is_empty());
}
