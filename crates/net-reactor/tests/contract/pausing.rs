//! A handler that holds its peer back.

use std::time::Duration;

use net_reactor::{CloseReason, Conn, ConnConfig, Flow, Input, Protocol, Tag};

use crate::peer::Peer;
use crate::probe::{Plan, Seen, Step, command, data_of};
use crate::support::{ByHand, KIB, MIB, Served, assert_same, pattern};

#[test]
fn pausing_and_resuming_four_times_loses_nothing() {
    let (plan, watch) = Plan::new(|conn, step| {
        if step == Step::Open {
            for _ in 0..4 {
                conn.pause();
                assert!(conn.is_paused());
                conn.resume();
                assert!(!conn.is_paused());
            }
        }
        Ok(())
    });
    let served = Served::new(move || plan.probe());
    let mut peer = served.peer();
    let sent = pattern(16 * KIB);
    peer.send(&sent);
    drop(peer);
    assert_same(&watch.data(), &sent);
}

#[test]
fn a_pause_in_on_open_holds_until_the_resume() {
    let (plan, watch) = Plan::new(|conn, step| {
        if step == Step::Open {
            conn.pause();
        }
        Ok(())
    });
    let mut by_hand = ByHand::new(ConnConfig::default(), move || plan.probe());
    let mut peer = Peer::connect(&by_hand.address);
    let sent = pattern(30 * KIB);
    peer.send(&sent);
    peer.finish();
    by_hand.turn_until(|event_loop| event_loop.stats().accepted == 1);
    by_hand.assert_quiet();
    let seen = watch.so_far();
    let [Seen::Open(handle)] = &seen[..] else { panic!("{seen:?}") };
    assert_eq!(by_hand.event_loop.stats().bytes_in, 0, "nothing is read");

    let id = handle.id();
    by_hand.event_loop.reactor().conn(id).unwrap().resume();
    by_hand.turn_until_empty();
    let (story, reason) = watch.story();
    assert_same(&data_of(&story), &sent);
    assert!(matches!(story.last(), Some(Seen::Eof)), "the end is told after the data");
    assert!(matches!(reason, CloseReason::PeerClosed), "{reason:?}");
}

#[test]
fn a_pause_between_two_receives_holds_the_second_back() {
    let (plan, watch) = Plan::new(|conn, step| {
        if let Step::Data(_) = step {
            conn.pause();
            conn.set_timer(Tag(1), Duration::ZERO);
        }
        if let Step::Timer(_) = step {
            conn.resume();
        }
        Ok(())
    });
    let served = Served::new(move || plan.probe());
    let mut peer = served.peer();
    let sent = pattern(8 * MIB);
    peer.send(&sent);
    drop(peer);
    let (story, _) = watch.story();
    assert_same(&data_of(&story), &sent);
    // Strictly: open, then data and timer in turns, then the end.
    let between = &story[1..story.len() - 1];
    for pair in between.chunks(2) {
        assert!(matches!(pair, [Seen::Data(_), Seen::Timer]), "{} steps", between.len());
    }
}

/// Reads nothing until it is resumed, then takes all; says which call it was.
struct Reluctant {
    plan: crate::probe::Probe,
    calls: usize,
}

impl Protocol for Reluctant {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        self.plan.on_open(conn)
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        self.calls += 1;
        if self.calls == 1 {
            conn.pause();
            conn.set_timer(Tag(1), Duration::ZERO);
            return Ok(());
        }
        self.plan.on_data(conn, input)
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, tag: Tag) -> Flow {
        conn.resume();
        self.plan.on_timer(conn, tag)
    }

    fn on_eof(
        &mut self,
        conn: &mut Conn<'_>,
        input: &mut Input<'_>,
    ) -> Result<net_reactor::Eof, net_reactor::Failure> {
        self.plan.on_eof(conn, input)
    }

    fn on_close(&mut self, conn: &mut Conn<'_>, reason: CloseReason) {
        self.plan.on_close(conn, reason);
    }
}

#[test]
fn unconsumed_input_comes_again_after_a_resume_though_nothing_new_arrives() {
    let (plan, watch) = Plan::passive();
    let served = Served::new(move || Reluctant { plan: plan.probe(), calls: 0 });
    let mut peer = served.peer();
    peer.send("only once");
    assert_eq!(watch.data_until(9), b"only once");
    drop(peer);
    watch.close_reason();
}

