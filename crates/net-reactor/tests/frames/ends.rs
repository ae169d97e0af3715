//! How a conversation in frames ends.

use net_reactor::codec::{LengthPrefix, Lines, Netstring, Trailing};
use net_reactor::prelude::*;
use net_reactor::sim::Solo;

use crate::probe::{Act, notes, solo};

#[test]
fn an_unfinished_frame_at_the_end_is_typed() {
    let mut cut = solo(Netstring::new(), []);
    cut.feed("5:hello,5:he");
    cut.finish();
    let why = "closed, the peer broke the protocol: the peer finished 4 bytes into a frame";
    assert_eq!(notes(&cut), ["hello", "eof 5:he", why]);
    assert!(matches!(cut.close_reason(), Some(CloseReason::Malformed { .. })));
    let mut whole = solo(Netstring::new(), []);
    whole.feed("5:hello,");
    whole.finish();
    assert_eq!(notes(&whole), ["hello", "eof ", "closed, closed by the peer"]);
}

#[test]
fn the_default_handler_tells_whole_from_cut() {
    for (text, clean) in [("a\n", true), ("a\nb", false)] {
        let mut solo = Solo::new(Framed::on_frame(Lines::new(), |_, _| Ok(())));
        solo.feed(text);
        solo.finish();
        assert_eq!(solo.close_reason().map(CloseReason::is_clean), Some(clean), "{text:?}");
    }
}

#[test]
fn a_last_line_without_end_may_be_a_line() {
    let lines = Lines::new().trailing(Trailing::Deliver);
    let mut solo = solo(lines, []);
    solo.feed("a\nb");
    solo.finish();
    assert_eq!(notes(&solo), ["a", "b", "eof ", "closed, closed by the peer"]);
}

#[test]
fn bytes_that_are_no_frame_close_with_the_reason_after_a_farewell() {
    let farewell: Act<Netstring> = |conn| Ok(conn.send("speak netstring")?);
    let mut solo = solo(Netstring::new(), [("(malformed)", farewell)]);
    solo.feed("2:ok,GET / HTTP/1.1\r\n");
    assert_eq!(solo.output(), b"15:speak netstring,");
    assert!(solo.saw_fin());
    solo.finish();
    let rule = "a length has something else than digits";
    assert_eq!(
        notes(&solo),
        [
            "ok",
            &format!("malformed: {rule}"),
            &format!("closed, the peer broke the protocol: {rule}")
        ]
    );
}

#[test]
fn a_claim_of_four_gigabytes_closes_at_its_last_byte() {
    let mut solo = solo(LengthPrefix::u32(), []);
    solo.feed([0xff; 3]);
    assert!(!solo.saw_fin());
    solo.feed([0xff]);
    assert!(solo.saw_fin());
    solo.finish();
    let why = "a frame of 4294967295 bytes is over the limit of 1048576";
    assert_eq!(notes(&solo)[1], format!("closed, the peer broke the protocol: {why}"));
}

#[test]
fn an_endless_line_closes_at_the_limit() {
    let mut solo = solo(Lines::new(), []);
    for _ in 0..16 {
        assert!(!solo.saw_fin());
        solo.feed(vec![b'x'; 64 * 1024]);
    }
    solo.feed("xx");
    assert!(solo.saw_fin());
    solo.finish();
    assert!(notes(&solo)[1].ends_with("a frame has no end within 1048576 bytes"));
}

#[test]
fn a_frame_of_the_largest_size_arrives() {
    let mut solo = solo(Lines::new(), []);
    solo.feed(vec![b'x'; 1024 * 1024]);
    solo.feed("\n");
    let notes = notes(&solo);
    assert_eq!((notes.len(), notes[0].len()), (1, 1024 * 1024));
}
