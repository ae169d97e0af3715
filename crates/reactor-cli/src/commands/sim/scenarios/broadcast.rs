//! One sender, and members that come and go.

use std::collections::BTreeMap;
use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::sim::{Faults, Simulation};

use super::lot::{Counter, Lot, counters};
use super::redial::Dialer;
use super::stream::Frame;

const SEND: Tag = Tag(1);
const LEAVE: Tag = Tag(2);
const SILENCE: Tag = Tag(3);
const PATIENCE: Duration = Duration::from_secs(20);
/// Messages that everybody must see in the end.
const LAST: u64 = 20;

/// Passes on what arrives to every connection of the server.
struct Hub(Peer);

impl Protocol for Hub {
    fn on_data(&mut self, _conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        while let Some(frame) = Frame::take(input) {
            // A loop that is overloaded may miss some.
            self.0.server().broadcast(frame.encode());
        }
        Ok(())
    }
}

/// Sends numbered messages; its number changes with each connection.
struct Sender {
    lot: Lot,
    connection: u32,
    sent: Counter,
}

impl Protocol for Sender {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        conn.set_timer(SEND, Duration::from_millis(1));
        conn.set_timer(SILENCE, PATIENCE);
        Ok(())
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, tag: Tag) -> Flow {
        if tag == SILENCE {
            conn.abort();
            return Ok(());
        }
        self.sent.add(1);
        let body_bytes = u32::try_from(self.lot.size(2_000)).unwrap_or(1);
        let frame = Frame { sender: self.connection, number: self.sent.get(), body_bytes };
        conn.set_timer(SEND, self.lot.time(Duration::from_secs(2)));
        Ok(conn.write(frame.encode())?)
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        input.take_all();
        conn.set_timer(SILENCE, PATIENCE);
        Ok(())
    }
}

/// Checks the order of what it sees, and leaves after a while.
struct Member {
    lot: Lot,
    is_restless: Counter,
    /// The last number from each connection of the sender.
    seen: BTreeMap<u32, u64>,
    /// Messages seen after this number.
    from: Counter,
    since: Counter,
}

impl Protocol for Member {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        conn.set_timer(LEAVE, self.lot.time(Duration::from_secs(40)));
        conn.set_timer(SILENCE, PATIENCE);
        Ok(())
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        while let Some(frame) = Frame::take(input) {
            let before = self.seen.insert(frame.sender, frame.number);
            assert!(before.is_none_or(|before| before < frame.number), "{before:?} then {frame:?}");
            self.since.add(u64::from(frame.number > self.from.get()));
            conn.set_timer(SILENCE, PATIENCE);
        }
        Ok(())
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, tag: Tag) -> Flow {
        match tag {
            SILENCE => conn.abort(),
            _ if self.is_restless.get() > 0 => conn.close(),
            _ => (),
        }
        Ok(())
    }
}

pub(super) fn run(sim: &mut Simulation) {
    let loops = usize::try_from(sim.pick("loops", 1..=3)).unwrap_or(1);
    let members = counters(sim.pick("members", 1..=8));
    let (lot, sent, restless, from) =
        (Lot::new(sim), Counter::default(), Counter::default(), Counter::default());
    restless.add(1);
    from.set(u64::MAX);
    sim.host("hub", move |boot| {
        boot.serve(Server::new(|peer: &Peer| Hub(peer.clone())).loops(loops), "0.0.0.0:9000")
            .map(drop)
    });
    let (connections, draws, all) = (Counter::default(), lot.clone(), sent.clone());
    sim.host("sender", move |boot| {
        let (connections, lot, sent) = (connections.clone(), draws.clone(), all.clone());
        let dialer = Dialer::new("hub:9000", &draws, move || {
            connections.add(1);
            let connection = u32::try_from(connections.get()).unwrap_or(0);
            Sender { lot: lot.clone(), connection, sent: sent.clone() }
        });
        dialer.keep(&mut boot.reactor());
        Ok(())
    });
    for (number, since) in members.iter().cloned().enumerate() {
        let (lot, is_restless, from) = (lot.clone(), restless.clone(), from.clone());
        sim.host(format!("member-{number}"), move |boot| {
            let (lot, is_restless, from, since) =
                (lot.clone(), is_restless.clone(), from.clone(), since.clone());
            let dialer = Dialer::new("hub:9000", &lot.clone(), move || Member {
                lot: lot.clone(),
                is_restless: is_restless.clone(),
                seen: BTreeMap::new(),
                from: from.clone(),
                since: since.clone(),
            });
            dialer.keep(&mut boot.reactor());
            Ok(())
        });
    }
    sim.faults(Faults::swarm());
    sim.run_for(Duration::from_secs(120));
    sim.calm();
    restless.set(0);
    // Until whoever lost a connection knows it, and has another.
    sim.run_for(Duration::from_secs(180));
    from.set(sent.get() + 1);
    let done =
        sim.run_until(Duration::from_secs(300), |_| members.iter().all(|seen| seen.get() >= LAST));
    sim.check(done, "every member sees what is sent in a calm world");
    let most = members.iter().map(Counter::get).max().unwrap_or(0);
    let all = sim.run_until(Duration::from_secs(5), |_| members.iter().all(|s| s.get() >= most));
    sim.check(all, "no member misses a message in a calm world");
    sim.check(most <= sent.get() - from.get() + 1, "no message comes twice");
}
