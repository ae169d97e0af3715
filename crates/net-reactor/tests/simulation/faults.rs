//! Faults that the seed draws.

use std::collections::BTreeSet;
use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::sim::{Fault, Faults, Host, Latency, Link, Run, Simulation};

use super::support::{Caller, Log, calls, echo, ms, secs};

const STAGED_ON_HOSTS: [Fault; 9] = [
    Fault::PowerCut,
    Fault::ProcessKill,
    Fault::HostFreeze,
    Fault::ClockSkew,
    Fault::ClockJump,
    Fault::ClockFreeze,
    Fault::WallJump,
    Fault::DescriptorLimit,
    Fault::FewPorts,
];

/// A hub, a client of ten connections that asks again after `pace`, and one more every
/// 20 s.
fn busy(sim: &mut Simulation, pace: Duration) -> [Host; 2] {
    let hub = echo(sim, "hub");
    let field = sim.host("field", move |boot| {
        let caller = Caller::new(&Log::default()).every(pace);
        let again = caller.clone();
        let client = Client::new(move || caller.clone()).connections(10).on_failed(|_, _| ());
        boot.connect(client, "hub:9000")?;
        boot.reactor().call_every(secs(20), move |reactor, _| {
            // Only a bad name fails at once.
            let _ = reactor.connect("hub:9000", again.clone());
        });
        Ok(())
    });
    [hub, field]
}

#[test]
fn every_staged_kind_happens() {
    let staged: Vec<Fault> = Fault::ALL
        .iter()
        .copied()
        .filter(|fault| fault.is_staged() && *fault != Fault::UserPoint)
        .collect();
    let mut seen = BTreeSet::new();
    for seed in 0..6 {
        let outcome = Run::new(seed).perform(|sim| {
            sim.faults(Faults::only(staged.clone()).every(secs(10)));
            busy(sim, ms(200));
            sim.run_for(secs(120));
        });
        assert_eq!(outcome.failure, None, "seed {seed}");
        seen.extend(outcome.fired.iter().filter(|(_, count)| *count > 0).map(|(fault, _)| *fault));
    }
    assert_eq!(seen, staged.into_iter().collect());
}

#[test]
fn only_what_is_chosen_happens() {
    let chosen = [Fault::SendShort, Fault::Partition, Fault::ReceiveNotReady];
    let outcome = Run::new(1).perform(|sim| {
        sim.faults(Faults::only(chosen).every(secs(10)));
        busy(sim, ms(200));
        sim.run_for(secs(300));
    });
    assert_eq!(outcome.failure, None);
    let fired: BTreeSet<Fault> =
        outcome.fired.iter().filter(|(_, count)| *count > 0).map(|(fault, _)| *fault).collect();
    assert_eq!(fired, BTreeSet::from(chosen));
    assert_eq!(outcome.faults, BTreeSet::from(chosen));
}

#[test]
fn a_choice_is_made_of_kinds() {
    let kinds = |faults: Faults| faults.kinds().collect::<BTreeSet<Fault>>();
    assert_eq!(kinds(Faults::none()), BTreeSet::new());
    assert_eq!(kinds(Faults::swarm()).len(), Fault::ALL.len());
    assert!(kinds(Faults::harmless()).iter().all(|fault| fault.is_harmless()));
    assert!(kinds(Faults::harmless()).len() > 10);
    let with = kinds(Faults::none().with(Fault::Clog));
    assert_eq!(with, BTreeSet::from([Fault::Clog]));
    let without = kinds(Faults::swarm().without(Fault::Clog).without_all([Fault::PowerCut]));
    assert_eq!(without.len(), Fault::ALL.len() - 2);
    assert!(!without.contains(&Fault::Clog) && !without.contains(&Fault::PowerCut));
}

#[test]
fn harmless_faults_end_no_connection() {
    for seed in 0..20 {
        let mut sim = Simulation::new(seed);
        sim.faults(Faults::harmless());
        let log = Log::default();
        echo(&mut sim, "hub");
        calls(&mut sim, "field", "hub:9000", &Caller::new(&log).every(secs(1)).says(vec![7; 50]));
        sim.run_for(secs(120));
        assert!(log.count("answer") > 10, "seed {seed}: {:?}", log.texts());
        assert_eq!(log.count("closed"), 0, "seed {seed}: {:?}", log.texts());
        sim.finish();
    }
}

