//! A server with several loops that share the peers of one address.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use net_reactor::sim::{Faults, Simulation};
use net_reactor::{Balance, LoopHandle, Server};

use super::callers::{Echo, hosts_of_callers};
use super::lot::all_go_on;

pub(super) fn run(sim: &mut Simulation) {
    let loops = usize::try_from(sim.pick("loops", 2..=4)).unwrap_or(2);
    let clients = sim.pick("clients", 2..=12);
    let balance = match sim.pick("least_loaded", 0..=1) {
        1 => Balance::LeastLoaded,
        _ => Balance::ReusePort,
    };
    let handle = Rc::new(RefCell::new(None));
    let put = Rc::clone(&handle);
    let hub = sim.host("hub", move |boot| {
        let server = Server::new(|_| Echo).loops(loops).balance(balance);
        *put.borrow_mut() = Some(boot.serve(server, "0.0.0.0:9000")?.handle);
        Ok(())
    });
    let (hosts, answers) = hosts_of_callers(sim, clients, "hub:9000", |calls| calls);
    sim.faults(Faults::swarm());
    sim.run_for(Duration::from_secs(90));
    sim.calm();
    all_go_on(sim, &answers, Duration::from_secs(300), "every client is served again");
    if balance == Balance::ReusePort {
        return;
    }
    // Everybody leaves and comes back to a fresh server, one after the other, in a calm world.
    for host in &hosts {
        sim.stop(*host);
    }
    let gone = |sim: &mut Simulation| !hosts.iter().any(|host| sim.is_up(*host));
    let stopped = sim.run_until(Duration::from_secs(180), gone);
    sim.check(stopped, "clients that are told to stop do");
    sim.kill(hub);
    sim.start(hub);
    for host in &hosts {
        sim.start(*host);
        sim.run_for(Duration::from_secs(1));
    }
    let counts: Vec<usize> = handle
        .borrow()
        .iter()
        .flat_map(|handle| handle.loops().iter().map(LoopHandle::connections).collect::<Vec<_>>())
        .collect();
    let spread = counts.iter().max().unwrap_or(&0) - counts.iter().min().unwrap_or(&0);
    sim.check(spread <= 1, &format!("the loops have {counts:?} connections"));
}
