//! The byte ledger.

use std::io::{Error as IoError, ErrorKind};

use super::*;

/// Both ends of an open connection.
fn pair() -> (Teller, Teller) {
    let oracles = Oracles::new();
    let (mut here, mut there) = (Teller::of(&oracles, 0), Teller::of(&oracles, 1));
    here.open(Some(HERE));
    there.open(Some(THERE));
    (here, there)
}

fn reset() -> CloseReason {
    CloseReason::Reset { source: IoError::from(ErrorKind::ConnectionReset) }
}

fn pairs_len(teller: &Teller) -> usize {
    teller.oracles.books.borrow().ledger.pairs_len()
}

#[test]
fn a_whole_exchange_is_right_and_forgotten() {
    let (mut here, mut there) = pair();
    here.write(b"hello, ");
    here.write(b"world");
    there.data(b"hel", 2);
    there.write(b"answer");
    there.data(b"lo, world", 0);
    here.data(b"answer", 0);
    there.eof(b"", 0);
    here.close(&CloseReason::Closed);
    there.close(&CloseReason::PeerClosed);
    here.is_right();
    assert_eq!(pairs_len(&here), 0);
}

#[test]
fn what_was_written_early_comes_first() {
    let oracles = Oracles::new();
    let (mut here, mut there) = (Teller::of(&oracles, 0), Teller::of(&oracles, 1));
    there.open(Some(THERE));
    here.write(b"early ");
    here.open(Some(HERE));
    here.write(b"late");
    there.data(b"early late", 0);
    there.is_right();
    there.data(b"x", 0);
    there.is_wrong(OracleKind::Bytes, "1 bytes came out after all 10 that were written");
}

#[test]
fn a_byte_that_changed_is_found() {
    let (mut here, mut there) = pair();
    here.write(b"hello");
    there.data(b"he", 0);
    there.data(b"lxo", 0);
    there.is_wrong(OracleKind::Bytes, "byte 3 differs: \"lo\" was written, \"xo\" came out");
}

#[test]
fn bytes_that_nobody_wrote_are_found() {
    let (mut here, mut there) = pair();
    here.write(b"abc");
    there.data(b"abcabc", 0);
    there.is_wrong(OracleKind::Bytes, "3 bytes came out after all 3");
}

#[test]
fn bytes_before_their_sender_are_found() {
    let oracles = Oracles::new();
    let (mut here, mut there) = (Teller::of(&oracles, 0), Teller::of(&oracles, 1));
    there.open(Some(THERE));
    there.data(b"abc", 0);
    there.is_right();
    here.open(Some(HERE));
    here.is_wrong(OracleKind::Bytes, "3 bytes arrived before their sender was open");
}

#[test]
fn more_left_than_written_is_found() {
    let (mut here, mut there) = pair();
    here.write(b"abcd");
    there.data(b"ab", 2);
    there.is_right();
    there.data(b"", 3);
    there.is_wrong(OracleKind::Bytes, "3 bytes are left of the input after 2 of 4");
}

#[test]
fn the_end_without_all_bytes_is_found() {
    // Whether the sender is open with its half closed, or has ended well.
    for reason in [None, Some(CloseReason::Closed), Some(CloseReason::PeerClosed)] {
        let (mut here, mut there) = pair();
        here.write(b"abcd");
        there.data(b"ab", 0);
        reason.iter().for_each(|reason| here.close(reason));
        there.eof(b"", 0);
        there.is_wrong(OracleKind::Bytes, "the last 2 of 4 bytes never arrived");
    }
}

#[test]
fn an_end_that_was_held_back_counts_as_seen() {
    let (mut here, mut there) = pair();
    here.write(b"abcd");
    there.data(b"ab", 2);
    there.close(&CloseReason::PeerClosed);
    there.is_right();

    let (mut here, mut there) = pair();
    here.write(b"abcd");
    there.data(b"ab", 0);
    there.close(&CloseReason::PeerClosed);
    there.is_wrong(OracleKind::Bytes, "the last 2 of 4 bytes never arrived");
}

#[test]
fn input_left_at_the_end_is_the_handlers_choice() {
    let (mut here, mut there) = pair();
    here.write(b"abcd");
    there.data(b"a", 3);
    there.eof(b"b", 2);
    there.close(&CloseReason::PeerClosed);
    there.is_right();
}

