//! Many frames at once, and handlers that stop in the middle of them.

use net_reactor::codec::{LengthPrefix, Lines};
use net_reactor::prelude::*;
use net_reactor::sim::Solo;
use net_reactor::{ConnConfig, OnHighMark};

use crate::probe::{notes, solo};

#[test]
fn frames_come_in_order_however_they_are_cut() {
    let mut whole = solo(Lines::new(), []);
    whole.feed("one\ntwo\r\n\nfour\n");
    assert_eq!(notes(&whole), ["one", "two", "", "four"]);
    let mut bytewise = solo(Lines::new(), []);
    bytewise.feed_each_byte("one\ntwo\r\n\nfour\n");
    assert_eq!(notes(&bytewise), ["one", "two", "", "four"]);
}

#[test]
fn a_pause_holds_the_rest_of_the_batch_and_resume_gives_it_without_new_data() {
    let mut solo = solo(
        Lines::new(),
        [
            (
                "p",
                (|conn| {
                    conn.set_timer(Tag(0), std::time::Duration::from_secs(1));
                    conn.pause();
                    Ok(())
                }) as crate::probe::Act<Lines>,
            ),
            ("(timer)", |conn| {
                conn.resume();
                Ok(())
            }),
        ],
    );
    solo.feed("a\np\nb\np\nc\nrest");
    assert_eq!(notes(&solo), ["a", "p"]);
    // What arrives meanwhile stays behind.
    solo.feed(" of it\n");
    solo.finish();
    assert_eq!(notes(&solo), [""; 0]);
    solo.advance(std::time::Duration::from_secs(1));
    assert_eq!(notes(&solo), ["b", "p"]);
    solo.advance(std::time::Duration::from_secs(1));
    assert_eq!(notes(&solo), ["c", "rest of it", "eof ", "closed, closed by the peer"]);
}

#[test]
fn a_pause_that_is_taken_back_at_once_holds_nothing() {
    let act: crate::probe::Act<Lines> = |conn| {
        conn.pause();
        conn.resume();
        Ok(())
    };
    let mut solo = solo(Lines::new(), [("x", act)]);
    solo.feed("a\nx\nb\n");
    assert_eq!(notes(&solo), ["a", "x", "b"]);
}

#[test]
fn no_frame_comes_after_a_close() {
    let acts: [(&str, crate::probe::Act<Lines>); 3] = [
        ("close", |conn| {
            conn.send("bye")?;
            conn.close();
            Ok(())
        }),
        ("abort", |conn| {
            conn.abort();
            Ok(())
        }),
        ("fail", |_| Err(Failure::msg("had enough"))),
    ];
    for (name, output, reason) in [
        ("close", &b"bye\n"[..], "closed, closed by this side"),
        ("abort", b"", "closed, aborted by this side"),
        ("fail", b"", "closed, the handler failed: had enough"),
    ] {
        let mut solo = solo(Lines::new(), acts);
        solo.feed(format!("a\n{name}\nb\n"));
        assert_eq!(solo.output(), output);
        solo.finish();
        assert_eq!(notes(&solo), ["a", name, reason]);
    }
}

/// A server whose answers are far larger than the questions is not made to answer all of them for
/// a peer that does not read.
#[test]
fn above_the_high_mark_the_rest_of_the_batch_waits() {
    let answer: crate::probe::Act<Lines> = |conn| Ok(conn.send(&[b'x'; 100_000][..])?);
    let mut solo = solo(Lines::new(), [("q", answer)]);
    solo.full(true);
    solo.feed("q\n".repeat(1000));
    let told = notes(&solo);
    assert_eq!(told, ["q", "q", "q", "pressure High"]);
    solo.finish();
    assert_eq!(notes(&solo), [""; 0]);
    solo.full(false);
    let told = notes(&solo);
    assert_eq!(told.iter().filter(|note| *note == "q").count(), 997);
    assert_eq!(told[told.len() - 2..], ["eof ", "closed, closed by the peer"]);
    assert_eq!(solo.output().len(), 1000 * 100_001);
}

