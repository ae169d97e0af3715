//! A feed for everybody, and consumers that stop reading it.

use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::sim::{Fault, Faults, Simulation};
use net_reactor::{ConnConfig, ConnectOptions};

use super::lot::{Counter, Lot, all_go_on, counters};
use super::redial::Dialer;
use super::stream::Frame;

/// Queued output of one consumer at most; memory is bounded by it.
const OUTPUT_MAX: usize = 100_000;
const SILENCE: Tag = Tag(1);

/// A consumer that the feed serves; it says nothing.
struct Served(Counter);

impl Protocol for Served {
    fn on_data(&mut self, _conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        input.take_all();
        Ok(())
    }

    fn on_close(&mut self, conn: &mut Conn<'_>, reason: CloseReason) {
        let queued = conn.stats().queued_bytes;
        assert!(queued <= OUTPUT_MAX, "{queued} bytes were queued");
        self.0.add(u64::from(matches!(reason, CloseReason::SlowConsumer { .. })));
    }
}

struct Consumer {
    reads: bool,
    last: Option<u64>,
    seen: Counter,
}

impl Protocol for Consumer {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        if self.reads {
            conn.set_timer(SILENCE, Duration::from_secs(20));
        } else {
            conn.pause();
            // Who does not read does not learn that the feed is gone.
            conn.set_timer(SILENCE, Duration::from_secs(240));
        }
        Ok(())
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        while let Some(frame) = Frame::take(input) {
            let next = self.last.is_none_or(|last| frame.number == last + 1);
            assert!(next, "{frame:?} came after {:?}", self.last);
            self.last = Some(frame.number);
            self.seen.add(1);
            conn.set_timer(SILENCE, Duration::from_secs(20));
        }
        Ok(())
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, _tag: Tag) -> Flow {
        conn.abort();
        Ok(())
    }
}

pub(super) fn run(sim: &mut Simulation) {
    let fast = sim.pick("fast", 1..=5);
    let slow = sim.pick("slow", 1..=5);
    let body_bytes = u32::try_from(sim.pick("bytes", 1_000..=8_000)).unwrap_or(1_000);
    let (lot, dropped) = (Lot::new(sim), Counter::default());
    let count = dropped.clone();
    sim.host("feed", move |boot| {
        let count = count.clone();
        let config = ConnConfig::default().output_max(OUTPUT_MAX);
        let server = Server::new(move |_: &Peer| Served(count.clone())).connections(config);
        let feed = boot.serve(server, "0.0.0.0:9000")?.handle;
        let mut number = 0;
        boot.reactor().call_every(Duration::from_millis(500), move |_reactor, _tick| {
            number += 1;
            feed.broadcast(Frame { sender: 0, number, body_bytes }.encode());
        });
        Ok(())
    });
    let seen = counters(fast + slow);
    for (number, seen) in (0..).zip(seen.iter().cloned()) {
        let lot = lot.clone();
        sim.host(format!("consumer-{number}"), move |boot| {
            let seen = seen.clone();
            let reads = number < fast;
            let make = move || Consumer { reads, last: None, seen: seen.clone() };
            let mut dialer = Dialer::new("feed:9000", &lot, make);
            let config = ConnConfig::default().receive_buffer(4_096);
            dialer.options = ConnectOptions::default().config(config);
            dialer.keep(&mut boot.reactor());
            Ok(())
        });
    }
    // A full inbox would leave a gap in the feed; the handler's number tells of each.
    sim.faults(Faults::swarm().without(Fault::InboxFull));
    sim.run_for(Duration::from_secs(90));
    sim.calm();
    let readers = &seen[..usize::try_from(fast).unwrap_or(0)];
    all_go_on(sim, readers, Duration::from_secs(300), "who reads is served");
    let before = dropped.get();
    let enough = before + slow;
    let done = sim.run_until(Duration::from_secs(1_200), |_| dropped.get() >= enough);
    sim.check(done, "who does not read is dropped");
}
