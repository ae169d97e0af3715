//! A name with several addresses, some of which are cut off: connections open all the same, soon.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::sim::{Fault, Faults, Host, Simulation};
use net_reactor::{ConnectOptions, Instant};

use super::callers::Echo;
use super::lot::{Counter, Lot};

const DEADLINE: Duration = Duration::from_secs(10);
/// How far apart two addresses are dialled.
const APART: Duration = Duration::from_millis(250);
/// What an attempt takes besides in a calm world.
const MARGIN: Duration = Duration::from_millis(100);

/// One attempt to connect, which must have one outcome by its deadline.
struct Attempt {
    started: Instant,
    told: bool,
    opened: Counter,
    /// How long the last one took to open.
    took: Rc<RefCell<Duration>>,
}

impl Attempt {
    fn outcome(&mut self, now: Instant) {
        assert!(!self.told, "an attempt had two outcomes");
        self.told = true;
        *self.took.borrow_mut() = now - self.started;
    }
}

impl Protocol for Attempt {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        self.outcome(conn.reactor().now());
        self.opened.add(1);
        Ok(conn.write("ping")?)
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        // The bytes go to the one address that won, and come back from it.
        if input.len() == 4 {
            assert_eq!(input.take_all(), b"ping");
            conn.close();
        }
        Ok(())
    }

    fn on_connect_failed(&mut self, reactor: &mut Reactor<'_>, _error: ConnectError) {
        self.outcome(reactor.now());
    }
}

pub(super) fn run(sim: &mut Simulation) {
    let servers = sim.pick("servers", 2..=6);
    let cut = usize::try_from(sim.pick("cut", 1..=5).min(servers - 1)).unwrap_or(1);
    let opened = Counter::default();
    let took = Rc::new(RefCell::new(Duration::ZERO));
    let lot = Lot::new(sim);
    let hubs: Vec<Host> = (0..servers)
        .map(|number| {
            sim.host(format!("hub-{number}"), |boot| {
                boot.serve(Server::new(|_| Echo), "0.0.0.0:9000").map(drop)
            })
        })
        .collect();
    sim.name("service", &hubs);
    let (opens, times) = (opened.clone(), Rc::clone(&took));
    let field = sim.host("field", move |boot| {
        let (opened, took, lot) = (opens.clone(), Rc::clone(&times), lot.clone());
        boot.reactor().call_every(Duration::from_secs(15), move |reactor, _tick| {
            let (opened, took) = (opened.clone(), Rc::clone(&took));
            let started = reactor.now();
            let attempt = Attempt { started, told: false, opened, took };
            let options = ConnectOptions::default().deadline(DEADLINE);
            let Ok(id) = reactor.connect_with("service:9000", options, attempt) else { return };
            // Some are called off, at any moment.
            if lot.below(4) == 0 {
                reactor.call_later(lot.time(Duration::from_secs(2)), move |reactor| {
                    reactor.abort(id);
                });
            }
        });
        Ok(())
    });
    // A panic of the simulation's making comes in place of the callback that would tell the outcome.
    sim.faults(Faults::swarm().without(Fault::HandlerPanic));
    sim.run_for(Duration::from_secs(120));
    sim.calm();
    // What the name server said during the faults is forgotten by then.
    sim.run_for(Duration::from_secs(300));
    for hub in &hubs[..cut] {
        sim.partition(field, *hub);
    }
    let opens = opened.get();
    let opens_again = sim.run_until(Duration::from_secs(300), |_| opened.get() > opens);
    sim.check(opens_again, "a connection opens though some addresses are cut off");
    let most = APART * u32::try_from(cut).unwrap_or(u32::MAX) + MARGIN;
    let is_soon = *took.borrow() <= most;
    sim.check(is_soon, "each address that is cut off costs a quarter of a second");
}
