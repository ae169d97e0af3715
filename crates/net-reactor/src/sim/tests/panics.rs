//! Handlers and factories that panic, in whole programs.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use super::Echo;
use crate::base::Input;
use crate::endpoint::{Client, Server};
use crate::net::{CloseReason, ConnectError};
use crate::protocol::{Conn, Flow, Peer, Protocol, Reactor};
use crate::sim::{Run, Simulation};

/// A server whose factory panics for its second peer.
fn fragile_factory(sim: &mut Simulation) {
    sim.host("hub", |boot| {
        let mut calls = 0;
        let factory = move |_: &Peer| {
            calls += 1;
            assert!(calls != 2, "the second peer is one too many");
            Echo
        };
        boot.serve(Server::new(factory), "0.0.0.0:9000").map(drop)
    });
    sim.host("device", |boot| {
        boot.connect(Client::new(|| Echo).connections(3), "hub:9000").map(drop)
    });
    sim.run_for(Duration::from_secs(1));
}

#[test]
fn a_factory_that_panics_fails_the_run() {
    let failure = Run::new(1).perform(fragile_factory).failure.unwrap();
    assert!(failure.contains("the second peer is one too many"), "{failure}");
}

#[test]
fn a_factory_may_panic_where_panics_are_allowed() {
    let outcome = Run::new(1).perform(|sim| {
        sim.allow_panics();
        fragile_factory(sim);
    });
    assert_eq!(outcome.failure, None);
}

/// What a storm of panics came to.
#[derive(Default)]
struct Storm {
    is_over: Cell<bool>,
    callbacks: Cell<u32>,
    panics: Cell<u32>,
    opened: Cell<u32>,
    closed: Cell<u32>,
    /// Connections that ended with the reason that their handler had panicked.
    blamed: Cell<u32>,
    answers: Cell<u32>,
    /// Answers other than the one that was due.
    wrong: Cell<u32>,
    /// Clients' connections that ended.
    lost: Cell<u32>,
}

fn count(cell: &Cell<u32>) -> u32 {
    cell.set(cell.get() + 1);
    cell.get()
}

/// Echoes, and panics in every hundredth callback of all its connections.
struct Fragile(Rc<Storm>);

impl Fragile {
    fn may_panic(&self) {
        if !self.0.is_over.get() && count(&self.0.callbacks).is_multiple_of(100) {
            count(&self.0.panics);
            panic!("one callback in a hundred");
        }
    }
}

impl Protocol for Fragile {
    fn on_open(&mut self, _conn: &mut Conn<'_>) -> Flow {
        count(&self.0.opened);
        self.may_panic();
        Ok(())
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        self.may_panic();
        Ok(conn.write(input.take_all())?)
    }

    fn on_close(&mut self, _conn: &mut Conn<'_>, reason: CloseReason) {
        count(&self.0.closed);
        if matches!(reason, CloseReason::HandlerPanicked { .. }) {
            count(&self.0.blamed);
        }
    }
}

/// Sends the next number as soon as the last one is back, and connects again when it is cut off.
struct Talker {
    storm: Rc<Storm>,
    next: u64,
}

impl Talker {
    fn connect(storm: Rc<Storm>, reactor: &mut Reactor<'_>) {
        let _ = reactor.connect("hub:9000", Self { storm, next: 0 });
    }

    fn send(&mut self, conn: &mut Conn<'_>) -> Flow {
        self.next += 1;
        Ok(conn.write(self.next.to_be_bytes())?)
    }
}

impl Protocol for Talker {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        self.send(conn)
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        while let Some(answer) = input.take(8) {
            // Not an assertion: panics are allowed in this world.
            let due = *answer == self.next.to_be_bytes();
            count(if due { &self.storm.answers } else { &self.storm.wrong });
            self.send(conn)?;
        }
        Ok(())
    }

    fn on_close(&mut self, conn: &mut Conn<'_>, reason: CloseReason) {
        if !matches!(reason, CloseReason::Reset { .. }) {
            return;
        }
        count(&self.storm.lost);
        let storm = Rc::clone(&self.storm);
        conn.reactor().call_later(Duration::from_millis(10), |r| Self::connect(storm, r));
    }

    fn on_connect_failed(&mut self, _reactor: &mut Reactor<'_>, _error: ConnectError) {}
}

const TALKERS: u32 = 50;

/// The oracles compare every byte of the connections that go on; this counts the ends.
fn panic_storm(sim: &mut Simulation, storm: &Rc<Storm>) {
    sim.allow_panics();
    let (servers, clients) = (Rc::clone(storm), Rc::clone(storm));
    let hub = sim.host("hub", move |boot| {
        let storm = Rc::clone(&servers);
        let factory = move |_: &Peer| Fragile(Rc::clone(&storm));
        boot.serve(Server::new(factory), "0.0.0.0:9000").map(drop)
    });
    let device = sim.host("device", move |boot| {
        for _ in 0..TALKERS {
            Talker::connect(Rc::clone(&clients), &mut boot.reactor());
        }
        Ok(())
    });
    sim.run_for(Duration::from_secs(1));
    let panics = storm.panics.get();
    assert_eq!(panics, storm.callbacks.get() / 100);
    assert!(panics > 500, "{panics} panics");
    assert_eq!((storm.closed.get(), storm.blamed.get()), (panics, panics));
    let (open, live) = (sim.stats(hub).connections, storm.opened.get() - storm.closed.get());
    assert_eq!(u32::try_from(open), Ok(live));
    // Whoever was cut off comes back, and the loops have lost nobody.
    storm.is_over.set(true);
    let before = storm.answers.get();
    sim.eventually(Duration::from_secs(1), "all talk", |sim| {
        let talking = sim.stats(device).connections + sim.stats(hub).connections;
        talking == 2 * TALKERS as usize && storm.answers.get() > before + TALKERS
    });
    assert!(storm.lost.get().abs_diff(storm.blamed.get()) <= TALKERS);
    assert_eq!(storm.wrong.get(), 0);
}

#[test]
fn a_storm_of_panics_costs_a_connection_each_and_nothing_else() {
    let storm = Rc::new(Storm::default());
    let outcome = Run::new(3).perform(|sim| panic_storm(sim, &storm));
    assert_eq!(outcome.failure, None);
    assert_eq!(storm.opened.get(), storm.closed.get());
}
