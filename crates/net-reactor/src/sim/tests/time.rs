//! Clocks that jump, peers that fall silent, and limits without end.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use super::Echo;
use crate::base::Input;
use crate::endpoint::{Client, Server};
use crate::net::{CloseReason, ConnConfig, ConnectOptions};
use crate::protocol::{Conn, Flow, LoopConfig, Peer, Protocol, Tag};
use crate::sim::Simulation;
use crate::sys::KeepAlive;

const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

#[test]
fn ten_years_of_wall_clock_either_way_move_no_timer() {
    let mut sim = Simulation::new(1);
    let ticks = Rc::new(RefCell::new(Vec::new()));
    let noted = Rc::clone(&ticks);
    let host = sim.host("here", move |boot| {
        let noted = Rc::clone(&noted);
        let start = boot.reactor().now();
        boot.reactor().call_every(Duration::from_secs(1), move |reactor, tick| {
            noted.borrow_mut().push((reactor.now() - start, tick.missed));
        });
        Ok(())
    });
    let today = SystemTime::UNIX_EPOCH + 56 * YEAR;
    for (at, time) in [(1_500, today + 10 * YEAR), (3_500, today - 10 * YEAR), (4_500, today)] {
        sim.at(Duration::from_millis(at), move |sim| sim.set_wall_clock(host, time));
    }
    sim.run_for(Duration::from_millis(6_500));
    let expected: Vec<_> = (1..=6).map(|second| (Duration::from_secs(second), 0)).collect();
    assert_eq!(*ticks.borrow(), expected);
}

/// Notes why it ended, and when.
struct Patient(Rc<RefCell<Vec<String>>>);

impl Protocol for Patient {
    fn on_data(&mut self, _conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        input.take_all();
        Ok(())
    }

    fn on_close(&mut self, _conn: &mut Conn<'_>, reason: CloseReason) {
        self.0.borrow_mut().push(reason.to_string());
    }
}

/// A peer whose power was cut says nothing any more, not even FIN.
#[test]
fn a_peer_without_power_is_noticed_by_keep_alive_and_by_nothing_else() {
    for (keep_alive, expected) in [(true, vec!["the connection broke"]), (false, vec![])] {
        let mut sim = Simulation::new(2);
        let ends = Rc::new(RefCell::new(Vec::new()));
        let noted = Rc::clone(&ends);
        let hub = sim.host("hub", move |boot| {
            let noted = Rc::clone(&noted);
            let mut config = ConnConfig::default();
            if keep_alive {
                config = config.keep_alive(KeepAlive::after(Duration::from_secs(10)));
            }
            let server = Server::new(move |_: &Peer| Patient(Rc::clone(&noted)));
            boot.serve(server.connections(config), "0.0.0.0:9000").map(drop)
        });
        let device =
            sim.host("device", |boot| boot.connect(Client::new(|| Echo), "hub:9000").map(drop));
        sim.run_for(Duration::from_secs(60));
        assert_eq!((sim.stats(hub).connections, ends.borrow().len()), (1, 0));
        sim.power_off(device);
        sim.run_for(Duration::from_secs(600));
        assert_eq!(*ends.borrow(), expected);
        assert_eq!(sim.stats(hub).connections, usize::from(!keep_alive));
        if keep_alive {
            sim.finish();
        }
    }
}

/// Sets a timer for ever beside one that comes, writes, and closes when told to.
struct Endless(Rc<Cell<u32>>);

impl Protocol for Endless {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        conn.set_timer(Tag(0), Duration::MAX);
        conn.set_timer(Tag(1), Duration::from_secs(1));
        let reactor = conn.reactor();
        let later = reactor.call_later(Duration::MAX, |_| panic!("the end of time has come"));
        assert!(reactor.delay(later, Duration::MAX) && reactor.reset(later, Duration::MAX));
        Ok(())
    }

    fn on_data(&mut self, _conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        input.take_all();
        Ok(())
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, tag: Tag) -> Flow {
        assert_eq!(tag, Tag(1), "the end of time has come");
        self.0.set(self.0.get() + 1);
        conn.set_timer(tag, Duration::from_secs(1));
        Ok(conn.write("tick")?)
    }
}

/// A delay that overflows would fire at once, or spin, or never let the loop stop.
#[test]
fn every_limit_may_be_endless() {
    let mut sim = Simulation::new(3);
    let ticks = Rc::new(Cell::new(0));
    let (serving, dialing) = (Rc::clone(&ticks), Rc::clone(&ticks));
    let limits = || ConnConfig::default().linger(Duration::MAX).drain(Duration::MAX);
    let patience = || LoopConfig::default().drain(Duration::MAX);
    let hub = sim.host("hub", move |boot| {
        let ticks = Rc::clone(&serving);
        let server = Server::new(move |_: &Peer| Endless(Rc::clone(&ticks)));
        let server = server.connections(limits()).loop_config(patience());
        boot.serve(server, "0.0.0.0:9000").map(drop)
    });
    let device = sim.host("device", move |boot| {
        let ticks = Rc::clone(&dialing);
        let options = ConnectOptions::default().deadline(Duration::MAX).config(limits());
        let client = Client::new(move || Endless(Rc::clone(&ticks)));
        let client = client.options(options).loop_config(patience());
        boot.connect(client, "hub:9000").map(drop)
    });
    sim.run_for(Duration::from_millis(3_900));
    assert_eq!(ticks.get(), 6);
    assert_eq!((sim.stats(hub).connections, sim.stats(device).connections), (1, 1));
    // Without an end to any patience, it has to come about by itself.
    sim.finish();
    assert_eq!(sim.open_descriptors(hub), 0);
}
