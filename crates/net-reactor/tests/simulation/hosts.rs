//! What befalls a host: its power, its processes, its clocks and its limits.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use net_reactor::sim::{Fault, Host, Simulation};

use super::support::{Caller, Log, calls, echo, ms, secs};

fn talking(seed: u64) -> (Simulation, Host, Host, Log) {
    let mut sim = Simulation::new(seed);
    let log = Log::default();
    let hub = echo(&mut sim, "hub");
    let field = calls(&mut sim, "field", "hub:9000", &Caller::new(&log).every(secs(10)));
    sim.run_for(secs(5));
    assert_eq!(log.texts(), ["open", "answer"]);
    log.clear();
    (sim, hub, field, log)
}

#[test]
fn a_peer_learns_of_a_power_cut_by_a_reset_once_the_host_is_back() {
    let (mut sim, hub, _, log) = talking(1);
    sim.power_off(hub);
    assert!(!sim.is_up(hub));
    sim.run_for(ms(100));
    assert_eq!(log.texts(), Vec::<String>::new(), "the connection is half open");
    sim.power_on(hub);
    sim.power_on(hub);
    assert!(sim.is_up(hub));
    sim.run_for(secs(10));
    assert_eq!(log.count("closed: Reset"), 1, "{:?}", log.texts());
    assert_eq!(sim.fired(Fault::PowerCut), 1);
    sim.finish();
    assert_eq!(sim.open_descriptors(hub), 0);
}

#[test]
fn a_killed_process_leaves_its_kernel_to_say_so() {
    let (mut sim, hub, _, log) = talking(2);
    sim.kill(hub);
    sim.run_for(ms(1));
    assert_eq!(log.count("closed: PeerClosed"), 1, "{:?}", log.texts());
    assert!(!sim.is_up(hub));
    assert_eq!(sim.open_descriptors(hub), 0);
    sim.start(hub);
    assert!(sim.is_up(hub));
    calls(&mut sim, "other", "hub:9000", &Caller::new(&log));
    sim.run_for(secs(1));
    assert_eq!(log.count("answer"), 1);
    sim.finish();
}

#[test]
fn a_frozen_host_answers_when_it_is_thawed() {
    let (mut sim, hub, _, log) = talking(3);
    sim.freeze(hub);
    sim.run_for(secs(60));
    assert_eq!(log.count("answer"), 0);
    assert!(sim.is_up(hub));
    sim.thaw(hub);
    sim.run_for(ms(1));
    assert_eq!(log.count("answer"), 1);
    sim.finish();
}

#[test]
fn a_clock_that_runs_twice_as_fast_asks_twice_as_often() {
    let (mut sim, _, field, log) = talking(4);
    sim.clock_rate(field, 2_000_000);
    sim.run_for(secs(100));
    assert!((19..=21).contains(&log.count("answer")), "{:?}", log.texts());
    log.clear();
    sim.clock_rate(field, 0);
    sim.run_for(secs(100));
    assert!(log.count("answer") <= 1, "{:?}", log.texts());
    log.clear();
    sim.calm();
    sim.run_for(secs(100));
    assert!((9..=11).contains(&log.count("answer")), "{:?}", log.texts());
    assert_eq!((sim.fired(Fault::ClockSkew), sim.fired(Fault::ClockFreeze)), (1, 1));
    sim.finish();
}

#[test]
fn a_clock_that_jumps_makes_timers_due() {
    let (mut sim, _, field, log) = talking(5);
    sim.jump_clock(field, secs(9));
    sim.run_for(ms(1));
    assert_eq!(log.count("answer"), 1);
    sim.finish();
}

