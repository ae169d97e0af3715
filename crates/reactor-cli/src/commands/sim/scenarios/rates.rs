//! A server that reads and answers at a rate, whatever the network does.

use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::sim::{Faults, Simulation};
use net_reactor::{ConnConfig, RateLimit};

use super::callers::hosts_of_callers;
use super::lot::{Lot, all_go_on};

/// What may pass in one direction.
#[derive(Debug, Clone, Copy)]
struct Rate {
    bytes_per_second: u64,
    burst: u64,
}

impl Rate {
    fn draw(lot: &Lot) -> Self {
        // A call is answered within the callers' patience at the slowest of them.
        Self { bytes_per_second: 4_000 + lot.size(1 << 20), burst: lot.size(1 << 16) }
    }

    fn limit(self) -> RateLimit {
        RateLimit::bytes_per_second(self.bytes_per_second).burst(self.burst)
    }

    fn check(self, bytes: u64, time: Duration) {
        let may = time.as_nanos() * u128::from(self.bytes_per_second) / 1_000_000_000;
        let may = may + u128::from(self.burst);
        assert!(u128::from(bytes) <= may, "{bytes} bytes have passed of {may}");
    }
}

/// Sends back what arrives, and checks how much it was.
struct Metered {
    read: Rate,
    write: Rate,
}

impl Metered {
    fn check(&self, conn: &mut Conn<'_>) {
        let stats = conn.stats();
        let time = conn.reactor().now() - stats.opened_at;
        self.read.check(stats.bytes_in, time);
        self.write.check(stats.bytes_out, time);
    }
}

impl Protocol for Metered {
    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        self.check(conn);
        Ok(conn.write(input.take_all())?)
    }

    fn on_pressure(&mut self, conn: &mut Conn<'_>, _pressure: Pressure) -> Flow {
        self.check(conn);
        Ok(())
    }
}

pub(super) fn run(sim: &mut Simulation) {
    let lot = Lot::new(sim);
    let (read, write) = (Rate::draw(&lot), Rate::draw(&lot));
    sim.host("hub", move |boot| {
        let config = ConnConfig::default().read_rate(read.limit()).write_rate(write.limit());
        let server = Server::new(move |_: &Peer| Metered { read, write });
        boot.serve(server.connections(config.marks(2_000, 8_000)), "0.0.0.0:9000").map(drop)
    });
    let clients = sim.pick("clients", 1..=5);
    let (_, answers) = hosts_of_callers(sim, clients, "hub:9000", |calls| calls);
    sim.faults(Faults::swarm());
    sim.run_for(Duration::from_secs(40));
    sim.calm();
    all_go_on(sim, &answers, Duration::from_secs(180), "calls are answered at any rate");
}
