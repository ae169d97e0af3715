//! A crowd that comes all at once, and a loop that has other things to do as well.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::sim::{Fault, Faults, Simulation};

use super::callers::hosts_of_callers;
use super::lot::{Counter, all_go_on};

/// More peers than this in one turn are a crowd that keeps everybody else out.
const PEERS_PER_TURN: u32 = 128;

/// An echo that counts those who come in one turn.
struct Door {
    in_turn: Rc<Cell<u32>>,
    entered: Counter,
}

impl Protocol for Door {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        self.entered.add(1);
        conn.set_timer(Tag(1), Duration::from_secs(30));
        let in_turn = self.in_turn.get() + 1;
        assert!(in_turn <= PEERS_PER_TURN, "{in_turn} peers were let in before anything else");
        if self.in_turn.replace(in_turn) == 0 {
            let counter = Rc::clone(&self.in_turn);
            // What a turn calls itself runs after what the network brought.
            conn.reactor().defer(move |_reactor| counter.set(0));
        }
        Ok(())
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        conn.set_timer(Tag(1), Duration::from_secs(30));
        Ok(conn.write(input.take_all())?)
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, _tag: Tag) -> Flow {
        conn.abort();
        Ok(())
    }
}

/// One of the crowd: it looks in, and leaves.
struct Passer;

impl Protocol for Passer {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        conn.close();
        Ok(())
    }

    fn on_data(&mut self, _conn: &mut Conn<'_>, _input: &mut Input<'_>) -> Flow {
        Ok(())
    }
}

pub(super) fn run(sim: &mut Simulation) {
    let crowd = sim.pick("crowd", 150..=400);
    let callers = sim.pick("callers", 1..=3);
    let entered = Counter::default();
    let count = entered.clone();
    sim.host("hub", move |boot| {
        let (in_turn, entered) = (Rc::new(Cell::new(0)), count.clone());
        let make = move |_: &Peer| Door { in_turn: Rc::clone(&in_turn), entered: entered.clone() };
        boot.serve(Server::new(make), "0.0.0.0:9000").map(drop)
    });
    sim.host("crowd", move |boot| {
        boot.reactor().call_every(Duration::from_secs(8), move |reactor, _tick| {
            for _ in 0..crowd {
                if !reactor.is_stopping() {
                    let dialed = reactor.connect("hub:9000", Passer);
                    assert!(dialed.is_ok(), "the target is one: {dialed:?}");
                }
            }
        });
        Ok(())
    });
    let (_, answers) = hosts_of_callers(sim, callers, "hub:9000", |mut calls| {
        calls.body_bytes_max = 1_000;
        calls.pause = Duration::from_secs(1);
        calls
    });
    // There is room in the backlog for all.
    sim.faults(Faults::swarm().without(Fault::SmallBacklog));
    sim.run_for(Duration::from_secs(30));
    sim.calm();
    all_go_on(sim, &answers, Duration::from_secs(300), "callers are served again");
    let enough = entered.get() + 2 * crowd;
    let done = sim.run_until(Duration::from_secs(60), |_| entered.get() >= enough);
    sim.check(done, "a crowd is let in");
}
