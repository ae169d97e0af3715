//! Blocking work and its results.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use net_reactor::WorkError;
use net_reactor::prelude::*;
use net_reactor::sim::{Faults, Simulation};

use super::lot::{Counter, Lot, all_go_on};

/// Numbers of the jobs that have no result yet.
type Waiting = Arc<Mutex<BTreeSet<u64>>>;

fn start(reactor: &mut Reactor<'_>, waiting: &Waiting, number: u64, done: &Counter) {
    let open = |waiting: &Waiting, number: u64, begins: bool| {
        let mut set = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if begins { set.insert(number) } else { set.remove(&number) }
    };
    let (results, done) = (Arc::clone(waiting), done.clone());
    let work = move || {
        assert!(!number.is_multiple_of(7), "every seventh job panics");
        number * 3
    };
    let then = move |_reactor: &mut Reactor<'_>, result: Result<u64, WorkError>| {
        assert!(open(&results, number, false), "job {number} had a second result");
        match result {
            Ok(value) => assert_eq!(value, number * 3, "the result of another job"),
            Err(error) => assert!(number.is_multiple_of(7), "job {number} panicked: {error}"),
        }
        done.add(1);
    };
    open(waiting, number, true);
    if reactor.run_blocking(work, then).is_err() {
        open(waiting, number, false);
    }
}

pub(super) fn run(sim: &mut Simulation) {
    let burst = sim.pick("burst", 1..=30);
    let (lot, done, working) = (Lot::new(sim), Counter::default(), Counter::default());
    let waiting = Waiting::default();
    working.set(1);
    let (jobs, results, is_working) = (Arc::clone(&waiting), done.clone(), working.clone());
    let host = sim.host("worker", move |boot| {
        // Jobs of a crashed host have no result.
        jobs.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let (jobs, results, working) = (Arc::clone(&jobs), results.clone(), is_working.clone());
        let (lot, mut number) = (lot.clone(), 0);
        boot.reactor().call_every(Duration::from_millis(200), move |reactor, _tick| {
            for _ in 0..working.get() * (1 + lot.below(burst)) {
                number += 1;
                start(reactor, &jobs, number, &results);
            }
        });
        Ok(())
    });
    sim.faults(Faults::swarm());
    sim.run_for(Duration::from_secs(90));
    sim.calm();
    all_go_on(sim, &[done], Duration::from_secs(30), "work is done in a calm world");
    if sim.pick("stop_at_work", 0..=1) == 1 {
        // Results that come after the end of their loop are thrown away, and hurt nobody.
        sim.stop(host);
        sim.run_for(Duration::from_secs(10));
        return;
    }
    working.set(0);
    sim.run_for(Duration::from_secs(30));
    let left = waiting.lock().unwrap_or_else(PoisonError::into_inner).len();
    sim.check(left == 0, &format!("{left} jobs have no result"));
}
