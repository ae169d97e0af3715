//! Simulations of whole programs.

mod panics;
mod time;

use std::time::Duration;

use super::{Faults, Run, Simulation};
use crate::base::Input;
use crate::endpoint::{Client, Server};
use crate::protocol::{Conn, Flow, Peer, Protocol, Tag};

struct Echo;

impl Protocol for Echo {
    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        Ok(conn.write(input.take_all())?)
    }
}

/// Sends "ping" a second after each answer.
struct Ping;

impl Protocol for Ping {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        Ok(conn.write("ping")?)
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        if input.len() >= 4 {
            input.consume(4);
            conn.set_timer(Tag(0), Duration::from_secs(1));
        }
        Ok(())
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, _tag: Tag) -> Flow {
        Ok(conn.write("ping")?)
    }
}

fn stormy(sim: &mut Simulation) {
    let loops = usize::try_from(sim.pick("loops", 1..=3)).unwrap();
    let clients = usize::try_from(sim.pick("clients", 1..=10)).unwrap();
    sim.faults(Faults::swarm());
    sim.host("hub", move |boot| {
        boot.serve(Server::new(|_: &Peer| Echo).loops(loops), "0.0.0.0:9000").map(drop)
    });
    sim.host("device", move |boot| {
        let client = Client::new(|| Ping).connections(clients).on_failed(|_, _| ());
        boot.connect(client, "hub:9000").map(drop)
    });
    sim.run_for(Duration::from_secs(300));
    sim.calm();
    sim.run_for(Duration::from_secs(60));
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let mut hashes = std::collections::BTreeSet::new();
    for seed in 0..30 {
        let first = Run::new(seed).perform(stormy);
        if let Some(failure) = &first.failure {
            panic!("{failure}: {}", Run::new(seed).shrink(stormy));
        }
        assert_eq!(first.trace_hash, Run::new(seed).perform(stormy).trace_hash, "seed {seed}");
        hashes.insert(first.trace_hash);
    }
    assert_eq!(hashes.len(), 30);
}

#[test]
fn a_hundred_connections_live_for_ten_minutes() {
    let mut sim = Simulation::new(7);
    let hub = sim.host("hub", |boot| {
        boot.serve(Server::new(|_: &Peer| Echo).loops(3), "0.0.0.0:9000").map(drop)
    });
    let device = sim.host("device", |boot| {
        boot.connect(Client::new(|| Ping).connections(100), "hub:9000").map(drop)
    });
    sim.run_for(Duration::from_secs(600));
    assert_eq!(sim.stats(hub).connections, 100);
    let stats = sim.stats(device);
    assert!((4 * 100 * 598..=4 * 100 * 600).contains(&stats.bytes_in), "{stats:?}");
    sim.finish();
    assert_eq!(sim.open_descriptors(hub), 0);
}

/// A loop that sleeps without a deadline is not woken by what happens to its clock or its host:
/// whoever was not woken for a post is still not.
#[test]
fn nobody_gets_a_turn_for_nothing() {
    let mut sim = Simulation::new(1);
    let host = sim.host("idle", |boot| {
        boot.reactor();
        Ok(())
    });
    sim.run_for(Duration::from_secs(1));
    let turns = sim.stats(host).turns;
    sim.clock_rate(host, 900_000);
    sim.jump_clock(host, Duration::from_secs(5));
    sim.freeze(host);
    sim.run_for(Duration::from_secs(1));
    sim.thaw(host);
    sim.calm();
    sim.run_for(Duration::from_secs(60));
    assert_eq!(sim.stats(host).turns, turns);
    sim.finish();
}

/// Returns why a run of `test` fails.
fn failure_of(test: impl FnOnce(&mut Simulation)) -> String {
    Run::new(1).perform(test).failure.expect("the run fails")
}

#[test]
fn a_host_that_can_never_start_fails_the_run() {
    let failure = failure_of(|sim| {
        sim.host("hub", |boot| {
            boot.serve(Server::new(|_: &Peer| Echo), "localhost:9000").map(drop)
        });
        sim.run_for(Duration::from_secs(60));
    });
    assert!(failure.contains("hub can never start"), "{failure}");
}

#[test]
fn a_name_that_nobody_has_fails_the_run() {
    let failure = failure_of(|sim| {
        sim.host("device", |boot| boot.connect(Client::new(|| Ping), "hubb:9000").map(drop));
        sim.run_for(Duration::from_secs(60));
    });
    assert!(failure.contains("hubb"), "{failure}");
}

#[test]
fn a_failed_assertion_says_where_it_stands() {
    let failure = failure_of(|sim| assert!(sim.seed() > 3, "two is less"));
    assert!(failure.contains("two is less, at ") && failure.contains("tests.rs:"), "{failure}");
}
