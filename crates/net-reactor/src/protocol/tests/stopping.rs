//! Stopping: told, drained, aborted, and run again.

use super::rig::{Rig, ms, secs};
use super::teller::Teller;
use crate::base::Input;
use crate::net::{ConnConfig, ConnectError};
use crate::protocol::{Conn, Flow, LoopConfig, Protocol, Reactor, Tag};

/// Loop 0 listens; three loops' worth of peers are connected to it.
fn serving(config: LoopConfig, handler: impl Fn(Teller) -> Teller + 'static) -> Rig {
    let mut rig = Rig::new();
    rig.add("a", config);
    rig.add("b", LoopConfig::default());
    let log = rig.log.clone();
    rig.listen(0, ConnConfig::default(), move || handler(Teller::new(&log, "conn")));
    rig
}

/// The stops so far: when, which loop, how many connections were aborted.
fn stops(rig: &Rig) -> Vec<(u64, usize, usize)> {
    let ms = |nanos| nanos / 1_000_000;
    rig.stops.iter().map(|(at, index, how)| (ms(at.as_nanos()), *index, how.aborted)).collect()
}

#[test]
fn a_stop_tells_every_handler_and_ends_when_all_have_finished() {
    let mut rig = serving(LoopConfig::default(), |teller| teller);
    let log = rig.log.clone();
    rig.connect(1, "a:7000", Teller::new(&log, "peer"));
    rig.settle();
    rig.log.take();
    rig.reactor(0).stop();
    assert!(rig.reactor(0).is_stopping());
    rig.settle();
    let told = [
        "0ns conn stop",
        "0ns peer eof",
        "0ns peer closed: closed by the peer",
        "0ns conn closed: closed by this side",
    ];
    assert_eq!(rig.log.take(), told);
    assert_eq!(stops(&rig), [(0, 0, 0)]);
    assert!(!rig.reactor(0).is_stopping());
    rig.assert_clean(&"stopped");
}

#[test]
fn what_does_not_finish_within_10_s_is_aborted() {
    let mut rig = serving(LoopConfig::default(), |teller| teller.on_stop(|_| Ok(())));
    let log = rig.log.clone();
    for name in ["one", "two"] {
        rig.connect(1, "a:7000", Teller::new(&log, name));
    }
    rig.advance(secs(1));
    rig.log.take();
    rig.reactor(0).stop();
    rig.advance(secs(60));
    let lines = rig.log.take();
    assert_eq!(lines[..2], ["1s conn stop"; 2]);
    assert_eq!(lines[2..4], ["11s conn closed: the loop stopped"; 2]);
    assert_eq!(
        lines[4..],
        ["11s one closed: reset by the peer", "11s two closed: reset by the peer"]
    );
    assert_eq!(stops(&rig), [(11_000, 0, 2)]);
    rig.assert_clean(&"drained");
}

#[test]
fn the_patience_of_a_stop_is_as_long_as_it_was_told() {
    let config = LoopConfig::default().drain(ms(250));
    let mut rig = serving(config, |teller| teller.on_stop(|_| Ok(())));
    let log = rig.log.clone();
    rig.connect(1, "a:7000", Teller::new(&log, "peer"));
    rig.settle();
    rig.reactor(0).stop();
    rig.advance(secs(1));
    assert_eq!(stops(&rig), [(250, 0, 1)]);
}

#[test]
fn a_stopping_loop_still_serves_what_it_has() {
    let mut rig = serving(LoopConfig::default(), |teller| {
        teller
            .on_stop(|conn| {
                conn.set_timer(Tag(1), ms(100));
                Ok(())
            })
            .on_timer(|conn, _| {
                conn.write("last words")?;
                conn.close();
                Ok(())
            })
    });
    let log = rig.log.clone();
    rig.connect(1, "a:7000", Teller::new(&log, "peer"));
    rig.settle();
    rig.log.take();
    rig.reactor(0).stop();
    rig.connect(1, "a:7000", Teller::new(&log, "late"));
    rig.advance(secs(1));
    let lines = rig.log.take();
    assert!(lines.contains(&"100ms peer data 10".into()), "{lines:?}");
    assert!(lines.iter().any(|line| line.contains("late failed") || line.contains("late closed")));
    assert_eq!(stops(&rig), [(100, 0, 0)]);
}

#[test]
fn a_stop_cancels_what_is_connecting() {
    let mut rig = serving(LoopConfig::default(), |teller| teller);
    rig.world.hang_name("slow");
    let log = rig.log.clone();
    for target in ["10.9.9.9:80", "slow:80"] {
        rig.connect(0, target, Teller::new(&log, "conn"));
    }
    rig.advance(secs(1));
    rig.reactor(0).stop();
    rig.settle();
    assert_eq!(rig.log.take(), ["1s conn failed: connecting was cancelled"; 2]);
    assert_eq!(stops(&rig), [(1_000, 0, 0)]);
    rig.assert_clean(&"cancelled");
}

