//! An echo that holds back whoever does not read it, and clients that read late.

use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::sim::{Fault, Faults, Simulation};
use net_reactor::{ConnConfig, ConnectOptions, OnHighMark};

use super::callers::Echo;
use super::lot::{Counter, Lot, all_go_on, counters};
use super::redial::Dialer;
use super::stream::Stream;

const READ: Tag = Tag(1);
const OVERDUE: Tag = Tag(2);

/// Writes all it has, reads later, and awaits all of it back.
struct Late {
    bytes: u64,
    got: Stream,
    lot: Lot,
    calm: Counter,
    began_in_calm: bool,
    done: Counter,
}

impl Protocol for Late {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        self.began_in_calm = self.calm.get() > 0;
        conn.pause();
        conn.set_timer(READ, self.lot.time(Duration::from_millis(200)));
        conn.set_timer(OVERDUE, Duration::from_secs(10));
        Ok(conn.write(Stream::new(3).make(self.bytes))?)
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        assert!(!conn.is_paused(), "input came in spite of a pause");
        self.got.check(input.take_all());
        if self.got.place() == self.bytes {
            self.done.add(1);
            conn.close();
        } else if self.lot.below(30) == 0 {
            conn.pause();
            conn.set_timer(READ, self.lot.time(Duration::from_millis(100)));
        }
        Ok(())
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, tag: Tag) -> Flow {
        if tag == READ {
            conn.resume();
            return Ok(());
        }
        assert!(!self.began_in_calm, "an echo in a calm world does not come to its end");
        conn.abort();
        Ok(())
    }
}

pub(super) fn run(sim: &mut Simulation) {
    let bytes = sim.pick("bytes", 50_000..=300_000);
    let high = usize::try_from(sim.pick("high_mark", 500..=40_000)).unwrap_or(1);
    let low = usize::try_from(sim.pick("low_mark", 0..=20_000)).unwrap_or(0);
    let buffer = usize::try_from(sim.pick("buffer", 1_000..=30_000)).unwrap_or(1_000);
    sim.buffers(buffer);
    let done = counters(sim.pick("clients", 1..=3));
    let (lot, calm) = (Lot::new(sim), Counter::default());
    sim.host("hub", move |boot| {
        let config = ConnConfig::default().marks(low, high);
        boot.serve(Server::new(|_: &Peer| Echo).connections(config), "0.0.0.0:7").map(drop)
    });
    for (number, done) in done.iter().cloned().enumerate() {
        let (lot, calm) = (lot.clone(), calm.clone());
        sim.host(format!("client-{number}"), move |boot| {
            let (draws, done, calm) = (lot.clone(), done.clone(), calm.clone());
            let make = move || Late {
                bytes,
                got: Stream::new(3),
                lot: draws.clone(),
                calm: calm.clone(),
                began_in_calm: false,
                done: done.clone(),
            };
            let mut dialer = Dialer::new("hub:7", &lot, make);
            // If both sides held back the other, neither would go on.
            let config = ConnConfig::default().on_high_mark(OnHighMark::Tell);
            dialer.options = ConnectOptions::default().config(config);
            dialer.pause_min = Duration::from_secs(1);
            dialer.keep(&mut boot.reactor());
            Ok(())
        });
    }
    // Small buffers are this scenario's own.
    sim.faults(Faults::swarm().without(Fault::SmallBuffers));
    sim.run_for(Duration::from_secs(10));
    sim.calm();
    calm.add(1);
    sim.run_for(Duration::from_secs(13));
    all_go_on(sim, &done, Duration::from_secs(120), "echoes are complete again");
}
