//! Everybody does anything at any time.

use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::sim::{Faults, Simulation};

use super::lot::{Counter, Lot};
use super::redial::Dialer;

/// Does something at random in every callback.
struct Unruly {
    lot: Lot,
    calm: Counter,
    served: Counter,
}

impl Unruly {
    fn act(&self, conn: &mut Conn<'_>) {
        if self.calm.get() > 0 {
            return;
        }
        let size = usize::try_from(self.lot.size(30_000)).unwrap_or(1);
        let action = self.lot.below(20);
        // A write after the end is refused; that is what it is for.
        match action {
            0 => conn.close(),
            1 => conn.abort(),
            2 => drop(conn.shutdown_write()),
            3 => conn.pause(),
            4 => conn.resume(),
            5 => {
                conn.close();
                assert!(conn.write("late").is_err(), "a write after a close was accepted");
            }
            6 => drop(conn.handle().abort()),
            7 => drop(conn.handle().close()),
            8 => {
                let id = conn.id();
                conn.reactor().defer(move |reactor| {
                    reactor.abort(id);
                });
            }
            // What the kernel answers is its own affair.
            9 => drop(conn.local_address()),
            _ => drop(conn.write(vec![b'x'; size])),
        }
        conn.set_timer(Tag(1), self.lot.time(Duration::from_secs(2)));
    }
}

impl Protocol for Unruly {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        conn.set_timer(Tag(1), Duration::from_millis(100));
        self.act(conn);
        Ok(())
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        let some = usize::try_from(self.lot.below(input.len() as u64 + 1)).unwrap_or(0);
        input.consume(some);
        self.act(conn);
        if self.lot.below(50) == 0 && self.calm.get() == 0 {
            return Err(Failure::msg("no more of this"));
        }
        Ok(())
    }

    fn on_eof(&mut self, conn: &mut Conn<'_>, _input: &mut Input<'_>) -> Result<Eof, Failure> {
        self.act(conn);
        Ok(if self.lot.below(2) == 0 { Eof::Close } else { Eof::KeepOpen })
    }

    fn on_pressure(&mut self, conn: &mut Conn<'_>, _pressure: Pressure) -> Flow {
        self.act(conn);
        Ok(())
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, _tag: Tag) -> Flow {
        self.act(conn);
        if self.calm.get() > 0 {
            self.served.add(1);
            conn.close();
        }
        Ok(())
    }

    fn on_close(&mut self, conn: &mut Conn<'_>, _reason: CloseReason) {
        assert!(conn.write("after the end").is_err(), "a write after the end was accepted");
        self.act(conn);
    }
}

pub(super) fn run(sim: &mut Simulation) {
    let loops = usize::try_from(sim.pick("loops", 1..=3)).unwrap_or(1);
    let clients = sim.pick("clients", 1..=8);
    let (lot, calm, served) = (Lot::new(sim), Counter::default(), Counter::default());
    let make = {
        let (lot, calm, served) = (lot.clone(), calm.clone(), served.clone());
        move || Unruly { lot: lot.clone(), calm: calm.clone(), served: served.clone() }
    };
    let factory = make.clone();
    let hub = sim.host("hub", move |boot| {
        let factory = factory.clone();
        let server = Server::new(move |_: &Peer| factory()).loops(loops);
        boot.serve(server, "0.0.0.0:9000").map(drop)
    });
    for number in 0..clients {
        let (lot, make) = (lot.clone(), make.clone());
        sim.host(format!("client-{number}"), move |boot| {
            Dialer::new("hub:9000", &lot, make.clone()).keep(&mut boot.reactor());
            Ok(())
        });
    }
    sim.faults(Faults::swarm());
    sim.run_for(Duration::from_secs(60));
    sim.calm();
    calm.add(1);
    let accepted = sim.stats(hub).accepted;
    let goes_on = sim.run_until(Duration::from_secs(120), |sim| {
        sim.stats(hub).accepted > accepted && served.get() > clients
    });
    sim.check(goes_on, "peers are served after the storm");
}
