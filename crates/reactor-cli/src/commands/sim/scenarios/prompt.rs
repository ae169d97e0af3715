//! Work that is due at once, on loops that would sleep otherwise.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::sim::{Fault, Faults, Simulation};
use net_reactor::{Instant, LoopConfig};

use super::lot::{Counter, Lot, all_go_on, counters};

/// A wake-up comes up to 5 ms late on a busy machine; nothing else here takes any time.
const LATE_MAX: Duration = Duration::from_millis(10);

/// What loops do to each other.
#[derive(Clone)]
struct Errands {
    lot: Lot,
    loops: Arc<Mutex<Vec<LoopHandle>>>,
    done: Vec<Counter>,
}

impl Errands {
    fn handle(&self, of: usize) -> Option<LoopHandle> {
        let loops = self.loops.lock().unwrap_or_else(PoisonError::into_inner);
        loops.get(of).cloned()
    }

    /// Notes that an errand has arrived, and runs the next one.
    fn arrive(self, reactor: &mut Reactor<'_>, own: usize, since: Instant, steps: u64) {
        let late = reactor.now().saturating_since(since);
        assert!(late <= LATE_MAX, "work without delay took {late:?}");
        self.done[own].add(1);
        if steps > 0 && !reactor.is_stopping() {
            self.run(reactor, own, steps - 1);
        }
    }

    /// Has something done without delay, in one of many ways.
    fn run(self, reactor: &mut Reactor<'_>, own: usize, steps: u64) {
        let since = reactor.now();
        let way = self.lot.below(6);
        let to = usize::try_from(self.lot.below(self.done.len() as u64)).unwrap_or(0);
        let to = if way == 5 { own } else { to };
        let target = self.handle(to);
        match way {
            0 => drop(reactor.call_later(Duration::ZERO, move |reactor| {
                self.arrive(reactor, own, since, steps);
            })),
            1 => drop(reactor.call_at(Instant::from_nanos(0), move |reactor| {
                self.arrive(reactor, own, since, steps);
            })),
            2 => reactor.defer(move |reactor| self.arrive(reactor, own, since, steps)),
            _ => {
                let call = move |reactor: &mut Reactor<'_>| self.arrive(reactor, to, since, steps);
                let posted = target.map(|target| target.run_in_loop(call));
                assert!(posted.is_some_and(|posted| posted.is_ok()), "a loop is gone or full");
            }
        }
    }
}

pub(super) fn run(sim: &mut Simulation) {
    let loops = usize::try_from(sim.pick("loops", 1..=4)).unwrap_or(1);
    let (lot, done) = (Lot::new(sim), counters(loops as u64));
    let counts = done.clone();
    sim.host("office", move |boot| {
        let errands = Errands { lot: lot.clone(), loops: Arc::default(), done: counts.clone() };
        for own in 0..loops {
            let start = errands.clone();
            let handle = boot.spawn(LoopConfig::default(), move |event_loop| {
                let period = start.lot.time(Duration::from_secs(1));
                event_loop.reactor().call_every(period, move |reactor, _tick| {
                    let steps = start.lot.below(8);
                    start.clone().run(reactor, own, steps);
                });
                Ok(())
            })?;
            errands.loops.lock().unwrap_or_else(PoisonError::into_inner).push(handle);
        }
        Ok(())
    });
    // What takes time by itself is no delay of the loop's.
    sim.faults(Faults::harmless().with(Fault::TurnOrder));
    sim.run_for(Duration::from_secs(30));
    sim.calm();
    all_go_on(sim, &done, Duration::from_secs(60), "errands are run in a calm world");
}
