//! What a program sees of the network that a test spoils.

use net_reactor::prelude::*;
use net_reactor::sim::{Fault, Host, Latency, Link, Simulation};

use super::support::{Caller, Log, calls, echo, ms, secs};

/// A caller that asks once a second, after ten seconds of quiet.
fn talking(seed: u64) -> (Simulation, Host, Host, Log) {
    let mut sim = Simulation::new(seed);
    let log = Log::default();
    let hub = echo(&mut sim, "hub");
    let field = calls(&mut sim, "field", "hub:9000", &Caller::new(&log).every(secs(1)));
    sim.run_for(secs(10));
    assert_eq!(log.count("answer"), 10, "{:?}", log.texts());
    log.clear();
    (sim, hub, field, log)
}

#[test]
fn a_short_partition_is_a_delay() {
    let (mut sim, hub, field, log) = talking(1);
    sim.partition(hub, field);
    sim.run_for(secs(20));
    assert_eq!(log.texts(), Vec::<String>::new());
    sim.mend(field, hub);
    sim.eventually(secs(30), "the answer comes", |_| log.count("answer") > 0);
    assert_eq!(log.count("closed"), 0);
    assert_eq!(sim.fired(Fault::Partition), 1);
    sim.finish();
}

#[test]
fn a_long_partition_is_a_timeout_after_a_quarter_of_an_hour() {
    let (mut sim, hub, field, log) = talking(2);
    sim.partition(hub, field);
    let parted = sim.now();
    sim.run_for(secs(1_200));
    let closed = log.when("closed: Broken").expect("the connection ends");
    assert!(log.texts()[0].contains("TimedOut"), "{:?}", log.texts());
    let after = closed - parted;
    assert!((secs(900)..secs(960)).contains(&after), "{after:?}");
    sim.finish();
}

#[test]
fn either_direction_alone_stops_the_answers_until_mended() {
    for to_hub in [true, false] {
        let (mut sim, hub, field, log) = talking(3);
        let (from, to) = if to_hub { (field, hub) } else { (hub, field) };
        let received = sim.stats(hub).bytes_in;
        sim.partition_one_way(from, to);
        sim.run_for(secs(20));
        assert_eq!(log.count("answer"), 0);
        // The question still arrives where that way is open.
        assert_eq!(sim.stats(hub).bytes_in > received, !to_hub);
        sim.mend(hub, field);
        sim.eventually(secs(30), "the answer comes", |_| log.count("answer") > 0);
        assert_eq!(sim.fired(Fault::PartitionOneWay), 1);
        sim.finish();
    }
}

#[test]
fn a_clog_keeps_everything_and_lets_it_through_in_order() {
    let (mut sim, hub, field, log) = talking(4);
    sim.clog(hub, field);
    sim.run_for(secs(30));
    assert_eq!(log.count("answer"), 0);
    sim.unclog(hub, field);
    sim.run_for(ms(1));
    assert_eq!(log.count("answer"), 1, "at once, without a timer of TCP");
    sim.finish();
}

#[test]
fn a_reset_link_is_a_reset_on_both_sides() {
    let (mut sim, hub, field, log) = talking(5);
    sim.reset_link(field, hub);
    sim.run_for(ms(1));
    assert_eq!(log.count("closed: Reset"), 1, "{:?}", log.texts());
    assert_eq!(sim.stats(hub).connections, 0);
    sim.finish();
}

#[test]
fn latency_is_paid_each_way() {
    let mut sim = Simulation::new(6);
    let log = Log::default();
    let hub = echo(&mut sim, "hub");
    let field = calls(&mut sim, "field", "hub:9000", &Caller::new(&log));
    sim.link(hub, field, Link::new(Latency::Fixed(ms(40))));
    sim.run_for(secs(1));
    assert_eq!(log.when("open"), Some(ms(80)));
    assert_eq!(log.when("answer"), Some(ms(160)));
    sim.finish();
}

#[test]
fn bandwidth_takes_its_time_and_a_calm_world_keeps_the_links_of_the_test() {
    let mut sim = Simulation::new(7);
    let log = Log::default();
    let hub = echo(&mut sim, "hub");
    let text = vec![b'x'; 100_000];
    let field = calls(&mut sim, "field", "hub:9000", &Caller::new(&log).says(text));
    let link = Link::new(Latency::Fixed(ms(0))).bytes_per_second(50_000);
    sim.link(hub, field, link);
    sim.calm();
    sim.run_for(secs(10));
    // 2 s each way, of which the answer's first piece overlaps with the question's last.
    let answered = log.when("answer").expect("an answer");
    assert!((ms(2_000)..=ms(4_000)).contains(&answered), "{answered:?}");
    sim.finish();
}

#[test]
fn hosts_are_found_by_name_and_others_are_not() {
    let mut sim = Simulation::new(8);
    let logs: Vec<Log> = (0..4).map(|_| Log::default()).collect();
    echo(&mut sim, "alpha");
    let beta = echo(&mut sim, "beta");
    for (log, target) in logs.iter().zip(["ALPHA:9000", "beta:9000", "gamma:9000", "beta:9001"]) {
        calls(&mut sim, &format!("to {}", target.replace(':', " ")), target, &Caller::new(log));
    }
    sim.run_for(secs(1));
    assert_eq!(logs[0].count("answer"), 1);
    assert_eq!(logs[1].count("answer"), 1);
    assert_eq!(logs[2].count("failed: NameNotFound"), 1, "{:?}", logs[2].texts());
    assert_eq!(logs[3].count("failed: Refused"), 1, "{:?}", logs[3].texts());
    assert_eq!(sim.stats(beta).accepted, 1);
    sim.finish();
}

#[test]
#[should_panic(expected = "there is no link between a host and itself")]
fn a_host_cannot_be_parted_from_itself() {
    let mut sim = Simulation::new(9);
    let hub = echo(&mut sim, "hub");
    sim.partition(hub, hub);
}

#[test]
#[should_panic(expected = "there is a host \"Hub\" already")]
fn names_are_used_once() {
    let mut sim = Simulation::new(9);
    echo(&mut sim, "hub");
    echo(&mut sim, "Hub");
}

/// Writes a megabyte, and notes how much of it the kernel took.
struct Megabyte(Log);

impl Protocol for Megabyte {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        conn.write(vec![0; 1_000_000])?;
        let queued = conn.stats().queued_bytes;
        self.0.note(conn.reactor().now(), format!("queued {queued}"));
        Ok(())
    }

    fn on_data(&mut self, _conn: &mut Conn<'_>, _input: &mut Input<'_>) -> Flow {
        Ok(())
    }
}

#[test]
fn a_kernel_buffers_what_it_is_told_to() {
    for (buffer, queued) in [(None, 1_000_000 - 32 * 1024), (Some(600_000), 400_000)] {
        let mut sim = Simulation::new(11);
        let log = Log::default();
        if let Some(bytes) = buffer {
            sim.buffers(bytes);
        }
        echo(&mut sim, "hub");
        let handler = log.clone();
        sim.host("field", move |boot| {
            boot.reactor().connect("hub:9000", Megabyte(handler.clone()))?;
            Ok(())
        });
        sim.run_for(ms(1));
        assert_eq!(log.texts(), [format!("queued {queued}")]);
        sim.finish();
    }
}
