//! Many clients that connect again: how many at once, and how they spread.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::sim::{Boot, Simulation};
use net_reactor::{AttemptLimit, ConnectOptions, Jitter, Progress, Reconnect};

use super::support::{Idle, Log, echo, ms, secs};

/// How many connects are under way on a host: those that have neither outcome yet.
#[derive(Clone, Default)]
struct UnderWay {
    now: Rc<Cell<usize>>,
    most: Rc<Cell<usize>>,
}

impl UnderWay {
    fn add(&self, change: isize) {
        self.now.set(self.now.get().checked_add_signed(change).unwrap());
        self.most.set(self.most.get().max(self.now.get()));
    }
}

fn crowd(boot: &mut Boot<'_>, clients: usize, policy: &Reconnect, under_way: &UnderWay, log: &Log) {
    for _ in 0..clients {
        let (under_way, log) = (under_way.clone(), log.clone());
        let options = ConnectOptions::default().deadline(secs(3));
        let client = Client::new(|| Idle).reconnect(policy.clone()).options(options);
        let client = client.on_progress(move |reactor, _, progress| match progress {
            Progress::Attempt { .. } => under_way.add(1),
            Progress::Opened { .. } => {
                under_way.add(-1);
                log.note(reactor.now(), "opened");
            }
            Progress::Failed { .. } => under_way.add(-1),
            _ => (),
        });
        client.keep_on(&mut boot.reactor(), "hub:9000").unwrap();
    }
}

#[test]
fn clients_that_share_a_limit_have_no_more_attempts_under_way() {
    let mut sim = Simulation::new(8);
    let (under_way, log) = (UnderWay::default(), Log::default());
    let hub = echo(&mut sim, "hub");
    sim.power_off(hub);
    let (counted, noted) = (under_way.clone(), log.clone());
    sim.host("field", move |boot| {
        let policy = Reconnect::fixed(ms(100)).limit(AttemptLimit::new(4));
        crowd(boot, 50, &policy, &counted, &noted);
        Ok(())
    });
    sim.run_for(secs(30));
    assert_eq!(under_way.most.get(), 4, "attempts into the void use the limit up");
    sim.power_on(hub);
    sim.run_for(secs(10));
    assert_eq!(log.count("opened"), 50, "each has its turn");
    assert_eq!((under_way.most.get(), under_way.now.get()), (4, 0));
    sim.finish();
}

#[test]
fn ten_thousand_clients_of_a_restarted_server_do_not_come_back_in_one_wave() {
    const CLIENTS: usize = 10_000;
    // How long the server is away: shorter and longer than the delays.
    for away in [secs(1), secs(300)] {
        let mut sim = Simulation::new(9);
        let (under_way, log) = (UnderWay::default(), Log::default());
        let hub = echo(&mut sim, "hub");
        let noted = log.clone();
        sim.host("fields", move |boot| {
            crowd(boot, CLIENTS, &Reconnect::default(), &under_way, &noted);
            Ok(())
        });
        sim.run_for(secs(30));
        assert_eq!(log.count("opened"), CLIENTS);
        log.clear();
        sim.kill(hub);
        sim.run_for(away);
        sim.start(hub);
        let back = sim.now();
        sim.run_for(secs(70));
        assert_eq!(log.count("opened"), CLIENTS);
        let mut times: Vec<Duration> = log.times("opened").map(|at| at - back).collect();
        times.sort();
        let (peak, mean) = peak_and_mean(&times);
        assert!(peak < 3.0 * mean, "{away:?}: {peak:.0} a second at most, {mean:.0} on average");
    }
}

/// The mean rate at which nineteen of twenty come back, and the most that come within any tenth of
/// that time, as a rate. The others are late for other reasons, such as a full backlog.
fn peak_and_mean(times: &[Duration]) -> (f64, f64) {
    let most_of_them = &times[..times.len() * 19 / 20];
    let time = most_of_them[most_of_them.len() - 1];
    let window = time / 10;
    let within =
        |from: Duration| times.iter().filter(|at| (from..from + window).contains(at)).count();
    let most = most_of_them.iter().step_by(50).map(|at| within(*at)).max().unwrap_or(0);
    (most as f64 / window.as_secs_f64(), most_of_them.len() as f64 / time.as_secs_f64())
}

#[test]
fn without_jitter_they_do_come_in_one_wave() {
    // The test above would see it.
    let mut sim = Simulation::new(10);
    let (under_way, log) = (UnderWay::default(), Log::default());
    let hub = echo(&mut sim, "hub");
    let noted = log.clone();
    sim.host("fields", move |boot| {
        let policy = Reconnect::default().jitter(Jitter::None);
        crowd(boot, 1000, &policy, &under_way, &noted);
        Ok(())
    });
    sim.run_for(secs(30));
    log.clear();
    sim.kill(hub);
    sim.run_for(secs(300));
    sim.start(hub);
    let back = sim.now();
    sim.run_for(secs(70));
    let mut times: Vec<Duration> = log.times("opened").map(|at| at - back).collect();
    times.sort();
    assert_eq!(times.len(), 1000);
    let (peak, mean) = peak_and_mean(&times);
    assert!(peak > 5.0 * mean, "{peak} {mean}");
}
