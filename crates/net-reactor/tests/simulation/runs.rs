//! Time, acts, checks, and what ends a run.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use net_reactor::prelude::*;
use net_reactor::sim::{Host, OracleKind, Run, Simulation};

use super::support::{Caller, Log, calls, echo, ms, secs};

/// Runs a test that must fail, and returns why it did.
fn failure(test: impl FnOnce(&mut Simulation)) -> String {
    Run::new(1).perform(test).failure.expect("the run fails")
}

#[test]
fn an_empty_world_passes_time_at_once() {
    let mut sim = Simulation::new(42);
    sim.run_for(secs(365 * 24 * 3_600));
    assert_eq!((sim.now(), sim.seed()), (secs(365 * 24 * 3_600), 42));
    sim.finish();
}

#[test]
fn acts_come_by_time_and_then_in_the_order_of_writing() {
    let mut sim = Simulation::new(1);
    let order = Rc::new(RefCell::new(Vec::new()));
    let act = |name: &'static str| {
        let order = Rc::clone(&order);
        move |sim: &mut Simulation| order.borrow_mut().push((name, sim.now()))
    };
    sim.at(secs(2), act("third"));
    sim.after(secs(1), act("first"));
    sim.at(secs(1), act("second"));
    sim.at(secs(2), act("fourth"));
    sim.at(secs(9), act("never"));
    sim.run_for(secs(2));
    let at = [("first", secs(1)), ("second", secs(1)), ("third", secs(2)), ("fourth", secs(2))];
    assert_eq!(*order.borrow(), at);
    // What is late happens at once, and an act may write down another.
    let late = act("late");
    let next = act("next");
    sim.at(secs(1), move |sim| {
        late(sim);
        sim.after(secs(1), next);
    });
    sim.run_for(secs(1));
    assert_eq!(order.borrow()[4..], [("late", secs(2)), ("next", secs(3))]);
}

#[test]
fn a_run_ends_when_it_is_done_or_when_time_is_up() {
    let mut sim = Simulation::new(1);
    let log = Log::default();
    echo(&mut sim, "hub");
    calls(&mut sim, "field", "hub:9000", &Caller::new(&log).every(secs(1)));
    assert!(sim.run_until(secs(10), |_| log.count("answer") == 3));
    assert!((secs(2)..ms(2_100)).contains(&sim.now()), "{:?}", sim.now());
    let start = sim.now();
    assert!(!sim.run_until(secs(10), |_| log.count("answer") == 100));
    assert_eq!(sim.now() - start, secs(10));
    assert!(sim.run_until(secs(0), |_| true));
}

#[test]
fn what_does_not_come_true_in_time_fails_the_run() {
    let text = failure(|sim| sim.eventually(secs(3), "pigs fly", |_| false));
    assert!(text.starts_with("liveness: not within 3s: pigs fly (after 3s"), "{text}");
    let text = failure(|sim| sim.check(1 + 1 == 3, "sums are right"));
    assert!(text.starts_with("check: sums are right"), "{text}");
    assert!(text.contains("seed 1"), "{text}");
    let well = Run::new(1).perform(|sim| sim.check(true, "all is well"));
    assert_eq!((well.failure, well.oracle), (None, None));
    let broken = Run::new(1).perform(|sim| sim.check(false, "all is well"));
    assert_eq!(broken.oracle, Some(OracleKind::Check));
    let panicked = Run::new(1).perform(|_| panic!("of its own"));
    let text = panicked.failure.unwrap();
    assert!(text.starts_with("of its own, at ") && text.contains("runs.rs:"), "{text}");
    assert_eq!(panicked.oracle, None);
}

#[test]
fn numbers_depend_on_the_seed_and_on_nothing_else() {
    let drawn = |seed| {
        let mut sim = Simulation::new(seed);
        let own: Vec<u64> = (0..8).map(|_| sim.random(1_000)).collect();
        let of_host = Rc::new(Cell::new(0));
        let told = Rc::clone(&of_host);
        sim.host("host", move |boot| {
            told.set(boot.random(1_000_000));
            Ok(())
        });
        (own, of_host.get(), sim.pick("clients", 10..=1_000))
    };
    assert_eq!(drawn(1), drawn(1));
    assert_ne!(drawn(1).0, drawn(2).0);
    assert_ne!(drawn(1).1, drawn(2).1);
    assert_eq!(Simulation::new(1).random(0), 0);
    let (mut low, mut high) = (u64::MAX, 0);
    for seed in 0..200 {
        let picked = Simulation::new(seed).pick("size", 3..=7);
        (low, high) = (low.min(picked), high.max(picked));
    }
    assert_eq!((low, high), (3, 7));
}

