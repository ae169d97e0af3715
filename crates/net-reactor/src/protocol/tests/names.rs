//! Names: resolvers that answer, fail, hang and boast, and a loop that is never late.

use std::sync::{Arc, Mutex};

use super::rig::{Rig, ms, secs};
use super::teller::Teller;
use crate::net::{Answer, ConnConfig, ConnectOptions, Resolve, StaticNames};
use crate::protocol::LoopConfig;

/// Loop 0 on `a`, 10.0.0.1, with this resolver, and on `b`, 10.0.0.2, a listener on port 7000.
fn rig(resolver: impl Resolve) -> Rig {
    let mut rig = Rig::new();
    rig.add("a", LoopConfig::default().resolver(resolver));
    rig.add("b", LoopConfig::default());
    let log = rig.log.clone();
    rig.listen(1, ConnConfig::default(), move || Teller::new(&log, "peer"));
    rig
}

fn connect(rig: &mut Rig, target: &str) {
    let handler = Teller::new(&rig.log, "conn").on_open(|conn| {
        conn.abort();
        Ok(())
    });
    rig.connect(0, target, handler);
}

/// What the connecting side was told within a minute, without the times; nothing is left then.
fn told(rig: &mut Rig, target: &str) -> Vec<String> {
    connect(rig, target);
    rig.advance(secs(60));
    rig.assert_clean(&target);
    let lines = rig.log.take();
    let lines = lines.iter().filter_map(|line| line.split_once(" conn "));
    lines.map(|(_, what)| what.to_owned()).collect()
}

const OPENED: [&str; 2] = ["open", "closed: aborted by this side"];

#[test]
fn a_table_answers() {
    let names = StaticNames::new()
        .with("Service", [[10, 0, 0, 1].into(), [10, 0, 0, 2].into()])
        .with("nobody", []);
    let mut rig = rig(names);
    assert_eq!(told(&mut rig, "SERVICE:7000"), OPENED);
    for host in ["nobody", "else"] {
        let failed = format!("failed: cannot resolve the name {host:?}");
        assert_eq!(told(&mut rig, &format!("{host}:7000")), [failed]);
    }
    // Numbers are not asked for.
    assert_eq!(told(&mut rig, "10.0.0.2:7000"), OPENED);
}

#[test]
fn each_way_not_to_answer_is_one_typed_outcome() {
    fn resolve(host: &str, answer: Answer) {
        match host {
            "unknown" => answer.not_found(),
            "failed" => answer.failed("a bad day"),
            "dropped" => drop(answer),
            "panics" => panic!("a resolver's bug"),
            "forgotten" => std::mem::forget(answer),
            other => panic!("{other}"),
        }
    }
    let mut rig = rig(resolve);
    for (host, kind, cause) in [
        ("unknown", "NameNotFound", "the name is not known"),
        ("failed", "NameFailed", "a bad day"),
        ("dropped", "NameFailed", "the resolver dropped the question"),
        ("panics", "NameFailed", "the resolver dropped the question"),
        ("forgotten", "TimedOut", ""),
    ] {
        let told = told_error(&mut rig, host);
        assert!(told.starts_with(kind) && told.contains(cause), "{host}: {told}");
    }
}

/// Connects and returns the one error, as its author sees it.
fn told_error(rig: &mut Rig, host: &str) -> String {
    use crate::base::Input;
    use crate::net::ConnectError;
    use crate::protocol::{Conn, Flow, Protocol, Reactor};

    struct Tells(Arc<Mutex<Vec<String>>>);
    impl Protocol for Tells {
        fn on_data(&mut self, _conn: &mut Conn<'_>, _input: &mut Input<'_>) -> Flow {
            Ok(())
        }

        fn on_connect_failed(&mut self, _reactor: &mut Reactor<'_>, error: ConnectError) {
            self.0.lock().unwrap().push(format!("{error:?}"));
        }
    }
    let told = Arc::default();
    rig.connect(0, &format!("{host}:7000"), Tells(Arc::clone(&told)));
    rig.advance(secs(31));
    rig.assert_clean(&host);
    let told = told.lock().unwrap();
    assert_eq!(told.len(), 1, "{host}: {told:?}");
    told[0].clone()
}

#[test]
fn a_resolver_is_never_called_from_within_another_callback() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&asked);
    let mut rig = rig(move |host: &str, answer: Answer| {
        notes.lock().unwrap().push(host.to_owned());
        answer.found([[10, 0, 0, 2].into()]);
    });
    let (log, notes) = (rig.log.clone(), Arc::clone(&asked));
    rig.reactor(0).defer(move |reactor| {
        reactor.connect("service:7000", Teller::new(&log, "conn")).unwrap();
        assert!(notes.lock().unwrap().is_empty(), "asked within the call that connects");
    });
    rig.settle();
    assert_eq!(*asked.lock().unwrap(), ["service"]);
    assert!(rig.log.take().contains(&"0ns conn open".to_owned()));
}

