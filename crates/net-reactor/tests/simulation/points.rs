//! Points of a program that may misbehave in a simulation.

use std::cell::Cell;
use std::rc::Rc;

use net_reactor::buggify;
use net_reactor::sim::{Fault, Faults, Simulation};

use super::support::secs;

/// Passes a point a thousand times, in a loop of the simulation; returns how often it fired.
fn fired(seed: u64, faults: Faults) -> u64 {
    let mut sim = Simulation::new(seed);
    let count = Rc::new(Cell::new(0));
    let told = Rc::clone(&count);
    sim.faults(faults);
    sim.host("host", move |boot| {
        let told = Rc::clone(&told);
        boot.reactor().call_every(secs(1), move |_, _| {
            told.set(told.get() + u64::from(buggify!("a point")));
        });
        Ok(())
    });
    sim.run_for(secs(1_000));
    assert_eq!(sim.fired(Fault::UserPoint), count.get());
    sim.finish();
    count.get()
}

#[test]
fn a_point_fires_under_some_seeds_and_only_with_its_fault_on() {
    let counts: Vec<u64> =
        (0..40).map(|seed| fired(seed, Faults::only([Fault::UserPoint]))).collect();
    let armed = counts.iter().filter(|count| **count > 0).count();
    assert!((3..20).contains(&armed), "{counts:?}");
    assert!(counts.iter().all(|count| *count == 0 || (150..350).contains(count)), "{counts:?}");
    assert!((0..40).all(|seed| fired(seed, Faults::none()) == 0));
    assert!(!(0..1_000).any(|_| buggify!("a point")), "outside of a simulation");
}
