//! Timers of connections: set, moved and cancelled by each other, many of them due at one time.

use std::collections::BTreeMap;
use std::time::Duration;

use net_reactor::Instant;
use net_reactor::prelude::*;
use net_reactor::sim::{Faults, Simulation};

use super::lot::{Counter, Lot, all_go_on, counters};
use super::redial::Dialer;

const TAGS: u64 = 8;
/// It is set again whenever it fires.
const PULSE: Tag = Tag(100);
/// It ends a connection of which nothing is heard.
const SILENCE: Tag = Tag(101);

/// Plays with its timers.
struct Player {
    lot: Lot,
    /// What is set, by tag.
    set: BTreeMap<u32, Instant>,
    fired: Counter,
}

impl Player {
    fn play(&mut self, conn: &mut Conn<'_>) {
        for _ in 0..self.lot.below(5) {
            let tag = u32::try_from(self.lot.below(TAGS)).unwrap_or(0);
            if self.lot.below(2) == 0 {
                let was_set = self.set.remove(&tag).is_some();
                assert_eq!(conn.cancel_timer(Tag(tag)), was_set, "whether timer {tag} was set");
            } else {
                // Deadlines are coarse, so that many are equal.
                let now = conn.reactor().now();
                let grid = Duration::from_millis(100);
                let into = (now - Instant::ORIGIN).as_nanos() % grid.as_nanos();
                let into = Duration::from_nanos(u64::try_from(into).unwrap_or(0));
                let delay = grid * u32::try_from(1 + self.lot.below(4)).unwrap_or(1) - into;
                conn.set_timer(Tag(tag), delay);
                self.set.insert(tag, now + delay);
            }
        }
    }
}

impl Protocol for Player {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        conn.set_timer(PULSE, Duration::from_millis(50));
        conn.set_timer(SILENCE, Duration::from_secs(30));
        Ok(())
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        input.take_all();
        conn.set_timer(SILENCE, Duration::from_secs(30));
        self.play(conn);
        Ok(())
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, tag: Tag) -> Flow {
        if tag == SILENCE {
            conn.abort();
            return Ok(());
        }
        self.fired.add(1);
        if tag == PULSE {
            conn.set_timer(PULSE, self.lot.time(Duration::from_secs(1)));
            conn.write("pulse")?;
        } else {
            let deadline = self.set.remove(&tag.0);
            assert!(deadline.is_some(), "timer {tag:?} fired and was not set");
            let now = conn.reactor().now();
            assert!(deadline.is_none_or(|deadline| deadline <= now), "timer {tag:?} came early");
        }
        self.play(conn);
        Ok(())
    }
}

pub(super) fn run(sim: &mut Simulation) {
    let fired = counters(1 + sim.pick("clients", 1..=3));
    let lot = Lot::new(sim);
    let (draws, count) = (lot.clone(), fired[0].clone());
    sim.host("hub", move |boot| {
        let (lot, fired) = (draws.clone(), count.clone());
        let make =
            move |_: &Peer| Player { lot: lot.clone(), set: BTreeMap::new(), fired: fired.clone() };
        boot.serve(Server::new(make), "0.0.0.0:9000").map(drop)
    });
    for (number, fired) in fired.iter().skip(1).cloned().enumerate() {
        let lot = lot.clone();
        sim.host(format!("client-{number}"), move |boot| {
            let (draws, fired) = (lot.clone(), fired.clone());
            let make =
                move || Player { lot: draws.clone(), set: BTreeMap::new(), fired: fired.clone() };
            Dialer::new("hub:9000", &lot, make).keep(&mut boot.reactor());
            Ok(())
        });
    }
    sim.faults(Faults::swarm());
    sim.run_for(Duration::from_secs(60));
    sim.calm();
    all_go_on(sim, &fired, Duration::from_secs(300), "timers go on in a calm world");
}
