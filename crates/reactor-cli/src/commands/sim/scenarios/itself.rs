//! A client whose server is on the same host, and at times away, on a port that the client could be
//! given itself.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::sim::{Fault, Faults, Simulation};
use net_reactor::{ConnConfig, ListenOptions, ListenerId};

use super::lot::{Counter, Lot, all_go_on};
use super::redial::Dialer;

const PORT: u16 = 5_001;
const GREETING: &[u8] = b"hello";

/// Greets who comes.
struct Greeter;

impl Protocol for Greeter {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        conn.set_timer(Tag(1), Duration::from_secs(10));
        Ok(conn.write(GREETING)?)
    }

    fn on_data(&mut self, _conn: &mut Conn<'_>, _input: &mut Input<'_>) -> Flow {
        Err(Failure::msg("nobody speaks here"))
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, _tag: Tag) -> Flow {
        conn.abort();
        Ok(())
    }
}

/// Wants to be greeted, and goes.
struct Guest {
    greeted: Counter,
}

impl Protocol for Guest {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        conn.set_timer(Tag(1), Duration::from_secs(10));
        if let Ok(own) = conn.local_address() {
            assert_ne!(own, conn.peer_address(), "a client was connected to itself");
        }
        Ok(())
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        if let Some(greeting) = input.take(GREETING.len()) {
            assert_eq!(greeting, GREETING, "somebody else answered");
            self.greeted.add(1);
            // The few ports would all be waiting after an orderly end.
            conn.abort();
        }
        Ok(())
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, _tag: Tag) -> Flow {
        conn.abort();
        Ok(())
    }
}

/// Listens for a while, and does not for a while, until it is to stay.
fn come_and_go(reactor: &mut Reactor<'_>, listens: Option<ListenerId>, lot: Lot, stays: Counter) {
    let listens = match listens {
        Some(listener) if stays.get() == 0 => {
            assert!(reactor.unlisten(listener), "a listener was gone");
            None
        }
        Some(listener) => Some(listener),
        None => {
            let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT));
            let options = ListenOptions::default();
            // It fails while somebody has the port.
            reactor.listen(address, &options, ConnConfig::default(), |_: &Peer| Greeter).ok()
        }
    };
    reactor.call_later(lot.time(Duration::from_secs(3)), move |reactor| {
        if !reactor.is_stopping() {
            come_and_go(reactor, listens, lot, stays);
        }
    });
}

pub(super) fn run(sim: &mut Simulation) {
    let clients = sim.pick("clients", 1..=3);
    let (lot, greeted, stays) = (Lot::new(sim), Counter::default(), Counter::default());
    let (draws, count, stay) = (lot, greeted.clone(), stays.clone());
    let host = sim.host("host", move |boot| {
        let mut reactor = boot.reactor();
        come_and_go(&mut reactor, None, draws.clone(), stay.clone());
        for _ in 0..clients {
            let greeted = count.clone();
            let make = move || Guest { greeted: greeted.clone() };
            Dialer::new("localhost:5001", &draws, make).keep(&mut reactor);
        }
        Ok(())
    });
    sim.ephemeral_ports(host, PORT - 1..=PORT + 6);
    // The ports are this scenario's own.
    sim.faults(Faults::swarm().without(Fault::FewPorts));
    sim.run_for(Duration::from_secs(60));
    sim.calm();
    sim.run_for(Duration::from_secs(30));
    stays.add(1);
    all_go_on(sim, &[greeted], Duration::from_secs(200), "the server is found on its own host");
}
