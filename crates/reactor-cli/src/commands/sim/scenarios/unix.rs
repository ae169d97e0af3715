//! Programs of one host that talk over a Unix socket, through crashes that leave its file behind.

use std::time::Duration;

use net_reactor::LoopConfig;
use net_reactor::prelude::*;
use net_reactor::sim::{Faults, Simulation};

use super::callers::{Calls, Echo};
use super::lot::{Lot, all_go_on, counters};
use super::redial::Dialer;

/// An echo that looks at its peers' papers.
struct Porter(Echo);

impl Protocol for Porter {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        assert!(conn.peer_address().unix().is_some_and(net_reactor::UnixAddress::is_unnamed));
        // A peer is another loop, which is another process here.
        assert_ne!(conn.peer_credentials()?.pid, 0);
        Ok(())
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        self.0.on_data(conn, input)
    }
}

pub(super) fn run(sim: &mut Simulation) {
    let callers = sim.pick("callers", 1..=6);
    let loops = usize::try_from(sim.pick("loops", 1..=3)).unwrap_or(1);
    let is_abstract = sim.pick("abstract", 0..=1) > 0;
    let target = if is_abstract { "unix:@hub" } else { "unix:/run/hub.sock?mode=600" };
    let answers = counters(callers);
    let lots: Vec<Lot> = answers.iter().map(|_| Lot::new(sim)).collect();
    let answered = answers.clone();
    let hub = sim.host("hub", move |boot| {
        for ((number, answered), lot) in (0..).zip(&answered).zip(&lots) {
            let mut calls = Calls::new(number, answered, lot);
            calls.calls_per_connection = 5;
            let dialer = Dialer::new(target, lot, move || calls.caller());
            boot.spawn(LoopConfig::default(), |event_loop| {
                dialer.keep(&mut event_loop.reactor());
                Ok(())
            })?;
        }
        // Last, so that the first attempts find nobody, or the file of the run before.
        boot.serve(Server::new(|_: &Peer| Porter(Echo)).loops(loops), target).map(drop)
    });
    // The same name on another host is another socket.
    let stranger = sim.host("stranger", move |boot| {
        boot.serve(Server::on_data(|_, _| panic!("nobody calls here")), target).map(drop)
    });
    sim.faults(Faults::swarm());
    sim.run_for(Duration::from_secs(120));
    sim.calm();
    all_go_on(sim, &answers, Duration::from_secs(300), "every caller is answered");
    sim.check(sim.is_up(hub) && sim.is_up(stranger), "both hosts are up");
    sim.check(sim.stats(stranger).accepted == 0, "a name is found on its own host alone");
}
