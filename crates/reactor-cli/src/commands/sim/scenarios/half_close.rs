//! Requests and answers that end with a FIN, in both orders.

use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::sim::{Fault, Faults, Simulation};
use net_reactor::{ConnConfig, ConnectOptions};

use super::lot::{Counter, Lot, all_go_on, counters};
use super::redial::Dialer;
use super::stream::Stream;

const OVERDUE: Tag = Tag(1);

/// One side: it sends a stream and a FIN, and expects the other's.
struct Side {
    /// Sends at once; otherwise when the other side has finished.
    is_first: bool,
    sends: u64,
    sent: Stream,
    expects: u64,
    got: Stream,
    done: Counter,
}

impl Side {
    fn send(&mut self, conn: &mut Conn<'_>) -> Flow {
        while self.sent.place() < self.sends {
            let piece = self.sent.make((self.sends - self.sent.place()).min(20_000));
            conn.write(piece)?;
        }
        Ok(conn.shutdown_write()?)
    }
}

impl Protocol for Side {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        conn.set_timer(OVERDUE, Duration::from_secs(60));
        if self.is_first { self.send(conn) } else { Ok(()) }
    }

    fn on_data(&mut self, _conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        self.got.check(input.take_all());
        Ok(())
    }

    fn on_eof(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Result<Eof, Failure> {
        self.got.check(input.take_all());
        if self.got.place() == 0 {
            // A server without descriptors turns its peers away so.
            conn.abort();
            return Ok(Eof::Close);
        }
        // A FIN follows everything that was written.
        assert_eq!(self.got.place(), self.expects, "the end came early");
        self.done.add(1);
        if !self.is_first {
            self.send(conn)?;
        }
        Ok(Eof::KeepOpen)
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, _tag: Tag) -> Flow {
        conn.abort();
        Ok(())
    }

    // Finishing is what either side does anyway.
    fn on_stop(&mut self, conn: &mut Conn<'_>) -> Flow {
        conn.abort();
        Ok(())
    }
}

pub(super) fn run(sim: &mut Simulation) {
    // The kernel of a killed process sends its FIN wherever the stream is.
    let faults = Faults::swarm().without(Fault::ProcessKill);
    exchange(sim, &ConnConfig::default(), faults);
}

/// The same through a layer, which knows a FIN that cuts its stream short.
#[cfg(feature = "zlib")]
pub(super) fn run_packed(sim: &mut Simulation) {
    use net_reactor::codec::Compression;

    let zlib = Compression::zlib().window_bits(9);
    exchange(sim, &ConnConfig::default().layer(zlib), Faults::swarm());
}

fn exchange(sim: &mut Simulation, config: &ConnConfig, faults: Faults) {
    let (request, answer) = (sim.pick("request", 1..=300_000), sim.pick("answer", 1..=300_000));
    let server_first = sim.pick("server_first", 0..=1) == 1;
    let done = counters(sim.pick("clients", 1..=3));
    let (lot, served) = (Lot::new(sim), Counter::default());
    let served_config = config.clone();
    sim.host("hub", move |boot| {
        let served = served.clone();
        let server = Server::new(move |_: &Peer| Side {
            is_first: server_first,
            sends: answer,
            sent: Stream::new(2),
            expects: request,
            got: Stream::new(1),
            done: served.clone(),
        });
        boot.serve(server.connections(served_config.clone()), "0.0.0.0:9000").map(drop)
    });
    for (number, done) in done.iter().cloned().enumerate() {
        let lot = lot.clone();
        let options = ConnectOptions::default().config(config.clone());
        sim.host(format!("client-{number}"), move |boot| {
            let done = done.clone();
            let mut dialer = Dialer::new("hub:9000", &lot, move || Side {
                is_first: !server_first,
                sends: request,
                sent: Stream::new(1),
                expects: answer,
                got: Stream::new(2),
                done: done.clone(),
            });
            dialer.options = options.clone();
            dialer.pause_min = Duration::from_secs(5);
            dialer.keep(&mut boot.reactor());
            Ok(())
        });
    }
    sim.faults(faults);
    sim.run_for(Duration::from_secs(60));
    sim.calm();
    all_go_on(sim, &done, Duration::from_secs(300), "exchanges are completed again");
}
