//! A server that is stopped gracefully under load, again and again.

use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::sim::{Fault, Faults, Simulation};

use super::lot::{Counter, Lot, all_go_on, counters};
use super::redial::Dialer;
use super::stream::Frame;

/// Answers each message with a larger one.
struct Answering(u32);

impl Protocol for Answering {
    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        while let Some(frame) = Frame::take(input) {
            conn.write(Frame { body_bytes: self.0, ..frame }.encode())?;
        }
        Ok(())
    }
}

/// Asks without a pause, and accepts whole answers only.
struct Asking {
    number: u64,
    answers: Counter,
}

impl Asking {
    fn ask(&mut self, conn: &mut Conn<'_>) -> Flow {
        self.number += 1;
        Ok(conn.write(Frame { sender: 0, number: self.number, body_bytes: 10 }.encode())?)
    }
}

impl Protocol for Asking {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        self.ask(conn)?;
        self.ask(conn)
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        while Frame::take(input).is_some() {
            self.answers.add(1);
            conn.set_timer(Tag(1), Duration::from_millis(500));
        }
        Ok(())
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, _tag: Tag) -> Flow {
        self.ask(conn)
    }

    fn on_eof(&mut self, _conn: &mut Conn<'_>, input: &mut Input<'_>) -> Result<Eof, Failure> {
        assert!(input.is_empty(), "an answer was cut off: {} bytes of it came", input.len());
        Ok(Eof::Close)
    }

    fn on_close(&mut self, _conn: &mut Conn<'_>, reason: CloseReason) {
        assert!(reason.is_clean(), "a graceful stop ended a connection so: {reason}");
    }
}

pub(super) fn run(sim: &mut Simulation) {
    let loops = usize::try_from(sim.pick("loops", 1..=3)).unwrap_or(1);
    let body_bytes = u32::try_from(sim.pick("bytes", 1..=60_000)).unwrap_or(1);
    let answers = counters(sim.pick("clients", 1..=5));
    let stops = sim.pick("stops", 1..=3);
    let lot = Lot::new(sim);
    let hub = sim.host("hub", move |boot| {
        let server = Server::new(move |_: &Peer| Answering(body_bytes));
        boot.serve(server.loops(loops), "0.0.0.0:9000").map(drop)
    });
    for (number, answers) in answers.iter().cloned().enumerate() {
        let lot = lot.clone();
        sim.host(format!("client-{number}"), move |boot| {
            let answers = answers.clone();
            let make = move || Asking { number: 0, answers: answers.clone() };
            Dialer::new("hub:9000", &lot, make).keep(&mut boot.reactor());
            Ok(())
        });
    }
    // Whatever ends a connection otherwise truncates; one byte at a time outlasts the patience
    // of a stop.
    sim.faults(Faults::harmless().without(Fault::SmallBuffers));
    for _ in 0..stops {
        sim.run_for(Duration::from_secs(10));
        sim.stop(hub);
        let stopped = sim.run_until(Duration::from_secs(30), |sim| !sim.is_up(hub));
        sim.check(stopped, "a server that is told to stop does");
        sim.start(hub);
        all_go_on(sim, &answers, Duration::from_secs(60), "the next server serves everybody");
    }
    sim.calm();
    all_go_on(sim, &answers, Duration::from_secs(60), "everybody is served in a calm world");
}
