//! A scenario that fails under every seed, as long as a fault happens and clients are many.

use std::time::Duration;

use net_reactor::Server;
use net_reactor::sim::{Faults, Simulation};

use super::callers::{Echo, hosts_of_callers};

pub(super) fn run(sim: &mut Simulation) {
    let clients = sim.pick("clients", 2..=6);
    sim.host("hub", |boot| boot.serve(Server::new(|_| Echo), "0.0.0.0:7").map(drop));
    hosts_of_callers(sim, clients, "hub:7", |calls| calls);
    sim.faults(Faults::harmless());
    sim.run_for(Duration::from_secs(10));
    sim.check(false, "this scenario is broken");
}
