//! Peers that vanish with a reset while nobody reads from them.

use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::sim::{Faults, Simulation};

use super::lot::{Counter, Lot, all_go_on, counters};
use super::redial::Dialer;

/// How long a host has nothing to say to its guest.
const STAY: Duration = Duration::from_secs(600);
const SITUATIONS: u8 = 4;

/// Waits with its guest, in one of several situations, for something that takes long.
struct Waiter {
    situation: u8,
    /// Guests that were found to be gone, for each situation.
    noticed: Vec<Counter>,
}

impl Protocol for Waiter {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        conn.set_timer(Tag(1), STAY);
        Ok(())
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        assert!(!conn.is_paused(), "input came in spite of a pause");
        if self.situation == SITUATIONS {
            self.situation = input.bytes().first().copied().unwrap_or(0) % SITUATIONS;
        }
        input.take_all();
        // 0: reads; 1: does not; 2: has seen the end, and keeps its own side open; 3: does not
        // read, and the end waits.
        if self.situation % 2 == 1 {
            conn.pause();
        }
        Ok(())
    }

    fn on_eof(&mut self, conn: &mut Conn<'_>, _input: &mut Input<'_>) -> Result<Eof, Failure> {
        assert!(!conn.is_paused(), "the end came in spite of a pause");
        Ok(if self.situation == 2 { Eof::KeepOpen } else { Eof::Close })
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, _tag: Tag) -> Flow {
        conn.abort();
        Ok(())
    }

    fn on_close(&mut self, _conn: &mut Conn<'_>, reason: CloseReason) {
        if let Some(noticed) = self.noticed.get(usize::from(self.situation)) {
            noticed.add(u64::from(matches!(reason, CloseReason::Reset { .. })));
        }
    }
}

/// Says what the situation is to be, and vanishes later.
struct Guest {
    situation: u8,
    stays: Duration,
}

impl Protocol for Guest {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        conn.set_timer(Tag(1), self.stays);
        conn.write([self.situation])?;
        if self.situation >= 2 {
            conn.shutdown_write()?;
        }
        Ok(())
    }

    fn on_data(&mut self, _conn: &mut Conn<'_>, _input: &mut Input<'_>) -> Flow {
        Err(Failure::msg("nobody sends here"))
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, _tag: Tag) -> Flow {
        conn.abort();
        Ok(())
    }
}

pub(super) fn run(sim: &mut Simulation) {
    let guests = sim.pick("guests", 1..=2);
    let (lot, noticed) = (Lot::new(sim), counters(SITUATIONS.into()));
    let counts = noticed.clone();
    sim.host("hub", move |boot| {
        let counts = counts.clone();
        let make = move |_: &Peer| Waiter { situation: SITUATIONS, noticed: counts.clone() };
        boot.serve(Server::new(make), "0.0.0.0:9000").map(drop)
    });
    for number in 0..guests {
        for situation in 0..SITUATIONS {
            let lot = lot.clone();
            sim.host(format!("guest-{number}-{situation}"), move |boot| {
                let draws = lot.clone();
                let make = move || Guest { situation, stays: draws.time(Duration::from_secs(2)) };
                Dialer::new("hub:9000", &lot, make).keep(&mut boot.reactor());
                Ok(())
            });
        }
    }
    sim.faults(Faults::swarm());
    sim.run_for(Duration::from_secs(60));
    sim.calm();
    // Who was there in the faults may have vanished unseen, with a reset that was lost.
    sim.run_for(Duration::from_secs(30));
    all_go_on(sim, &noticed, Duration::from_secs(60), "whoever vanishes is noticed");
}
