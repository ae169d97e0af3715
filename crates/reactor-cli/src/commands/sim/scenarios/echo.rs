//! An echo server and clients that check each byte.

use std::time::Duration;

use net_reactor::Server;
use net_reactor::sim::{Faults, Simulation};

use super::callers::{Echo, hosts_of_callers};
use super::lot::all_go_on;

pub(super) fn run(sim: &mut Simulation) {
    let loops = usize::try_from(sim.pick("loops", 1..=3)).unwrap_or(1);
    let clients = sim.pick("clients", 1..=8);
    let body_bytes_max = sim.pick("bytes", 1..=40_000);
    sim.host("hub", move |boot| {
        boot.serve(Server::new(|_| Echo).loops(loops), "0.0.0.0:7").map(drop)
    });
    let (_, answers) = hosts_of_callers(sim, clients, "hub:7", |mut calls| {
        calls.body_bytes_max = body_bytes_max;
        calls
    });
    sim.faults(Faults::swarm());
    sim.run_for(Duration::from_secs(120));
    sim.calm();
    all_go_on(sim, &answers, Duration::from_secs(300), "every client is served again");
}
