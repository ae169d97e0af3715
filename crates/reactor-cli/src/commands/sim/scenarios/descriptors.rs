//! A server with few descriptors, and more clients than those.

use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::sim::{Fault, Faults, Simulation};

use super::callers::{Echo, hosts_of_callers};
use super::lot::all_go_on;

/// An echo that does not keep a descriptor for a peer that is gone.
struct Brief;

impl Protocol for Brief {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        conn.set_timer(Tag(1), Duration::from_secs(10));
        Ok(())
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        conn.set_timer(Tag(1), Duration::from_secs(10));
        Echo.on_data(conn, input)
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, _tag: Tag) -> Flow {
        conn.abort();
        Ok(())
    }
}

pub(super) fn run(sim: &mut Simulation) {
    let clients = sim.pick("clients", 3..=15);
    let descriptors = usize::try_from(sim.pick("descriptors", 1..=5)).unwrap_or(1);
    let hub =
        sim.host("hub", |boot| boot.serve(Server::new(|_: &Peer| Brief), "0.0.0.0:9000").map(drop));
    let own = sim.open_descriptors(hub);
    sim.descriptor_limit(hub, Some(own + descriptors));
    let (_, answers) = hosts_of_callers(sim, clients, "hub:9000", |mut calls| {
        calls.body_bytes_max = 1_000;
        calls.calls_per_connection = 3;
        calls.pause = Duration::from_millis(300);
        calls
    });
    // The limit is this scenario's own.
    sim.faults(Faults::swarm().without(Fault::DescriptorLimit));
    sim.run_for(Duration::from_secs(60));
    sim.calm();
    all_go_on(sim, &answers, Duration::from_secs(600), "everybody has a turn");
    sim.descriptor_limit(hub, None);
    all_go_on(sim, &answers, Duration::from_secs(120), "everybody is served without the limit");
}
