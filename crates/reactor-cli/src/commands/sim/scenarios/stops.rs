//! Graceful stops: after what was asked for before, and in time although no connection finishes.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use net_reactor::LoopConfig;
use net_reactor::prelude::*;
use net_reactor::sim::{Fault, Faults, Simulation};

use super::lot::{Counter, Lot};
use super::redial::Dialer;

/// Does not finish, and does not let a stop hurry it.
struct Stubborn {
    lot: Lot,
}

impl Protocol for Stubborn {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        conn.set_timer(Tag(1), Duration::from_millis(1));
        Ok(())
    }

    fn on_data(&mut self, _conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        input.take_all();
        Ok(())
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, tag: Tag) -> Flow {
        conn.set_timer(tag, self.lot.time(Duration::from_secs(2)));
        Ok(conn.write("still here")?)
    }

    fn on_eof(&mut self, _conn: &mut Conn<'_>, input: &mut Input<'_>) -> Result<Eof, Failure> {
        input.take_all();
        Ok(Eof::KeepOpen)
    }

    fn on_stop(&mut self, conn: &mut Conn<'_>) -> Flow {
        match self.lot.below(4) {
            0 => conn.close(),
            1 => return Ok(conn.shutdown_write()?),
            _ => (),
        }
        Ok(())
    }
}

/// What the operator of a server has asked for, and what became of it.
#[derive(Clone, Default)]
struct Orders {
    accepted: Counter,
    done: Counter,
    stopped: Counter,
}

/// Posts calls to the server's loops, stops them, and then its own loop.
fn operate(reactor: &mut Reactor<'_>, loops: &[LoopHandle], orders: &Orders, lot: &Lot) {
    for target in loops {
        for _ in 0..lot.below(20) {
            let done = orders.done.clone();
            // A full inbox refuses.
            let posted = target.run_in_loop(move |_reactor| done.add(1));
            orders.accepted.add(u64::from(posted.is_ok()));
        }
    }
    loops.iter().for_each(LoopHandle::stop);
    orders.stopped.add(1);
    reactor.stop();
}

pub(super) fn run(sim: &mut Simulation) {
    let count = sim.pick("loops", 1..=3);
    let clients = sim.pick("clients", 1..=4);
    let patience = Duration::from_secs(sim.pick("patience_s", 1..=20));
    let rounds = sim.pick("rounds", 1..=3);
    let lot = Lot::new(sim);
    let orders = Orders::default();
    let (draws, plan) = (lot.clone(), orders.clone());
    // Ends by accident lose what was asked for.
    sim.faults(Faults::harmless().with(Fault::InboxFull));
    let hub = sim.host("hub", move |boot| {
        let loops: Arc<Mutex<Vec<LoopHandle>>> = Arc::default();
        for number in 0..count {
            let lot = draws.clone();
            let config = LoopConfig::default().drain(patience);
            let handle = boot.spawn(config, move |event_loop| {
                let address = ([0, 0, 0, 0], 9000 + u16::try_from(number).unwrap_or(0));
                let server = Server::new(move |_: &Peer| Stubborn { lot: lot.clone() });
                server.listen_on(&mut event_loop.reactor(), address)?;
                Ok(())
            })?;
            loops.lock().unwrap_or_else(PoisonError::into_inner).push(handle);
        }
        let (lot, orders) = (draws.clone(), plan.clone());
        let later = lot.time(Duration::from_secs(10));
        boot.reactor().call_later(later, move |reactor| {
            let loops = loops.lock().unwrap_or_else(PoisonError::into_inner);
            operate(reactor, &loops, &orders, &lot);
        });
        Ok(())
    });
    for number in 0..clients {
        let lot = lot.clone();
        sim.host(format!("client-{number}"), move |boot| {
            let target = ["hub:9000", "hub:9001", "hub:9002"]
                [usize::try_from(number % count.min(3)).unwrap_or(0)];
            let draws = lot.clone();
            let make = move || Stubborn { lot: draws.clone() };
            Dialer::new(target, &lot, make).keep(&mut boot.reactor());
            Ok(())
        });
    }
    for round in 1..=rounds {
        let asked = |_: &mut Simulation| orders.stopped.get() == round;
        sim.eventually(Duration::from_secs(60), "the operator stops the server", asked);
        let stopped = |sim: &mut Simulation| !sim.is_up(hub);
        let limit = patience + Duration::from_secs(3);
        sim.eventually(limit, "a server stops although no connection finishes", stopped);
        let (accepted, done) = (orders.accepted.get(), orders.done.get());
        sim.check(accepted == done, &format!("{done} of {accepted} calls ran before the stop"));
        sim.start(hub);
    }
}