#[test]
fn faults_are_as_frequent_as_is_asked_for_and_can_come_after_the_hosts() {
    let mut sim = Simulation::new(1);
    echo(&mut sim, "hub");
    echo(&mut sim, "other");
    sim.run_for(secs(600));
    assert_eq!(sim.fired(Fault::LinkReset), 0);
    sim.faults(Faults::only([Fault::LinkReset]).every(secs(10)));
    sim.run_for(secs(3_600));
    let resets = sim.fired(Fault::LinkReset);
    assert!((200..500).contains(&resets), "{resets} in an hour, of 360");
    // The last choice counts.
    sim.faults(Faults::none());
    sim.run_for(secs(3_600));
    assert_eq!(sim.fired(Fault::LinkReset), resets);
    sim.finish();
}

#[test]
fn spared_hosts_have_no_episodes() {
    let mut sim = Simulation::new(2);
    let [hub, field] = busy(&mut sim, secs(10));
    sim.spare(hub);
    sim.spare(field);
    sim.faults(Faults::only(STAGED_ON_HOSTS).every(secs(5)));
    sim.run_for(secs(600));
    assert!(STAGED_ON_HOSTS.iter().all(|fault| sim.fired(*fault) == 0));
    let other = echo(&mut sim, "other");
    sim.run_for(secs(600));
    assert!(STAGED_ON_HOSTS.iter().all(|fault| sim.fired(*fault) > 10));
    assert_eq!(sim.stats(field).connected, 10 + 59, "the spared one never stopped");
    sim.calm();
    assert!(sim.is_up(other));
    sim.finish();
}

#[test]
fn a_calm_world_is_as_it_was_before_the_storm() {
    for seed in 0..20 {
        let mut sim = Simulation::new(seed);
        let hub = echo(&mut sim, "hub");
        let field = sim.host("field", |_| Ok(()));
        sim.link(hub, field, Link::new(Latency::Fixed(ms(30))));
        let storm = [Fault::LatencySpike, Fault::SlowLink, Fault::Partition, Fault::Clog];
        sim.faults(Faults::only(storm.into_iter().chain(STAGED_ON_HOSTS)).every(secs(3)));
        sim.run_for(secs(300));
        sim.power_off(hub);
        sim.freeze(field);
        sim.calm();
        let log = Log::default();
        let start = sim.now();
        let probe = calls(&mut sim, "probe", "hub:9000", &Caller::new(&log));
        sim.link(hub, probe, Link::new(Latency::Fixed(ms(30))));
        sim.run_for(secs(1));
        let asked = log.when("answer").expect("an answer") - start;
        // Clocks of different hosts tell different times after jumps, but run at the same rate.
        assert_eq!(log.texts(), ["open", "answer"], "seed {seed}, {asked:?}");
        assert_eq!(sim.stats(hub).bytes_out, 4);
        sim.finish();
    }
}

#[test]
fn two_slow_episodes_on_one_link_leave_it_fast() {
    for seed in 0..10 {
        let mut sim = Simulation::new(seed);
        let log = Log::default();
        let hub = echo(&mut sim, "hub");
        sim.faults(Faults::only([Fault::LatencySpike, Fault::SlowLink]).every(secs(2)));
        let field = calls(&mut sim, "field", "hub:9000", &Caller::new(&log).every(ms(100)));
        sim.run_for(secs(120));
        let (slow, answers) = (sim.stats(field).bytes_in, log.count("answer"));
        assert!(slow > 0 && answers < 1_180, "seed {seed}: {answers}");
        sim.calm();
        sim.run_for(secs(10));
        log.clear();
        sim.run_for(secs(10));
        // A round takes the pause and 0.4 ms on the way, and timers tick once in a millisecond.
        assert!(log.count("answer") >= 98, "seed {seed}: {}", log.count("answer"));
        assert_eq!(sim.stats(hub).connections, 1);
        sim.finish();
    }
}
