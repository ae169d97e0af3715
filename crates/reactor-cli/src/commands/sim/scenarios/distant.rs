//! Servers far away, in a world in which nothing fails.

use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::sim::{Faults, Latency, Link, Simulation};
use net_reactor::{ConnConfig, ConnectOptions};

use super::callers::Echo;
use super::lot::{Counter, Lot, all_go_on, counters};
use super::redial::Dialer;

/// Says a word, hears it, and goes.
struct Visitor(Counter);

impl Protocol for Visitor {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        Ok(conn.write("word")?)
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        if input.len() == 4 {
            assert_eq!(input.take_all(), b"word");
            self.0.add(1);
            conn.close();
        }
        Ok(())
    }

    fn on_close(&mut self, conn: &mut Conn<'_>, reason: CloseReason) {
        let stops = conn.reactor().is_stopping();
        assert!(
            stops || reason.is_clean(),
            "a connection ended with {reason:?} where nothing fails"
        );
    }

    fn on_connect_failed(&mut self, reactor: &mut Reactor<'_>, error: ConnectError) {
        assert!(reactor.is_stopping(), "an attempt failed where nothing fails: {error}");
    }
}

pub(super) fn run(sim: &mut Simulation) {
    let latency = Duration::from_millis(sim.pick("latency_ms", 10..=200));
    let visits = counters(sim.pick("visitors", 1..=6));
    let lot = Lot::new(sim);
    let hub = sim.host("hub", |boot| boot.serve(Server::new(|_| Echo), "0.0.0.0:7").map(drop));
    let counts = visits.clone();
    let away = sim.host("away", move |boot| {
        for visits in &counts {
            let visits = visits.clone();
            let mut dialer = Dialer::new("hub:7", &lot, move || Visitor(visits.clone()));
            // Names, full backlogs and buffers of a byte take their time.
            let config = ConnConfig::default().linger(Duration::from_secs(120));
            let patience = Duration::from_secs(120);
            dialer.options = ConnectOptions::default().deadline(patience).config(config);
            dialer.keep(&mut boot.reactor());
        }
        // The loop has other things to do, and waits often.
        boot.reactor().call_every(Duration::from_millis(5), |_reactor, _tick| ());
        Ok(())
    });
    sim.link(hub, away, Link::new(Latency::Fixed(latency)));
    sim.faults(Faults::harmless());
    sim.run_for(Duration::from_secs(20));
    sim.calm();
    all_go_on(sim, &visits, Duration::from_secs(120), "visits go on");
}
