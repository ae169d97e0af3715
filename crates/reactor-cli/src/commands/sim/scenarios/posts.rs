//! Connections of several loops that send to each other through their handles.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::sim::{Faults, Simulation};

use super::lot::{Counter, Lot, all_go_on, counters};
use super::redial::Dialer;
use super::stream::Frame;

const SILENCE: Tag = Tag(1);
const SEND: Tag = Tag(2);

type Members = Arc<Mutex<Vec<ConnHandle>>>;

/// Passes on what arrives to somebody else, half as bytes and half as a message.
struct Member {
    members: Members,
    lot: Lot,
}

impl Member {
    fn members(&self) -> std::sync::MutexGuard<'_, Vec<ConnHandle>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Protocol for Member {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        let own = conn.handle();
        self.members().push(own);
        Ok(())
    }

    fn on_data(&mut self, _conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        while let Some(frame) = Frame::take(input) {
            // To all, so that everybody sees everybody's; whoever is overloaded misses some.
            let all = self.members().clone();
            for to in all {
                if frame.sender % 2 == 0 {
                    let _full = to.send(frame.encode());
                } else {
                    let _full = to.message(frame);
                }
            }
        }
        Ok(())
    }

    fn on_message(&mut self, conn: &mut Conn<'_>, message: Message) -> Flow {
        let frame = message.downcast::<Frame>().ok();
        if self.lot.below(50) == 0 {
            conn.close();
        }
        Ok(frame.map_or(Ok(()), |frame| conn.write(frame.encode()))?)
    }

    fn on_close(&mut self, conn: &mut Conn<'_>, _reason: CloseReason) {
        let own = conn.id();
        self.members().retain(|member| member.id() != own);
    }
}

/// Sends numbered messages, and checks that those of each sender come in order.
struct Client {
    sender: u32,
    sent: u64,
    seen: BTreeMap<u32, u64>,
    lot: Lot,
    count: Counter,
}

impl Protocol for Client {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        conn.set_timer(SILENCE, Duration::from_secs(20));
        conn.set_timer(SEND, Duration::from_millis(1));
        Ok(())
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        while let Some(frame) = Frame::take(input) {
            let before = self.seen.insert(frame.sender, frame.number);
            assert!(before.is_none_or(|before| before < frame.number), "{before:?} then {frame:?}");
            self.count.add(1);
            conn.set_timer(SILENCE, Duration::from_secs(20));
        }
        Ok(())
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, tag: Tag) -> Flow {
        if tag == SILENCE {
            conn.abort();
            return Ok(());
        }
        self.sent += 1;
        let body_bytes = u32::try_from(self.lot.size(1_000)).unwrap_or(1);
        conn.set_timer(SEND, self.lot.time(Duration::from_secs(3)));
        Ok(conn.write(Frame { sender: self.sender, number: self.sent, body_bytes }.encode())?)
    }
}

pub(super) fn run(sim: &mut Simulation) {
    let loops = usize::try_from(sim.pick("loops", 2..=4)).unwrap_or(2);
    let counts = counters(sim.pick("clients", 2..=6));
    let (lot, connections) = (Lot::new(sim), Counter::default());
    let draws = lot.clone();
    sim.host("hub", move |boot| {
        let (members, lot) = (Members::default(), draws.clone());
        let make = move |_: &Peer| Member { members: Arc::clone(&members), lot: lot.clone() };
        boot.serve(Server::new(make).loops(loops), "0.0.0.0:9000").map(drop)
    });
    for (number, count) in counts.iter().cloned().enumerate() {
        let (lot, connections) = (lot.clone(), connections.clone());
        sim.host(format!("client-{number}"), move |boot| {
            let (draws, count, connections) = (lot.clone(), count.clone(), connections.clone());
            let dialer = Dialer::new("hub:9000", &lot, move || {
                // Every connection is a sender of its own, since an older one may come later.
                connections.add(1);
                let sender = u32::try_from(connections.get()).unwrap_or(0);
                let (lot, count) = (draws.clone(), count.clone());
                Client { sender, sent: 0, seen: BTreeMap::new(), lot, count }
            });
            dialer.keep(&mut boot.reactor());
            Ok(())
        });
    }
    sim.faults(Faults::swarm());
    sim.run_for(Duration::from_secs(90));
    sim.calm();
    all_go_on(sim, &counts, Duration::from_secs(300), "everybody hears from the others again");
}
