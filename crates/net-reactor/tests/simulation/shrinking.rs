//! The smallest run that fails.

use std::collections::{BTreeMap, BTreeSet};

use net_reactor::sim::{Fault, Faults, Run, Simulation};

use super::support::{echo, secs};

/// Fails if two kinds of fault are on and there are three clients or more.
fn demanding(sim: &mut Simulation) {
    let clients = sim.pick("clients", 1..=50);
    let _ = sim.pick("loops", 2..=9);
    sim.faults(Faults::swarm().every(secs(3)));
    echo(sim, "hub");
    echo(sim, "other");
    sim.run_for(secs(60));
    let both = sim.fired(Fault::LinkReset) > 0 && sim.fired(Fault::Clog) > 0;
    sim.check(!(both && clients >= 3), "two kinds and three clients do no harm");
}

#[test]
fn a_failing_run_is_made_as_small_as_it_can_be() {
    let fails = |seed: &u64| Run::new(*seed).perform(demanding).failure.is_some();
    let seed = (0..100).find(fails).expect("a seed that fails");
    let small = Run::new(seed).shrink(demanding);
    assert_eq!(small.seed, seed);
    assert_eq!(small.faults, Some(BTreeSet::from([Fault::LinkReset, Fault::Clog])));
    let picks = BTreeMap::from([("clients".to_owned(), 3), ("loops".to_owned(), 2)]);
    assert_eq!(small.picks, picks);
    assert_eq!(
        small.to_string(),
        format!("--seed {seed} --faults clog,link-reset --pick clients=3 --pick loops=2")
            .replace("clog,link-reset", &names(&small)),
    );
    let outcome = small.perform(demanding);
    assert!(outcome.failure.is_some_and(|text| text.starts_with("check: two kinds")));
    assert_eq!(outcome.faults.len(), 2);
}

fn names(run: &Run) -> String {
    let names: Vec<&str> = run.faults.iter().flatten().map(|fault| fault.name()).collect();
    assert_eq!(names.len(), 2);
    names.join(",")
}

#[test]
fn a_run_that_does_not_fail_stays_as_it_is() {
    let run = Run::new(1);
    assert_eq!(run.shrink(|sim| sim.run_for(secs(1))), run);
}

#[test]
fn a_smaller_run_that_fails_in_another_way_is_not_taken() {
    let test = |sim: &mut Simulation| {
        let size = sim.pick("size", 1..=1_000);
        sim.check(size < 20, "large ones fail");
        assert!(size >= 10, "small ones fail too");
    };
    let fails = |seed: &u64| {
        let failure = Run::new(*seed).perform(test).failure;
        failure.is_some_and(|text| text.starts_with("check"))
    };
    let seed = (0..100).find(fails).expect("a seed that fails");
    assert_eq!(Run::new(seed).shrink(test).picks["size"], 20);
}
