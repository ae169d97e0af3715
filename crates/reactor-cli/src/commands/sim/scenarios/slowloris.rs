//! Strangers who hold connections and give nothing, beside honest callers.

use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::sim::{Fault, Faults, Simulation};
use net_reactor::{ConnConfig, Timeout, Timeouts};

use super::callers::hosts_of_callers;
use super::lot::{Counter, Lot, all_go_on, counters};
use super::redial::Dialer;
use super::stream::Frame;

/// Senders from here on are strangers.
const STRANGERS: u32 = 1_000;
const DRIP: Tag = Tag(1);
const LEAVE: Tag = Tag(2);
/// Who says nothing does not learn that the hub is gone, and tries another time.
const STAY: Duration = Duration::from_secs(100);

/// What strangers do, and what ends it.
const TRICKS: [Timeout; 4] =
    [Timeout::FirstByte, Timeout::MinimumRate, Timeout::Write, Timeout::Idle];

/// Answers frames, whoever sends them.
struct Served {
    sender: Option<u32>,
    /// Strangers timed out, for each trick.
    caught: Vec<Counter>,
    /// Honest callers timed out.
    lost: Counter,
}

impl Protocol for Served {
    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        while let Some(frame) = Frame::take(input) {
            self.sender = Some(frame.sender);
            // A stranger gets more than the buffers hold, so that it can refuse to take it.
            let times = if frame.sender < STRANGERS { 1 } else { frame.number };
            for _ in 0..times {
                conn.write(frame.encode())?;
            }
        }
        Ok(())
    }

    fn on_close(&mut self, _conn: &mut Conn<'_>, reason: CloseReason) {
        if let CloseReason::TimedOut { timeout, .. } = reason {
            let honest = self.sender.is_some_and(|sender| sender < STRANGERS);
            self.lost.add(u64::from(honest));
            if let Some(place) = TRICKS.iter().position(|trick| *trick == timeout) {
                self.caught[place].add(1);
            }
        }
    }
}

/// Holds a connection by one of the tricks.
struct Stranger {
    trick: Timeout,
    /// What is sent byte by byte.
    drip: Vec<u8>,
}

impl Stranger {
    fn new(trick: Timeout) -> Self {
        let frame = Frame { sender: STRANGERS, number: 1, body_bytes: 4_000 };
        Self { trick, drip: frame.encode() }
    }
}

impl Protocol for Stranger {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        conn.set_timer(LEAVE, STAY);
        match self.trick {
            Timeout::MinimumRate => conn.set_timer(DRIP, Duration::from_secs(1)),
            Timeout::Write => {
                conn.pause();
                let greedy = Frame { sender: STRANGERS, number: 600, body_bytes: 4_000 };
                conn.write(greedy.encode())?;
            }
            Timeout::Idle => {
                conn.write(Frame { sender: STRANGERS, number: 1, body_bytes: 10 }.encode())?;
            }
            _ => {}
        }
        Ok(())
    }

    fn on_data(&mut self, _conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        input.take_all();
        Ok(())
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, tag: Tag) -> Flow {
        if tag == LEAVE {
            conn.abort();
            return Ok(());
        }
        conn.set_timer(DRIP, Duration::from_secs(1));
        let byte = self.drip.remove(0);
        Ok(conn.write([byte])?)
    }
}

pub(super) fn run(sim: &mut Simulation) {
    let honest = sim.pick("honest", 1..=5);
    let each = sim.pick("strangers", 1..=5);
    let loops = usize::try_from(sim.pick("loops", 1..=2)).unwrap_or(1);
    let (lot, caught, lost) = (Lot::new(sim), counters(TRICKS.len() as u64), Counter::default());
    let (counts, count) = (caught.clone(), lost.clone());
    let hub = sim.host("hub", move |boot| {
        let (caught, lost) = (counts.clone(), count.clone());
        let make =
            move |_: &Peer| Served { sender: None, caught: caught.clone(), lost: lost.clone() };
        let timeouts = Timeouts::strangers().idle(Duration::from_secs(60));
        let config = ConnConfig::default().timeouts(timeouts);
        boot.serve(Server::new(make).loops(loops).connections(config), "0.0.0.0:7").map(drop)
    });
    let (_, answers) = hosts_of_callers(sim, honest, "hub:7", |mut calls| {
        calls.body_bytes_max = 2_000;
        calls
    });
    for (number, trick) in TRICKS.into_iter().enumerate() {
        let lot = lot.clone();
        sim.host(format!("strangers-{number}"), move |boot| {
            for _ in 0..each {
                let dialer = Dialer::new("hub:7", &lot, move || Stranger::new(trick));
                dialer.keep(&mut boot.reactor());
            }
            Ok(())
        });
    }
    // Buffers of a byte over a slow link make an honest caller as slow as a stranger, for the whole
    // run.
    sim.faults(Faults::swarm().without(Fault::SmallBuffers));
    sim.run_for(Duration::from_secs(120));
    sim.calm();
    all_go_on(sim, &answers, Duration::from_secs(300), "every honest caller is served again");
    sim.run_for(Duration::from_secs(60));
    let before = lost.get();
    all_go_on(sim, &caught, Duration::from_secs(300), "each trick ends in its own timeout");
    sim.check(lost.get() == before, "no honest caller is taken for a stranger");
    // A place is free again within its timeout, whatever becomes of its holder.
    let most = honest + 2 * each * TRICKS.len() as u64;
    sim.check(sim.stats(hub).connections as u64 <= most, "the hub keeps no connection for ever");
}
