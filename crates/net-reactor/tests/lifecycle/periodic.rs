//! Repeated calls: the grid, what is missed, and every way to end or move one.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::{Instant, Tick, TimerId};

use crate::support::{PATIENCE, turn_on, turn_until};

const MS: Duration = Duration::from_millis(1);

type Ticks = Rc<RefCell<Vec<Tick>>>;

fn every(event_loop: &mut EventLoop, period: Duration) -> (TimerId, Instant, Ticks) {
    let ticks = Ticks::default();
    let noted = Rc::clone(&ticks);
    let mut reactor = event_loop.reactor();
    let start = reactor.now();
    let id = reactor.call_every(period, move |_, tick| noted.borrow_mut().push(tick));
    (id, start, ticks)
}

/// Keeps the loop's thread busy until its clock has passed `time`.
fn pass(event_loop: &mut EventLoop, time: Instant) {
    while event_loop.reactor().now() <= time {
        std::hint::spin_loop();
    }
}

#[test]
fn ticks_stay_on_the_grid_of_the_first_one() {
    let mut event_loop = EventLoop::new().unwrap();
    let period = 3 * MS;
    let (_, start, ticks) = every(&mut event_loop, period);
    turn_until(&mut event_loop, "ten ticks", || ticks.borrow().len() >= 10);
    let mut expected = start;
    for tick in ticks.borrow().iter() {
        expected += period;
        assert_eq!(tick.due, expected);
        // Where ticks were missed, the next one is due on the grid behind them.
        expected += period * u32::try_from(tick.missed).unwrap();
    }
}

#[test]
fn ticks_missed_by_a_busy_loop_are_counted_and_skipped() {
    let mut event_loop = EventLoop::new().unwrap();
    let period = 10 * MS;
    let (id, start, ticks) = every(&mut event_loop, period);
    pass(&mut event_loop, start + 35 * MS);
    event_loop.turn(Some(Duration::ZERO)).unwrap();
    let now = event_loop.reactor().now();
    let [tick] = ticks.borrow()[..] else { panic!("{ticks:?}") };
    assert_eq!(tick.due, start + period);
    // At least the ticks at 20 and 30 ms; more on a machine that is busy itself.
    assert!(tick.missed >= 2, "{tick:?}");
    let next = event_loop.reactor().deadline(id).unwrap();
    assert_eq!(next, tick.due + period * u32::try_from(tick.missed + 1).unwrap());
    assert!(next + period > now, "a tick of the past is still waiting");
}

#[test]
fn a_tick_that_blocks_the_loop_makes_the_next_one_count_what_it_missed() {
    let mut event_loop = EventLoop::new().unwrap();
    let missed = Rc::new(RefCell::new(Vec::new()));
    let noted = Rc::clone(&missed);
    // The clock of a second loop tells how long the first one was blocked.
    let mut clock = EventLoop::new().unwrap();
    event_loop.reactor().call_every(5 * MS, move |_, tick| {
        noted.borrow_mut().push(tick.missed);
        if noted.borrow().len() == 1 {
            let until = clock.reactor().now() + 22 * MS;
            pass(&mut clock, until);
        }
    });
    turn_until(&mut event_loop, "two ticks", || missed.borrow().len() >= 2);
    assert!(missed.borrow()[1] >= 3, "{missed:?}");
}

#[test]
fn a_repeated_call_may_cancel_itself() {
    let mut event_loop = EventLoop::new().unwrap();
    let id: Rc<Cell<Option<TimerId>>> = Rc::default();
    let (own, count) = (Rc::clone(&id), Rc::new(Cell::new(0)));
    let counted = Rc::clone(&count);
    let timer = event_loop.reactor().call_every(MS, move |reactor, _| {
        counted.set(counted.get() + 1);
        if counted.get() == 3 {
            let own = own.get().unwrap();
            assert!(reactor.is_active(own));
            assert!(reactor.cancel(own));
            assert!(!reactor.is_active(own) && !reactor.cancel(own));
        }
    });
    id.set(Some(timer));
    turn_until(&mut event_loop, "three ticks", || count.get() == 3);
    for _ in 0..5 {
        turn_on(&mut event_loop);
    }
    assert_eq!(count.get(), 3);
    assert_eq!(event_loop.stats().timers, 0);
    assert_eq!(Rc::strong_count(&count), 1, "the function was not dropped");
}

