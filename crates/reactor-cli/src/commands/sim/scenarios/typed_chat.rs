//! A chat over SimpleReactor's protocol: everybody speaks, and hears everybody.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use net_reactor::HeartbeatConfig;
use net_reactor::codec::{SimpleReactor, TypedFrame};
use net_reactor::prelude::*;
use net_reactor::sim::{Fault, Faults, Simulation};
use net_reactor::simple_reactor::{TypedClient, TypedHandle, TypedServer};

use super::lot::{Counter, Lot, counters};
use super::redial::Dialer;

const SPEAK: Tag = Tag(1);

/// Both sides beat, and drop who is silent.
const HEARTBEAT: HeartbeatConfig =
    HeartbeatConfig::both().interval(Duration::from_secs(2)).tolerance(Duration::from_secs(10));

/// Messages that everybody must hear in the end.
const LAST: u64 = 20;

fn wire() -> SimpleReactor {
    #[cfg(feature = "zlib")]
    return SimpleReactor::zlib().max(4096);
    #[cfg(not(feature = "zlib"))]
    return SimpleReactor::plain().max(4096);
}

/// Passes on what a member says to all members, on whichever loop they are.
struct Room(TypedHandle);

impl FrameHandler<SimpleReactor> for Room {
    fn on_frame(
        &mut self,
        _conn: &mut FrameConn<'_, SimpleReactor>,
        frame: TypedFrame<'_>,
    ) -> Flow {
        self.0.broadcast(frame.data().to_vec());
        Ok(())
    }
}

/// Says numbered messages, and checks those that it hears.
struct Member {
    lot: Lot,
    /// Counts the connections of all members: each has a name of its own.
    connections: Counter,
    name: u64,
    said: u64,
    /// The last number from each connection.
    heard: BTreeMap<u64, u64>,
    heard_len: Counter,
}

impl Member {
    fn hear(&mut self, message: &[u8]) -> Option<()> {
        let text = std::str::from_utf8(message).ok()?;
        let mut words = text.split(' ');
        let name = words.next()?.parse().ok()?;
        let number = words.next()?.parse().ok()?;
        assert!(words.all(|word| word == "bla" || word.is_empty()), "it is not what was said");
        let before = self.heard.insert(name, number);
        assert!(before.is_none_or(|before| before < number), "{name}: {before:?}, then {number}");
        self.heard_len.add(1);
        Some(())
    }
}

impl FrameHandler<SimpleReactor> for Member {
    fn on_open(&mut self, conn: &mut FrameConn<'_, SimpleReactor>) -> Flow {
        self.connections.add(1);
        self.name = self.connections.get();
        conn.set_timer(SPEAK, self.lot.time(Duration::from_secs(1)));
        Ok(())
    }

    fn on_timer(&mut self, conn: &mut FrameConn<'_, SimpleReactor>, _tag: Tag) -> Flow {
        conn.set_timer(SPEAK, self.lot.time(Duration::from_secs(3)));
        self.said += 1;
        let filling = usize::try_from(self.lot.size(500)).unwrap_or(1);
        conn.send(&format!("{} {} {}", self.name, self.said, "bla ".repeat(filling)))?;
        Ok(())
    }

    fn on_frame(
        &mut self,
        _conn: &mut FrameConn<'_, SimpleReactor>,
        frame: TypedFrame<'_>,
    ) -> Flow {
        let heard = self.hear(frame.data());
        assert!(heard.is_some(), "that is no message: {}", frame.data().escape_ascii());
        Ok(())
    }

    fn on_close(&mut self, _conn: &mut FrameConn<'_, SimpleReactor>, reason: CloseReason) {
        assert!(!matches!(reason, CloseReason::Malformed { .. }), "{reason:?}");
    }
}

pub(super) fn run(sim: &mut Simulation) {
    let loops = usize::try_from(sim.pick("loops", 1..=3)).unwrap_or(1);
    let members = counters(sim.pick("members", 1..=8));
    let (lot, connections) = (Lot::new(sim), Counter::default());
    sim.host("hub", move |boot| {
        let everybody = TypedHandle::new();
        let listed = everybody.clone();
        let server = TypedServer::new(wire, move |_peer: &Peer| Room(everybody.clone()));
        let server = server.listed_in(&listed).heartbeat(HEARTBEAT).server();
        boot.serve(server.loops(loops), "0.0.0.0:9000").map(drop)
    });
    for (number, heard_len) in members.iter().cloned().enumerate() {
        let (lot, connections) = (lot.clone(), connections.clone());
        sim.host(format!("member-{number}"), move |boot| {
            let (draws, connections, heard_len) =
                (lot.clone(), connections.clone(), heard_len.clone());
            let client = TypedClient::new(wire, move || Member {
                lot: draws.clone(),
                connections: connections.clone(),
                name: 0,
                said: 0,
                heard: BTreeMap::new(),
                heard_len: heard_len.clone(),
            })
            .heartbeat(HEARTBEAT);
            // A dialer makes one handler after the other.
            let client = RefCell::new(client);
            Dialer::new("hub:9000", &lot, move || client.borrow_mut().protocol())
                .keep(&mut boot.reactor());
            Ok(())
        });
    }
    // A broadcast is a post for each member: an inbox of one or two would hold those of the same
    // members each time, and never the others'.
    sim.faults(Faults::swarm().without(Fault::InboxFull));
    sim.run_for(Duration::from_secs(120));
    sim.calm();
    // Until whoever lost a connection knows it, and has another.
    sim.run_for(Duration::from_secs(180));
    let before: Vec<u64> = members.iter().map(Counter::get).collect();
    let each = LAST * members.len() as u64;
    let goes_on = |(heard, before): (&Counter, &u64)| heard.get() >= before + each;
    let done =
        sim.run_until(Duration::from_secs(300), |_| members.iter().zip(&before).all(goes_on));
    sim.check(done, "in a calm world every member hears every other");
}
