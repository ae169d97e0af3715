//! A name that is given to another server while the one before goes on.

use std::net::IpAddr;
use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::sim::{Faults, Simulation};
use net_reactor::{Answer, LoopConfig};

use super::callers::{Calls, Echo};
use super::lot::{Counter, Lot};
use super::redial::Dialer;

/// The first hosts have the first addresses.
const SERVERS: [[u8; 4]; 2] = [[10, 0, 0, 1], [10, 0, 0, 2]];

pub(super) fn run(sim: &mut Simulation) {
    let lot = Lot::new(sim);
    let (answered, moved) = (Counter::default(), Counter::default());
    let cache = Duration::from_secs(sim.pick("cache_seconds", 0..=20));
    for server in ["old", "new"] {
        sim.host(server, |boot| boot.serve(Server::new(|_| Echo), "0.0.0.0:7").map(drop));
    }
    let (seen, place) = (Counter::default(), moved.clone());
    let asked = seen.clone();
    let calls = Calls {
        calls_per_connection: 2,
        pause: Duration::from_secs(1),
        ..Calls::new(0, &answered, &lot)
    };
    sim.host("client", move |boot| {
        let (calls, lot) = (calls.clone(), lot.clone());
        let (place, asked) = (place.clone(), asked.clone());
        let config =
            LoopConfig::default().name_cache(cache).resolver(move |_: &str, answer: Answer| {
                asked.set(place.get());
                let server = usize::try_from(place.get()).unwrap_or(0);
                answer.found([IpAddr::from(SERVERS[server])]);
            });
        let start = move |event_loop: &mut EventLoop| {
            let dialer = Dialer::new("service.example:7", &lot, move || calls.caller());
            dialer.keep(&mut event_loop.reactor());
            Ok(())
        };
        boot.spawn(config, start).map(drop)
    });
    sim.faults(Faults::swarm());
    sim.run_for(Duration::from_secs(60));
    sim.calm();
    let before = answered.get();
    let goes_on = sim.run_until(Duration::from_secs(120), |_| answered.get() > before);
    sim.check(goes_on, "the client is served again");
    moved.set(1);
    // Connections last for a few seconds, and each of them looks for the name.
    let finds = sim.run_until(cache + Duration::from_secs(120), |_| seen.get() == 1);
    sim.check(finds, "the name is asked for again when its addresses are old");
}
