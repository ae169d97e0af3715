//! Timers from microseconds to weeks, on a loop that runs for two months.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::sim::{Fault, Faults, Simulation};
use net_reactor::{Instant, TimerId};

use super::lot::{Counter, Lot};

const DAY: Duration = Duration::from_secs(24 * 3600);
/// The longest delay. Timers are set for as long as the run goes on after that.
const LONGEST: Duration = Duration::from_secs(40 * 24 * 3600);
const SETTING: Duration = Duration::from_secs(20 * 24 * 3600);
/// A late turn is late by a part of a second; a timer that is lost in the wheel, by hours.
const LATE_MAX: Duration = Duration::from_secs(10);

/// A timer that is set: when it is due, and its place among those due with it.
struct Entry {
    timer: TimerId,
    due: (Instant, u64),
}

/// A program that keeps about as many timers set as it began with, until it is told to set no more.
#[derive(Clone)]
struct Clockwork {
    lot: Lot,
    set: Rc<RefCell<BTreeMap<u64, Entry>>>,
    /// The last one that ran.
    ran: Rc<RefCell<(Instant, u64)>>,
    made: Counter,
    /// How many timers are set, for the test to see.
    waiting: Counter,
    /// Whether no more are to be set: 0 or 1.
    is_closed: Counter,
}

impl Clockwork {
    /// Returns a delay from a microsecond to 40 days; short ones are as likely as long ones.
    fn delay(&self) -> Duration {
        Duration::from_micros(self.lot.size(LONGEST.as_secs() * 1_000_000))
    }

    fn next_number(&self) -> u64 {
        self.made.add(1);
        self.made.get()
    }

    fn set(&self, reactor: &mut Reactor<'_>) {
        let (number, due) = (self.next_number(), reactor.now() + self.delay());
        let work = self.clone();
        let timer = reactor.call_at(due, move |reactor| work.on_due(reactor, number));
        self.set.borrow_mut().insert(number, Entry { timer, due: (due, number) });
        self.waiting.add(1);
    }

    fn on_due(&self, reactor: &mut Reactor<'_>, number: u64) {
        let entry = self.set.borrow_mut().remove(&number);
        let Some(Entry { due, .. }) = entry else {
            panic!("a timer ran that was not set");
        };
        self.waiting.take_away(1);
        assert!(reactor.now() >= due.0, "a timer ran early");
        assert!(reactor.now() - due.0 < LATE_MAX, "a timer ran late");
        let last = self.ran.replace(due);
        assert!(last < due, "timers ran out of order");
        if self.is_closed.get() == 0 {
            self.set(reactor);
        }
    }

    /// Cancels a timer and sets another one, or moves it.
    fn shake(&self, reactor: &mut Reactor<'_>) {
        let chosen = self.lot.below(self.waiting.get());
        let chosen = usize::try_from(chosen).unwrap_or(usize::MAX);
        let found = self.set.borrow().iter().nth(chosen).map(|(key, entry)| (*key, entry.timer));
        let Some((number, timer)) = found else { return };
        match self.lot.below(2) {
            0 => {
                assert!(reactor.cancel(timer), "a timer that was set could not be cancelled");
                self.set.borrow_mut().remove(&number);
                self.waiting.take_away(1);
                assert!(!reactor.cancel(timer), "a timer was cancelled twice");
                self.set(reactor);
            }
            _ => {
                let delay = self.delay();
                assert!(reactor.reset(timer, delay), "a timer that was set could not be moved");
                // One that is moved stands behind those that are there.
                let due = (reactor.now() + delay, self.next_number());
                assert_eq!(reactor.deadline(timer), Some(due.0), "a timer was moved elsewhere");
                self.set.borrow_mut().insert(number, Entry { timer, due });
            }
        }
    }
}

/// Ticks once a day, on the grid, and misses no day; on each it cancels and moves a few timers.
///
/// More often would leave no timer set for weeks.
fn tick_daily(reactor: &mut Reactor<'_>, work: Clockwork, days: Counter) {
    let mut expected = reactor.now();
    reactor.call_every(DAY, move |reactor, tick| {
        expected += DAY;
        assert_eq!((tick.due, tick.missed), (expected, 0), "a day was missed");
        assert!(reactor.now() >= tick.due, "a tick came early");
        assert!(reactor.now() - tick.due < LATE_MAX, "a tick came late");
        days.add(1);
        if work.is_closed.get() == 0 {
            for _ in 0..work.lot.below(8) {
                work.shake(reactor);
            }
        }
    });
}

pub(super) fn run(sim: &mut Simulation) {
    let lot = Lot::new(sim);
    let timers = sim.pick("timers", 1..=40);
    let (waiting, is_closed, days) = (Counter::default(), Counter::default(), Counter::default());
    let (count, closed, ticks) = (waiting.clone(), is_closed.clone(), days.clone());
    sim.host("calendar", move |boot| {
        let mut reactor = boot.reactor();
        let work = Clockwork {
            lot: lot.clone(),
            set: Rc::default(),
            ran: Rc::new(RefCell::new((reactor.now(), 0))),
            made: Counter::default(),
            waiting: count.clone(),
            is_closed: closed.clone(),
        };
        tick_daily(&mut reactor, work.clone(), ticks.clone());
        for _ in 0..timers {
            work.set(&mut reactor);
        }
        Ok(())
    });
    // Nothing that ends the program, and its own clock neither stands still nor leaps: then no
    // timer is late by more than a late turn. The calendar may leap as it likes.
    let kinds = [Fault::LoopStall, Fault::WallJump];
    sim.faults(Faults::only(kinds).every(2 * DAY));
    sim.run_for(SETTING);
    is_closed.set(1);
    sim.calm();
    sim.run_for(LONGEST + LATE_MAX);
    sim.check(waiting.get() == 0, "every timer ran that was not cancelled");
    sim.check(days.get() == 60, "a timer of a day ticked on each of sixty days");
}
