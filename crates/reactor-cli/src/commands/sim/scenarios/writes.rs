//! Small, large and shared writes in one callback: one stream.

use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::sim::{Faults, Simulation};

use super::lot::{Counter, Lot, all_go_on, counters};
use super::redial::Dialer;
use super::stream::Stream;

const WRITE: Tag = Tag(1);
const SILENCE: Tag = Tag(2);

/// Writes in every way there is, and checks what the other side writes.
struct Writer {
    lot: Lot,
    sent: Stream,
    got: Stream,
    size_max: u64,
    count: Counter,
}

impl Protocol for Writer {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        conn.set_timer(WRITE, Duration::from_millis(1));
        conn.set_timer(SILENCE, Duration::from_secs(60));
        Ok(())
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        conn.set_timer(SILENCE, Duration::from_secs(60));
        self.got.check(input.take_all());
        self.count.add(1);
        Ok(())
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, tag: Tag) -> Flow {
        if tag == SILENCE {
            conn.abort();
            return Ok(());
        }
        conn.set_timer(WRITE, self.lot.time(Duration::from_secs(2)));
        for _ in 0..1 + self.lot.below(5) {
            let bytes = self.sent.make(self.lot.size(self.size_max));
            match self.lot.below(3) {
                0 => conn.write_shared(bytes.into())?,
                _ => conn.write(bytes)?,
            }
        }
        Ok(())
    }
}

pub(super) fn run(sim: &mut Simulation) {
    let size_max = sim.pick("bytes", 1..=60_000);
    let counts = counters(1 + sim.pick("clients", 1..=2));
    let lot = Lot::new(sim);
    let writer = |count: &Counter, sends: u64| {
        let (lot, count) = (lot.clone(), count.clone());
        move || Writer {
            lot: lot.clone(),
            sent: Stream::new(sends),
            got: Stream::new(3 - sends),
            size_max,
            count: count.clone(),
        }
    };
    let serving = writer(&counts[0], 1);
    sim.host("hub", move |boot| {
        let make = serving.clone();
        boot.serve(Server::new(move |_: &Peer| make()), "0.0.0.0:9000").map(drop)
    });
    for (number, count) in counts.iter().skip(1).enumerate() {
        let (lot, make) = (lot.clone(), writer(count, 2));
        sim.host(format!("client-{number}"), move |boot| {
            Dialer::new("hub:9000", &lot, make.clone()).keep(&mut boot.reactor());
            Ok(())
        });
    }
    sim.faults(Faults::swarm());
    sim.run_for(Duration::from_secs(40));
    sim.calm();
    all_go_on(sim, &counts, Duration::from_secs(300), "both sides go on");
}
