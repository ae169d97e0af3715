//! Loops that hand peers to the least loaded of them, which at times takes none.

use std::time::Duration;

use net_reactor::sim::{Fault, Faults, Simulation};
use net_reactor::{Balance, LoopConfig, Server};

use super::callers::{Echo, hosts_of_callers};
use super::lot::Counter;

pub(super) fn run(sim: &mut Simulation) {
    let loops = usize::try_from(sim.pick("loops", 2..=4)).unwrap_or(2);
    let inbox = usize::try_from(sim.pick("inbox", 0..=3)).unwrap_or(0);
    let clients = sim.pick("clients", 2..=10);
    let rounds = sim.pick("rounds", 1..=4);
    sim.host("hub", move |boot| {
        let config = LoopConfig::default().inbox_tasks_max(inbox);
        let server = Server::new(|_| Echo).loops(loops).balance(Balance::LeastLoaded);
        boot.serve(server.loop_config(config), "0.0.0.0:9000").map(drop)
    });
    let (hosts, answers) = hosts_of_callers(sim, clients, "hub:9000", |mut calls| {
        calls.body_bytes_max = 1_000;
        calls
    });
    // Nobody is to have a reason to connect again.
    sim.faults(Faults::harmless().without(Fault::SmallBuffers));
    for _ in 0..rounds {
        let before: Vec<u64> = answers.iter().map(Counter::get).collect();
        // A client gives up after 20 s without an answer.
        let served = sim.run_until(Duration::from_secs(18), |_| {
            answers.iter().zip(&before).all(|(answered, before)| answered.get() > *before)
        });
        sim.check(served, "every peer is served, whichever loop takes it");
        hosts.iter().for_each(|host| sim.stop(*host));
        let gone = |sim: &mut Simulation| !hosts.iter().any(|host| sim.is_up(*host));
        sim.eventually(Duration::from_secs(60), "clients that are told to stop do", gone);
        hosts.iter().for_each(|host| sim.start(*host));
    }
}
