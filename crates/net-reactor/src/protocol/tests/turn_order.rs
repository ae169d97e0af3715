//! What a turn does, in which order, and what waits for the next one.

use std::cell::RefCell;
use std::rc::Rc;

use super::rig::{Rig, ms};
use super::teller::Teller;
use crate::base::ConnId;
use crate::net::ConnConfig;
use crate::protocol::LoopConfig;

/// A handler of `a`'s peers, that answers with what it got.
fn echo(rig: &Rig) -> Teller {
    Teller::new(&rig.log, "server").on_data(|conn, input| {
        conn.write(input.take_all())?;
        Ok(())
    })
}

#[test]
fn a_turn_serves_events_then_timers_then_tasks_and_sends_at_its_end() {
    let mut rig = Rig::new();
    rig.add("a", LoopConfig::default());
    let log = rig.log.clone();
    let server = move || {
        let inner = log.clone();
        Teller::new(&log, "server").on_data(move |conn, input| {
            conn.write(input.take_all())?;
            inner.note("answered");
            Ok(())
        })
    };
    rig.listen(0, ConnConfig::default(), server);
    let bare = rig.bare("b");
    let mut peer = bare.connect("10.0.0.1:7000");
    rig.settle();
    let (timer, task) = (rig.log.clone(), rig.log.clone());
    rig.reactor(0).defer(move |_| task.note("task"));
    rig.reactor(0).call_later(ms(5), move |_| timer.note("timer"));
    rig.world.advance(ms(5));
    peer.send(b"word").unwrap();
    rig.log.take();
    rig.turn(0);
    assert_eq!(rig.log.take(), ["5ms server data 4", "answered", "timer", "task"]);
    assert_eq!(peer.receive().unwrap(), (b"word".to_vec(), false), "sent in the same turn");
}

#[test]
fn what_is_posted_runs_after_what_was_deferred_and_before_the_flush() {
    let mut rig = Rig::pair();
    let (deferred, posted) = (rig.log.clone(), rig.log.clone());
    let handle = rig.event_loop(0).handle();
    handle.run_in_loop(move |_| posted.note("posted")).unwrap();
    rig.reactor(0).defer(move |_| deferred.note("deferred"));
    rig.turn(0);
    assert_eq!(rig.log.take(), ["deferred", "posted"]);
}

#[test]
fn what_a_timer_posts_to_its_own_loop_runs_in_the_same_turn() {
    let mut rig = Rig::pair();
    let (timer, posted) = (rig.log.clone(), rig.log.clone());
    let handle = rig.event_loop(0).handle();
    rig.reactor(0).call_later(ms(5), move |_| {
        timer.note("timer");
        handle.run_in_loop(move |_| posted.note("posted")).unwrap();
    });
    rig.world.advance(ms(5));
    rig.turn(0);
    assert_eq!(rig.log.take(), ["timer", "posted"]);
}

#[test]
fn what_a_task_defers_or_posts_runs_in_the_next_turn() {
    let mut rig = Rig::pair();
    let log = rig.log.clone();
    rig.reactor(0).defer(move |reactor| {
        let (deferred, posted) = (log.clone(), log.clone());
        log.note("first");
        reactor.defer(move |_| deferred.note("deferred"));
        reactor.handle().run_in_loop(move |_| posted.note("posted")).unwrap();
    });
    rig.turn(0);
    assert_eq!(rig.log.take(), ["first"]);
    rig.turn(0);
    assert_eq!(rig.log.take(), ["deferred", "posted"]);
}

#[test]
fn what_an_event_or_a_timer_defers_runs_in_the_same_turn() {
    let mut rig = Rig::pair();
    let log = rig.log.clone();
    rig.reactor(0).call_later(ms(1), move |reactor| {
        let task = log.clone();
        log.note("timer");
        reactor.defer(move |_| task.note("task"));
    });
    rig.world.advance(ms(1));
    rig.turn(0);
    assert_eq!(rig.log.take(), ["timer", "task"]);
}

