//! Functions called at a time: never early, in order, and cancelled when they say so.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::mpsc;
use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::{Instant, TimerId};

use crate::support::{Log, PATIENCE, turn_on, turn_until, wait_for};

const MS: Duration = Duration::from_millis(1);

/// Turns until the clock has passed `time`, so that everything up to it is due at once.
fn pass(event_loop: &mut EventLoop, time: Instant) {
    while event_loop.reactor().now() <= time {
        std::hint::spin_loop();
    }
}

#[test]
fn a_call_is_never_early() {
    let mut event_loop = EventLoop::new().unwrap();
    let early = Rc::new(RefCell::new(Vec::new()));
    let left = Rc::new(Cell::new(200));
    for number in 0..200_u64 {
        let delay = Duration::from_nanos(number * 173_111);
        let mut reactor = event_loop.reactor();
        let deadline = reactor.now() + delay;
        let (early, left) = (Rc::clone(&early), Rc::clone(&left));
        let id = reactor.call_later(delay, move |reactor| {
            left.set(left.get() - 1);
            if reactor.now() < deadline {
                early.borrow_mut().push((number, deadline, reactor.now()));
            }
        });
        assert_eq!(reactor.deadline(id), Some(deadline));
    }
    turn_until(&mut event_loop, "all have run", || left.get() == 0);
    assert!(early.borrow().is_empty(), "{early:?}");
}

#[test]
fn due_calls_run_by_deadline_and_then_in_the_order_they_were_made() {
    let mut event_loop = EventLoop::new().unwrap();
    let log = Log::default();
    let start = event_loop.reactor().now();
    for (name, ms) in [("c1", 3), ("a1", 1), ("b1", 2), ("a2", 1), ("c2", 3), ("b2", 2), ("a3", 1)]
    {
        let log = log.clone();
        event_loop.reactor().call_at(start + ms * MS, move |_| log.note(name));
    }
    pass(&mut event_loop, start + 3 * MS);
    event_loop.turn(Some(Duration::ZERO)).unwrap();
    assert_eq!(log.lines(), ["a1", "a2", "a3", "b1", "b2", "c1", "c2"]);
}

#[test]
fn calls_whose_time_has_passed_run_by_deadline_too() {
    let mut event_loop = EventLoop::new().unwrap();
    let log = Log::default();
    let start = event_loop.reactor().now();
    pass(&mut event_loop, start + 10 * MS);
    event_loop.turn(Some(Duration::ZERO)).unwrap();
    for (name, ms) in [("late", 4), ("early", 2), ("late too", 4), ("first", 0)] {
        let log = log.clone();
        event_loop.reactor().call_at(start + ms * MS, move |_| log.note(name));
    }
    event_loop.turn(Some(Duration::ZERO)).unwrap();
    assert_eq!(log.lines(), ["first", "early", "late", "late too"]);
}

#[test]
fn a_call_cancelled_by_another_one_of_the_same_turn_does_not_run() {
    let mut event_loop = EventLoop::new().unwrap();
    let log = Log::default();
    let start = event_loop.reactor().now();
    let victims: Rc<RefCell<Vec<TimerId>>> = Rc::default();
    let (noted, targets) = (log.clone(), Rc::clone(&victims));
    event_loop.reactor().call_at(start + MS, move |reactor| {
        for id in targets.borrow().iter() {
            noted.note(reactor.cancel(*id));
            noted.note(reactor.cancel(*id));
        }
    });
    let (one, every) = (log.clone(), log.clone());
    let mut reactor = event_loop.reactor();
    victims.borrow_mut().push(reactor.call_at(start + MS, move |_| one.note("once ran")));
    victims.borrow_mut().push(reactor.call_every(MS, move |_, _| every.note("every ran")));
    pass(&mut event_loop, start + 5 * MS);
    event_loop.turn(Some(Duration::ZERO)).unwrap();
    turn_on(&mut event_loop);
    assert_eq!(log.lines(), ["true", "false", "true", "false"]);
    assert_eq!(event_loop.stats().timers, 0);
}

#[test]
fn a_timer_that_has_run_or_was_cancelled_names_nothing() {
    let mut event_loop = EventLoop::new().unwrap();
    let log = Log::default();
    let noted = log.clone();
    let ran = event_loop.reactor().call_later(Duration::ZERO, move |_| noted.note("ran"));
    let cancelled = event_loop.reactor().call_later(MS, |_| panic!("it was cancelled"));
    assert!(event_loop.reactor().cancel(cancelled));
    turn_until(&mut event_loop, "ran", || log.has("ran"));
    // A successor in the same slot is not touched by the old name.
    let successor = event_loop.reactor().call_later(PATIENCE, |_| {});
    for stale in [ran, cancelled] {
        let mut reactor = event_loop.reactor();
        assert!(!reactor.is_active(stale));
        assert_eq!(reactor.deadline(stale), None);
        assert!(!reactor.cancel(stale) && !reactor.reset(stale, MS) && !reactor.delay(stale, MS));
    }
    assert!(event_loop.reactor().is_active(successor));
    let mut other = EventLoop::new().unwrap();
    other.reactor().call_later(PATIENCE, |_| {});
    assert!(!other.reactor().cancel(successor), "a name of another loop");
}

