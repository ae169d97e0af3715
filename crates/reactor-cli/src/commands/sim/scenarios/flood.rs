//! Floods and small requests at one loop, which stands still now and then, through buffers of all sizes.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::sim::{Fault, Faults, Host, Simulation};

use super::lot::{Counter, Lot, all_go_on, counters};
use super::redial::Dialer;
use super::stream::Stream;

/// What a connection is given in one turn at most, as [`Protocol::on_data`] says.
const BYTES_PER_TURN: usize = 256 * 1024;
const DONE: &[u8] = b".";
const OVERDUE: Tag = Tag(1);
const SEND: Tag = Tag(2);

/// A source says how much will come in so many bytes.
const HEAD_BYTES: usize = 8;

/// Reads a flood to its end, unless it has enough of it before.
struct Basin {
    /// How much will come, once that is known.
    bytes: Option<u64>,
    /// How much it bears.
    enough: u64,
    got: Stream,
    /// Bytes that came before and were left.
    left: usize,
    /// Bytes that came in this turn.
    in_turn: Rc<Cell<usize>>,
}

impl Basin {
    fn new(lot: &Lot, bytes: u64) -> Self {
        let enough = if lot.below(2) == 0 { 1 + lot.below(bytes) } else { u64::MAX };
        Self { bytes: None, enough, got: Stream::new(7), left: 0, in_turn: Rc::default() }
    }
}

impl Protocol for Basin {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        conn.set_timer(OVERDUE, Duration::from_secs(30));
        Ok(())
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        let in_turn = self.in_turn.get() + input.len() - self.left;
        assert!(in_turn <= BYTES_PER_TURN, "{in_turn} bytes of one connection in one turn");
        if self.in_turn.replace(in_turn) == 0 {
            // Calls of the turn itself run after what the network brought.
            let counter = Rc::clone(&self.in_turn);
            conn.reactor().defer(move |_reactor| counter.set(0));
        }
        if self.bytes.is_none() {
            let head = input.bytes().first_chunk::<HEAD_BYTES>();
            self.bytes = head.map(|head| u64::from_le_bytes(*head));
            input.consume(if self.bytes.is_some() { HEAD_BYTES } else { 0 });
        }
        self.left = input.len();
        if self.bytes.is_some() {
            self.got.check(input.take_all());
            self.left = 0;
        }
        if self.got.place() >= self.enough {
            conn.abort();
        } else if self.bytes == Some(self.got.place()) {
            conn.write(DONE)?;
        }
        Ok(())
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, _tag: Tag) -> Flow {
        conn.abort();
        Ok(())
    }
}

/// Sends a flood in large waves, and awaits the word that it has arrived.
struct Source {
    bytes: u64,
    wave: u64,
    sent: Stream,
    lot: Lot,
    calm: Counter,
    began_in_calm: bool,
    done: Counter,
}

impl Protocol for Source {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        self.began_in_calm = self.calm.get() > 0;
        conn.set_timer(OVERDUE, Duration::from_secs(5));
        conn.set_timer(SEND, self.lot.time(Duration::from_millis(50)));
        Ok(conn.write(self.bytes.to_le_bytes())?)
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        assert_eq!(input.take_all(), DONE);
        self.done.add(1);
        conn.close();
        Ok(())
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, tag: Tag) -> Flow {
        if tag == SEND {
            conn.write(self.sent.make(self.wave.min(self.bytes - self.sent.place())))?;
            if self.sent.place() < self.bytes {
                conn.set_timer(SEND, self.lot.time(Duration::from_millis(200)));
            }
            return Ok(());
        }
        assert!(!self.began_in_calm, "a flood in a calm world does not arrive");
        conn.abort();
        Ok(())
    }
}

/// Lets a host stand still for some milliseconds, again and again: what arrives meanwhile is there
/// all at once.
fn hold_up(sim: &mut Simulation, host: Host, lot: &Lot) {
    let (pause, next) = (lot.time(Duration::from_millis(30)), lot.clone());
    sim.after(lot.time(Duration::from_millis(80)), move |sim| {
        sim.freeze(host);
        sim.after(pause, move |sim| {
            sim.thaw(host);
            hold_up(sim, host, &next);
        });
    });
}

pub(super) fn run(sim: &mut Simulation) {
    let buffer = sim.pick("buffer_log2", 14..=20);
    sim.buffers(1 << buffer);
    // No more than a few dozen buffers, which would take many turns and teach nothing new.
    let bytes = sim.pick("bytes", 1..=800_000).min(64 << buffer);
    let wave = sim.pick("wave", 1_000..=800_000).max(bytes / 4);
    let sources = sim.pick("sources", 1..=3);
    let done = counters(sources + sim.pick("small_ones", 1..=4));
    let (lot, calm) = (Lot::new(sim), Counter::default());
    let draws = lot.clone();
    let hub = sim.host("hub", move |boot| {
        let lot = draws.clone();
        let make = move |_: &Peer| Basin::new(&lot, bytes);
        boot.serve(Server::new(make), "0.0.0.0:9000").map(drop)
    });
    for (number, done) in (0..).zip(done.iter().cloned()) {
        let (lot, calm) = (lot.clone(), calm.clone());
        sim.host(format!("source-{number}"), move |boot| {
            let (done, calm, draws) = (done.clone(), calm.clone(), lot.clone());
            let is_flood = number < sources;
            let make = move || Source {
                bytes: if is_flood { bytes } else { draws.size(2_000) },
                wave,
                sent: Stream::new(7),
                lot: draws.clone(),
                calm: calm.clone(),
                began_in_calm: false,
                done: done.clone(),
            };
            let mut dialer = Dialer::new("hub:9000", &lot, make);
            dialer.pause_min = Duration::from_millis(if is_flood { 1_300 } else { 20 });
            dialer.keep(&mut boot.reactor());
            Ok(())
        });
    }
    // Buffers are this scenario's own, and so are hosts that stand still.
    sim.faults(Faults::swarm().without_all([Fault::SmallBuffers, Fault::HostFreeze]));
    hold_up(sim, hub, &lot);
    sim.run_for(Duration::from_secs(4));
    sim.calm();
    calm.add(1);
    sim.run_for(Duration::from_secs(7));
    all_go_on(sim, &done, Duration::from_secs(300), "floods and small requests are served");
}