#[test]
fn many_connections_share_one_answer_and_dial_a_share_of_a_turn_each() {
    let asked: Arc<Mutex<Vec<Answer>>> = Arc::default();
    let answers = Arc::clone(&asked);
    let mut rig = rig(move |_: &str, answer: Answer| answers.lock().unwrap().push(answer));
    rig.world.latency(ms(10));
    for _ in 0..200 {
        connect(&mut rig, "service:7000");
    }
    rig.advance(secs(1));
    let mut answers = std::mem::take(&mut *asked.lock().unwrap());
    assert_eq!(answers.len(), 1);
    answers.remove(0).found([[10, 0, 0, 2].into()]);
    let before = rig.host(0).open_descriptors();
    for dialled in [64, 128, 192, 200] {
        rig.turn(0);
        assert_eq!(rig.host(0).open_descriptors() - before, dialled);
    }
    // Who comes later has the answer already, and who comes after 10 s asks again.
    connect(&mut rig, "service:7000");
    rig.advance(secs(5));
    assert!(asked.lock().unwrap().is_empty());
    rig.advance(secs(5));
    connect(&mut rig, "service:7000");
    rig.settle();
    assert_eq!(asked.lock().unwrap().len(), 1);
    rig.advance(secs(60));
    let opened = rig.log.take().iter().filter(|line| line.ends_with("conn open")).count();
    assert_eq!(opened, 201);
    rig.assert_clean(&"shared");
}

#[test]
fn whatever_a_resolver_does_there_is_one_outcome_in_time_and_no_tick_is_late() {
    let hole = |last: u32| std::net::Ipv4Addr::from(0xC612_0000 + last).into();
    let asked: Arc<Mutex<Vec<Answer>>> = Arc::default();
    let kept = Arc::clone(&asked);
    let mut rig = rig(move |host: &str, answer: Answer| match host {
        "hangs" => kept.lock().unwrap().push(answer),
        "boasts" => answer.found((0..u32::MAX).map(hole)),
        "half" => answer.found([hole(1), hole(2), [10, 0, 0, 2].into()]),
        _ => answer.failed("a bad day"),
    });
    rig.world.latency(ms(10));
    let log = rig.log.clone();
    let mut ticks = 0;
    rig.reactor(0).call_every(ms(100), move |reactor, tick| {
        ticks += 1;
        let late = reactor.now() - (crate::base::Instant::ORIGIN + ms(100) * ticks);
        if tick.missed > 0 || !late.is_zero() {
            log.at(reactor.now(), "a tick is late");
        }
    });
    for host in ["hangs", "boasts", "half", "fails"] {
        connect(&mut rig, &format!("{host}:7000"));
    }
    rig.advance(secs(40));
    let lines: Vec<_> = rig.log.take().into_iter().filter(|line| !line.contains("peer")).collect();
    assert_eq!(
        lines,
        [
            "0ns conn failed: cannot resolve the name \"fails\"",
            "520ms conn open",
            "520ms conn closed: aborted by this side",
            "30s conn failed: no answer within 30s",
            "30s conn failed: no answer within 30s",
        ]
    );
    // The answer comes at last, and nobody waits for it.
    asked.lock().unwrap().remove(0).found([[10, 0, 0, 2].into()]);
    rig.advance(secs(1));
    assert!(rig.log.take().is_empty());
    assert_eq!(rig.stats(0).connections, 0);
}

#[test]
fn a_bad_name_is_not_asked_for() {
    use crate::net::Target;
    let mut rig = rig(|host: &str, _answer: Answer| panic!("asked for {host:?}"));
    for host in [String::new(), "x".repeat(254), "a\0b".to_owned()] {
        let handler = Teller::new(&rig.log, "conn");
        let target = Target::Host(host.clone(), 7000);
        rig.reactor(0).connect_with(target, ConnectOptions::default(), handler).unwrap();
        rig.settle();
        let failed = format!("0ns conn failed: cannot resolve the name {host:?}");
        assert_eq!(rig.log.take(), [failed]);
    }
    // A number in the place of a name is its own answer.
    let handler = Teller::new(&rig.log, "conn").on_open(|conn| {
        conn.abort();
        Ok(())
    });
    let target = Target::Host("10.0.0.2".to_owned(), 7000);
    rig.reactor(0).connect_with(target, ConnectOptions::default(), handler).unwrap();
    rig.advance(secs(1));
    assert!(rig.log.take().contains(&"0ns conn open".to_owned()));
    rig.assert_clean(&"bad names");
}

#[test]
fn too_many_names_under_way_are_refused() {
    let mut rig = rig(|_: &str, answer: Answer| std::mem::forget(answer));
    for number in 0..=1_024 {
        connect(&mut rig, &format!("host-{number}:80"));
    }
    rig.settle();
    assert_eq!(rig.log.take(), ["0ns conn failed: cannot resolve the name \"host-1024\""]);
    rig.advance(secs(30));
    assert_eq!(rig.log.take().len(), 1_024);
    rig.assert_clean(&"too many");
}

#[test]
fn a_cancelled_wait_for_a_name_leaves_the_others_waiting() {
    let mut rig = rig(StaticNames::new());
    rig.add("c", LoopConfig::default());
    rig.world.name_latency(secs(3));
    let first = Teller::new(&rig.log, "first");
    let id = rig.connect(2, "b:7000", first);
    let second = Teller::new(&rig.log, "second");
    rig.connect(2, "b:7000", second);
    rig.advance(secs(1));
    rig.reactor(2).abort(id);
    rig.advance(secs(3));
    let lines: Vec<_> = rig.log.take().into_iter().filter(|line| !line.contains("peer")).collect();
    assert_eq!(lines, ["1s first failed: connecting was cancelled", "3s second open"]);
}
