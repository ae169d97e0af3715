//! A resolver that answers, late or never, fails, panics and boasts, for loops that want names in storms.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::sim::{Fault, Faults, Simulation};
use net_reactor::{Answer, ConnectOptions, Instant, LoopConfig};

use super::callers::Echo;
use super::lot::{Counter, Lot};

const DEADLINE_MAX: Duration = Duration::from_secs(20);
const NAMES: u64 = 12;

/// What the resolver and the loop beside it share: questions that wait for their answer.
type Desk = Arc<Mutex<Vec<Answer>>>;

fn lock<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The first address of a network for benchmarks (RFC 2544), which no host has.
fn hole(offset: u32) -> IpAddr {
    Ipv4Addr::from(0xC612_0000 + offset).into()
}

/// Gives one of all possible answers.
fn give(answer: Answer, lot: &Lot, hub: IpAddr, calm: bool) {
    match lot.below(if calm { 3 } else { 8 }) {
        0 => answer.found([hub]),
        1 => answer.found([hole(1), hub]),
        2 => answer.found([hole(1), hole(2), hub].into_iter().chain((3..1_000).map(hole))),
        3 => answer.not_found(),
        4 => answer.failed("a bad day"),
        5 => answer.found((0..1_000).map(hole)),
        6 => answer.found([]),
        _ => drop(answer),
    }
}

struct Attempt {
    due: Instant,
    told: bool,
    waiting: Counter,
    opened: Counter,
}

impl Attempt {
    fn outcome(&mut self, now: Instant) {
        assert!(!self.told, "an attempt had two outcomes");
        assert!(now <= self.due, "an outcome came {:?} after the deadline", now - self.due);
        self.told = true;
        self.waiting.take_away(1);
    }
}

impl Protocol for Attempt {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        self.outcome(conn.reactor().now());
        self.opened.add(1);
        conn.close();
        Ok(())
    }

    fn on_data(&mut self, _conn: &mut Conn<'_>, _input: &mut Input<'_>) -> Flow {
        Err(Failure::msg("nobody sends here"))
    }

    fn on_connect_failed(&mut self, reactor: &mut Reactor<'_>, _error: ConnectError) {
        self.outcome(reactor.now());
    }
}

pub(super) fn run(sim: &mut Simulation) {
    let burst = sim.pick("burst", 2..=60);
    let (lot, calm) = (Lot::new(sim), Counter::default());
    let (waiting, opened, going) = (Counter::default(), Counter::default(), Counter::default());
    going.set(1);
    sim.host("hub", |boot| boot.serve(Server::new(|_| Echo), "0.0.0.0:7").map(drop));
    // The first host has the first address.
    let hub: IpAddr = [10, 0, 0, 1].into();
    let (wait, open, go, calms) = (waiting.clone(), opened.clone(), going.clone(), calm.clone());
    sim.host("storm", move |boot| {
        // Attempts of a crashed host have no outcome.
        wait.set(0);
        let desk: Desk = Arc::default();
        let (kept, draws, is_calm) = (Arc::clone(&desk), lot.clone(), calms.clone());
        let config = LoopConfig::default().resolver(move |host: &str, answer: Answer| {
            assert!(host.starts_with("host-"), "nobody wants the name {host}");
            match draws.below(4) {
                0 => give(answer, &draws, hub, is_calm.get() > 0),
                1 if is_calm.get() == 0 && draws.below(4) == 0 => std::mem::forget(answer),
                _ => lock(&kept).push(answer),
            }
        });
        // Another loop gives what the resolver has kept, as another thread would.
        let (draws, is_calm) = (lot.clone(), calms.clone());
        boot.reactor().call_every(Duration::from_millis(700), move |_reactor, _tick| {
            let answers = std::mem::take(&mut *lock(&desk));
            for answer in answers {
                if draws.below(3) == 0 {
                    lock(&desk).push(answer);
                } else {
                    give(answer, &draws, hub, is_calm.get() > 0);
                }
            }
        });
        let (lot, waiting, opened, going) = (lot.clone(), wait.clone(), open.clone(), go.clone());
        boot.spawn(config, move |event_loop| {
            event_loop.reactor().call_every(Duration::from_secs(2), move |reactor, _tick| {
                for _ in 0..lot.below(burst * going.get() + 1) {
                    attempt(reactor, &lot, &waiting, &opened);
                }
            });
            Ok(())
        })
        .map(drop)
    });
    // A panic of the simulation's making comes in place of the callback that would tell the outcome.
    // A loop that is held up, or whose clock is, is late by that.
    let faults = Faults::swarm().without(Fault::HandlerPanic).without(Fault::LoopStall);
    let faults = faults.without(Fault::HostFreeze).without(Fault::ClockFreeze);
    let faults = faults.without(Fault::ClockJump).without(Fault::ClockSkew);
    sim.faults(faults);
    sim.run_for(Duration::from_secs(60));
    sim.calm();
    calm.set(1);
    let before = opened.get();
    let opens = sim.run_until(Duration::from_secs(600), |_| opened.get() > before);
    sim.check(opens, "names that are answered lead to connections");
    going.set(0);
    sim.run_for(DEADLINE_MAX + Duration::from_secs(10));
    sim.check(waiting.get() == 0, "every attempt has an outcome");
}

fn attempt(reactor: &mut Reactor<'_>, lot: &Lot, waiting: &Counter, opened: &Counter) {
    let patience = lot.time(DEADLINE_MAX);
    let due = reactor.now() + patience;
    waiting.add(1);
    let (waiting, opened) = (waiting.clone(), opened.clone());
    let handler = Attempt { due, told: false, waiting, opened };
    let target = format!("host-{}:7", lot.below(NAMES));
    let options = ConnectOptions::default().deadline(patience);
    let Ok(id) = reactor.connect_with(target, options, handler) else { return };
    if lot.below(5) == 0 {
        reactor.call_later(lot.time(Duration::from_secs(3)), move |reactor| {
            reactor.abort(id);
        });
    }
}
