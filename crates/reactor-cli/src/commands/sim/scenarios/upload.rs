//! A server that has its answer before the question is at an end: it answers and closes.

use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::sim::{Fault, Faults, Simulation};

use super::lot::{Counter, Lot, all_go_on, counters};
use super::redial::Dialer;
use super::stream::Stream;

/// Answers after the first bytes, and does not care for the others.
struct Curt {
    answer: u64,
    /// After so many bytes it knows its answer.
    needs: u64,
}

impl Protocol for Curt {
    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        if input.len() as u64 >= self.needs {
            conn.write(Stream::new(1).make(self.answer))?;
            conn.close();
        }
        Ok(())
    }
}

/// Sends on until the other side has finished, and expects a whole answer.
struct Uploader {
    lot: Lot,
    sent: Stream,
    piece: u64,
    answer: u64,
    got: Stream,
    done: Counter,
}

impl Uploader {
    fn send(&mut self, conn: &mut Conn<'_>) -> Flow {
        conn.set_timer(Tag(1), self.lot.time(Duration::from_millis(4)));
        Ok(conn.write(self.sent.make(self.piece))?)
    }
}

impl Protocol for Uploader {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        self.send(conn)
    }

    fn on_data(&mut self, _conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        self.got.check(input.take_all());
        Ok(())
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, _tag: Tag) -> Flow {
        self.send(conn)
    }

    fn on_close(&mut self, _conn: &mut Conn<'_>, reason: CloseReason) {
        let (got, all) = (self.got.place(), self.answer);
        assert!(reason.is_clean(), "{got} of {all} bytes of an answer came, and then: {reason}");
        self.done.add(u64::from(got == all));
    }

    fn on_eof(&mut self, _conn: &mut Conn<'_>, input: &mut Input<'_>) -> Result<Eof, Failure> {
        self.got.check(input.take_all());
        assert_eq!(self.got.place(), self.answer, "an answer was cut off");
        Ok(Eof::Close)
    }
}

pub(super) fn run(sim: &mut Simulation) {
    let (answer, needs) = (sim.pick("answer", 1..=200_000), sim.pick("needs", 1..=20_000));
    let piece = sim.pick("piece", 1..=10_000);
    let done = counters(sim.pick("clients", 1..=3));
    let lot = Lot::new(sim);
    sim.host("hub", move |boot| {
        let server = Server::new(move |_: &Peer| Curt { answer, needs });
        boot.serve(server, "0.0.0.0:9000").map(drop)
    });
    for (number, done) in done.iter().cloned().enumerate() {
        let lot = lot.clone();
        sim.host(format!("client-{number}"), move |boot| {
            let (draws, done) = (lot.clone(), done.clone());
            let make = move || Uploader {
                lot: draws.clone(),
                sent: Stream::new(2),
                piece,
                answer,
                got: Stream::new(1),
                done: done.clone(),
            };
            let mut dialer = Dialer::new("hub:9000", &lot, make);
            dialer.pause_min = Duration::from_secs(5);
            dialer.keep(&mut boot.reactor());
            Ok(())
        });
    }
    // Whatever ends a connection cuts an answer off; one byte at a time outlasts the patience of
    // a close.
    sim.faults(Faults::harmless().without(Fault::SmallBuffers));
    sim.run_for(Duration::from_secs(40));
    sim.calm();
    all_go_on(sim, &done, Duration::from_secs(60), "answers come before the question ends");
}
