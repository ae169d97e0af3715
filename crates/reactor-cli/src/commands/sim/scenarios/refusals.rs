//! Peers that a server declines, and handlers that give up: each is closed, and soon.

use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::sim::{Faults, Simulation};

use super::lot::{Counter, Lot, all_go_on, counters};
use super::redial::Dialer;
use super::stream::Frame;

const OVERDUE: Tag = Tag(1);
const CALL: Tag = Tag(2);
/// How long a client bears to hear nothing.
const PATIENCE: Duration = Duration::from_secs(30);

/// Serves for a while, and then gives up in any of its callbacks.
struct Fickle {
    lot: Lot,
    has_given_up: bool,
}

impl Fickle {
    fn go_on(&mut self) -> Flow {
        self.expect_to_be_open();
        self.has_given_up = self.lot.below(4) == 0;
        if self.has_given_up { Err(Failure::msg("no more of this")) } else { Ok(()) }
    }

    fn expect_to_be_open(&self) {
        assert!(!self.has_given_up, "a handler that gave up was called again");
    }
}

impl Protocol for Fickle {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        conn.set_timer(OVERDUE, 2 * PATIENCE);
        self.go_on()?;
        Ok(conn.write(Frame { sender: 0, number: 0, body_bytes: 0 }.encode())?)
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        while let Some(frame) = Frame::take(input) {
            self.go_on()?;
            conn.set_timer(OVERDUE, 2 * PATIENCE);
            conn.write(frame.encode())?;
        }
        Ok(())
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, _tag: Tag) -> Flow {
        self.expect_to_be_open();
        conn.abort();
        Ok(())
    }
}

/// Calls until the other side ends it.
struct Guest {
    lot: Lot,
    is_calm: Counter,
    was_served: bool,
    calls: u64,
    served: Counter,
    turned_away: Counter,
}

impl Protocol for Guest {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        conn.set_timer(OVERDUE, PATIENCE);
        Ok(())
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        while Frame::take(input).is_some() {
            self.was_served = true;
            self.served.add(1);
            conn.set_timer(OVERDUE, PATIENCE);
            conn.set_timer(CALL, self.lot.time(Duration::from_secs(2)));
        }
        Ok(())
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, tag: Tag) -> Flow {
        if tag == CALL {
            self.calls += 1;
            let body_bytes = u32::try_from(self.lot.size(2_000)).unwrap_or(1);
            return Ok(conn.write(Frame { sender: 0, number: self.calls, body_bytes }.encode())?);
        }
        let patience_ended = self.is_calm.get() > 0;
        assert!(!patience_ended, "a peer was neither served nor turned away");
        conn.abort();
        Ok(())
    }

    fn on_close(&mut self, _conn: &mut Conn<'_>, _reason: CloseReason) {
        self.turned_away.add(u64::from(!self.was_served));
    }
}

pub(super) fn run(sim: &mut Simulation) {
    let loops = usize::try_from(sim.pick("loops", 1..=2)).unwrap_or(1);
    let clients = sim.pick("clients", 1..=5);
    let (lot, is_calm, counts) = (Lot::new(sim), Counter::default(), counters(2));
    let draws = lot.clone();
    let hub = sim.host("hub", move |boot| {
        let lot = draws.clone();
        let server = Server::new(move |_: &Peer| {
            (lot.below(3) > 0).then(|| Fickle { lot: lot.clone(), has_given_up: false })
        });
        boot.serve(server.loops(loops), "0.0.0.0:9000").map(drop)
    });
    let own = sim.open_descriptors(hub);
    for number in 0..clients {
        let (lot, is_calm, counts) = (lot.clone(), is_calm.clone(), counts.clone());
        sim.host(format!("client-{number}"), move |boot| {
            let (draws, is_calm, counts) = (lot.clone(), is_calm.clone(), counts.clone());
            let make = move || Guest {
                lot: draws.clone(),
                is_calm: is_calm.clone(),
                was_served: false,
                calls: 0,
                served: counts[0].clone(),
                turned_away: counts[1].clone(),
            };
            Dialer::new("hub:9000", &lot, make).keep(&mut boot.reactor());
            Ok(())
        });
    }
    sim.faults(Faults::swarm());
    sim.run_for(Duration::from_secs(60));
    sim.calm();
    // What a lost segment or a silent peer has held up is over by then.
    sim.run_for(Duration::from_secs(240));
    is_calm.add(1);
    all_go_on(sim, &counts, Duration::from_secs(120), "peers are served, and turned away");
    sim.run_for(Duration::from_secs(60));
    let open = sim.open_descriptors(hub);
    // Each client has one, and may have left another one that is just being closed.
    let most = own + 2 * usize::try_from(clients).unwrap_or(0);
    sim.check(open <= most, &format!("{open} descriptors for {clients} clients"));
}
