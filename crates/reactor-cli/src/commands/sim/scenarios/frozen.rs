//! A server that stands still now and then must not blame its clients for it.

use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::sim::{Fault, Faults, Simulation};
use net_reactor::{ConnConfig, Timeouts};

use super::lot::{Counter, Lot, all_go_on, counters};
use super::stream::Frame;

const SEND: Tag = Tag(1);
/// How often a client says something.
const EVERY: Duration = Duration::from_secs(2);
/// What the server gives its clients.
const SILENCE: Duration = Duration::from_secs(10);

/// Answers frames, and expects no client to be timed out.
struct Served;

impl Protocol for Served {
    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        while let Some(frame) = Frame::take(input) {
            conn.write(frame.encode())?;
        }
        Ok(())
    }

    fn on_close(&mut self, _conn: &mut Conn<'_>, reason: CloseReason) {
        assert!(!matches!(reason, CloseReason::TimedOut { .. }), "blamed: {reason}");
    }
}

/// Sends a frame every now and then, for ever.
struct Client {
    answers: Counter,
    body_bytes: u32,
}

impl Protocol for Client {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        self.on_timer(conn, SEND)
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, _tag: Tag) -> Flow {
        conn.set_timer(SEND, EVERY);
        let frame = Frame { sender: 0, number: 1, body_bytes: self.body_bytes };
        Ok(conn.write(frame.encode())?)
    }

    fn on_data(&mut self, _conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        while Frame::take(input).is_some() {
            self.answers.add(1);
        }
        Ok(())
    }
}

pub(super) fn run(sim: &mut Simulation) {
    let clients = sim.pick("clients", 1..=20);
    let body_bytes = u32::try_from(sim.pick("bytes", 1..=2_000)).unwrap_or(1);
    let longest = sim.pick("frozen_s", 1..=300);
    let lot = Lot::new(sim);
    let hub = sim.host("hub", |boot| {
        let timeouts = Timeouts::never()
            .first_byte(SILENCE)
            .read(SILENCE)
            .idle(SILENCE)
            .minimum_rate(1, SILENCE)
            .write(SILENCE);
        let config = ConnConfig::default().timeouts(timeouts);
        boot.serve(Server::new(|_| Served).connections(config), "0.0.0.0:9000").map(drop)
    });
    let answers = counters(clients);
    for (number, answers) in answers.iter().cloned().enumerate() {
        sim.host(format!("client-{number}"), move |boot| {
            let client = Client { answers: answers.clone(), body_bytes };
            boot.reactor().connect("hub:9000", client)?;
            Ok(())
        });
    }
    // Nothing may fail here, or take longer than the silence allows, but for the server itself.
    sim.faults(Faults::harmless().without(Fault::SmallBuffers).without(Fault::NameSlow));
    sim.run_for(Duration::from_secs(20));
    for _ in 0..8 {
        let away = lot.time(Duration::from_secs(longest));
        if lot.below(3) == 0 {
            // A shorter leap may end just before a timer, and then nothing tells of it.
            sim.jump_clock(hub, away + 2 * SILENCE);
        } else {
            sim.freeze(hub);
            sim.run_for(away);
            sim.thaw(hub);
        }
        sim.run_for(lot.time(Duration::from_secs(20)));
    }
    all_go_on(sim, &answers, Duration::from_secs(30), "every client is still served");
    sim.check(sim.stats(hub).accepted == clients, "no client had to come twice");
}
