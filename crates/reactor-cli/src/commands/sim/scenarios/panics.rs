//! Handlers that panic now and then.

use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::sim::{Fault, Faults, Simulation};

use super::callers::{Calls, Echo};
use super::lot::{Counter, Lot, all_go_on, counters};
use super::redial::Dialer;
use super::stream::Frame;

/// Calls like a caller, without an impatient timer, and counts its ends.
struct Patient {
    calls: Calls,
    ends: Counter,
}

impl Patient {
    fn call(&self, conn: &mut Conn<'_>) -> Flow {
        let Calls { number, lot, .. } = &self.calls;
        let body_bytes = u32::try_from(lot.size(3_000)).unwrap_or(1);
        let frame = Frame { sender: *number, number: lot.below(u64::MAX), body_bytes };
        Ok(conn.write(frame.encode())?)
    }
}

impl Protocol for Patient {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        self.call(conn)
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        while let Some(frame) = Frame::take(input) {
            assert_eq!(frame.sender, self.calls.number, "an answer to somebody else");
            self.calls.answered.add(1);
            conn.set_timer(Tag(1), self.calls.lot.time(Duration::from_millis(200)));
        }
        Ok(())
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, _tag: Tag) -> Flow {
        self.call(conn)
    }

    fn on_close(&mut self, conn: &mut Conn<'_>, reason: CloseReason) {
        if conn.reactor().is_stopping() {
            return;
        }
        self.ends.add(1);
        let expected =
            matches!(reason, CloseReason::HandlerPanicked { .. } | CloseReason::Reset { .. });
        assert!(expected, "a panic elsewhere ended a connection so: {reason}");
    }
}

pub(super) fn run(sim: &mut Simulation) {
    let loops = usize::try_from(sim.pick("loops", 1..=3)).unwrap_or(1);
    let answers = counters(sim.pick("clients", 2..=8));
    let (lot, ends) = (Lot::new(sim), Counter::default());
    sim.host("hub", move |boot| {
        boot.serve(Server::new(|_| Echo).loops(loops), "0.0.0.0:9000").map(drop)
    });
    for (number, answered) in (0..).zip(&answers) {
        let (calls, ends) = (Calls::new(number, answered, &lot), ends.clone());
        let lot = lot.clone();
        sim.host(format!("client-{number}"), move |boot| {
            let (calls, ends) = (calls.clone(), ends.clone());
            let make = move || Patient { calls: calls.clone(), ends: ends.clone() };
            Dialer::new("hub:9000", &lot, make).keep(&mut boot.reactor());
            Ok(())
        });
    }
    // Nothing else may end a connection here, so that every end has a panic to answer for it.
    sim.faults(Faults::harmless().with(Fault::HandlerPanic));
    sim.run_for(Duration::from_secs(60));
    sim.calm();
    sim.run_for(Duration::from_secs(30));
    let (ends, panics) = (ends.get(), sim.fired(Fault::HandlerPanic));
    sim.check(ends <= panics, &format!("{panics} panics ended {ends} connections"));
    all_go_on(sim, &answers, Duration::from_secs(30), "every client is served after the panics");
}
