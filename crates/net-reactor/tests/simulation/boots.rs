//! What a host starts: servers with several loops, clients, bare loops, and what fails to start.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;

use net_reactor::prelude::*;
use net_reactor::sim::Simulation;
use net_reactor::{Balance, LoopConfig};

use super::support::{Caller, Log, calls, echo, ms, secs};

/// Starts a hub with four loops, and a field with a client of 40 connections; returns how many
/// each loop of the hub has.
fn spread(balance: Balance) -> Vec<usize> {
    let mut sim = Simulation::new(1);
    let served = Rc::new(RefCell::new(None));
    let told = Rc::clone(&served);
    let hub = sim.host("hub", move |boot| {
        let echo = Server::on_data(|conn, input| Ok(conn.write(input.take_all())?));
        let hub = boot.serve(echo.loops(4).balance(balance), "0.0.0.0:0")?;
        assert_ne!(hub.address.port(), Some(0));
        told.replace(Some(hub));
        Ok(())
    });
    let served = served.take().expect("it serves");
    let target = format!("hub:{}", served.address.port().unwrap());
    let log = Log::default();
    let caller = Caller::new(&log);
    let field = sim.host("field", move |boot| {
        let caller = caller.clone();
        let client = Client::new(move || caller.clone()).connections(40);
        boot.connect(client, target.as_str()).map(drop)
    });
    sim.run_for(secs(1));
    assert_eq!(log.count("answer"), 40);
    assert_eq!(sim.stats(hub).connections, 40);
    assert_eq!(sim.stats(field).connected, 40);
    let each = served.handle.loops().iter().map(LoopHandle::connections).collect();
    // Stopped by its handle, the server ends with all its loops, and the client with it.
    served.handle.stop();
    sim.run_for(secs(1));
    assert!(!sim.is_up(hub) && !sim.is_up(field));
    sim.finish();
    each
}

#[test]
fn a_server_has_as_many_loops_as_it_wants() {
    assert_eq!(spread(Balance::LeastLoaded), [10, 10, 10, 10]);
    let hashed = spread(Balance::ReusePort);
    assert_eq!(hashed.iter().sum::<usize>(), 40);
    assert!(hashed.len() == 4 && hashed.iter().all(|share| *share > 0), "{hashed:?}");
}

#[test]
fn a_client_that_cannot_connect_ends_and_says_why() {
    let mut sim = Simulation::new(2);
    echo(&mut sim, "hub");
    let field = sim.host("field", |boot| {
        let caller = Caller::new(&Log::default());
        boot.connect(Client::new(move || caller.clone()), "hub:9001").map(drop)
    });
    sim.run_for(secs(1));
    assert!(!sim.is_up(field));
    let failures = sim.take_failures(field);
    assert!(matches!(failures[..], [ConnectError::Refused { .. }]), "{failures:?}");
    assert!(sim.take_failures(field).is_empty());
    // It ended by itself: a calm world leaves it at that.
    sim.calm();
    assert!(!sim.is_up(field));
    sim.finish();
}

#[test]
fn loops_of_a_host_run_beside_each_other_and_take_posts() {
    let mut sim = Simulation::new(3);
    let ids = Rc::new(RefCell::new(BTreeSet::new()));
    let ran = Rc::new(Cell::new(0));
    let (told, count) = (Rc::clone(&ids), Rc::clone(&ran));
    let host = sim.host("host", move |boot| {
        let count = Rc::clone(&count);
        let worker = boot.spawn(LoopConfig::default(), |event_loop| {
            event_loop.reactor().call_every(secs(1), move |_, _| count.set(count.get() + 1));
            Ok(())
        })?;
        // The host's own loop is one and the same each time.
        let same = boot.reactor().handle();
        let own = boot.reactor().handle();
        assert!(!same.is_in_loop());
        boot.reactor().call_later(ms(5_500), move |_| worker.stop());
        told.borrow_mut().insert(format!("{own:?}"));
        told.borrow_mut().insert(format!("{same:?}"));
        Ok(())
    });
    sim.run_for(secs(60));
    assert_eq!(ids.borrow().len(), 1);
    assert_eq!(ran.get(), 5, "until another loop stopped it");
    assert!(sim.is_up(host));
    sim.finish();
}

#[test]
fn a_host_that_fails_to_start_tries_again_each_second_and_leaves_nothing() {
    let mut sim = Simulation::new(4);
    let tries = Rc::new(RefCell::new(Vec::new()));
    let told = Rc::clone(&tries);
    let host = sim.host("host", move |boot| {
        let echo = || Server::on_data(|conn, input| Ok(conn.write(input.take_all())?));
        boot.serve(echo(), "0.0.0.0:9000")?;
        let address = if told.borrow().len() < 3 { "0.0.0.0:9000" } else { "0.0.0.0:9001" };
        told.borrow_mut().push(boot.reactor().now());
        boot.serve(echo(), address)?;
        Ok(())
    });
    assert!(!sim.is_up(host));
    assert_eq!(sim.open_descriptors(host), 0);
    sim.run_for(secs(60));
    assert!(sim.is_up(host));
    let between: Vec<_> =
        tries.borrow().windows(2).map(|pair| pair[1].saturating_since(pair[0])).collect();
    assert_eq!(between, [secs(1); 3]);
    assert_eq!(sim.open_descriptors(host), 5, "three loops and two listeners");
    sim.finish();
}

#[test]
fn a_try_to_start_is_forgotten_when_the_host_is_started_otherwise() {
    let mut sim = Simulation::new(5);
    let tries = Rc::new(Cell::new(0));
    let told = Rc::clone(&tries);
    let host = sim.host("host", move |boot| {
        told.set(told.get() + 1);
        let echo = || Server::on_data(|conn, input| Ok(conn.write(input.take_all())?));
        if told.get() == 1 {
            // A port that is in use may be free the next time.
            boot.serve(echo(), "0.0.0.0:9000")?;
        }
        boot.serve(echo(), "0.0.0.0:9000").map(drop)
    });
    sim.run_for(ms(500));
    assert_eq!((tries.get(), sim.is_up(host)), (1, false));
    sim.power_off(host);
    sim.power_on(host);
    sim.run_for(secs(60));
    assert_eq!((tries.get(), sim.is_up(host)), (2, true));
    sim.stop(host);
    sim.run_for(secs(60));
    sim.start(host);
    sim.start(host);
    sim.run_for(ms(1));
    assert_eq!(tries.get(), 4, "beside the first one, on the same port, which fails");
    sim.finish();
}

#[test]
fn programs_are_started_again_with_their_host() {
    let mut sim = Simulation::new(6);
    let boots = Rc::new(Cell::new(0));
    let told = Rc::clone(&boots);
    let log = Log::default();
    echo(&mut sim, "hub");
    let caller = Caller::new(&log);
    let field = sim.host("field", move |boot| {
        told.set(told.get() + 1);
        boot.reactor().connect("hub:9000", caller.clone())?;
        Ok(())
    });
    for round in 1..=3 {
        sim.run_for(secs(1));
        assert_eq!((boots.get(), log.count("answer")), (round, round));
        sim.kill(field);
        sim.run_for(secs(1));
        sim.start(field);
    }
    assert_eq!(log.count("closed"), 0, "nobody tells the dead");
    calls(&mut sim, "last", "hub:9000", &Caller::new(&log));
    sim.finish();
}
