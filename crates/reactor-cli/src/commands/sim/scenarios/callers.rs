//! Callers: clients that send a message and await the same one back.

use std::time::Duration;

use net_reactor::buggify;
use net_reactor::prelude::*;
use net_reactor::sim::{Host, Simulation};

use super::lot::{Counter, Lot, counters};
use super::redial::Dialer;
use super::stream::Frame;

const NEXT: Tag = Tag(1);
const OVERDUE: Tag = Tag(2);
/// An answer that takes longer counts as lost: nothing else tells of a peer without power.
const PATIENCE: Duration = Duration::from_secs(20);

/// One end that calls, on one connection.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) plan: Calls,
    /// The call whose answer is awaited.
    awaited: Option<Frame>,
    calls_left: u64,
}

/// What a caller calls.
#[derive(Debug, Clone)]
pub(super) struct Calls {
    pub(super) number: u32,
    /// Answered calls.
    pub(super) answered: Counter,
    pub(super) lot: Lot,
    pub(super) body_bytes_max: u64,
    /// The longest pause between an answer and the next call.
    pub(super) pause: Duration,
    /// Calls on one connection, which is closed after them.
    pub(super) calls_per_connection: u64,
}

impl Calls {
    pub(super) fn new(number: u32, answered: &Counter, lot: &Lot) -> Self {
        Self {
            number,
            answered: answered.clone(),
            lot: lot.clone(),
            body_bytes_max: 1 << 14,
            pause: Duration::from_secs(5),
            calls_per_connection: u64::MAX,
        }
    }

    pub(super) fn caller(&self) -> Caller {
        let calls_left = self.calls_per_connection;
        Caller { plan: self.clone(), awaited: None, calls_left }
    }
}

impl Caller {
    fn call(&mut self, conn: &mut Conn<'_>) -> Flow {
        let plan = &self.plan;
        let body_bytes = u32::try_from(plan.lot.size(plan.body_bytes_max)).unwrap_or(1);
        let frame = Frame { sender: plan.number, number: plan.lot.below(u64::MAX), body_bytes };
        self.awaited = Some(frame);
        conn.set_timer(OVERDUE, PATIENCE);
        Ok(conn.write(frame.encode())?)
    }
}

impl Protocol for Caller {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        self.call(conn)
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        while let Some(frame) = Frame::take(input) {
            assert_eq!(Some(frame), self.awaited.take(), "another answer was awaited");
            self.plan.answered.add(1);
            self.calls_left -= 1;
            conn.cancel_timer(OVERDUE);
            if self.calls_left == 0 || buggify!("a caller hangs up early") {
                conn.close();
                break;
            }
            conn.set_timer(NEXT, self.plan.lot.time(self.plan.pause));
        }
        Ok(())
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, tag: Tag) -> Flow {
        if tag == OVERDUE {
            conn.abort();
            return Ok(());
        }
        self.call(conn)
    }
}

/// Adds hosts with one caller each, which connects again whenever it is not connected.
///
/// Returns the counters of their answers.
pub(super) fn hosts_of_callers(
    sim: &mut Simulation,
    count: u64,
    target: &'static str,
    with: impl Fn(Calls) -> Calls,
) -> (Vec<Host>, Vec<Counter>) {
    let answers = counters(count);
    let mut hosts = Vec::new();
    for (number, answered) in (0..).zip(&answers) {
        let lot = Lot::new(sim);
        let calls = with(Calls::new(number, answered, &lot));
        hosts.push(sim.host(format!("caller-{number}"), move |boot| {
            let calls = calls.clone();
            let dialer = Dialer::new(target, &lot, move || calls.caller());
            dialer.keep(&mut boot.reactor());
            Ok(())
        }));
    }
    (hosts, answers)
}

/// Sends back what arrives.
pub(super) use crate::commands::echo::Echo;