#[test]
fn unconsumed_input_of_a_pause_comes_before_the_end_that_followed_it() {
    for len in [9, 100 * KIB] {
        let (plan, watch) = Plan::passive();
        let mut by_hand =
            ByHand::new(ConnConfig::default(), move || Reluctant { plan: plan.probe(), calls: 0 });
        let mut peer = Peer::connect(&by_hand.address);
        let sent = pattern(len);
        let sent = &sent[..peer.send_what_fits(&sent)];
        drop(peer);
        by_hand.turn_until_empty();
        let (story, reason) = watch.story();
        assert_same(&data_of(&story), sent);
        assert!(matches!(story.last(), Some(Seen::Eof)), "{len}");
        assert!(matches!(reason, CloseReason::PeerClosed), "{reason:?}");
    }
}

#[test]
fn a_handler_that_asks_for_the_same_input_again_and_again_holds_nobody_up() {
    // Unconsumed input and an immediate resume: it must neither recurse nor keep the turn.
    struct Fidget(usize);
    impl Protocol for Fidget {
        fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
            self.0 += 1;
            conn.pause();
            let id = conn.id();
            conn.reactor().defer(move |reactor| {
                if let Some(mut conn) = reactor.conn(id) {
                    conn.resume();
                }
            });
            if self.0 == 1000 {
                conn.write(input.take_all())?;
                conn.close();
            }
            Ok(())
        }
    }
    let served = Served::new(|| Fidget(0));
    let mut bystander = served.bystander();
    let mut peer = served.peer();
    peer.send("round and round");
    bystander.check();
    assert_eq!(peer.read_to_end(), b"round and round");
}

#[test]
fn a_resume_after_a_close_does_not_read_again() {
    let (plan, watch) = Plan::new(|conn, step| {
        if let Step::Data(_) = step {
            conn.pause();
            conn.close();
            conn.resume();
        }
        Ok(())
    });
    let served = Served::new(move || plan.probe());
    let mut peer = served.peer();
    let handle = watch.opened();
    peer.send("first");
    assert_eq!(peer.read_to_end(), b"", "our FIN");
    served
        .handle
        .run_in_loop(move |reactor| {
            if let Some(mut conn) = reactor.conn(handle.id()) {
                conn.pause();
                conn.resume();
            }
        })
        .unwrap();
    peer.send("second");
    drop(peer);
    let (story, reason) = watch.story();
    assert_same(&data_of(&story), b"first");
    assert_eq!(story.len(), 1, "{story:?}");
    assert!(matches!(reason, CloseReason::Closed), "{reason:?}");
}

#[test]
fn a_paused_connection_can_still_write() {
    let (plan, watch) = Plan::new(|conn, step| {
        if step == Step::Open {
            conn.pause();
        }
        Ok(())
    });
    let served = Served::new(move || plan.probe());
    let mut peer = served.peer();
    let handle = watch.opened();
    let sent = pattern(3 * MIB);
    let copy = sent.clone();
    command(&handle, move |conn| Ok(conn.write(copy)?));
    assert_same(&peer.receive(sent.len()), &sent);
    peer.send("read me");
    command(&handle, |conn| {
        conn.resume();
        Ok(())
    });
    assert_eq!(watch.data_until(7), b"read me");
}

#[test]
fn a_flood_at_a_paused_connection_is_held_back_by_the_kernel() {
    let (plan, _watch) = Plan::new(|conn, step| {
        if step == Step::Open {
            conn.pause();
        }
        Ok(())
    });
    let config = ConnConfig::default().receive_buffer(64 * KIB);
    let mut by_hand = ByHand::new(config, move || plan.probe());
    let mut peer = Peer::connect(&by_hand.address);
    by_hand.turn_until(|event_loop| event_loop.stats().accepted == 1);
    let mut sent = 0;
    let flood = vec![0; MIB];
    for _ in 0..20 {
        sent += peer.send_what_fits(&flood);
        by_hand.turn();
    }
    assert_eq!(by_hand.event_loop.stats().bytes_in, 0);
    assert!(sent < 20 * MIB, "the peer is not held back");
}
