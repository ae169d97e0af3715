//! Timers of a loop: once, on a grid, cancelled, moved, and many at one time.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::sim::{Faults, Simulation};
use net_reactor::{Instant, TimerId};

use super::lot::{Counter, Lot};

const MINUTE: Duration = Duration::from_secs(60);

/// The timers that are set, by their number.
#[derive(Default)]
struct Table {
    set: BTreeMap<u64, (TimerId, Instant)>,
    made: u64,
    /// The last one that ran: when it was due, and its number.
    ran: (Instant, u64),
}

/// Sets, moves and cancels a few timers, and does so again later.
pub(super) fn storm(reactor: &mut Reactor<'_>, lot: Lot, fired: Counter) {
    let table = Rc::new(RefCell::new(Table::default()));
    let period = lot.time(Duration::from_millis(900));
    let first = reactor.now() + period;
    let ticks = fired.clone();
    reactor.call_every(period, move |reactor, tick| {
        assert!(reactor.now() >= tick.due, "a tick came early");
        let since = (tick.due - first).as_nanos();
        assert_eq!(since % period.as_nanos(), 0, "a tick left the grid");
        ticks.add(1);
        for _ in 0..lot.below(12) {
            shake(reactor, &table, &lot, &ticks);
        }
        let (now, late) = (reactor.now(), tick.due);
        let overdue = table.borrow().set.values().any(|(_, deadline)| *deadline < late);
        assert!(!overdue || now > late, "timers that are due run before later ones");
    });
}

fn shake(reactor: &mut Reactor<'_>, table: &Rc<RefCell<Table>>, lot: &Lot, fired: &Counter) {
    let mut open = table.borrow_mut();
    let number = lot.below(open.made.max(1));
    // Deadlines are coarse, so that many are equal.
    let delay = Duration::from_millis(50 * lot.below(40));
    match (lot.below(4), open.set.get(&number).copied()) {
        (0, Some((timer, _))) => {
            assert!(reactor.cancel(timer), "a timer that was set could not be cancelled");
            open.set.remove(&number);
        }
        (1, Some((timer, _))) => {
            assert!(reactor.reset(timer, delay), "a timer that was set could not be moved");
            let deadline = reactor.now() + delay;
            // One that is moved stands behind those that are there.
            open.set.remove(&number);
            open.made += 1;
            drop(open);
            assert_eq!(reactor.deadline(timer), Some(deadline));
            assert!(reactor.cancel(timer));
        }
        _ => {
            let number = open.made;
            open.made += 1;
            let deadline = reactor.now() + delay;
            let (table, fired) = (Rc::clone(table), fired.clone());
            let timer = reactor.call_at(deadline, move |reactor| {
                let mut open = table.borrow_mut();
                assert!(open.set.remove(&number).is_some(), "a timer ran that was not set");
                assert!(reactor.now() >= deadline, "a timer ran early");
                let (due, last) = open.ran;
                assert!(due != deadline || last < number, "equal deadlines out of order");
                open.ran = (deadline, number);
                fired.add(1);
            });
            open.set.insert(number, (timer, deadline));
        }
    }
}

pub(super) fn run(sim: &mut Simulation) {
    let (lot, fired) = (Lot::new(sim), Counter::default());
    let storms = sim.pick("storms", 1..=4);
    let (draws, count) = (lot, fired.clone());
    sim.host("clockwork", move |boot| {
        for _ in 0..storms {
            storm(&mut boot.reactor(), draws.clone(), count.clone());
        }
        Ok(())
    });
    sim.faults(Faults::swarm());
    sim.run_for(3 * MINUTE);
    sim.calm();
    let before = fired.get();
    sim.run_for(MINUTE);
    // The grids are below a second.
    sim.check(fired.get() - before >= 60, "timers go on in a calm world");
}
