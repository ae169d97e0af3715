//! A server that loses its power, is killed and stands still, and clients that learn of it.

use std::time::Duration;

use net_reactor::Server;
use net_reactor::sim::{Faults, Simulation};

use super::callers::{Echo, hosts_of_callers};
use super::lot::all_go_on;

pub(super) fn run(sim: &mut Simulation) {
    let clients = sim.pick("clients", 1..=8);
    let crashes = sim.pick("crashes", 1..=5);
    let away = Duration::from_millis(sim.pick("away_ms", 1..=40_000));
    let hub = sim.host("hub", |boot| boot.serve(Server::new(|_| Echo), "0.0.0.0:9000").map(drop));
    let (hosts, answers) = hosts_of_callers(sim, clients, "hub:9000", |calls| calls);
    sim.faults(Faults::swarm());
    for _ in 0..crashes {
        sim.run_for(Duration::from_secs(15));
        match sim.random(4) {
            0 => {
                sim.power_off(hub);
                sim.run_for(away);
                sim.power_on(hub);
            }
            1 => {
                sim.kill(hub);
                sim.run_for(away);
                if !sim.is_up(hub) {
                    sim.start(hub);
                }
            }
            2 => {
                sim.freeze(hub);
                sim.run_for(away);
                sim.thaw(hub);
            }
            _ => {
                sim.power_off(hosts[0]);
                sim.run_for(away);
                sim.power_on(hosts[0]);
            }
        }
    }
    sim.calm();
    all_go_on(sim, &answers, Duration::from_secs(120), "every client is back");
}
