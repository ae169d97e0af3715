//! More callers than places: nobody is inside beyond the limits, and everybody has a turn.

use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::sim::{Faults, Simulation};
use net_reactor::{Balance, ConnConfig, PeerLimits, Timeouts};

use super::callers::{Echo, hosts_of_callers};
use super::lot::{Counter, all_go_on};

/// An echo that counts itself.
struct Inside {
    echo: Echo,
    /// Handlers that were made, and are not dropped.
    count: Counter,
}

impl Protocol for Inside {
    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        self.echo.on_data(conn, input)
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.count.take_away(1);
    }
}

pub(super) fn run(sim: &mut Simulation) {
    let callers = sim.pick("callers", 2..=10);
    let places = sim.pick("places", 1..=4);
    let loops = usize::try_from(sim.pick("loops", 1..=3)).unwrap_or(1);
    let balance =
        [Balance::ReusePort, Balance::LeastLoaded][usize::from(sim.pick("spread", 0..=1) > 0)];
    let inside = Counter::default();
    let hub_inside = inside.clone();
    let hub = sim.host("hub", move |boot| {
        let inside = hub_inside.clone();
        // What was inside when the power was cut is never dropped.
        inside.set(0);
        let make = move |_: &Peer| {
            inside.add(1);
            // A handler is dropped after its socket is closed, so the next one may be made before.
            Inside { echo: Echo, count: inside.clone() }
        };
        let limits =
            PeerLimits::default().total(usize::try_from(places).unwrap_or(1)).per_network(1);
        // A caller without power holds its place until it is found out.
        let config =
            ConnConfig::default().timeouts(Timeouts::never().read(Duration::from_secs(30)));
        let server = Server::new(make).loops(loops).balance(balance);
        let server = server.peer_limits(limits).connections(config);
        boot.serve(server, "0.0.0.0:7").map(drop)
    });
    let (_, answers) = hosts_of_callers(sim, callers, "hub:7", |mut calls| {
        calls.calls_per_connection = 3;
        calls.pause = Duration::from_millis(500);
        calls
    });
    sim.faults(Faults::swarm());
    for _ in 0..60 {
        sim.run_for(Duration::from_secs(2));
        let stats = sim.stats(hub);
        sim.check(stats.connections as u64 <= places, "nobody is inside beyond the limit");
    }
    sim.calm();
    all_go_on(sim, &answers, Duration::from_secs(600), "every caller has its turn");
    sim.run_for(Duration::from_secs(10));
    let held = sim.stats(hub).connections as u64;
    sim.check(held <= places && inside.get() <= places, "nobody is inside beyond the limit");
}
