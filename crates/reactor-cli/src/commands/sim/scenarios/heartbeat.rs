//! Many idle connections with heartbeats, over peers that fall silent.

use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::sim::{Faults, Simulation};

use super::lot::{Counter, Lot};
use super::redial::Dialer;

const BEAT: Tag = Tag(1);
const DEAD: Tag = Tag(2);
const EVERY: Duration = Duration::from_secs(5);
/// Three beats that did not come.
const SILENCE: Duration = Duration::from_secs(15);

/// Either side: it sends beats, and aborts when none has come for a while.
struct Heart {
    /// Connections of this side that are open.
    open: Counter,
    beats: Counter,
    /// A panic may come before the opening is counted.
    is_counted: bool,
}

impl Heart {
    fn new(open: &Counter, beats: &Counter) -> Self {
        Self { open: open.clone(), beats: beats.clone(), is_counted: false }
    }
}

impl Protocol for Heart {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        self.open.add(1);
        self.is_counted = true;
        conn.set_timer(BEAT, EVERY);
        conn.set_timer(DEAD, SILENCE);
        Ok(())
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        assert!(input.take_all().iter().all(|byte| *byte == b'.'), "that is no heartbeat");
        self.beats.add(1);
        conn.set_timer(DEAD, SILENCE);
        Ok(())
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, tag: Tag) -> Flow {
        if tag == DEAD {
            conn.abort();
            return Ok(());
        }
        conn.set_timer(BEAT, EVERY);
        Ok(conn.write(".")?)
    }

    fn on_close(&mut self, _conn: &mut Conn<'_>, _reason: CloseReason) {
        self.open.take_away(u64::from(self.is_counted));
    }
}

pub(super) fn run(sim: &mut Simulation) {
    let devices = sim.pick("devices", 1..=8);
    let each = sim.pick("connections", 1..=12);
    let (lot, open, beats) = (Lot::new(sim), Counter::default(), Counter::default());
    let (hub_open, hub_beats) = (open.clone(), beats.clone());
    let hub = sim.host("hub", move |boot| {
        let (open, beats) = (hub_open.clone(), hub_beats.clone());
        // Connections of a crashed hub had no end.
        open.set(0);
        let make = move |_: &Peer| Heart::new(&open, &beats);
        boot.serve(Server::new(make), "0.0.0.0:9000").map(drop)
    });
    for number in 0..devices {
        let lot = lot.clone();
        sim.host(format!("device-{number}"), move |boot| {
            let open = Counter::default();
            for _ in 0..each {
                let open = open.clone();
                let make = move || Heart::new(&open, &Counter::default());
                Dialer::new("hub:9000", &lot, make).keep(&mut boot.reactor());
            }
            Ok(())
        });
    }
    sim.faults(Faults::swarm());
    sim.run_for(Duration::from_secs(240));
    sim.calm();
    let all = devices * each;
    // The dead ones are found out in one silence; whoever is lost connects within its own pause.
    sim.run_for(Duration::from_secs(120));
    sim.check(open.get() == all, "the hub has the living connections and no other");
    sim.check(sim.stats(hub).connections as u64 == all, "the hub's loop holds no dead one");
    let before = beats.get();
    sim.run_for(Duration::from_secs(60));
    sim.check(open.get() == all, "no living connection is lost");
    sim.check(beats.get() - before >= 10 * all, "every heart beats");
}