#[test]
fn the_wall_clock_starts_with_the_year_and_can_be_set() {
    let mut sim = Simulation::new(6);
    let read = Rc::new(Cell::new(SystemTime::UNIX_EPOCH));
    let seen = Rc::clone(&read);
    let host = sim.host("host", move |boot| {
        let seen = Rc::clone(&seen);
        boot.reactor().call_every(secs(1), move |reactor, _| seen.set(reactor.wall_time()));
        Ok(())
    });
    let new_year = SystemTime::UNIX_EPOCH + secs(1_767_225_600);
    sim.run_for(secs(60));
    assert_eq!(read.get(), new_year + secs(60));
    let before = sim.now();
    for set in [SystemTime::UNIX_EPOCH + secs(86_400), new_year + Duration::from_secs(1 << 30)] {
        sim.set_wall_clock(host, set);
        sim.run_for(secs(10));
        assert_eq!(read.get(), set + secs(10));
    }
    assert_eq!(sim.now() - before, secs(20), "timers follow the other clock");
    sim.finish();
}

#[test]
fn descriptors_run_out_where_a_test_says_so() {
    let mut sim = Simulation::new(7);
    let log = Log::default();
    let hub = echo(&mut sim, "hub");
    // The reserve of the loop, the listener, and two connections.
    sim.descriptor_limit(hub, Some(4));
    for number in 0..5 {
        calls(&mut sim, &format!("field{number}"), "hub:9000", &Caller::new(&log));
    }
    sim.run_for(secs(60));
    assert_eq!(log.count("answer"), 2);
    assert_eq!(sim.stats(hub).connections, 2);
    assert_eq!(sim.open_descriptors(hub), 4);
    // A calm world still has the limits that the test has set.
    sim.calm();
    calls(&mut sim, "field6", "hub:9000", &Caller::new(&log));
    sim.run_for(secs(5));
    assert_eq!(log.count("answer"), 2);
    sim.descriptor_limit(hub, None);
    calls(&mut sim, "field7", "hub:9000", &Caller::new(&log));
    sim.run_for(secs(5));
    assert_eq!(log.count("answer"), 3);
    sim.finish();
}

#[test]
fn ports_run_out_where_a_test_says_so() {
    let mut sim = Simulation::new(8);
    let log = Log::default();
    echo(&mut sim, "hub");
    let field = sim.host("field", |_| Ok(()));
    sim.ephemeral_ports(field, 40_000..=40_001);
    let caller = Caller::new(&log);
    let many = sim.host("many", {
        let caller = caller.clone();
        move |boot| {
            for _ in 0..3 {
                boot.reactor().connect("hub:9000", caller.clone())?;
            }
            Ok(())
        }
    });
    sim.ephemeral_ports(many, 40_000..=40_001);
    sim.run_for(secs(1));
    assert_eq!((log.count("answer"), log.count("failed")), (2, 1), "{:?}", log.texts());
    assert!(log.texts().iter().any(|text| text.contains("AddrNotAvailable")), "{:?}", log.texts());
    sim.finish();
}

#[test]
fn what_was_stopped_stays_stopped_until_it_is_started() {
    let (mut sim, hub, _, log) = talking(9);
    sim.stop(hub);
    sim.run_for(secs(20));
    assert!(!sim.is_up(hub));
    assert_eq!(log.count("closed: PeerClosed"), 1, "{:?}", log.texts());
    sim.calm();
    assert!(!sim.is_up(hub));
    sim.start(hub);
    assert!(sim.is_up(hub));
    sim.finish();
}

#[test]
fn a_start_brings_the_power_back_and_one_program_runs() {
    let (mut sim, hub, _, log) = talking(10);
    sim.power_off(hub);
    sim.start(hub);
    sim.run_for(secs(30));
    assert_eq!(sim.open_descriptors(hub), 2, "a reserve and a listener");
    calls(&mut sim, "other", "hub:9000", &Caller::new(&log));
    sim.run_for(secs(1));
    assert_eq!(log.count("answer"), 1);
    sim.finish();
}

#[test]
#[should_panic(expected = "belongs to another simulation")]
fn a_host_of_another_simulation_is_refused() {
    let (_, _, field, _) = talking(11);
    let mut sim = Simulation::new(11);
    sim.power_off(field);
}
