//! What is sent to a connection before it is open arrives once it is.

use std::collections::BTreeSet;
use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::sim::{Faults, Simulation};

use super::callers::Echo;
use super::lot::{Counter, Lot, all_go_on, counters};
use super::stream::Frame;

const OVERDUE: Tag = Tag(1);
const AT_ONCE: Tag = Tag(2);

/// What is done before the connection is open: written, told, both, or sent through a handle.
const KINDS: u64 = 4;

/// Where a client keeps what it needs for its next connection.
#[derive(Clone)]
struct Plan {
    lot: Lot,
    /// Connections of each kind that got back all they had sent.
    done: Vec<Counter>,
}

/// Awaits the echo of everything that was sent early.
struct Early {
    plan: Plan,
    kind: u64,
    awaited: BTreeSet<u64>,
    is_open: bool,
}

impl Early {
    fn again(&self, reactor: &mut Reactor<'_>) {
        let plan = self.plan.clone();
        reactor.call_later(plan.lot.time(Duration::from_secs(2)), move |reactor| {
            if !reactor.is_stopping() {
                dial(reactor, &plan);
            }
        });
    }
}

impl Protocol for Early {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        self.is_open = true;
        conn.set_timer(OVERDUE, Duration::from_secs(20));
        Ok(())
    }

    fn on_message(&mut self, conn: &mut Conn<'_>, message: Message) -> Flow {
        assert!(self.is_open, "a message came before on_open");
        let frame = message.downcast::<Frame>().ok();
        Ok(frame.map_or(Ok(()), |frame| conn.write(frame.encode()))?)
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        while let Some(frame) = Frame::take(input) {
            assert!(self.awaited.remove(&frame.number), "nobody sent {frame:?}");
        }
        if self.awaited.is_empty() {
            self.plan.done[usize::try_from(self.kind).unwrap_or(0)].add(1);
            conn.close();
        }
        Ok(())
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, tag: Tag) -> Flow {
        assert!(self.is_open, "a timer fired before on_open");
        if tag == OVERDUE {
            conn.abort();
        }
        Ok(())
    }

    fn on_close(&mut self, conn: &mut Conn<'_>, _reason: CloseReason) {
        self.again(conn.reactor());
    }

    fn on_connect_failed(&mut self, reactor: &mut Reactor<'_>, _error: ConnectError) {
        self.again(reactor);
    }
}

/// Connects, and sends at once.
fn dial(reactor: &mut Reactor<'_>, plan: &Plan) {
    let kind = plan.lot.below(KINDS);
    let numbers = [plan.lot.below(u64::MAX), plan.lot.below(u64::MAX)];
    let size = |number| {
        let body_bytes = u32::try_from(plan.lot.size(20_000)).unwrap_or(1);
        Frame { sender: 0, number, body_bytes }
    };
    let frames = numbers.map(size);
    let awaited = if kind == 2 { numbers.into() } else { [numbers[0]].into() };
    let handler = Early { plan: plan.clone(), kind, awaited, is_open: false };
    let Ok(id) = reactor.connect("hub:9000", handler) else { return };
    if let Some(mut conn) = reactor.conn(id) {
        conn.set_timer(AT_ONCE, Duration::ZERO);
    }
    let sent = match kind {
        0 => reactor.write(id, frames[0].encode()).is_ok(),
        1 => reactor.message(id, frames[0]).is_ok(),
        2 => {
            reactor.message(id, frames[1]).is_ok() && reactor.write(id, frames[0].encode()).is_ok()
        }
        // A full inbox refuses it.
        _ => reactor.conn_handle(id).message(frames[0]).is_ok() || reactor.abort(id),
    };
    assert!(sent, "an attempt to connect that was just begun takes nothing");
}

pub(super) fn run(sim: &mut Simulation) {
    let clients = sim.pick("clients", 1..=3);
    let lot = Lot::new(sim);
    let done = counters(KINDS);
    sim.host("hub", |boot| boot.serve(Server::new(|_| Echo), "0.0.0.0:9000").map(drop));
    for number in 0..clients {
        let plan = Plan { lot: lot.clone(), done: done.clone() };
        sim.host(format!("client-{number}"), move |boot| {
            dial(&mut boot.reactor(), &plan);
            Ok(())
        });
    }
    sim.faults(Faults::swarm());
    sim.run_for(Duration::from_secs(60));
    sim.calm();
    all_go_on(sim, &done, Duration::from_secs(300), "what was sent early comes back");
}
