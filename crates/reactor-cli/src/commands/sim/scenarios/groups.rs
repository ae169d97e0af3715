//! A feed for a group on several loops, whose slow members miss parts of it and are told how much.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::sim::{Fault, Faults, Simulation};
use net_reactor::{Balance, ConnConfig, ConnectOptions, Group, SlowMembers};

use super::lot::{Counter, Lot, all_go_on, counters};
use super::redial::Dialer;
use super::stream::Frame;

const MARK: usize = 20_000;
const SILENCE: Tag = Tag(1);
const NEXT: Tag = Tag(2);
/// The senders of frames: the feed, and the member's own handler.
const FEED: u32 = 0;
const MISSED: u32 = 1;

/// A member that the feed serves.
struct Member {
    group: Group,
}

impl Protocol for Member {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        self.group.join(conn)?;
        assert!(self.group.contains(conn.id()), "it has just joined");
        Ok(())
    }

    fn on_data(&mut self, _conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        input.take_all();
        Ok(())
    }

    fn on_pressure(&mut self, conn: &mut Conn<'_>, pressure: Pressure) -> Flow {
        if pressure == Pressure::Low {
            let number = self.group.take_missed(conn);
            conn.write(Frame { sender: MISSED, number, body_bytes: 0 }.encode())?;
        }
        Ok(())
    }

    fn on_close(&mut self, conn: &mut Conn<'_>, reason: CloseReason) {
        assert!(!self.group.contains(conn.id()), "it has left by itself");
        assert!(!matches!(reason, CloseReason::SlowConsumer { .. }), "slow members are skipped");
    }
}

/// Reads now and then, and adds up what it missed and what it was told to have missed.
struct Consumer {
    lot: Lot,
    /// The longest time without reading.
    rest: Duration,
    last: Option<u64>,
    /// Numbers of the feed that were left out since it was last told.
    gap: u64,
    seen: Counter,
    missed: Counter,
}

impl Protocol for Consumer {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        conn.set_timer(SILENCE, Duration::from_secs(60));
        Ok(())
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        while let Some(frame) = Frame::take(input) {
            if frame.sender == MISSED {
                assert_eq!(self.gap, 0, "what is missing was told before what comes after it");
                self.gap = frame.number;
                self.missed.add(frame.number);
                continue;
            }
            let expected = self.last.map(|last| last + 1 + std::mem::take(&mut self.gap));
            assert!(
                expected.is_none_or(|number| number == frame.number),
                "{expected:?}: {frame:?}"
            );
            self.last = Some(frame.number);
            self.seen.add(1);
        }
        conn.set_timer(SILENCE, Duration::from_secs(60));
        if self.lot.below(20) == 0 {
            conn.pause();
            conn.set_timer(NEXT, self.lot.time(self.rest));
        }
        Ok(())
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, tag: Tag) -> Flow {
        if tag == SILENCE {
            conn.abort()
        } else {
            conn.resume()
        }
        Ok(())
    }
}

/// The group of the feed that runs now, and its server.
type Running = Rc<RefCell<Option<(Group, net_reactor::ServerHandle)>>>;

fn feed(sim: &mut Simulation, loops: u64, body_bytes: u32) -> Running {
    let running = Running::default();
    let current = Rc::clone(&running);
    sim.host("feed", move |boot| {
        let group = Group::new(SlowMembers::Skip);
        let member = group.clone();
        let server = Server::new(move |_: &Peer| Member { group: member.clone() })
            .connections(ConnConfig::default().marks(MARK / 4, MARK))
            .balance(Balance::LeastLoaded)
            .loops(usize::try_from(loops).unwrap_or(1));
        let handle = boot.serve(server, "0.0.0.0:9000")?.handle;
        *current.borrow_mut() = Some((group.clone(), handle));
        let mut number = 0;
        boot.reactor().call_every(Duration::from_millis(200), move |reactor, _tick| {
            number += 1;
            let reached =
                group.broadcast(reactor, Frame { sender: FEED, number, body_bytes }.encode());
            assert_eq!(reached.members, 0, "nobody is on this loop");
        });
        Ok(())
    });
    running
}

pub(super) fn run(sim: &mut Simulation) {
    let loops = sim.pick("loops", 1..=3);
    // Of less than that a rest of some seconds misses nothing.
    let body_bytes = u32::try_from(sim.pick("bytes", 2_000..=4_000)).unwrap_or(2_000);
    let seen = counters(sim.pick("consumers", 1..=5));
    let (lot, missed) = (Lot::new(sim), Counter::default());
    let running = feed(sim, loops, body_bytes);
    for (number, seen) in (0..).zip(seen.iter().cloned()) {
        let (lot, missed) = (lot.clone(), missed.clone());
        // The first one is quick.
        let rest = Duration::from_secs(10 * number);
        sim.host(format!("consumer-{number}"), move |boot| {
            let (seen, missed, draws) = (seen.clone(), missed.clone(), lot.clone());
            let make = move || Consumer {
                lot: draws.clone(),
                rest,
                last: None,
                gap: 0,
                seen: seen.clone(),
                missed: missed.clone(),
            };
            let mut dialer = Dialer::new("feed:9000", &lot, make);
            let config = ConnConfig::default().receive_buffer(4_096);
            dialer.options = ConnectOptions::default().config(config);
            dialer.keep(&mut boot.reactor());
            Ok(())
        });
    }
    // A full inbox would leave a gap that no member is told of: its sender is.
    sim.faults(Faults::swarm().without(Fault::InboxFull));
    sim.run_for(Duration::from_secs(120));
    sim.calm();
    all_go_on(sim, &seen, Duration::from_secs(600), "the feed goes on for everybody");
    if seen.len() > 1 {
        let done = sim.run_until(Duration::from_secs(600), |_| missed.get() > 0);
        sim.check(done, "who rests misses something");
    }
    let exact = |_: &mut Simulation| {
        let running = running.borrow();
        running.as_ref().is_some_and(|(group, server)| {
            group.len() == server.connections() && group.len() == seen.len()
        })
    };
    let exact = sim.run_until(Duration::from_secs(600), exact);
    sim.check(exact, "who is connected is a member, and nobody else is");
}
