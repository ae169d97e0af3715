//! The timers of connections: replaced, cancelled, and gone with their connection.

use std::time::Duration;

use super::rig::{Rig, ms, secs};
use super::teller::Teller;
use crate::net::{ConnConfig, ConnectOptions};
use crate::protocol::{Conn, Flow, Tag};

const A: Tag = Tag(1);
const B: Tag = Tag(2);
const C: Tag = Tag(3);

/// A loop with one connection, whose handler runs `on_open` and then `on_timer`.
fn opened(
    on_open: impl FnMut(&mut Conn<'_>) -> Flow + 'static,
    on_timer: impl FnMut(&mut Conn<'_>, Tag) -> Flow + 'static,
) -> Rig {
    let mut rig = Rig::pair();
    let peer = rig.log.clone();
    rig.listen(1, ConnConfig::default(), move || Teller::new(&peer, "peer"));
    let handler = Teller::new(&rig.log, "conn").on_open(on_open).on_timer(on_timer);
    rig.connect(0, "10.0.0.2:7000", handler);
    rig.settle();
    rig.log.take();
    rig
}

/// The lines of the connection itself.
fn told(rig: &Rig) -> Vec<String> {
    rig.log.take().into_iter().filter(|line| !line.contains("peer open")).collect()
}

#[test]
fn timers_are_told_by_deadline_and_then_in_the_order_of_setting() {
    let set = |conn: &mut Conn<'_>| {
        conn.set_timer(C, ms(20));
        conn.set_timer(B, ms(10));
        conn.set_timer(A, ms(10));
        Ok(())
    };
    let mut rig = opened(set, |_, _| Ok(()));
    rig.advance(secs(1));
    assert_eq!(told(&rig), ["10ms conn timer 2", "10ms conn timer 1", "20ms conn timer 3"]);
    assert_eq!(rig.stats(0).timers, 0);
}

#[test]
fn setting_a_tag_again_moves_its_timer() {
    let set = |conn: &mut Conn<'_>| {
        conn.set_timer(A, ms(10));
        conn.set_timer(B, ms(30));
        conn.set_timer(A, ms(30));
        Ok(())
    };
    let mut rig = opened(set, |_, _| Ok(()));
    assert_eq!(rig.stats(0).timers, 2);
    rig.advance(secs(1));
    assert_eq!(told(&rig), ["30ms conn timer 2", "30ms conn timer 1"]);
}

#[test]
fn a_timer_cancelled_or_moved_by_an_earlier_one_of_the_same_turn_is_not_told_in_it() {
    let set = |conn: &mut Conn<'_>| {
        [A, B, C].into_iter().for_each(|tag| conn.set_timer(tag, ms(10)));
        Ok(())
    };
    let mut rig = opened(set, |conn, tag| {
        if tag == A {
            assert!(conn.cancel_timer(B) && !conn.cancel_timer(B));
            assert!(!conn.cancel_timer(A), "it has run");
            conn.set_timer(C, ms(5));
        }
        Ok(())
    });
    rig.advance(secs(1));
    assert_eq!(told(&rig), ["10ms conn timer 1", "15ms conn timer 3"]);
}

#[test]
fn a_timer_may_set_itself_again_even_without_delay() {
    let mut left = 3;
    let mut rig = opened(
        |conn| {
            conn.set_timer(A, ms(10));
            Ok(())
        },
        move |conn, tag| {
            left -= 1;
            match left {
                2 => conn.set_timer(tag, Duration::ZERO),
                1 => conn.set_timer(tag, ms(1)),
                _ => {}
            }
            Ok(())
        },
    );
    rig.world.advance(ms(10));
    rig.turn(0);
    assert_eq!(told(&rig), ["10ms conn timer 1"], "a turn ends");
    rig.advance(secs(1));
    assert_eq!(told(&rig), ["10ms conn timer 1", "11ms conn timer 1"]);
}