#[test]
fn a_handler_that_asked_to_decide_itself_gets_the_whole_batch() {
    let config = ConnConfig::default().on_high_mark(OnHighMark::Tell);
    let answer = |conn: &mut FrameConn<'_, Lines>, _line: &[u8]| Ok(conn.send(&[b'x'; 1000][..])?);
    let mut solo = Solo::with_config(config, Framed::on_frame(Lines::new(), answer));
    solo.full(true);
    solo.feed("q\n".repeat(1000));
    solo.full(false);
    assert_eq!(solo.output().len(), 1000 * 1001);
}

#[test]
fn frames_stand_in_order_with_other_writes_and_sizes() {
    let sizes = [1, 100_000, 3, 8191, 8192, 70_000, 0, 65_536, 5];
    let mut solo = Solo::new(Framed::on_frame(LengthPrefix::u32(), move |conn, frame| {
        conn.write("<")?;
        conn.send(frame)?;
        for size in sizes {
            conn.send(&vec![b'x'; size])?;
        }
        conn.write(">")?;
        Ok(())
    }));
    let mut expected = b"<\0\0\0\x02hi".to_vec();
    for size in sizes {
        expected.extend_from_slice(&u32::try_from(size).unwrap().to_be_bytes());
        expected.resize(expected.len() + size, b'x');
    }
    expected.push(b'>');
    solo.feed(b"\0\0\0\x02hi\0\0\0\x02hi");
    assert!(solo.output() == expected.repeat(2));
    // The same while nothing can be sent, when frames go another way.
    solo.full(true);
    solo.feed(b"\0\0\0\x02hi");
    solo.full(false);
    assert!(solo.output() == expected);
}

#[test]
fn what_is_queued_counts_at_once() {
    let mut solo = Solo::new(Framed::on_frame(Lines::new(), |conn, line| {
        conn.send(line)?;
        conn.send(line)?;
        assert_eq!(conn.stats().queued_bytes, 6);
        Ok(())
    }));
    solo.feed("ab\n");
    assert_eq!(solo.output(), b"ab\nab\n");
}

#[test]
fn a_refused_frame_leaves_nothing_behind() {
    let mut solo = Solo::new(Framed::on_frame(Lines::new().max(10), |conn, line| {
        conn.send(line)?;
        assert!(conn.send("two\nlines").is_err());
        assert!(conn.send("longer than ten").is_err());
        conn.send("end")?;
        conn.close();
        assert_eq!(conn.send("late"), Err(net_reactor::SendError::Closed));
        Ok(())
    }));
    solo.feed("ab\n");
    assert_eq!(solo.output(), b"ab\nend\n");
}

/// Nothing was ever written on this loop: what the refused frame would have been encoded to has no
/// memory yet, and is given back all the same.
#[test]
fn a_first_frame_that_is_refused_holds_up_nothing_else() {
    let mut solo = Solo::new(Framed::on_frame(LengthPrefix::u8(), |conn, frame| {
        assert!(conn.send(&[0; 256][..]).is_err());
        conn.write("written, ")?;
        conn.send(frame)?;
        conn.close();
        Ok(())
    }));
    solo.feed(b"\x02ok\x05never");
    assert_eq!(solo.output(), b"written, \x02ok");
    let mut solo = Solo::new(Framed::on_frame(LengthPrefix::u8(), |conn, _frame| {
        assert!(conn.send(&[0; 256][..]).is_err());
        conn.pause();
        conn.write("one")?;
        Ok(())
    }));
    solo.feed(b"\x02ok\x03two");
    assert_eq!(solo.output(), b"one");
}

#[test]
fn a_panic_in_a_batch_ends_that_connection() {
    let mut solo = Solo::new(Framed::on_frame(Lines::new(), |conn, line| {
        conn.send("before")?;
        assert!(line != b"panic", "as asked");
        Ok(())
    }));
    solo.allow_panics();
    solo.feed("ok\n");
    solo.feed("panic\n");
    assert!(solo.output().starts_with(b"before\n"));
    assert!(matches!(solo.close_reason(), Some(CloseReason::HandlerPanicked { .. })));
}