#[test]
fn reset_counts_from_now_and_delay_from_the_deadline() {
    let mut event_loop = EventLoop::new().unwrap();
    let mut reactor = event_loop.reactor();
    let id = reactor.call_later(5 * MS, |_| {});
    let first = reactor.deadline(id).unwrap();
    assert!(reactor.delay(id, 7 * MS));
    assert_eq!(reactor.deadline(id), Some(first + 7 * MS));
    assert!(reactor.reset(id, 2 * MS));
    assert_eq!(reactor.deadline(id), Some(reactor.now() + 2 * MS));
    assert!(reactor.is_active(id));
}

#[test]
fn a_due_call_that_is_moved_by_another_one_of_the_same_turn_runs_at_its_new_time() {
    let mut event_loop = EventLoop::new().unwrap();
    let log = Log::default();
    let start = event_loop.reactor().now();
    let target = Rc::new(Cell::new(None));
    let moved = Rc::clone(&target);
    let new_time = Rc::new(Cell::new(None));
    let noted_time = Rc::clone(&new_time);
    event_loop.reactor().call_at(start + MS, move |reactor| {
        assert!(reactor.reset(moved.get().unwrap(), 20 * MS));
        noted_time.set(Some(reactor.now() + 20 * MS));
    });
    let noted = log.clone();
    let ran_at = Rc::clone(&new_time);
    let id = event_loop.reactor().call_at(start + MS, move |reactor| {
        noted.note(reactor.now() >= ran_at.get().unwrap());
    });
    target.set(Some(id));
    pass(&mut event_loop, start + 2 * MS);
    event_loop.turn(Some(Duration::ZERO)).unwrap();
    assert_eq!(log.len(), 0, "it ran in the turn in which it was moved");
    turn_until(&mut event_loop, "it runs", || log.len() == 1);
    assert_eq!(log.lines(), ["true"]);
}

#[test]
fn a_delay_of_zero_runs_in_the_next_turn_wherever_it_is_set() {
    let mut event_loop = EventLoop::new().unwrap();
    let log = Log::default();
    let (timer, task) = (log.clone(), log.clone());
    event_loop.reactor().call_later(Duration::ZERO, move |reactor| {
        timer.note("timer");
        reactor.call_later(Duration::ZERO, move |_| timer.note("set in a timer"));
    });
    event_loop.reactor().defer(move |reactor| {
        task.note("task");
        reactor.call_later(Duration::ZERO, move |_| task.note("set in a task"));
    });
    event_loop.turn(Some(Duration::ZERO)).unwrap();
    assert_eq!(log.lines(), ["timer", "task"]);
    event_loop.turn(Some(Duration::ZERO)).unwrap();
    assert_eq!(log.lines(), ["timer", "task", "set in a timer", "set in a task"]);
}

#[test]
fn a_delay_of_zero_set_while_data_is_handled_runs_in_the_next_turn() {
    let mut event_loop = EventLoop::new().unwrap();
    let log = Log::default();
    let noted = log.clone();
    let (_, address) = crate::support::listen(&mut event_loop, move |_| {
        let noted = noted.clone();
        crate::support::Script::new().on_data(move |conn, _| {
            let (data, timer) = (noted.clone(), noted.clone());
            data.note("data");
            conn.set_timer(Tag(1), Duration::ZERO);
            conn.reactor().call_later(Duration::ZERO, move |_| timer.note("timer"));
            Ok(())
        })
    });
    let mut client = crate::support::peer(address);
    std::io::Write::write_all(&mut client, b"x").unwrap();
    turn_until(&mut event_loop, "data", || log.len() > 0);
    assert_eq!(log.lines(), ["data"], "the timer ran in the turn in which it was set");
    event_loop.turn(Some(Duration::ZERO)).unwrap();
    assert_eq!(log.lines(), ["data", "timer"]);
}

#[test]
fn a_call_that_sets_itself_again_and_again_lets_the_turn_end() {
    fn again(reactor: &mut Reactor<'_>, count: Rc<Cell<u32>>) {
        count.set(count.get() + 1);
        reactor.call_later(Duration::ZERO, move |reactor| again(reactor, count));
    }
    let mut event_loop = EventLoop::new().unwrap();
    let count = Rc::new(Cell::new(0));
    again(&mut event_loop.reactor(), Rc::clone(&count));
    for turn in 1..=10 {
        event_loop.turn(None).unwrap();
        assert_eq!(count.get(), turn + 1);
    }
}

#[test]
fn a_call_set_in_a_callback_runs_soon_after_its_time() {
    let mut event_loop = EventLoop::new().unwrap();
    let late = Rc::new(Cell::new(None));
    let noted = Rc::clone(&late);
    event_loop.reactor().call_later(MS, move |reactor| {
        let deadline = reactor.now() + MS;
        reactor.call_later(MS, move |reactor| noted.set(Some(reactor.now() - deadline)));
    });
    while late.get().is_none() {
        event_loop.turn(None).unwrap();
    }
    let late = late.get().unwrap();
    assert!(late < Duration::from_millis(500), "{late:?} late");
}

