//! Many idle connections with heartbeats, over peers that fall silent.

use std::time::Duration;

use net_reactor::codec::Lines;
use net_reactor::prelude::*;
use net_reactor::sim::{Faults, Host, Simulation};
use net_reactor::{Heartbeat, HeartbeatConfig, TextBeats};

use super::lot::{Counter, Lot};
use super::redial::Dialer;

const EVERY: Duration = Duration::from_secs(5);
/// Three beats that did not come.
const SILENCE: Duration = Duration::from_secs(15);

/// Either side: it sends pings, and is aborted when nothing has come for a while.
#[derive(Clone, Default)]
struct Heart {
    /// Connections of this side that are open.
    open: Counter,
    /// Pings that were answered.
    beats: Counter,
    /// Connections that ended for silence.
    silent: Counter,
    /// A panic may come before the opening is counted.
    is_counted: bool,
}

impl Heart {
    fn beating(&self) -> Framed<Lines, Heartbeat<Lines, TextBeats, Self>> {
        let config = HeartbeatConfig::ping().interval(EVERY).tolerance(SILENCE);
        let heartbeat = Heartbeat::new(config, TextBeats::new(), self.clone());
        let heartbeat = heartbeat.on_round_trip(|heart, _conn, trip| {
            assert!(trip.min <= trip.last && trip.min <= trip.smoothed, "{trip:?}");
            heart.beats.add(1);
            Ok(())
        });
        Framed::new(Lines::new(), heartbeat)
    }
}

impl FrameHandler<Lines> for Heart {
    fn on_open(&mut self, _conn: &mut FrameConn<'_, Lines>) -> Flow {
        self.open.add(1);
        self.is_counted = true;
        Ok(())
    }

    fn on_frame(&mut self, _conn: &mut FrameConn<'_, Lines>, line: &[u8]) -> Flow {
        panic!("the handler was given {:?}", line.escape_ascii());
    }

    fn on_timer(&mut self, _conn: &mut FrameConn<'_, Lines>, tag: Tag) -> Flow {
        panic!("the handler has no timer {tag:?}");
    }

    fn on_close(&mut self, _conn: &mut FrameConn<'_, Lines>, reason: CloseReason) {
        if let CloseReason::HeartbeatTimedOut { silence, .. } = reason {
            assert!(silence >= SILENCE, "dropped after {silence:?}");
            self.silent.add(1);
        }
        self.open.take_away(u64::from(self.is_counted));
    }
}

pub(super) fn run(sim: &mut Simulation) {
    let devices = sim.pick("devices", 1..=8);
    let each = sim.pick("connections", 1..=12);
    let (lot, heart) = (Lot::new(sim), Heart::default());
    let counted = heart.clone();
    let hub = sim.host("hub", move |boot| {
        let heart = counted.clone();
        // Connections of a crashed hub had no end.
        heart.open.set(0);
        boot.serve(Server::new(move |_| heart.beating()), "0.0.0.0:9000").map(drop)
    });
    let fields: Vec<Host> = (0..devices)
        .map(|number| {
            let lot = lot.clone();
            sim.host(format!("device-{number}"), move |boot| {
                let heart = Heart::default();
                for _ in 0..each {
                    let heart = heart.clone();
                    let make = move || heart.beating();
                    Dialer::new("hub:9000", &lot, make).keep(&mut boot.reactor());
                }
                Ok(())
            })
        })
        .collect();
    sim.faults(Faults::swarm());
    sim.run_for(Duration::from_secs(240));
    sim.calm();
    let all = devices * each;
    // The dead ones are found out in one silence; whoever is lost connects within its own pause.
    sim.run_for(Duration::from_secs(120));
    sim.check(heart.open.get() == all, "the hub has the living connections and no other");
    sim.check(sim.stats(hub).connections as u64 == all, "the hub's loop holds no dead one");
    let before = heart.beats.get();
    sim.run_for(Duration::from_secs(60));
    sim.check(heart.open.get() == all, "no living connection is lost");
    sim.check(heart.beats.get() - before >= 10 * all, "every heart beats");
    freeze(sim, &heart, fields[0], (all, each));
}

/// Lets one device stand still: shortly, which nobody may hold against anybody, then for long.
fn freeze(sim: &mut Simulation, heart: &Heart, device: Host, (all, each): (u64, u64)) {
    let before = heart.silent.get();
    let short = Duration::from_millis(sim.pick("freeze_ms", 1..=9_000));
    sim.freeze(device);
    sim.run_for(short);
    sim.thaw(device);
    sim.run_for(Duration::from_secs(30));
    sim.check(heart.silent.get() == before, "a short stop is borne");
    sim.check(heart.open.get() == all, "a short stop costs no connection");
    sim.freeze(device);
    sim.run_for(EVERY + SILENCE);
    sim.check(heart.silent.get() == before + each, "a long silence is found out in time");
    sim.check(heart.open.get() == all - each, "a long silence of one device costs its own");
    sim.thaw(device);
    sim.run_for(Duration::from_secs(60));
    sim.check(heart.open.get() == all, "a device that wakes up comes back");
}
