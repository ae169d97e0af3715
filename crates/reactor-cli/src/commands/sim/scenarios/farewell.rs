//! A server that closes peers which neither read, nor write, nor close.

use std::time::Duration;

use net_reactor::ConnConfig;
use net_reactor::prelude::*;
use net_reactor::sim::{Faults, Simulation};

use super::lot::{Counter, Lot};

/// Says more than the peer will read, and closes.
struct Leaver {
    lot: Lot,
    says_max: u64,
}

impl Protocol for Leaver {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        conn.set_timer(Tag(1), self.lot.time(Duration::from_secs(3)));
        Ok(())
    }

    fn on_data(&mut self, _conn: &mut Conn<'_>, _input: &mut Input<'_>) -> Flow {
        Err(Failure::msg("nobody speaks here"))
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, _tag: Tag) -> Flow {
        let bytes = usize::try_from(self.lot.size(self.says_max)).unwrap_or(1);
        conn.write(vec![b'x'; bytes])?;
        conn.close();
        Ok(())
    }
}

/// Does nothing, for as long as it may.
struct Silent {
    lot: Lot,
}

impl Protocol for Silent {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        conn.pause();
        // The other host may have lost its power, of which nothing tells who is silent.
        conn.set_timer(Tag(1), Duration::from_secs(600) + self.lot.time(Duration::from_secs(60)));
        Ok(())
    }

    fn on_data(&mut self, _conn: &mut Conn<'_>, _input: &mut Input<'_>) -> Flow {
        panic!("input came during a pause");
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, _tag: Tag) -> Flow {
        conn.abort();
        Ok(())
    }
}

pub(super) fn run(sim: &mut Simulation) {
    let linger = Duration::from_secs(sim.pick("linger_s", 1..=40));
    let drain = Duration::from_secs(sim.pick("drain_s", 1..=10));
    let says_max = sim.pick("bytes", 1..=1_000_000);
    let clients = sim.pick("clients", 1..=3);
    let (lot, is_over) = (Lot::new(sim), Counter::default());
    let draws = lot.clone();
    let hub = sim.host("hub", move |boot| {
        let lot = draws.clone();
        let server = Server::new(move |_: &Peer| Leaver { lot: lot.clone(), says_max });
        let config = ConnConfig::default().linger(linger).drain(drain);
        boot.serve(server.connections(config), "0.0.0.0:9000").map(drop)
    });
    for number in 0..clients {
        let (lot, is_over) = (lot.clone(), is_over.clone());
        sim.host(format!("client-{number}"), move |boot| {
            let (lot, is_over) = (lot.clone(), is_over.clone());
            let pause = Duration::from_secs(1) + lot.time(Duration::from_secs(5));
            boot.reactor().call_every(pause, move |reactor, _tick| {
                if is_over.get() == 0 && !reactor.is_stopping() {
                    let connected = reactor.connect("hub:9000", Silent { lot: lot.clone() });
                    assert!(connected.is_ok(), "the target is one: {connected:?}");
                }
            });
            Ok(())
        });
    }
    sim.faults(Faults::swarm());
    sim.run_for(Duration::from_secs(60));
    sim.calm();
    sim.run_for(Duration::from_secs(30));
    let any_there = |sim: &mut Simulation| sim.stats(hub).connections > 0;
    sim.eventually(Duration::from_secs(60), "peers are there in a calm world", any_there);
    is_over.add(1);
    // Attempts are over after 30 s, a closing begins after 3 s, and both patiences have an end.
    let limit = Duration::from_secs(30 + 3 + 2) + linger + drain;
    let all_gone = |sim: &mut Simulation| sim.stats(hub).connections == 0;
    sim.eventually(limit, "a closed connection ends, whatever its peer does", all_gone);
}
