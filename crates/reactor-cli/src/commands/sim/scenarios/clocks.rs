//! Timers on hosts whose clocks run fast, slow, ahead, or not at all.

use std::time::Duration;

use net_reactor::Server;
use net_reactor::sim::{Fault, Faults, Simulation};

use super::callers::{Echo, hosts_of_callers};
use super::lot::{Counter, Lot, all_go_on};
use super::timers::storm;

pub(super) fn run(sim: &mut Simulation) {
    let (lot, fired) = (Lot::new(sim), Counter::default());
    let (draws, count) = (lot.clone(), fired.clone());
    let clockwork = sim.host("clockwork", move |boot| {
        storm(&mut boot.reactor(), draws.clone(), count.clone());
        Ok(())
    });
    sim.host("hub", |boot| boot.serve(Server::new(|_| Echo), "0.0.0.0:7").map(drop));
    let clients = sim.pick("clients", 1..=3);
    let (hosts, answers) = hosts_of_callers(sim, clients, "hub:7", |calls| calls);
    let clocks = [
        Fault::ClockSkew,
        Fault::ClockJump,
        Fault::ClockFreeze,
        Fault::WallJump,
        Fault::HostFreeze,
        Fault::LoopStall,
    ];
    sim.faults(Faults::only(clocks));
    for _ in 0..sim.pick("changes", 1..=10) {
        sim.run_for(lot.time(Duration::from_secs(20)));
        sim.jump_clock(clockwork, lot.time(Duration::from_secs(3600)));
        sim.clock_rate(clockwork, 100_000 + lot.below(3_000_000));
    }
    // A clock that stands still lets no timer run, however long the world goes on.
    sim.faults(Faults::none());
    sim.clock_rate(clockwork, 0);
    sim.run_for(Duration::from_secs(1));
    let before = fired.get();
    sim.run_for(Duration::from_secs(60));
    sim.check(fired.get() == before, "no timer runs while its clock stands still");
    sim.clock_rate(clockwork, 1_000_000);
    sim.calm();
    all_go_on(sim, &[fired], Duration::from_secs(10), "timers go on with their clock");
    sim.jump_clock(hosts[0], Duration::from_secs(7200));
    all_go_on(sim, &answers, Duration::from_secs(120), "clients are served again");
}
