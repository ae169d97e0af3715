//! Functions called at a time, to the nanosecond.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use super::rig::{Rig, ms, secs};
use super::teller::Log;
use crate::base::{Instant, TimerId};
use crate::protocol::{LoopConfig, Reactor};

fn rig() -> Rig {
    let mut rig = Rig::new();
    rig.add("a", LoopConfig::default());
    rig
}

/// A call that notes its name and the time.
fn tell(log: &Log, name: &'static str) -> impl FnOnce(&mut Reactor<'_>) + 'static {
    let log = log.clone();
    move |reactor| log.at(reactor.now(), name)
}

#[test]
fn a_call_never_runs_a_nanosecond_early() {
    for delay in [1, 999_999, 1_000_000, 1_000_001, 63 << 20, 86_400_000_000_001] {
        let mut rig = rig();
        let call = tell(&rig.log, "ran");
        rig.reactor(0).call_later(Duration::from_nanos(delay), call);
        rig.jump(Duration::from_nanos(delay - 1));
        assert!(rig.log.take().is_empty(), "{delay} ns");
        rig.jump(Duration::from_nanos(1));
        assert_eq!(rig.log.take().len(), 1, "{delay} ns");
    }
}

#[test]
fn due_calls_run_by_deadline_and_then_in_the_order_of_their_making() {
    let mut rig = rig();
    let log = rig.log.clone();
    for (at, name) in [(3, "c"), (1, "a"), (2, "b"), (3, "d"), (1, "aa"), (3, "e")] {
        rig.reactor(0).call_later(ms(at), tell(&log, name));
    }
    rig.jump(ms(5));
    assert_eq!(log.take(), ["5ms a", "5ms aa", "5ms b", "5ms c", "5ms d", "5ms e"]);
}

#[test]
fn a_moved_call_counts_as_made_anew() {
    let mut rig = rig();
    let log = rig.log.clone();
    let first = rig.reactor(0).call_later(ms(3), tell(&log, "first"));
    rig.reactor(0).call_later(ms(3), tell(&log, "second"));
    assert!(rig.reactor(0).reset(first, ms(3)));
    rig.jump(ms(3));
    assert_eq!(log.take(), ["3ms second", "3ms first"]);
}

#[test]
fn a_call_cancelled_or_moved_by_an_earlier_one_of_the_same_turn_does_not_run_in_it() {
    let mut rig = rig();
    let log = rig.log.clone();
    let ids: Rc<Cell<Option<[TimerId; 3]>>> = Rc::default();
    let (known, noted) = (Rc::clone(&ids), log.clone());
    rig.reactor(0).call_later(ms(1), move |reactor| {
        let [cancelled, reset, delayed] = known.get().unwrap();
        assert!(reactor.cancel(cancelled) && !reactor.cancel(cancelled));
        assert!(reactor.reset(reset, ms(10)));
        assert!(reactor.delay(delayed, ms(20)));
        noted.at(reactor.now(), "first");
    });
    let mut later = |name| rig.reactor(0).call_later(ms(2), tell(&log, name));
    ids.set(Some([later("cancelled"), later("reset"), later("delayed")]));
    rig.jump(ms(5));
    assert_eq!(log.take(), ["5ms first"]);
    rig.advance(secs(1));
    assert_eq!(log.take(), ["15ms reset", "22ms delayed"]);
}

#[test]
fn a_delay_of_zero_runs_in_the_next_turn() {
    let mut rig = rig();
    let log = rig.log.clone();
    rig.reactor(0).call_later(Duration::ZERO, move |reactor| {
        reactor.call_later(Duration::ZERO, tell(&log, "from a timer"));
        let inner = log.clone();
        reactor.defer(move |reactor| {
            reactor.call_later(Duration::ZERO, tell(&inner, "from a task"));
        });
        reactor.call_at(Instant::ORIGIN, tell(&log, "long ago"));
        log.note("first");
    });
    rig.world.advance(ms(1));
    rig.turn(0);
    assert_eq!(rig.log.take(), ["first"]);
    rig.turn(0);
    assert_eq!(rig.log.take(), ["1ms long ago", "1ms from a timer", "1ms from a task"]);
}

#[test]
fn a_repeated_call_keeps_its_grid_and_counts_what_it_missed() {
    let mut rig = rig();
    let log = rig.log.clone();
    let noted = log.clone();
    rig.reactor(0).call_every(ms(10), move |reactor, tick| {
        noted.at(reactor.now(), format_args!("due {:?} missed {}", tick.due, tick.missed));
    });
    rig.advance(ms(20));
    rig.jump(ms(9));
    rig.jump(ms(28));
    rig.jump(ms(3));
    rig.jump(secs(3600));
    let told = [
        "10ms due 10ms missed 0",
        "20ms due 20ms missed 0",
        "57ms due 30ms missed 2",
        "60ms due 60ms missed 0",
        "3600.06s due 70ms missed 359999",
    ];
    assert_eq!(log.take(), told);
    rig.advance(ms(10));
    assert_eq!(log.take(), ["3600.07s due 3600.07s missed 0"]);
}

