//! A relay between clients and a server, which holds back the faster side.

use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::sim::{Fault, Faults, Simulation};
use net_reactor::{ConnConfig, ConnectOptions, OnHighMark, Relay};

use super::callers::Echo;
use super::lot::{Counter, Lot, all_go_on, counters};
use super::redial::Dialer;
use super::stream::Stream;

fn config() -> ConnConfig {
    ConnConfig::default().marks(2_000, 8_000)
}

/// Sends a stream and a FIN, and expects all of it back.
struct Sender {
    bytes: u64,
    got: Stream,
    done: Counter,
}

impl Protocol for Sender {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        conn.set_timer(Tag(1), Duration::from_secs(60));
        conn.write(Stream::new(9).make(self.bytes))?;
        Ok(conn.shutdown_write()?)
    }

    fn on_data(&mut self, _conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        self.got.check(input.take_all());
        Ok(())
    }

    fn on_eof(&mut self, _conn: &mut Conn<'_>, _input: &mut Input<'_>) -> Result<Eof, Failure> {
        if self.got.place() == 0 {
            // A server without descriptors turns its peers away so.
            return Ok(Eof::Close);
        }
        assert_eq!(self.got.place(), self.bytes, "the end came early");
        self.done.add(1);
        Ok(Eof::Close)
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, _tag: Tag) -> Flow {
        conn.abort();
        Ok(())
    }
}

pub(super) fn run(sim: &mut Simulation) {
    let bytes = sim.pick("bytes", 1..=150_000);
    let done = counters(sim.pick("clients", 1..=4));
    let lot = Lot::new(sim);
    sim.host("hub", |boot| {
        // An echo must read on while its answers wait, since the sender reads them late.
        let tell = ConnConfig::default().on_high_mark(OnHighMark::Tell);
        boot.serve(Server::new(|_: &Peer| Aborting).connections(tell), "0.0.0.0:7").map(drop)
    });
    sim.host("relay", |boot| {
        let relay = Relay::to("hub:7")?.options(ConnectOptions::default().config(config()));
        let server = Server::new(move |_: &Peer| relay.clone()).connections(config());
        boot.serve(server, "0.0.0.0:9000").map(drop)
    });
    for (number, done) in done.iter().cloned().enumerate() {
        let lot = lot.clone();
        sim.host(format!("client-{number}"), move |boot| {
            let done = done.clone();
            let make = move || Sender { bytes, got: Stream::new(9), done: done.clone() };
            let mut dialer = Dialer::new("relay:9000", &lot, make);
            dialer.pause_min = Duration::from_secs(4);
            dialer.keep(&mut boot.reactor());
            Ok(())
        });
    }
    // The kernel of a killed process sends its FIN wherever the stream is.
    sim.faults(Faults::swarm().without(Fault::ProcessKill));
    sim.run_for(Duration::from_secs(60));
    sim.calm();
    all_go_on(sim, &done, Duration::from_secs(300), "streams come back whole again");
}

/// An echo that does not close in the middle of a stream when its loop stops.
struct Aborting;

impl Protocol for Aborting {
    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        Echo.on_data(conn, input)
    }

    fn on_stop(&mut self, conn: &mut Conn<'_>) -> Flow {
        conn.abort();
        Ok(())
    }
}
