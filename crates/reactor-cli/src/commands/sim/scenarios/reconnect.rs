//! Clients with a growing pause between their attempts, and a server that is often away.

use std::time::Duration;

use net_reactor::Server;
use net_reactor::sim::{Faults, Simulation};

use super::callers::{Calls, Echo};
use super::lot::{Counter, Lot, all_go_on, counters};
use super::redial::Dialer;

pub(super) fn run(sim: &mut Simulation) {
    let answers = counters(sim.pick("clients", 1..=10));
    let away = Duration::from_secs(sim.pick("away_seconds", 1..=60));
    let rounds = sim.pick("rounds", 1..=3);
    let (lot, attempts) = (Lot::new(sim), Counter::default());
    let hub = sim.host("hub", |boot| boot.serve(Server::new(|_| Echo), "0.0.0.0:9000").map(drop));
    for (number, answered) in (0..).zip(&answers) {
        let calls = Calls::new(number, answered, &lot);
        let (lot, attempts) = (lot.clone(), attempts.clone());
        sim.host(format!("client-{number}"), move |boot| {
            let calls = calls.clone();
            let mut dialer = Dialer::new("hub:9000", &lot, move || calls.caller());
            dialer.attempts = attempts.clone();
            dialer.keep(&mut boot.reactor());
            Ok(())
        });
    }
    sim.faults(Faults::swarm());
    for _ in 0..rounds {
        sim.run_for(Duration::from_secs(30));
        sim.power_off(hub);
        sim.run_for(away);
        sim.power_on(hub);
    }
    sim.calm();
    sim.power_off(hub);
    // Whoever was connected has noticed by now, and pauses at their longest.
    sim.run_for(Duration::from_secs(120));
    let before = attempts.get();
    sim.run_for(Duration::from_secs(100));
    let each = (attempts.get() - before) / answers.len() as u64;
    sim.check(each <= 45, "clients pause between their attempts");
    sim.power_on(hub);
    all_go_on(sim, &answers, Duration::from_secs(60), "clients are back within a minute");
}
