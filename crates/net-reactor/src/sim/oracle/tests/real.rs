//! The oracles over real loops: they see everything, and find nothing wrong.

use std::time::Duration;

use crate::base::Input;
use crate::endpoint::{Client, Server};
use crate::protocol::{Conn, Eof, Failure, Flow, Peer, Protocol};
use crate::sim::Simulation;

/// How much a client sends: more than the kernel holds, and less than the high mark, above which
/// it would not read the answer.
const LEN: usize = 200_000;

struct Echo;

impl Protocol for Echo {
    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        // Leaves some of it, so that kept input comes back with later bytes.
        let taken = input.len().saturating_sub(7);
        let bytes = input.take(taken).unwrap_or_default();
        Ok(conn.write(bytes)?)
    }

    fn on_eof(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Result<Eof, Failure> {
        conn.write(input.take_all())?;
        Ok(Eof::Close)
    }
}

struct Sender;

impl Protocol for Sender {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        let bytes: Vec<u8> = (0..LEN).map(|at| u8::try_from(at % 251).unwrap_or(0)).collect();
        conn.write(bytes)?;
        conn.shutdown_write()?;
        Ok(())
    }

    fn on_data(&mut self, _conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        input.take_all();
        Ok(())
    }
}

fn echo_world() -> Simulation {
    let mut sim = Simulation::new(3);
    sim.host("hub", |boot| {
        boot.serve(Server::new(|_: &Peer| Echo).loops(2), "0.0.0.0:9000").map(drop)
    });
    sim.host("device", |boot| {
        boot.connect(Client::new(|| Sender).connections(4), "hub:9000").map(drop)
    });
    sim
}

#[test]
fn every_byte_and_every_call_is_seen() {
    let mut sim = echo_world();
    sim.run_for(Duration::from_secs(60));
    let counters = sim.oracles.counters();
    let echoed = 2 * 4 * LEN as u64;
    assert_eq!((counters.bytes_written, counters.bytes_consumed), (echoed, echoed));
    assert_eq!((counters.opened, counters.closed), (8, 8));
    assert!(counters.calls() >= 16);
    assert_eq!(sim.oracles.books.borrow().ledger.pairs_len(), 0);
    sim.finish();
}

#[test]
fn what_is_killed_is_forgiven() {
    let mut sim = Simulation::new(4);
    let hub =
        sim.host("hub", |boot| boot.serve(Server::new(|_: &Peer| Echo), "0.0.0.0:9000").map(drop));
    sim.host("device", |boot| {
        boot.connect(Client::new(|| Sender).connections(4), "hub:9000").map(drop)
    });
    sim.run_for(Duration::from_micros(1));
    sim.kill(hub);
    sim.run_for(Duration::from_secs(60));
    assert_eq!(sim.oracles.violation(), None);
    sim.finish();
}
