//! Timeouts where time does what it likes: hosts that stand still, clocks that leap, power cuts.

use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::sim::{Host, Simulation};
use net_reactor::{ConnConfig, Timeouts};

use super::support::{Caller, Log, calls, secs};

/// Answers, writes a lot when its time comes, and tells of its end.
struct Served {
    log: Log,
    writes_at: Duration,
}

impl Protocol for Served {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        conn.set_timer(Tag(1), self.writes_at);
        Ok(())
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        Ok(conn.write(input.take_all())?)
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, _tag: Tag) -> Flow {
        Ok(conn.write(vec![0; 4_000_000])?)
    }

    fn on_close(&mut self, conn: &mut Conn<'_>, reason: CloseReason) {
        self.log.note(conn.reactor().now(), format!("served: {reason}"));
    }
}

fn serve(sim: &mut Simulation, log: &Log, timeouts: Timeouts, writes_at: Duration) -> Host {
    let log = log.clone();
    sim.host("hub", move |boot| {
        let log = log.clone();
        let server = Server::new(move |_: &Peer| Served { log: log.clone(), writes_at });
        let config = ConnConfig::default().timeouts(timeouts);
        boot.serve(server.connections(config), "0.0.0.0:9000").map(drop)
    })
}

#[test]
fn a_frozen_server_does_not_blame_a_client_that_waits_for_its_answer() {
    let (mut sim, log) = (Simulation::new(1), Log::default());
    let hub = serve(&mut sim, &log, Timeouts::never().read(secs(10)).idle(secs(10)), Duration::MAX);
    calls(&mut sim, "field", "hub:9000", &Caller::new(&log).every(secs(2)));
    for _ in 0..5 {
        sim.run_for(secs(7));
        log.clear();
        sim.freeze(hub);
        sim.run_for(secs(3_600));
        assert_eq!(log.texts(), Vec::<String>::new());
        sim.thaw(hub);
        sim.run_for(secs(5));
        assert!(log.count("answer") >= 2, "{:?}", log.texts());
        assert_eq!(log.count("served") + log.count("closed"), 0, "{:?}", log.texts());
    }
}

#[test]
fn a_machine_that_was_suspended_gives_its_peers_their_time_again() {
    let (mut sim, log) = (Simulation::new(1), Log::default());
    let hub = serve(&mut sim, &log, Timeouts::never().read(secs(10)).idle(secs(10)), Duration::MAX);
    let field = calls(&mut sim, "field", "hub:9000", &Caller::new(&log).every(secs(5)));
    for _ in 0..5 {
        sim.run_for(secs(7));
        sim.jump_clock(hub, secs(3_600));
    }
    sim.run_for(secs(7));
    assert_eq!(log.count("served") + log.count("closed"), 0, "{:?}", log.texts());
    // A client that falls silent is timed out all the same.
    sim.jump_clock(hub, secs(3_600));
    sim.freeze(field);
    sim.run_for(secs(20));
    assert_eq!(log.count("served: timed out"), 1, "{:?}", log.texts());
}

#[test]
fn a_peer_that_loses_its_power_with_output_queued_is_found_out_by_the_write_timeout() {
    let (mut sim, log) = (Simulation::new(1), Log::default());
    serve(&mut sim, &log, Timeouts::never().write(secs(10)), secs(3));
    let field = calls(&mut sim, "field", "hub:9000", &Caller::new(&log));
    sim.run_for(secs(1));
    sim.power_off(field);
    sim.run_for(secs(100));
    assert_eq!(log.count("served: timed out: the peer took no output for 10s"), 1);
    let at = log.when("served").unwrap();
    assert!(at >= secs(13) && at < secs(14), "{at:?}");
}
