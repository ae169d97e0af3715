//! A name with several addresses of which one serves, for clients with a single socket to spare.

use std::time::Duration;

use net_reactor::Server;
use net_reactor::sim::{Fault, Faults, Host, Simulation};

use super::callers::{Echo, hosts_of_callers};
use super::lot::all_go_on;

pub(super) fn run(sim: &mut Simulation) {
    let dead = sim.pick("dead", 1..=4);
    let before = usize::try_from(sim.pick("before", 1..=4).min(dead)).unwrap_or(1);
    let clients = sim.pick("clients", 1..=3);
    let hub = sim.host("hub", |boot| boot.serve(Server::new(|_| Echo), "0.0.0.0:9000").map(drop));
    // Nobody listens there: each of them refuses.
    let mut hosts: Vec<Host> =
        (0..dead).map(|number| sim.host(format!("dead-{number}"), |_boot| Ok(()))).collect();
    hosts.insert(before, hub);
    sim.name("service", &hosts);
    let (callers, answers) = hosts_of_callers(sim, clients, "service:9000", |mut calls| {
        calls.calls_per_connection = 2;
        calls.body_bytes_max = 1_000;
        calls
    });
    // An attempt makes do with one socket, however many addresses it tries.
    for caller in callers {
        let own = sim.open_descriptors(caller);
        sim.descriptor_limit(caller, Some(own + 1));
    }
    // The limit is this scenario's own.
    sim.faults(Faults::swarm().without(Fault::DescriptorLimit));
    sim.run_for(Duration::from_secs(60));
    sim.calm();
    all_go_on(sim, &answers, Duration::from_secs(300), "everybody finds the address that serves");
}