#[test]
fn timers_die_with_their_connection_however_it_ends() {
    type End = fn(&mut Conn<'_>) -> Flow;
    let ends: [(End, &str); 4] = [
        (
            |conn| {
                conn.close();
                Ok(())
            },
            "closed by this side",
        ),
        (
            |conn| {
                conn.abort();
                Ok(())
            },
            "aborted by this side",
        ),
        (|_| Err(crate::protocol::Failure::msg("enough")), "the handler failed"),
        (|_| panic!("ouch"), "the handler panicked: ouch"),
    ];
    for (end, reason) in ends {
        let mut rig = opened(
            |conn| {
                conn.set_timer(A, ms(10));
                conn.set_timer(B, ms(10));
                conn.set_timer(C, secs(100));
                Ok(())
            },
            move |conn, _| end(conn),
        );
        rig.advance(ms(10));
        assert_eq!(rig.stats(0).timers, 0, "{reason}");
        rig.advance(secs(200));
        let mine: Vec<_> = told(&rig).into_iter().filter(|line| line.contains("conn")).collect();
        let closed = format!("10ms conn closed: {reason}");
        assert_eq!(mine, ["10ms conn timer 1", closed.as_str()]);
        rig.assert_clean(&reason);
    }
}

#[test]
fn a_timer_set_after_the_close_began_is_never_told() {
    let mut rig = opened(
        |conn| {
            conn.close();
            conn.set_timer(A, Duration::ZERO);
            conn.set_timer(B, secs(100));
            Ok(())
        },
        |_, _| panic!("told"),
    );
    rig.advance(secs(200));
    rig.assert_clean(&"set while closing");
}

#[test]
fn a_timer_of_a_gone_connection_does_not_reach_the_next_one_in_its_slot() {
    let mut rig = opened(
        |conn| {
            conn.set_timer(A, ms(10));
            Ok(())
        },
        |conn, _| {
            conn.abort();
            Ok(())
        },
    );
    rig.advance(ms(9));
    let old = rig.reactor(0).accepted();
    assert!(old.is_empty());
    let (log, next) = (rig.log.clone(), rig.log.clone());
    rig.reactor(0).call_later(ms(1), move |reactor| {
        // Due in the same turn, after the timer that ends the first connection.
        log.note("second connects");
        reactor.connect("10.0.0.2:7000", Teller::new(&next, "second")).unwrap();
    });
    rig.advance(secs(1));
    let lines = told(&rig);
    assert!(lines.contains(&"10ms second open".to_owned()), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains("second timer")), "{lines:?}");
}

#[test]
fn a_timer_set_before_the_connection_is_open_is_told_after_on_open() {
    let mut rig = Rig::pair();
    rig.world.latency(ms(50));
    let log = rig.log.clone();
    rig.listen(1, ConnConfig::default(), move || Teller::new(&log, "peer"));
    let handler = Teller::new(&rig.log, "conn");
    let id = rig.connect_with(0, "10.0.0.2:7000", ConnectOptions::default(), handler);
    let mut reactor = rig.reactor(0);
    let mut conn = reactor.conn(id).unwrap();
    conn.set_timer(A, ms(10));
    conn.set_timer(B, ms(150));
    rig.advance(secs(1));
    assert_eq!(told(&rig), ["100ms conn open", "100ms conn timer 1", "150ms conn timer 2"]);
}

#[test]
fn a_timer_that_is_due_before_the_connection_is_open_can_still_be_cancelled_or_moved() {
    let mut rig = Rig::pair();
    rig.world.latency(ms(50));
    let log = rig.log.clone();
    rig.listen(1, ConnConfig::default(), move || Teller::new(&log, "peer"));
    let handler = Teller::new(&rig.log, "conn");
    let id = rig.connect(0, "10.0.0.2:7000", handler);
    let mut reactor = rig.reactor(0);
    let mut conn = reactor.conn(id).unwrap();
    [C, A, B].into_iter().for_each(|tag| conn.set_timer(tag, ms(10)));
    conn.set_timer(Tag(4), ms(5));
    rig.advance(ms(20));
    let mut reactor = rig.reactor(0);
    let mut conn = reactor.conn(id).unwrap();
    assert!(conn.cancel_timer(A) && !conn.cancel_timer(A));
    conn.set_timer(B, ms(100));
    rig.advance(secs(1));
    let expected =
        ["100ms conn open", "100ms conn timer 4", "100ms conn timer 3", "120ms conn timer 2"];
    assert_eq!(told(&rig), expected);
    assert_eq!(rig.stats(0).timers, 0);
}
