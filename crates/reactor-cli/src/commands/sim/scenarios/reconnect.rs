//! Clients that connect again by policy, servers that are often away, and a user who meddles.

use std::rc::Rc;
use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::sim::{Faults, Simulation};
use net_reactor::{AttemptLimit, Progress, Reconnect, Reconnector, Server};

use super::callers::{Calls, Echo};
use super::lot::{Counter, Lot, all_go_on, counters};

const SERVERS: [&str; 2] = ["hub:9000", "spare:9000"];

/// What the clients of one host share.
struct Field {
    lot: Lot,
    policy: Reconnect,
    /// Above zero while the user meddles.
    meddling: Counter,
    attempts: Counter,
    under_way: Counter,
    under_way_max: u64,
}

impl Field {
    /// Keeps a connection up, and another one when that has ended.
    fn keep(self: &Rc<Self>, calls: Calls, reactor: &mut Reactor<'_>) {
        let (field, next) = (Rc::clone(self), calls.clone());
        let client = Client::new(move || calls.caller()).reconnect(self.policy.clone());
        let mut is_under_way = false;
        let client = client.on_progress(move |reactor, _, progress| {
            if let Progress::Attempt { .. } = progress {
                is_under_way = true;
                return field.begin();
            }
            // Where a panic came in place of what opens a connection, its loss is the first to be told.
            if std::mem::take(&mut is_under_way) {
                field.under_way.take_away(1);
            }
            if matches!(progress, Progress::Ended) && !reactor.is_stopping() {
                let (field, next) = (Rc::clone(&field), next.clone());
                reactor.defer(move |reactor| field.keep(next, reactor));
            }
        });
        let kept = client.keep_on(reactor, SERVERS[0]);
        match kept {
            Ok(reconnector) => self.meddle(reconnector, reactor),
            Err(error) => panic!("the target is one: {error}"),
        }
    }

    fn begin(&self) {
        self.attempts.add(1);
        self.under_way.add(1);
        let (now, most) = (self.under_way.get(), self.under_way_max);
        assert!(now <= most, "{now} attempts are under way of {most}");
    }

    /// Asks for this and that, at any moment.
    fn meddle(self: &Rc<Self>, reconnector: Reconnector, reactor: &mut Reactor<'_>) {
        let field = Rc::clone(self);
        reactor.call_later(self.lot.time(Duration::from_secs(20)), move |reactor| {
            let server = SERVERS[usize::from(field.lot.below(2) == 0)];
            let act = if field.meddling.get() > 0 { field.lot.below(8) } else { 8 };
            match act {
                0 => reconnector.stop_trying(),
                1 => reconnector.close(),
                2 | 3 => drop(reconnector.retarget(server)),
                4 => reconnector.retry_now(),
                5 => {
                    // What is asked for last holds, whatever was asked for in the same moment.
                    reconnector.retry_now();
                    drop(reconnector.retarget(server));
                    reconnector.close();
                }
                _ => (),
            }
            // An open connection whose trying was stopped goes on; another replaces it later.
            let is_over = !reconnector.is_trying();
            if !is_over || reconnector.connection().is_some() {
                field.meddle(reconnector, reactor);
            }
        });
    }
}

pub(super) fn run(sim: &mut Simulation) {
    let answers = counters(sim.pick("clients", 1..=10));
    let away = Duration::from_secs(sim.pick("away_seconds", 1..=60));
    let rounds = sim.pick("rounds", 1..=3);
    let limit = sim.pick("attempts_under_way", 1..=5);
    let (lot, attempts, meddling) = (Lot::new(sim), Counter::default(), Counter::default());
    meddling.add(1);
    let serve = |boot: &mut net_reactor::sim::Boot<'_>| {
        boot.serve(Server::new(|_| Echo), "0.0.0.0:9000").map(drop)
    };
    let servers = ["hub", "spare"].map(|name| sim.host(name, serve));
    let (kept, meddles, counted) = (answers.clone(), meddling.clone(), attempts.clone());
    sim.host("field", move |boot| {
        let under_way_max = usize::try_from(limit).unwrap_or(1);
        let policy = Reconnect::default().cap(Duration::from_secs(10));
        let field = Rc::new(Field {
            lot: lot.clone(),
            policy: policy.limit(AttemptLimit::new(under_way_max)),
            meddling: meddles.clone(),
            attempts: counted.clone(),
            under_way: Counter::default(),
            under_way_max: limit,
        });
        for (number, answered) in (0..).zip(&kept) {
            field.keep(Calls::new(number, answered, &lot), &mut boot.reactor());
        }
        Ok(())
    });
    sim.faults(Faults::swarm());
    for _ in 0..rounds {
        sim.run_for(Duration::from_secs(30));
        servers.iter().for_each(|server| sim.power_off(*server));
        sim.run_for(away);
        servers.iter().for_each(|server| sim.power_on(*server));
    }
    sim.calm();
    meddling.set(0);
    servers.iter().for_each(|server| sim.power_off(*server));
    // Whoever was connected has noticed by now, and pauses at their longest.
    sim.run_for(Duration::from_secs(120));
    let before = attempts.get();
    sim.run_for(Duration::from_secs(100));
    let each = (attempts.get() - before) / answers.len() as u64;
    sim.check(each <= 45, "clients pause between their attempts");
    servers.iter().for_each(|server| sim.power_on(*server));
    all_go_on(
        sim,
        &answers,
        Duration::from_secs(90),
        "clients are back within a minute and a half",
    );
}