#[test]
fn a_panicking_call_costs_itself_only() {
    let mut event_loop = EventLoop::new().unwrap();
    let log = Log::default();
    let (once, every) = (log.clone(), log.clone());
    let mut reactor = event_loop.reactor();
    reactor.call_later(Duration::ZERO, |_| panic!("a call panics"));
    reactor.call_later(Duration::ZERO, move |_| once.note("once"));
    let periodic = reactor.call_every(MS, move |_, _| {
        every.note("every");
        panic!("a repeated call panics");
    });
    turn_until(&mut event_loop, "both", || log.len() == 2);
    assert!(!event_loop.reactor().is_active(periodic), "a panic cancels a repeated call");
    for _ in 0..5 {
        turn_on(&mut event_loop);
    }
    assert_eq!(log.lines(), ["once", "every"]);
    assert_eq!(event_loop.stats().timers, 0);
}

#[test]
fn a_far_future_deadline_neither_fires_nor_spins_nor_blocks_the_rest() {
    // Delays around the limits of what a sleep can be told: 2^31 and 2^32 ms, 2^64 ns, for ever.
    let far = [1_u64 << 31, (1 << 31) + 1, 1 << 32, (1 << 32) + 1, u64::MAX / 1_000_000, u64::MAX]
        .map(Duration::from_millis);
    for delay in far.into_iter().chain([Duration::MAX]) {
        let mut event_loop = EventLoop::new().unwrap();
        event_loop.reactor().call_later(delay, |_| panic!("the end of time has come"));
        event_loop.reactor().call_every(delay, |_, _| panic!("the end of time has come"));
        for _ in 0..3 {
            event_loop.turn(Some(MS)).unwrap();
        }
        let handle = event_loop.handle();
        // Another loop tells the time, so that this one has nothing but the far deadline.
        let waker = std::thread::spawn(move || {
            let mut clock = EventLoop::new().unwrap();
            clock.reactor().call_later(30 * MS, |reactor| reactor.stop());
            clock.run().unwrap();
            handle.stop();
        });
        let before = event_loop.stats().turns;
        event_loop.run().unwrap();
        waker.join().unwrap();
        let turns = event_loop.stats().turns - before;
        assert!(turns < 10, "{turns} turns of waiting for {delay:?}");
    }
}

#[test]
fn a_turn_without_a_limit_to_speak_of_sleeps_until_it_is_woken() {
    for limit in [Duration::MAX, Duration::from_nanos(u64::MAX), Duration::from_millis(1 << 32)] {
        let mut event_loop = EventLoop::new().unwrap();
        let handle = event_loop.handle();
        let log = Log::default();
        let noted = log.clone();
        let before = event_loop.reactor().now();
        let waker = std::thread::spawn(move || {
            let mut clock = EventLoop::new().unwrap();
            clock.reactor().call_later(30 * MS, |reactor| reactor.stop());
            clock.run().unwrap();
            handle.stop();
        });
        event_loop.reactor().call_later(Duration::MAX, move |_| noted.note("the end of time"));
        let mut turns = 0;
        while event_loop.turn(Some(limit)).unwrap().is_none() {
            turns += 1;
            assert!(turns < 10, "{turns} turns, each told to take {limit:?}");
        }
        assert!(event_loop.reactor().now() - before >= 30 * MS);
        waker.join().unwrap();
        assert_eq!(log.len(), 0);
    }
}

#[test]
fn another_thread_sets_moves_and_cancels_calls_by_posts() {
    let mut event_loop = EventLoop::new().unwrap();
    let handle = event_loop.handle();
    let (tell, told) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        // The ids come back to the thread, and name the same calls there.
        let set = |delay, name: &'static str| {
            let (tell, (id, ids)) = (tell.clone(), mpsc::channel());
            let call = move |_: &mut Reactor<'_>| tell.send(name).unwrap();
            let post = move |reactor: &mut Reactor<'_>| {
                id.send(reactor.call_later(delay, call)).unwrap();
            };
            handle.run_in_loop(post).unwrap();
            wait_for(&ids, "the id of a call")
        };
        let cancelled = set(PATIENCE, "cancelled");
        let moved = set(PATIENCE, "moved");
        let (answer, answers) = mpsc::channel();
        let post = move |reactor: &mut Reactor<'_>| {
            let twice = [reactor.cancel(cancelled), reactor.cancel(cancelled)];
            answer.send((twice, reactor.reset(moved, Duration::ZERO))).unwrap();
        };
        handle.run_in_loop(post).unwrap();
        assert_eq!(wait_for(&answers, "an answer"), ([true, false], true));
        assert_eq!(wait_for(&told, "the call"), "moved");
        handle.stop();
        told
    });
    event_loop.run().unwrap();
    assert!(thread.join().unwrap().try_recv().is_err(), "the other one was cancelled");
    assert_eq!(event_loop.stats().timers, 0);
}