#[test]
fn a_repeated_call_can_end_or_move_itself() {
    let mut rig = rig();
    let log = rig.log.clone();
    let noted = log.clone();
    let mut ticks = 0;
    let id = rig.reactor(0).call_every(ms(10), move |reactor, tick| {
        ticks += 1;
        noted.at(reactor.now(), tick.missed);
        match ticks {
            1 => assert!(reactor.reset(tick.timer, ms(3))),
            2 => assert!(reactor.delay(tick.timer, ms(100))),
            _ => assert!(reactor.cancel(tick.timer)),
        }
    });
    rig.advance(secs(1));
    assert_eq!(log.take(), ["10ms 0", "13ms 0", "123ms 0"]);
    assert!(!rig.reactor(0).is_active(id));
    assert_eq!(rig.stats(0).timers, 0);
}

#[test]
fn a_timer_knows_its_deadline_until_it_has_run() {
    let mut rig = rig();
    let own: Rc<Cell<Option<TimerId>>> = Rc::default();
    let id = Rc::clone(&own);
    let timer = rig.reactor(0).call_later(ms(7), move |reactor| {
        let id = id.get().unwrap();
        assert!(!reactor.is_active(id), "a call is over when it runs");
        assert!(!reactor.cancel(id) && !reactor.reset(id, ms(1)) && !reactor.delay(id, ms(1)));
    });
    own.set(Some(timer));
    let mut reactor = rig.reactor(0);
    assert_eq!(reactor.deadline(timer), Some(Instant::ORIGIN + ms(7)));
    assert!(reactor.delay(timer, ms(3)));
    assert_eq!(reactor.deadline(timer), Some(Instant::ORIGIN + ms(10)));
    rig.advance(ms(10));
    assert_eq!(rig.reactor(0).deadline(timer), None);
    assert_eq!(rig.stats(0).timers, 0);
}

#[test]
fn an_id_of_another_loop_names_nothing_here() {
    let mut rig = Rig::pair();
    let here = rig.reactor(0).call_later(ms(1), |_| {});
    rig.reactor(1).call_later(ms(1), |_| {});
    assert!(!rig.reactor(1).cancel(here) && !rig.reactor(1).is_active(here));
    assert!(rig.reactor(0).cancel(here));
}

#[test]
fn a_panicking_call_costs_itself_and_nothing_else() {
    let mut rig = rig();
    let log = rig.log.clone();
    rig.reactor(0).call_later(ms(1), |_| panic!("once"));
    rig.reactor(0).call_later(ms(1), tell(&log, "next"));
    let mut ticks = 0;
    let noted = log.clone();
    let every = rig.reactor(0).call_every(ms(2), move |reactor, _| {
        ticks += 1;
        noted.at(reactor.now(), ticks);
        assert!(ticks < 2, "the second tick panics");
    });
    rig.advance(secs(1));
    assert_eq!(log.take(), ["1ms next", "2ms 1", "4ms 2"]);
    assert!(!rig.reactor(0).is_active(every));
    assert_eq!(rig.stats(0).timers, 0);
}

#[test]
fn a_call_that_is_never_due_holds_nothing_up() {
    let mut rig = rig();
    let log = rig.log.clone();
    let never = rig.reactor(0).call_later(Duration::MAX, tell(&log, "never"));
    let every = rig.reactor(0).call_every(Duration::MAX, |_, _| panic!("never"));
    rig.reactor(0).call_later(secs(86_400 * 365 * 100), tell(&log, "after a century"));
    rig.advance(secs(86_400 * 365 * 500));
    assert_eq!(log.take(), ["3153600000s after a century"]);
    assert!(rig.reactor(0).delay(never, secs(1)), "it saturates");
    assert!(rig.reactor(0).cancel(never) && rig.reactor(0).cancel(every));
    assert_eq!(rig.stats(0).timers, 0);
}

#[test]
fn a_call_that_sets_another_runs_it_at_its_own_time() {
    let mut rig = rig();
    let log = rig.log.clone();
    rig.reactor(0).call_later(ms(1), move |reactor| {
        let inner = log.clone();
        reactor.call_later(ms(1), move |reactor| {
            inner.at(reactor.now(), "second");
            reactor.call_later(ms(1), tell(&inner, "third"));
        });
        log.at(reactor.now(), "first");
    });
    rig.advance(secs(1));
    assert_eq!(rig.log.take(), ["1ms first", "2ms second", "3ms third"]);
}
