//! Small messages and their answers, on clients that end with their connections.

use std::time::Duration;

use net_reactor::sim::{Fault, Faults, Simulation};
use net_reactor::{Client, Server};

use super::callers::{Calls, Echo};
use super::lot::{Counter, Lot};

/// Rounds that each connection plays in the end.
const ROUNDS: u64 = 10;

pub(super) fn run(sim: &mut Simulation) {
    let connections = sim.pick("connections", 1..=20);
    let answered = Counter::default();
    let mut calls = Calls::new(0, &answered, &Lot::new(sim));
    calls.body_bytes_max = sim.pick("bytes", 1..=64);
    calls.pause = Duration::from_millis(1 + sim.pick("pause_ms", 0..=2_000));
    sim.host("hub", |boot| boot.serve(Server::new(|_| Echo), "0.0.0.0:9000").map(drop));
    let count = usize::try_from(connections).unwrap_or(1);
    let players = sim.host("players", move |boot| {
        let calls = calls.clone();
        let client = Client::new(move || calls.caller()).connections(count);
        boot.connect(client.on_failed(|_, _| ()), "hub:9000").map(drop)
    });
    // Where only one fits the backlog, the others of a burst run out of their 30 s, and a client of
    // this kind does not try again.
    sim.faults(Faults::swarm().without(Fault::SmallBacklog));
    sim.run_for(Duration::from_secs(120));
    sim.calm();
    // A client ends with its last connection, and opens no others: it is started afresh.
    sim.stop(players);
    let stopped = sim.run_until(Duration::from_secs(120), |sim| !sim.is_up(players));
    sim.check(stopped, "a client that is told to stop does");
    let before = answered.get();
    sim.start(players);
    let enough = before + ROUNDS * connections;
    let played = sim.run_until(Duration::from_secs(300), |_| answered.get() >= enough);
    sim.check(played, "a client that was started again plays");
    let all = sim.stats(players).connections;
    sim.check(all == count, "every connection is open in a calm world");
}
