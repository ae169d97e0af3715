//! Many attempts to connect: to servers, to nobody, to names without a host, and cancelled ones.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use net_reactor::ConnectOptions;
use net_reactor::prelude::*;
use net_reactor::sim::{Fault, Faults, Simulation};

use super::callers::Echo;
use super::lot::{Counter, Lot};

/// A server, a closed port, a name that nobody has, an address that nobody has, and a name with two
/// addresses of which only the second is a server's.
const TARGETS: [&str; 5] = ["hub:7", "hub:1", "nowhere:7", "198.51.100.7:7", "either:7"];
const DEADLINE_MAX: Duration = Duration::from_secs(20);

struct Attempt {
    has_outcome: Rc<Cell<bool>>,
    /// Attempts without an outcome.
    waiting: Counter,
    opened: Counter,
}

impl Attempt {
    fn outcome(&self) {
        assert!(!self.has_outcome.replace(true), "an attempt had two outcomes");
        self.waiting.take_away(1);
    }
}

impl Protocol for Attempt {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        self.outcome();
        self.opened.add(1);
        conn.close();
        Ok(())
    }

    fn on_data(&mut self, _conn: &mut Conn<'_>, _input: &mut Input<'_>) -> Flow {
        Err(Failure::msg("nobody sends here"))
    }

    fn on_close(&mut self, _conn: &mut Conn<'_>, reason: CloseReason) {
        // A fault can make the call of `on_open` panic before it has begun.
        if matches!(reason, CloseReason::HandlerPanicked { .. }) && !self.has_outcome.get() {
            self.outcome();
        }
    }

    fn on_connect_failed(&mut self, _reactor: &mut Reactor<'_>, _error: ConnectError) {
        self.outcome();
    }
}

fn attempt(reactor: &mut Reactor<'_>, lot: &Lot, waiting: &Counter, opened: &Counter) {
    waiting.add(1);
    let has_outcome = Rc::new(Cell::new(false));
    let (waiting, opened) = (waiting.clone(), opened.clone());
    let handler = Attempt { has_outcome: Rc::clone(&has_outcome), waiting, opened };
    let target = TARGETS[usize::try_from(lot.below(5)).unwrap_or(0)];
    let options = ConnectOptions::default().deadline(lot.time(DEADLINE_MAX));
    let Ok(id) = reactor.connect_with(target, options, handler) else { return };
    assert!(!has_outcome.get(), "an outcome came from within the call");
    match lot.below(6) {
        0 => assert!(reactor.abort(id), "an attempt could not be cancelled"),
        1 => assert!(reactor.close(id), "an attempt could not be cancelled"),
        2 => {
            let later = lot.time(Duration::from_millis(300));
            reactor.call_later(later, move |reactor| {
                reactor.abort(id);
            });
        }
        _ => (),
    }
}

pub(super) fn run(sim: &mut Simulation) {
    let burst = sim.pick("burst", 2..=30);
    let (lot, waiting, opened, tries) =
        (Lot::new(sim), Counter::default(), Counter::default(), Counter::default());
    let hub = sim.host("hub", |boot| boot.serve(Server::new(|_| Echo), "0.0.0.0:7").map(drop));
    let (wait, open, draws) = (waiting.clone(), opened.clone(), lot.clone());
    tries.set(1);
    let going = tries.clone();
    sim.host("storm", move |boot| {
        // Attempts of a crashed host have no outcome.
        wait.set(0);
        let (lot, waiting, opened) = (draws.clone(), wait.clone(), open.clone());
        let going = going.clone();
        boot.reactor().call_every(Duration::from_secs(2), move |reactor, _tick| {
            for _ in 0..lot.below(burst * going.get()) {
                attempt(reactor, &lot, &waiting, &opened);
            }
        });
        Ok(())
    });
    let idle = sim.host("idle", |_boot| Ok(()));
    sim.name("either", &[idle, hub]);
    // A panic of the simulation's making comes in place of the callback that would tell the outcome.
    sim.faults(Faults::swarm().without(Fault::HandlerPanic));
    sim.run_for(Duration::from_secs(60));
    sim.calm();
    let before = opened.get();
    let opens = sim.run_until(Duration::from_secs(1_800), |_| opened.get() > before);
    sim.check(opens, "some attempts succeed in a calm world");
    tries.set(0);
    sim.run_for(DEADLINE_MAX + Duration::from_secs(10));
    sim.check(waiting.get() == 0, "every attempt has an outcome");
}