#[test]
fn a_repeated_call_may_replace_itself_in_its_own_tick() {
    let mut event_loop = EventLoop::new().unwrap();
    let id: Rc<Cell<Option<TimerId>>> = Rc::default();
    let own = Rc::clone(&id);
    let (old, new) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let (olds, news) = (Rc::clone(&old), Rc::clone(&new));
    let timer = event_loop.reactor().call_every(MS, move |reactor, _| {
        olds.set(olds.get() + 1);
        assert!(reactor.cancel(own.get().unwrap()));
        let news = Rc::clone(&news);
        // It takes the place that was just given up.
        reactor.call_every(MS, move |_, _| news.set(news.get() + 1));
    });
    id.set(Some(timer));
    turn_until(&mut event_loop, "ticks of the new one", || new.get() >= 3);
    assert_eq!(old.get(), 1);
    assert_eq!(event_loop.stats().timers, 1);
}

#[test]
fn a_reset_in_its_own_tick_starts_a_new_grid() {
    let mut event_loop = EventLoop::new().unwrap();
    let id: Rc<Cell<Option<TimerId>>> = Rc::default();
    let own = Rc::clone(&id);
    let dues = Rc::new(RefCell::new(Vec::new()));
    let origin = Rc::new(Cell::new(None));
    let (noted, moved_to) = (Rc::clone(&dues), Rc::clone(&origin));
    let period = 4 * MS;
    let timer = event_loop.reactor().call_every(period, move |reactor, tick| {
        noted.borrow_mut().push(tick);
        if noted.borrow().len() == 1 {
            assert!(reactor.reset(own.get().unwrap(), 7 * MS));
            moved_to.set(Some(reactor.now() + 7 * MS));
        }
    });
    id.set(Some(timer));
    turn_until(&mut event_loop, "three ticks", || dues.borrow().len() >= 3);
    let dues = dues.borrow();
    let origin = origin.get().unwrap();
    assert_eq!(dues[1].due, origin);
    let skipped = u32::try_from(dues[1].missed + 1).unwrap();
    assert_eq!(dues[2].due, origin + period * skipped);
}

#[test]
fn a_period_of_zero_is_a_millisecond_and_does_not_spin() {
    let mut event_loop = EventLoop::new().unwrap();
    let (id, start, ticks) = every(&mut event_loop, Duration::ZERO);
    assert_eq!(event_loop.reactor().deadline(id), Some(start + MS));
    let before = event_loop.stats().turns;
    while ticks.borrow().len() < 20 {
        event_loop.turn(Some(PATIENCE)).unwrap();
    }
    let turns = event_loop.stats().turns - before;
    assert!(turns <= 60, "{turns} turns for 20 ticks");
}

#[test]
fn an_endless_period_never_ticks() {
    let mut event_loop = EventLoop::new().unwrap();
    let (id, _, ticks) = every(&mut event_loop, Duration::MAX);
    turn_on(&mut event_loop);
    assert!(ticks.borrow().is_empty());
    assert_eq!(event_loop.reactor().deadline(id), Some(Instant::FAR_FUTURE));
    assert!(event_loop.reactor().delay(id, Duration::MAX));
    assert!(event_loop.reactor().cancel(id));
}

#[test]
fn a_repeated_call_lets_sockets_and_tasks_through_however_late_it_is() {
    let mut event_loop = EventLoop::new().unwrap();
    let (_, address) = crate::support::listen(&mut event_loop, |_| crate::support::echo());
    let mut clock = EventLoop::new().unwrap();
    // Each tick takes longer than the period: there is always one overdue.
    event_loop.reactor().call_every(MS, move |_, _| {
        let until = clock.reactor().now() + 3 * MS;
        pass(&mut clock, until);
    });
    let client = std::thread::spawn(move || {
        let mut stream = crate::support::peer(address);
        for _ in 0..5 {
            crate::support::expect_echo(&mut stream, b"between ticks");
        }
    });
    turn_until(&mut event_loop, "the echoes", || client.is_finished());
    client.join().unwrap();
}

#[test]
fn a_call_that_cancels_itself_may_panic_when_it_is_dropped() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }
    let mut event_loop = EventLoop::new().unwrap();
    let own = Rc::new(Cell::new(None));
    let (bomb, id) = (Bomb, Rc::clone(&own));
    let timer = event_loop.reactor().call_every(Duration::from_millis(1), move |reactor, _| {
        let _held = &bomb;
        assert!(id.take().is_some_and(|id| reactor.cancel(id)));
        reactor.call_later(Duration::from_millis(1), |reactor| reactor.stop());
    });
    own.set(Some(timer));
    event_loop.run().unwrap();
}
