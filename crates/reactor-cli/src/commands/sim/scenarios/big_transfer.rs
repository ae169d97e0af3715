//! One long transfer to each client, through small buffers.

use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::sim::{Fault, Faults, Simulation};
use net_reactor::{ConnConfig, ConnectOptions};

use super::lot::{Counter, Lot, all_go_on, counters};
use super::redial::Dialer;
use super::stream::Stream;

/// Sends when there is room, a piece at a time.
struct Source {
    bytes: u64,
    piece: u64,
    sent: Stream,
}

impl Source {
    fn go_on(&mut self, conn: &mut Conn<'_>) -> Flow {
        while self.sent.place() < self.bytes {
            let count = self.piece.min(self.bytes - self.sent.place());
            conn.write(self.sent.make(count))?;
            if conn.stats().queued_bytes > 30_000 {
                // The low mark calls again.
                return Ok(());
            }
        }
        conn.close();
        Ok(())
    }
}

impl Protocol for Source {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        self.go_on(conn)
    }

    fn on_data(&mut self, _conn: &mut Conn<'_>, _input: &mut Input<'_>) -> Flow {
        Err(Failure::msg("nobody sends here"))
    }

    fn on_pressure(&mut self, conn: &mut Conn<'_>, pressure: Pressure) -> Flow {
        if pressure == Pressure::Low { self.go_on(conn) } else { Ok(()) }
    }

    // Closing in the middle would look like the end.
    fn on_stop(&mut self, conn: &mut Conn<'_>) -> Flow {
        conn.abort();
        Ok(())
    }
}

struct Sink {
    bytes: u64,
    got: Stream,
    done: Counter,
}

impl Protocol for Sink {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        conn.set_timer(Tag(1), Duration::from_secs(30));
        Ok(())
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        self.got.check(input.take_all());
        conn.set_timer(Tag(1), Duration::from_secs(30));
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
    let bytes = sim.pick("bytes", 100_000..=2_000_000);
    let piece = sim.pick("piece", 100..=100_000);
    let buffer = usize::try_from(sim.pick("buffer", 600..=60_000)).unwrap_or(1_000);
    let done = counters(sim.pick("clients", 1..=2));
    let lot = Lot::new(sim);
    sim.host("hub", move |boot| {
        let config = ConnConfig::default().marks(10_000, 20_000).send_buffer(buffer);
        let server = Server::new(move |_: &Peer| Source { bytes, piece, sent: Stream::new(5) });
        boot.serve(server.connections(config), "0.0.0.0:9000").map(drop)
    });
    for (number, done) in done.iter().cloned().enumerate() {
        let lot = lot.clone();
        sim.host(format!("client-{number}"), move |boot| {
            let done = done.clone();
            let make = move || Sink { bytes, got: Stream::new(5), done: done.clone() };
            let mut dialer = Dialer::new("hub:9000", &lot, make);
            let config = ConnConfig::default().receive_buffer(buffer);
            dialer.options = ConnectOptions::default().config(config);
            dialer.pause_min = Duration::from_secs(5);
            dialer.keep(&mut boot.reactor());
            Ok(())
        });
    }
    // The kernel of a killed process sends its FIN wherever the stream is. Buffers of a few bytes
    // would make millions of segments; small ones are this scenario's own.
    sim.faults(Faults::swarm().without_all([Fault::ProcessKill, Fault::SmallBuffers]));
    sim.run_for(Duration::from_secs(20));
    sim.calm();
    all_go_on(sim, &done, Duration::from_secs(600), "transfers are completed again");
}
