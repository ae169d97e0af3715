//! Deferred calls: their order, their turn, and what they may not starve.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use net_reactor::prelude::*;

use crate::support::{Log, echo, expect_echo, listen, peer, turn_on, turn_until};

#[test]
fn deferred_calls_run_in_the_order_they_were_made() {
    let mut event_loop = EventLoop::new().unwrap();
    let log = Log::default();
    for number in 0..5 {
        let log = log.clone();
        event_loop.reactor().defer(move |_| log.note(number));
    }
    assert_eq!(log.len(), 0, "run from within the call");
    event_loop.turn(None).unwrap();
    assert_eq!(log.lines(), ["0", "1", "2", "3", "4"]);
}

#[test]
fn what_a_task_defers_runs_in_the_next_turn() {
    let mut event_loop = EventLoop::new().unwrap();
    let log = Log::default();
    let (outer, second) = (log.clone(), log.clone());
    event_loop.reactor().defer(move |reactor| {
        outer.note("a");
        reactor.defer(move |_| outer.note("a, deferred"));
    });
    event_loop.reactor().defer(move |_| second.note("b"));
    event_loop.turn(None).unwrap();
    assert_eq!(log.lines(), ["a", "b"]);
    event_loop.turn(None).unwrap();
    assert_eq!(log.lines(), ["a", "b", "a, deferred"]);
}

#[test]
fn what_a_timer_defers_runs_in_the_same_turn() {
    let mut event_loop = EventLoop::new().unwrap();
    let log = Log::default();
    let noted = log.clone();
    event_loop.reactor().call_later(Duration::ZERO, move |reactor| {
        noted.note("timer");
        reactor.defer(move |_| noted.note("deferred"));
    });
    event_loop.turn(None).unwrap();
    assert_eq!(log.lines(), ["timer", "deferred"]);
}

#[test]
fn a_panicking_task_costs_itself_only() {
    let mut event_loop = EventLoop::new().unwrap();
    let log = Log::default();
    let (first, last) = (log.clone(), log.clone());
    event_loop.reactor().defer(move |_| first.note("first"));
    event_loop.reactor().defer(|_| panic!("a task panics"));
    event_loop.handle().run_in_loop(|_| panic!("a posted task panics")).unwrap();
    event_loop.handle().run_in_loop(move |_| last.note("last")).unwrap();
    event_loop.turn(None).unwrap();
    assert_eq!(log.lines(), ["first", "last"]);
}

/// Starts calls that post themselves again for ever: one deferred, one through a handle.
fn storm(event_loop: &mut EventLoop) -> Rc<Cell<u64>> {
    fn defer_again(reactor: &mut Reactor<'_>, count: Rc<Cell<u64>>) {
        count.set(count.get() + 1);
        reactor.defer(move |reactor| defer_again(reactor, count));
    }
    fn post_again(reactor: &mut Reactor<'_>) {
        reactor.handle().run_in_loop(post_again).unwrap();
    }
    let count = Rc::new(Cell::new(0));
    defer_again(&mut event_loop.reactor(), Rc::clone(&count));
    post_again(&mut event_loop.reactor());
    count
}

#[test]
fn calls_that_repost_themselves_starve_neither_timers_nor_sockets() {
    let mut event_loop = EventLoop::new().unwrap();
    let count = storm(&mut event_loop);
    let (_, address) = listen(&mut event_loop, |_| echo());
    let ticks = Rc::new(Cell::new(0));
    let counted = Rc::clone(&ticks);
    event_loop.reactor().call_every(Duration::from_millis(1), move |_, _| {
        counted.set(counted.get() + 1);
    });
    let client = std::thread::spawn(move || {
        let mut stream = peer(address);
        for _ in 0..20 {
            expect_echo(&mut stream, b"through the storm");
        }
    });
    turn_until(&mut event_loop, "the echoes", || client.is_finished());
    client.join().unwrap();
    turn_until(&mut event_loop, "ticks", || ticks.get() >= 5);
    assert!(count.get() > 20, "the storm blew all the while");
}

#[test]
fn calls_that_repost_themselves_do_not_keep_the_loop_from_stopping() {
    let mut event_loop = EventLoop::new().unwrap();
    storm(&mut event_loop);
    event_loop.handle().stop();
    event_loop.run().unwrap();
    // What is left waits for the next run, and that one can be stopped as well.
    event_loop.handle().stop();
    event_loop.run().unwrap();
}

#[test]
fn more_tasks_than_one_turn_takes_all_run_in_order() {
    const TASKS: u32 = 20_000;
    let mut event_loop = EventLoop::new().unwrap();
    let next = Rc::new(Cell::new(0));
    for number in 0..TASKS {
        let next = Rc::clone(&next);
        event_loop.reactor().defer(move |_| {
            assert_eq!(next.get(), number);
            next.set(number + 1);
        });
    }
    turn_until(&mut event_loop, "all have run", || next.get() == TASKS);
    turn_on(&mut event_loop);
    assert_eq!(next.get(), TASKS);
}