#[test]
fn what_follows_from_a_callback_is_told_after_it_in_the_order_of_its_causes() {
    let mut rig = Rig::pair();
    let log = rig.log.clone();
    let ids: Rc<RefCell<Vec<ConnId>>> = Rc::default();
    let number = RefCell::new(0);
    let all = Rc::clone(&ids);
    rig.listen(0, ConnConfig::default(), move || {
        *number.borrow_mut() += 1;
        let (inner, all) = (log.clone(), Rc::clone(&all));
        let opened = Rc::clone(&all);
        Teller::new(&log, format!("s{}", number.borrow()))
            .on_open(move |conn| {
                opened.borrow_mut().push(conn.id());
                Ok(())
            })
            .on_data(move |conn, input| {
                input.take_all();
                for id in all.borrow().iter().rev() {
                    assert!(conn.reactor().abort(*id));
                    assert!(conn.reactor().conn(*id).is_none());
                }
                assert!(conn.write("too late").is_err());
                inner.note("returns");
                Ok(())
            })
    });
    let bare = rig.bare("b");
    let mut peers: Vec<_> = (0..3).map(|_| bare.connect("10.0.0.1:7000")).collect();
    rig.settle();
    rig.log.take();
    peers[1].send(b"x").unwrap();
    rig.turn(0);
    let told = [
        "0ns s2 data 1",
        "returns",
        "0ns s3 closed: aborted by this side",
        "0ns s2 closed: aborted by this side",
        "0ns s1 closed: aborted by this side",
    ];
    assert_eq!(rig.log.take(), told);
    rig.log.assert_faultless(&"nesting");
}

#[test]
fn all_writes_of_a_turn_leave_in_one_send() {
    let mut rig = Rig::pair();
    let client = Teller::new(&rig.log, "client").on_open(|conn| {
        let id = conn.id();
        conn.write("1")?;
        conn.write_shared(vec![b'2'; 600].into())?;
        conn.reactor().defer(move |reactor| {
            reactor.write(id, "3").unwrap();
            reactor.handle().run_in_loop(move |reactor| reactor.write(id, "4").unwrap()).unwrap();
        });
        Ok(())
    });
    let log = rig.log.clone();
    rig.listen(0, ConnConfig::default(), move || Teller::new(&log, "server"));
    rig.connect(1, "10.0.0.1:7000", client);
    rig.settle();
    let told = ["0ns server open", "0ns client open", "0ns server data 602", "0ns server data 1"];
    assert_eq!(rig.log.take(), told);
}

#[test]
fn answers_to_several_peers_leave_in_one_send_each() {
    let mut rig = Rig::pair();
    let echo = {
        let log = rig.log.clone();
        move || {
            Teller::new(&log, "server").on_data(|conn, input| {
                for byte in input.take_all() {
                    conn.write([*byte])?;
                }
                Ok(())
            })
        }
    };
    rig.listen(0, ConnConfig::default(), echo);
    for name in ["one", "two"] {
        let client = Teller::new(&rig.log, name).on_open(|conn| Ok(conn.write("abcdef")?));
        rig.connect(1, "10.0.0.1:7000", client);
    }
    rig.settle();
    let lines = rig.log.take();
    let received: Vec<_> =
        lines.iter().filter(|line| line.contains("data") && !line.contains("server")).collect();
    assert_eq!(received, ["0ns one data 6", "0ns two data 6"]);
}

#[test]
fn the_clock_stands_still_during_a_turn() {
    let mut rig = Rig::new();
    rig.add("a", LoopConfig::default());
    let server = echo(&rig);
    let server = RefCell::new(Some(server));
    rig.listen(0, ConnConfig::default(), move || server.take());
    let (world, log) = (rig.world.clone(), rig.log.clone());
    rig.reactor(0).call_later(ms(1), move |reactor| {
        let before = reactor.now();
        world.advance(ms(7));
        assert_eq!(reactor.now(), before);
        let late = log.clone();
        reactor.call_at(before, move |reactor| late.at(reactor.now(), "late"));
        log.at(reactor.now(), "timer");
    });
    rig.world.advance(ms(1));
    rig.settle();
    assert_eq!(rig.log.take(), ["1ms timer", "8ms late"]);
}
