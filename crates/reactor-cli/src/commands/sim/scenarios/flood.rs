//! Floods and calls at one loop, which stands still now and then, through buffers of all sizes.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::sim::{Fault, Faults, Host, Simulation};
use net_reactor::{ConnConfig, ListenOptions};

use super::callers::{Echo, hosts_of_callers};
use super::lot::{Counter, Lot, all_go_on, counters};
use super::redial::Dialer;
use super::stream::Stream;

/// What a connection is given in one turn at most, as [`Protocol::on_data`] says.
const BYTES_PER_TURN: usize = 256 * 1024;
const DONE: &[u8] = b".";
const OVERDUE: Tag = Tag(1);

/// Reads a flood to its end, unless it has enough of it before.
struct Basin {
    bytes: u64,
    /// How much it bears.
    enough: u64,
    got: Stream,
    /// Bytes that came in this turn.
    in_turn: Rc<Cell<usize>>,
}

impl Protocol for Basin {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        conn.set_timer(OVERDUE, Duration::from_secs(30));
        Ok(())
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        let bytes = input.take_all();
        self.got.check(bytes);
        let in_turn = self.in_turn.get() + bytes.len();
        assert!(in_turn <= BYTES_PER_TURN, "{in_turn} bytes of one connection in one turn");
        if self.in_turn.replace(in_turn) == 0 {
            // Calls of the turn itself run after what the network brought.
            let counter = Rc::clone(&self.in_turn);
            conn.reactor().defer(move |_reactor| counter.set(0));
        }
        if self.got.place() >= self.enough {
            conn.abort();
        } else if self.got.place() == self.bytes {
            conn.write(DONE)?;
        }
        Ok(())
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, _tag: Tag) -> Flow {
        conn.abort();
        Ok(())
    }
}

/// Sends a flood, all of it at once, and awaits the word that it has arrived.
struct Source {
    bytes: u64,
    calm: Counter,
    began_in_calm: bool,
    done: Counter,
}

impl Protocol for Source {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        self.began_in_calm = self.calm.get() > 0;
        conn.set_timer(OVERDUE, Duration::from_secs(15));
        Ok(conn.write(Stream::new(7).make(self.bytes))?)
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        assert_eq!(input.take_all(), DONE);
        self.done.add(1);
        conn.close();
        Ok(())
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, _tag: Tag) -> Flow {
        assert!(!self.began_in_calm, "a flood in a calm world does not arrive");
        conn.abort();
        Ok(())
    }
}

/// Lets a host stand still for some milliseconds, again and again: what arrives meanwhile is there
/// all at once.
fn hold_up(sim: &mut Simulation, host: Host, lot: &Lot) {
    let (pause, next) = (lot.time(Duration::from_millis(40)), lot.clone());
    sim.after(lot.time(Duration::from_millis(400)), move |sim| {
        sim.freeze(host);
        sim.after(pause, move |sim| {
            sim.thaw(host);
            hold_up(sim, host, &next);
        });
    });
}

pub(super) fn run(sim: &mut Simulation) {
    let buffer = sim.pick("buffer_log2", 12..=20);
    sim.buffers(1 << buffer);
    // Few turns fill even the smallest buffer often enough.
    let bytes = sim.pick("bytes", 1..=1_500_000).min(64 << buffer);
    let done = counters(sim.pick("sources", 1..=4));
    let callers = sim.pick("callers", 1..=3);
    let (lot, calm) = (Lot::new(sim), Counter::default());
    let draws = lot.clone();
    let hub = sim.host("hub", move |boot| {
        let (options, config) = (ListenOptions::default(), ConnConfig::default());
        let lot = draws.clone();
        let mut reactor = boot.reactor();
        let any = |port| std::net::SocketAddr::from(([0, 0, 0, 0], port));
        reactor.listen(any(9000), &options, config.clone(), |_: &Peer| Echo)?;
        reactor.listen(any(9001), &options, config, move |_: &Peer| Basin {
            bytes,
            enough: if lot.below(3) == 0 { 1 + lot.below(bytes) } else { u64::MAX },
            got: Stream::new(7),
            in_turn: Rc::default(),
        })?;
        Ok(())
    });
    for (number, done) in done.iter().cloned().enumerate() {
        let (lot, calm) = (lot.clone(), calm.clone());
        sim.host(format!("source-{number}"), move |boot| {
            let (done, calm) = (done.clone(), calm.clone());
            let make = move || Source {
                bytes,
                calm: calm.clone(),
                began_in_calm: false,
                done: done.clone(),
            };
            let mut dialer = Dialer::new("hub:9001", &lot, make);
            dialer.pause_min = Duration::from_secs(1);
            dialer.keep(&mut boot.reactor());
            Ok(())
        });
    }
    let (_, answers) = hosts_of_callers(sim, callers, "hub:9000", |mut calls| {
        calls.body_bytes_max = 2_000;
        calls.calls_per_connection = 1;
        calls.pause = Duration::from_millis(100);
        calls
    });
    // Buffers are this scenario's own, and so are hosts that stand still.
    sim.faults(Faults::swarm().without_all([Fault::SmallBuffers, Fault::HostFreeze]));
    hold_up(sim, hub, &lot);
    sim.run_for(Duration::from_secs(10));
    sim.calm();
    calm.add(1);
    let everybody = [done, answers].concat();
    all_go_on(sim, &everybody, Duration::from_secs(300), "floods and calls are served");
    sim.run_for(Duration::from_secs(20));
}
