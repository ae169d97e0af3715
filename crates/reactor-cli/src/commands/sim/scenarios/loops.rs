//! Loops that post calls to each other.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::sim::{Faults, Simulation};
use net_reactor::{LoopConfig, PostRefused};

use super::lot::{Counter, Lot, all_go_on, counters};

/// The loops of the ring, and what each has seen of each other one.
#[derive(Default)]
struct Ring {
    loops: Vec<LoopHandle>,
    seen: BTreeMap<(usize, usize), u64>,
}

type Shared = Arc<Mutex<Ring>>;

fn open(ring: &Shared) -> std::sync::MutexGuard<'_, Ring> {
    ring.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Posts numbered calls to another loop; a refused one gives its number back.
fn post(ring: &Shared, numbers: &mut BTreeMap<usize, u64>, from: usize, to: usize) {
    let target = open(ring).loops[to].clone();
    let number = numbers.entry(to).or_default();
    let (seen, next) = (Arc::clone(ring), *number + 1);
    let posted = target.run_in_loop(move |_reactor| {
        let before = open(&seen).seen.insert((from, to), next).unwrap_or(0);
        assert_eq!(before + 1, next, "calls from loop {from} to loop {to} out of order");
    });
    match posted {
        Ok(()) => *number = next,
        Err(error) => assert_eq!(error.reason, PostRefused::Full, "no loop of the ring is gone"),
    }
}

/// Hands a token on, for ever; a full inbox delays it.
fn pass(ring: &Shared, rounds: &[Counter], at: usize, reactor: &mut Reactor<'_>) {
    rounds[at].add(1);
    let (ring, rounds) = (Arc::clone(ring), rounds.to_vec());
    reactor.call_later(Duration::from_millis(100), move |reactor| {
        let next = (at + 1) % rounds.len();
        let target = open(&ring).loops[next].clone();
        let (onward, counters) = (Arc::clone(&ring), rounds.clone());
        let call = move |reactor: &mut Reactor<'_>| pass(&onward, &counters, next, reactor);
        if target.run_in_loop(call).is_err() && !reactor.is_stopping() {
            pass(&ring, &rounds, at, reactor);
        }
    });
}

pub(super) fn run(sim: &mut Simulation) {
    let count = usize::try_from(sim.pick("loops", 2..=5)).unwrap_or(2);
    let tasks_max = usize::try_from(sim.pick("inbox", 2..=50)).unwrap_or(2);
    let rounds = counters(count as u64);
    let (lot, counts) = (Lot::new(sim), rounds.clone());
    sim.host("ring", move |boot| {
        let ring = Shared::default();
        for from in 0..count {
            let config = LoopConfig::default().inbox_tasks_max(tasks_max);
            let (lot, posts, counts) = (lot.clone(), Arc::clone(&ring), counts.clone());
            let handle = boot.spawn(config, move |event_loop| {
                let mut reactor = event_loop.reactor();
                let mut numbers = BTreeMap::new();
                let first = Arc::clone(&posts);
                reactor.call_every(Duration::from_millis(200), move |reactor, _tick| {
                    for _ in 0..lot.below(6) {
                        let to = usize::try_from(lot.below(count as u64)).unwrap_or(0);
                        if !reactor.is_stopping() {
                            post(&posts, &mut numbers, from, to);
                        }
                    }
                });
                if from == 0 {
                    let start = Duration::from_millis(1);
                    reactor.call_later(start, move |reactor| pass(&first, &counts, 0, reactor));
                }
                Ok(())
            })?;
            open(&ring).loops.push(handle);
        }
        Ok(())
    });
    sim.faults(Faults::swarm());
    sim.run_for(Duration::from_secs(120));
    sim.calm();
    all_go_on(sim, &rounds, Duration::from_secs(60), "the token goes round");
}
