//! Connecting: exactly one outcome, at its time.

use std::cell::Cell;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use super::rig::{Rig, ms, secs};
use super::teller::Teller;
use crate::base::Input;
use crate::net::{ConnConfig, ConnectOptions};
use crate::protocol::{Conn, Flow, Message, Protocol};
use crate::sys::memory::NoHost;

/// Two loops, of which the second listens on port 7000, and a tick each second on the first.
fn rig() -> Rig {
    let mut rig = Rig::pair();
    let log = rig.log.clone();
    rig.listen(1, ConnConfig::default(), move || Teller::new(&log, "peer"));
    rig
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Connects, and returns what was told within a minute.
fn outcome(rig: &mut Rig, target: &str) -> Vec<String> {
    let handler = Teller::new(&rig.log, "conn").on_open(|conn| {
        conn.abort();
        Ok(())
    });
    rig.connect(0, target, handler);
    rig.advance(secs(60));
    rig.assert_clean(&target);
    rig.log.take().into_iter().filter(|line| line.contains("conn")).collect()
}

#[test]
fn a_silent_host_times_out_after_exactly_30_s_once() {
    let mut rig = rig();
    assert_eq!(outcome(&mut rig, "10.9.9.9:80"), ["30s conn failed: no answer within 30s"]);
}

#[test]
fn the_deadline_is_as_long_as_it_was_told() {
    let mut rig = rig();
    let options = ConnectOptions::default().deadline(ms(1_500));
    let handler = Teller::new(&rig.log, "conn");
    rig.connect_with(0, "10.9.9.9:80", options, handler);
    rig.advance(secs(60));
    assert_eq!(rig.log.take(), ["1.5s conn failed: no answer within 1.5s"]);
}

#[test]
fn the_loop_serves_others_while_it_connects_and_resolves() {
    let mut rig = rig();
    rig.world.hang_name("nowhere");
    let log = rig.log.clone();
    let mut ticks = 0;
    rig.reactor(0).call_every(secs(1), move |reactor, tick| {
        ticks += 1;
        assert_eq!(tick.missed, 0);
        if ticks == 29 {
            log.at(reactor.now(), "29 ticks");
        }
    });
    for target in ["10.9.9.9:80", "nowhere:80"] {
        let handler = Teller::new(&rig.log, "conn");
        rig.connect(0, target, handler);
    }
    rig.advance(secs(30));
    let failed = "30s conn failed: no answer within 30s";
    assert_eq!(rig.log.take(), ["29s 29 ticks", failed, failed]);
}

#[test]
fn names_take_their_time_and_count_against_the_deadline() {
    let mut rig = rig();
    rig.world.name_latency(ms(20));
    assert_eq!(
        outcome(&mut rig, "b:7000"),
        ["20ms conn open", "20ms conn closed: aborted by this side"]
    );
    assert_eq!(
        outcome(&mut rig, "who:80"),
        ["60.02s conn failed: cannot resolve the name \"who\""]
    );
    rig.world.name("empty", Vec::new());
    assert_eq!(
        outcome(&mut rig, "empty:80"),
        ["120.02s conn failed: cannot resolve the name \"empty\""]
    );
    rig.world.name_latency(secs(29));
    rig.world.name("far", vec![ip("10.9.9.9")]);
    assert_eq!(outcome(&mut rig, "far:80"), ["210s conn failed: no answer within 30s"]);
    rig.world.name_latency(secs(31));
    assert_eq!(outcome(&mut rig, "b:7000"), ["270s conn failed: no answer within 30s"]);
}

#[test]
fn a_name_that_hangs_times_out() {
    let mut rig = rig();
    rig.world.hang_name("slow");
    assert_eq!(outcome(&mut rig, "slow:80"), ["30s conn failed: no answer within 30s"]);
}

#[test]
fn the_addresses_of_a_name_are_tried_in_their_order() {
    let mut rig = rig();
    rig.world.no_host(NoHost::Unreachable);
    rig.world.latency(ms(10));
    rig.world.name("many", vec![ip("10.9.9.9"), ip("10.0.0.1"), ip("10.0.0.2"), ip("10.9.9.8")]);
    assert_eq!(
        outcome(&mut rig, "many:7000"),
        ["20ms conn open", "20ms conn closed: aborted by this side"]
    );
    rig.world.name("none", vec![ip("10.0.0.1"), ip("10.9.9.9")]);
    assert_eq!(
        outcome(&mut rig, "none:7001"),
        ["60s conn failed: 10.9.9.9:7001 cannot be reached"]
    );
    rig.world.name("none", vec![ip("10.9.9.9"), ip("10.0.0.2")]);
    assert_eq!(
        outcome(&mut rig, "none:7001"),
        ["120.02s conn failed: 10.0.0.2:7001 refused the connection"]
    );
}

#[test]
fn an_attempt_cancelled_by_its_id_ends_at_once_and_once() {
    for abort in [false, true] {
        let mut rig = rig();
        rig.world.hang_name("slow");
        for target in ["10.9.9.9:80", "slow:80", "10.0.0.2:7000"] {
            rig.world.latency(ms(100));
            let handler = Teller::new(&rig.log, "conn");
            let id = rig.connect(0, target, handler);
            rig.reactor(0).call_later(ms(50), move |reactor| {
                let cancelled = if abort { reactor.abort(id) } else { reactor.close(id) };
                assert!(cancelled && !reactor.close(id) && reactor.write(id, "x").is_err());
            });
        }
        rig.advance(secs(60));
        let lines = rig.log.take();
        let lines: Vec<_> = lines.iter().filter(|line| line.contains("conn")).collect();
        assert_eq!(lines, ["50ms conn failed: connecting was cancelled"; 3]);
        rig.assert_clean(&abort);
    }
}

#[test]
fn what_is_written_before_the_connection_is_open_waits_for_it() {
    let mut rig = rig();
    rig.world.latency(ms(10));
    let handler = Teller::new(&rig.log, "conn").on_open(|conn| Ok(conn.write(" later")?));
    let id = rig.connect(0, "10.0.0.2:7000", handler);
    rig.reactor(0).write(id, "early").unwrap();
    rig.reactor(0).conn(id).unwrap().write_shared(vec![b'x'; 1_000].into()).unwrap();
    rig.advance(ms(50));
    let told = ["10ms peer open", "20ms conn open", "30ms peer data 1011"];
    assert_eq!(rig.log.take(), told);
}

#[test]
fn a_half_close_before_the_connection_is_open_follows_its_output() {
    let mut rig = rig();
    rig.world.latency(ms(10));
    let handler = Teller::new(&rig.log, "conn");
    let id = rig.connect(0, "10.0.0.2:7000", handler);
    rig.reactor(0).write(id, "all").unwrap();
    rig.reactor(0).conn(id).unwrap().shutdown_write().unwrap();
    assert!(rig.reactor(0).write(id, "more").is_err());
    rig.advance(secs(1));
    let told = [
        "10ms peer open",
        "20ms conn open",
        "30ms peer data 3",
        "30ms peer eof",
        "30ms peer closed: closed by the peer",
        "40ms conn eof",
        "40ms conn closed: closed by the peer",
    ];
    assert_eq!(rig.log.take(), told);
    rig.assert_clean(&"half closed");
}

#[test]
fn a_connection_to_itself_is_retried_and_then_refused() {
    let mut rig = rig();
    rig.host(0).ephemeral_ports(40_000..=40_000);
    assert_eq!(
        outcome(&mut rig, "127.0.0.1:40000"),
        ["0ns conn failed: 127.0.0.1:40000 refused the connection"]
    );
    assert_eq!(rig.stats(0).connected, 0);
    rig.host(0).ephemeral_ports(40_000..=40_001);
    assert_eq!(
        outcome(&mut rig, "127.0.0.1:40000"),
        ["60s conn failed: 127.0.0.1:40000 refused the connection"]
    );
}

#[test]
fn a_connection_that_met_itself_is_opened_when_somebody_listens_by_the_next_try() {
    let mut rig = rig();
    rig.host(0).ephemeral_ports(40_000..=40_001);
    let handler = Teller::new(&rig.log, "conn");
    rig.connect(0, "127.0.0.1:40000", handler);
    let log = rig.log.clone();
    rig.listen_on_port(0, 40_000, move || Teller::new(&log, "server"));
    rig.settle();
    let mut lines = rig.log.take();
    lines.sort();
    assert_eq!(lines, ["0ns conn open", "0ns server open"]);
    assert_eq!((rig.stats(0).connected, rig.stats(0).accepted), (1, 1));
}

#[test]
fn a_local_address_that_cannot_be_used_is_said_so() {
    let mut rig = rig();
    let options = ConnectOptions::default().bind(SocketAddr::from(([10, 7, 7, 7], 0)));
    let handler = Teller::new(&rig.log, "conn");
    rig.connect_with(0, "10.0.0.2:7000", options, handler);
    assert!(rig.log.take().is_empty(), "never from within the call");
    rig.settle();
    assert_eq!(rig.log.take(), ["0ns conn failed: cannot use the local address"]);
    rig.assert_clean(&"bind");
}

#[test]
fn a_failed_attempt_may_start_the_next_one() {
    let mut rig = rig();
    let log = rig.log.clone();
    let handler = Teller::new(&rig.log, "first").on_failed(move |reactor| {
        reactor.connect("10.0.0.2:7000", Teller::new(&log, "conn")).unwrap();
    });
    rig.connect(0, "10.0.0.2:7001", handler);
    rig.settle();
    let lines = rig.log.take();
    assert!(lines[0].starts_with("0ns first failed") && lines.contains(&"0ns conn open".into()));
}

#[test]
fn no_more_than_1024_messages_wait_for_a_connection_to_open() {
    struct Counts(Rc<Cell<usize>>);
    impl Protocol for Counts {
        fn on_data(&mut self, _: &mut Conn<'_>, _: &mut Input<'_>) -> Flow {
            Ok(())
        }

        fn on_message(&mut self, _: &mut Conn<'_>, _: Message) -> Flow {
            self.0.set(self.0.get() + 1);
            Ok(())
        }
    }
    let mut rig = Rig::pair();
    rig.world.latency(ms(50));
    let log = rig.log.clone();
    rig.listen(1, ConnConfig::default(), move || Teller::new(&log, "peer"));
    let told = Rc::new(Cell::new(0));
    let conn = rig.connect(0, "10.0.0.2:7000", Counts(Rc::clone(&told)));
    for _ in 0..1500 {
        rig.reactor(0).message(conn, ()).unwrap();
    }
    rig.settle();
    assert_eq!(told.get(), 0, "the connection is not open yet");
    rig.advance(secs(1));
    assert_eq!(told.get(), 1024);
}