#[test]
fn a_sender_that_did_not_end_well_promises_nothing() {
    let failed = || CloseReason::HandlerFailed { source: "a failure".into() };
    for reason in [
        reset(),
        CloseReason::Aborted,
        CloseReason::LoopStopped,
        CloseReason::LingerExpired { unsent_bytes: 2 },
        failed(),
    ] {
        let (mut here, mut there) = pair();
        here.write(b"abcd");
        there.data(b"ab", 0);
        here.close(&reason);
        there.eof(b"", 0);
        there.close(&CloseReason::PeerClosed);
        there.is_right();
        assert_eq!(pairs_len(&here), 0);
    }
}

#[test]
fn a_sender_that_did_not_end_well_makes_nothing_up_either() {
    let (mut here, mut there) = pair();
    here.write(b"abcd");
    here.close(&reset());
    there.data(b"ab", 0);
    there.is_right();
    there.data(b"X", 0);
    there.is_wrong(OracleKind::Bytes, "byte 2 differs");
}

#[test]
fn a_receiver_that_closed_first_owes_nothing() {
    for reason in [CloseReason::Closed, CloseReason::Aborted, reset()] {
        let (mut here, mut there) = pair();
        here.write(b"abcd");
        there.data(b"a", 0);
        there.close(&reason);
        here.write(b"efgh");
        here.close(&CloseReason::Closed);
        here.is_right();
        assert_eq!(pairs_len(&here), 0);
    }
}

#[test]
fn a_sender_that_is_gone_owes_nothing() {
    let (mut here, mut there) = pair();
    here.write(b"abcd");
    here.oracles.loop_gone(0);
    there.data(b"ab", 0);
    there.eof(b"", 0);
    there.close(&CloseReason::PeerClosed);
    there.is_right();
    assert_eq!(pairs_len(&there), 0);
}

#[test]
fn nothing_is_written_behind_the_end() {
    let (mut here, mut there) = pair();
    there.eof(b"", 0);
    here.write(b"");
    here.is_right();
    here.write(b"abc");
    here.is_wrong(OracleKind::Bytes, "3 bytes were written after the peer saw the end");
}

#[test]
fn a_peer_that_nobody_watches_may_send_anything() {
    let mut there = Teller::new();
    there.open(Some(THERE));
    there.data(b"abc", 1);
    there.write(b"an answer");
    there.eof(b"d", 0);
    there.close(&CloseReason::PeerClosed);
    there.is_right();
}

#[test]
fn bytes_wait_for_a_peer_that_is_slow_to_accept() {
    let oracles = Oracles::new();
    let (mut here, mut there) = (Teller::of(&oracles, 0), Teller::of(&oracles, 1));
    here.open(Some(HERE));
    here.write(b"abcd");
    here.close(&CloseReason::Closed);
    there.open(Some(THERE));
    there.data(b"abc", 0);
    there.is_right();
    there.eof(b"", 0);
    there.is_wrong(OracleKind::Bytes, "the last 1 of 4");
}

#[test]
fn peers_that_are_never_seen_do_not_fill_the_memory() {
    let mut ledger = Ledger::default();
    for number in 0..10_000 {
        let wire = Wire { own: 2 * number, peer: 2 * number + 1 };
        ledger.opened(wire).unwrap();
        ledger.wrote(wire, &[0; 1000]).unwrap();
        ledger.closed(wire, true);
    }
    assert_eq!(ledger.pairs_len(), 4096);
    let wire = Wire { own: 50_000, peer: 50_001 };
    ledger.opened(wire).unwrap();
    for _ in 0..65 {
        ledger.wrote(wire, &vec![0; 1024 * 1024]).unwrap();
    }
    // Too much was written to be kept for a peer that may never come: it is not checked.
    let there = Wire { own: 50_001, peer: 50_000 };
    ledger.opened(there).unwrap();
    ledger.consumed(there, b"anything", 0).unwrap();
    ledger.ended(there, 0).unwrap();
}

#[test]
fn a_clean_end_does_not_reset_the_peer() {
    let mut teller = Teller::new();
    teller.open(None);
    teller.eye.closed(CONN, &CloseReason::Closed, CloseHow::Reset);
    let violation = teller.oracles.violation().unwrap();
    assert_eq!(violation.oracle, OracleKind::Bytes, "{violation}");
}