#[test]
fn stop_now_aborts_at_the_end_of_the_turn() {
    let mut rig = serving(LoopConfig::default(), |teller| teller);
    let log = rig.log.clone();
    rig.connect(1, "a:7000", Teller::new(&log, "peer"));
    rig.settle();
    rig.log.take();
    let noted = rig.log.clone();
    rig.reactor(0).defer(move |reactor| {
        reactor.stop_now();
        reactor.defer(|_| panic!("not in this run"));
        noted.note("asked");
    });
    rig.turn(0);
    // Who is not waited for is not asked: there is no `on_stop`.
    assert_eq!(rig.log.take(), ["asked", "0ns conn closed: the loop stopped"]);
    assert_eq!(stops(&rig), [(0, 0, 1)]);
}

#[test]
fn a_second_stronger_request_ends_the_patience() {
    let mut rig = serving(LoopConfig::default(), |teller| teller.on_stop(|_| Ok(())));
    let log = rig.log.clone();
    rig.connect(1, "a:7000", Teller::new(&log, "peer"));
    rig.settle();
    let handle = rig.event_loop(0).handle();
    handle.stop();
    rig.advance(secs(3));
    assert!(rig.stops.is_empty());
    handle.stop();
    rig.advance(secs(1));
    assert!(rig.stops.is_empty());
    handle.stop_now();
    handle.stop();
    rig.settle();
    assert_eq!(stops(&rig), [(4_000, 0, 1)]);
}

#[test]
fn a_stopped_loop_runs_again_with_what_is_left_and_what_is_new() {
    let mut rig = serving(LoopConfig::default(), |teller| teller);
    let (log, task) = (rig.log.clone(), rig.log.clone());
    rig.reactor(0).call_later(secs(5), move |reactor| log.at(reactor.now(), "timer"));
    let handle = rig.event_loop(0).handle();
    handle.stop();
    rig.advance(secs(1));
    assert_eq!(stops(&rig), [(0, 0, 0)]);
    handle.run_in_loop(move |reactor| task.at(reactor.now(), "task")).unwrap();
    let log = rig.log.clone();
    rig.listen(0, ConnConfig::default(), move || Teller::new(&log, "conn"));
    let log = rig.log.clone();
    rig.connect(1, "a:7000", Teller::new(&log, "peer"));
    rig.advance(secs(9));
    let mut lines = rig.log.take();
    lines.sort();
    assert_eq!(lines, ["1s conn open", "1s peer open", "1s task", "5s timer"]);
    handle.stop();
    rig.settle();
    assert_eq!(stops(&rig), [(0, 0, 0), (10_000, 0, 0)]);
    rig.assert_clean(&"twice");
}

#[test]
fn a_stop_before_the_first_turn_is_kept() {
    let mut rig = serving(LoopConfig::default(), |teller| teller);
    rig.event_loop(0).handle().stop();
    rig.turn(0);
    assert_eq!(stops(&rig), [(0, 0, 0)]);
}

#[test]
fn a_stopping_loop_starts_nothing_new() {
    let mut rig = serving(LoopConfig::default(), |teller| teller);
    let again = rig.log.clone();
    let peer = Teller::new(&rig.log, "peer").on_stop(move |conn| {
        let again = Teller::new(&again, "again");
        conn.reactor().connect("10.9.9.9:80", again).unwrap();
        conn.close();
        Ok(())
    });
    rig.connect(1, "a:7000", peer);
    rig.settle();
    rig.log.take();
    rig.reactor(1).stop();
    rig.advance(secs(60));
    let lines = rig.log.take();
    assert!(lines.contains(&"0ns again failed: connecting was cancelled".into()), "{lines:?}");
    assert_eq!(stops(&rig), [(0, 1, 0)]);
    rig.assert_clean(&"again");
}

#[test]
fn a_handler_that_tries_again_for_ever_cannot_keep_a_loop_from_stopping() {
    struct Again(super::teller::Log);
    impl Protocol for Again {
        fn on_data(&mut self, _: &mut Conn<'_>, _: &mut Input<'_>) -> Flow {
            Ok(())
        }

        fn on_connect_failed(&mut self, reactor: &mut Reactor<'_>, _: ConnectError) {
            self.0.note("failed");
            let again = Self(self.0.clone());
            reactor.connect("b:7001", again).unwrap();
        }
    }
    let mut rig = serving(LoopConfig::default(), |teller| teller);
    rig.world.latency(ms(10));
    let again = Again(rig.log.clone());
    rig.connect(0, "b:7001", again);
    rig.advance(ms(100));
    assert_eq!(rig.log.take(), ["failed"; 5]);
    rig.reactor(0).stop();
    for _ in 0..10 {
        rig.turn(0);
    }
    assert_eq!(rig.stops.len(), 1);
}

#[test]
fn what_a_thread_has_posted_before_it_stops_the_loop_runs_before_the_stop() {
    let mut rig = Rig::pair();
    let handle = rig.event_loop(0).handle();
    let log = rig.log.clone();
    handle.run_in_loop(move |_| log.note("ran")).unwrap();
    handle.stop();
    rig.settle();
    assert_eq!(rig.log.take(), ["ran"]);
    assert_eq!(rig.stops.len(), 1);
}