#[test]
fn a_pick_can_be_given_from_outside() {
    let mut run = Run::new(1);
    run.picks.insert("clients".to_owned(), 99);
    let outcome = run.perform(|sim| {
        let (given, free) = (sim.pick("clients", 1..=10), sim.pick("loops", 2..=2));
        sim.check(given == 99 && free == 2, "the given size counts");
    });
    assert_eq!(outcome.failure, None);
    let pick = outcome.picks["clients"];
    assert_eq!((pick.value, pick.least), (99, 1));
}

/// Fails an assertion on the first byte.
struct Strict;

impl Protocol for Strict {
    fn on_data(&mut self, _conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        assert!(input.is_empty(), "nobody may speak");
        Ok(())
    }
}

fn with_strict_hub(sim: &mut Simulation) -> Log {
    let log = Log::default();
    let server = || Server::new(|_: &Peer| Strict);
    sim.host("hub", move |boot| boot.serve(server(), "0.0.0.0:9000").map(drop));
    calls(sim, "field", "hub:9000", &Caller::new(&log));
    log
}

#[test]
fn a_failed_assertion_in_a_handler_fails_the_run_unless_panics_are_allowed() {
    let text = failure(|sim| {
        with_strict_hub(sim);
        sim.run_for(secs(1));
    });
    assert!(text.starts_with("panic: hub"), "{text}");
    assert!(text.contains("nobody may speak"), "{text}");
    let outcome = Run::new(1).perform(|sim| {
        sim.allow_panics();
        let log = with_strict_hub(sim);
        sim.run_for(secs(1));
        assert_eq!(log.count("closed: Reset"), 1, "{:?}", log.texts());
    });
    assert_eq!(outcome.failure, None);
}

/// Keeps its connection, also when its peer has finished or its loop stops.
struct Clinger;

impl Protocol for Clinger {
    fn on_data(&mut self, _conn: &mut Conn<'_>, _input: &mut Input<'_>) -> Flow {
        Ok(())
    }

    fn on_eof(&mut self, _conn: &mut Conn<'_>, _input: &mut Input<'_>) -> Result<Eof, Failure> {
        Ok(Eof::KeepOpen)
    }

    fn on_stop(&mut self, _conn: &mut Conn<'_>) -> Flow {
        Ok(())
    }
}

fn clinging(sim: &mut Simulation) -> [Host; 2] {
    let hub = sim
        .host("hub", |boot| boot.serve(Server::new(|_: &Peer| Clinger), "0.0.0.0:9000").map(drop));
    let field = calls(sim, "field", "hub:9000", &Caller::new(&Log::default()));
    sim.run_for(secs(1));
    [hub, field]
}

#[test]
fn finish_ends_everything() {
    let mut sim = Simulation::new(1);
    let hosts = clinging(&mut sim);
    assert!(hosts.iter().all(|host| sim.is_up(*host) && sim.open_descriptors(*host) > 1));
    sim.finish();
    assert!(hosts.iter().all(|host| !sim.is_up(*host) && sim.open_descriptors(*host) == 0));
}

#[test]
fn finish_finds_what_does_not_end() {
    let text = failure(|sim| {
        let [hub, _] = clinging(sim);
        // It stands still while it waits for its peer.
        sim.after(ms(100), move |sim| sim.freeze(hub));
    });
    assert!(text.starts_with("liveness: loops [0] do not stop"), "{text}");
}

#[test]
fn a_world_that_has_finished_takes_no_more_hosts() {
    let mut sim = Simulation::new(1);
    sim.finish();
    let refused = catch_unwind(AssertUnwindSafe(|| echo(&mut sim, "late")));
    let message = refused.expect_err("no host is added");
    assert_eq!(message.downcast_ref::<&str>(), Some(&"the simulation has finished"));
}

#[test]
fn an_outcome_tells_what_happened() {
    let outcome = Run::new(3).trace_lines(10_000).perform(|sim| {
        let log = Log::default();
        echo(sim, "hub");
        calls(sim, "field", "hub:9000", &Caller::new(&log));
        sim.note("half time");
        sim.run_for(secs(60));
    });
    assert_eq!(outcome.failure, None);
    assert!(outcome.time >= secs(60) && outcome.time < secs(80), "{:?}", outcome.time);
    assert!(outcome.turns > 4 && outcome.callbacks > 4 && outcome.events > 20, "{outcome:?}");
    for line in ["half time", "on_open c", "wrote c", "on_data c", "took c", "closed c", "on_close"]
    {
        assert!(
            outcome.trace.iter().any(|each| each.contains(line)),
            "{line}: {:#?}",
            outcome.trace
        );
    }
    assert!(outcome.trace.iter().any(|line| line.contains("hub.0  took c0.0 4 bytes, left 0")));
    assert!(outcome.fired.iter().all(|(_, count)| *count == 0));
    let short = Run::new(3).trace_lines(5).perform(|sim| {
        echo(sim, "hub");
    });
    assert_eq!(short.trace.len(), 5);
    assert!(short.trace_hash != outcome.trace_hash);
}
