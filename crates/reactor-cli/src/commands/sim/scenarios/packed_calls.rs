//! Calls and answers through a layer, which has to let each of them go at the end of its turn.

use std::time::Duration;

use net_reactor::codec::Compression;
use net_reactor::prelude::*;
use net_reactor::sim::{Faults, Simulation};
use net_reactor::{ConnConfig, ConnectOptions};

use super::callers::{Calls, Echo};
use super::lot::{Lot, all_go_on, counters};
use super::redial::Dialer;

pub(super) fn run(sim: &mut Simulation) {
    let answers = counters(sim.pick("clients", 1..=4));
    let body_bytes_max = sim.pick("bytes", 1..=40_000);
    let config = ConnConfig::default().layer(Compression::zlib().window_bits(9));
    let served = config.clone();
    sim.host("hub", move |boot| {
        let server = Server::new(|_| Echo).connections(served.clone());
        boot.serve(server, "0.0.0.0:7").map(drop)
    });
    for (number, answered) in (0..).zip(&answers) {
        let lot = Lot::new(sim);
        let calls = Calls { body_bytes_max, ..Calls::new(number, answered, &lot) };
        let options = ConnectOptions::default().config(config.clone());
        sim.host(format!("caller-{number}"), move |boot| {
            let calls = calls.clone();
            let mut dialer = Dialer::new("hub:7", &lot, move || calls.caller());
            dialer.options = options.clone();
            dialer.keep(&mut boot.reactor());
            Ok(())
        });
    }
    sim.faults(Faults::swarm());
    sim.run_for(Duration::from_secs(120));
    sim.calm();
    all_go_on(sim, &answers, Duration::from_secs(300), "every caller is answered again");
}
