//! Members of one room that tell each other things, and hold the room in every callback.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::sim::{Faults, Simulation};

use super::lot::{Counter, Lot, all_go_on, counters};
use super::redial::Dialer;
use super::stream::Frame;

const SILENCE: Tag = Tag(1);
const SPEAK: Tag = Tag(2);

type Room = Rc<RefCell<Vec<ConnId>>>;

/// Passes on what it hears.
struct Member {
    room: Room,
    lot: Lot,
}

/// A message, and how often it is still to be passed on.
struct Whisper {
    frame: Frame,
    left: u64,
}

/// Tells somebody, perhaps the teller itself.
fn tell(conn: &mut Conn<'_>, room: &[ConnId], lot: &Lot, whisper: Whisper) {
    let Some(other) = room.get(usize::try_from(lot.below(room.len() as u64)).unwrap_or(0)) else {
        return;
    };
    match lot.below(30) {
        0 => drop(conn.reactor().close(*other)),
        1 => drop(conn.reactor().abort(*other)),
        2 => {
            let (other, frame) = (*other, whisper.frame);
            conn.reactor().defer(move |reactor| {
                // It may have gone meanwhile.
                let _gone = reactor.write(other, frame.encode());
            });
        }
        _ => drop(conn.reactor().message(*other, whisper)),
    }
}

// Nothing else of the room runs while a callback has it: `borrow_mut` would panic.
impl Protocol for Member {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        let mut room = self.room.borrow_mut();
        room.push(conn.id());
        Ok(())
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        let room = self.room.borrow_mut();
        while let Some(frame) = Frame::take(input) {
            tell(conn, &room, &self.lot, Whisper { frame, left: self.lot.below(4) });
        }
        Ok(())
    }

    fn on_message(&mut self, conn: &mut Conn<'_>, message: Message) -> Flow {
        let room = self.room.borrow_mut();
        let Ok(whisper) = message.downcast::<Whisper>() else { return Ok(()) };
        let Whisper { frame, left } = *whisper;
        if left > 0 {
            tell(conn, &room, &self.lot, Whisper { frame, left: left - 1 });
        }
        Ok(conn.write(frame.encode())?)
    }

    fn on_close(&mut self, conn: &mut Conn<'_>, _reason: CloseReason) {
        let mut room = self.room.borrow_mut();
        room.retain(|member| *member != conn.id());
    }
}

/// Speaks at times, and listens.
struct Client {
    lot: Lot,
    heard: Counter,
}

impl Protocol for Client {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        conn.set_timer(SILENCE, Duration::from_secs(30));
        conn.set_timer(SPEAK, Duration::from_millis(1));
        Ok(())
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        while Frame::take(input).is_some() {
            self.heard.add(1);
            conn.set_timer(SILENCE, Duration::from_secs(30));
        }
        Ok(())
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, tag: Tag) -> Flow {
        if tag == SILENCE {
            conn.abort();
            return Ok(());
        }
        let body_bytes = u32::try_from(self.lot.size(5_000)).unwrap_or(1);
        conn.set_timer(SPEAK, self.lot.time(Duration::from_secs(3)));
        let frame = Frame { sender: 0, number: self.lot.below(u64::MAX), body_bytes };
        Ok(conn.write(frame.encode())?)
    }
}

pub(super) fn run(sim: &mut Simulation) {
    let heard = counters(sim.pick("clients", 2..=6));
    let lot = Lot::new(sim);
    let draws = lot.clone();
    sim.host("hub", move |boot| {
        let (room, lot) = (Room::default(), draws.clone());
        let make = move |_: &Peer| Member { room: Rc::clone(&room), lot: lot.clone() };
        boot.serve(Server::new(make), "0.0.0.0:9000").map(drop)
    });
    for (number, heard) in heard.iter().cloned().enumerate() {
        let lot = lot.clone();
        sim.host(format!("client-{number}"), move |boot| {
            let (draws, heard) = (lot.clone(), heard.clone());
            let make = move || Client { lot: draws.clone(), heard: heard.clone() };
            Dialer::new("hub:9000", &lot, make).keep(&mut boot.reactor());
            Ok(())
        });
    }
    sim.faults(Faults::swarm());
    sim.run_for(Duration::from_secs(90));
    sim.calm();
    all_go_on(sim, &heard, Duration::from_secs(600), "everybody hears something again");
}
