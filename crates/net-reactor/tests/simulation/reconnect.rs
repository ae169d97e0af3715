//! Clients that connect again: when, how often, and how every one of them is stopped.

use net_reactor::prelude::*;
use net_reactor::sim::{self, Faults, Host, Simulation};
use net_reactor::{AttemptLimit, ConnectOptions, Instant, Progress, Reconnect, Reconnector};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::support::{Idle, Log, echo, ms, secs};

/// Writes down every step, and gives the handle out.
fn tell(
    log: &Log,
    place: &Place,
) -> impl FnMut(&mut Reactor<'_>, &Reconnector, Progress<'_>) + use<> {
    let (log, place) = (log.clone(), Rc::clone(place));
    move |reactor, reconnector, progress| {
        *place.borrow_mut() = Some(reconnector.clone());
        let text = match progress {
            Progress::Attempt { number } => format!("attempt {number}"),
            Progress::Opened { .. } => "opened".to_owned(),
            Progress::Failed { retry_in, .. } => format!("failed, retry in {retry_in:?}"),
            Progress::Lost { was_clean, retry_in } => {
                format!("lost, clean {was_clean}, retry in {retry_in:?}")
            }
            Progress::Ended => "ended".to_owned(),
            other => format!("{other:?}"),
        };
        log.note(reactor.now(), text);
    }
}

type Place = Rc<RefCell<Option<Reconnector>>>;

/// A host whose client keeps a connection to `target` up.
fn keeps(sim: &mut Simulation, target: &str, policy: &Reconnect, log: &Log) -> (Host, Place) {
    let place = Place::default();
    let (target, policy, log, kept) =
        (target.to_owned(), policy.clone(), log.clone(), Rc::clone(&place));
    let host = sim.host("field", move |boot| {
        let options = ConnectOptions::default().deadline(secs(3));
        let client = Client::new(|| Idle).reconnect(policy.clone()).options(options);
        boot.connect(client.on_progress(tell(&log, &kept)), target.as_str()).map(drop)
    });
    (host, place)
}

fn reconnector(place: &Place) -> Reconnector {
    place.borrow().clone().unwrap()
}

#[test]
fn delays_grow_while_the_server_is_away_and_start_anew_after_a_stable_connection() {
    let mut sim = Simulation::new(1);
    let log = Log::default();
    let hub = echo(&mut sim, "hub");
    sim.kill(hub);
    let policy = Reconnect::muduo().stable_after(secs(5));
    let (field, _) = keeps(&mut sim, "hub:9000", &policy, &log);
    sim.run_for(secs(4));
    let told = [
        "attempt 1",
        "failed, retry in Some(500ms)",
        "attempt 2",
        "failed, retry in Some(1s)",
        "attempt 3",
        "failed, retry in Some(2s)",
        "attempt 4",
        "failed, retry in Some(4s)",
    ];
    assert_eq!(log.texts(), told);
    log.clear();
    sim.start(hub);
    sim.run_for(secs(4));
    assert_eq!(log.texts(), ["attempt 5", "opened"]);
    // Lost before it was stable: one more failure in the row.
    log.clear();
    sim.kill(hub);
    sim.run_for(ms(100));
    assert_eq!(log.texts(), ["lost, clean true, retry in Some(8s)"]);
    sim.start(hub);
    sim.run_for(secs(60));
    log.clear();
    sim.kill(hub);
    sim.run_for(ms(100));
    assert_eq!(log.texts(), ["lost, clean true, retry in Some(500ms)"]);
    assert!(sim.is_up(field));
    sim.stop(field);
    sim.run_for(secs(10));
    assert!(!sim.is_up(field), "a stop of the loop ends the client");
    assert!(sim.take_failures(field).is_empty());
    sim.finish();
}

#[test]
fn a_client_gives_up_after_so_many_failures_and_says_why() {
    let mut sim = Simulation::new(2);
    let log = Log::default();
    let hub = echo(&mut sim, "hub");
    sim.kill(hub);
    let policy = Reconnect::fixed(secs(5)).attempts_max(3);
    let (field, _) = keeps(&mut sim, "hub:9000", &policy, &log);
    sim.run_for(secs(60));
    let told = [
        "attempt 1",
        "failed, retry in Some(5s)",
        "attempt 2",
        "failed, retry in Some(5s)",
        "attempt 3",
        "failed, retry in None",
        "ended",
    ];
    assert_eq!(log.texts(), told);
    assert!(!sim.is_up(field));
    let failures = sim.take_failures(field);
    assert!(matches!(failures[..], [ConnectError::Refused { .. }]), "{failures:?}");
    sim.finish();
}

/// Closes, in the way that is asked for, as soon as it is open.
struct Leaver(fn(&mut Conn<'_>) -> Flow);

impl Protocol for Leaver {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        (self.0)(conn)
    }

    fn on_data(&mut self, _conn: &mut Conn<'_>, _input: &mut Input<'_>) -> Flow {
        Ok(())
    }
}

#[test]
fn who_closes_is_done_and_who_aborts_or_fails_tries_again() {
    let close: fn(&mut Conn<'_>) -> Flow = |conn| {
        conn.close();
        Ok(())
    };
    let abort: fn(&mut Conn<'_>) -> Flow = |conn| {
        conn.abort();
        Ok(())
    };
    let fail: fn(&mut Conn<'_>) -> Flow = |_| Err(std::io::Error::other("not like this").into());
    for (leave, attempts) in [(close, 1), (abort, 7), (fail, 7)] {
        let mut sim = Simulation::new(3);
        let log = Log::default();
        echo(&mut sim, "hub");
        let (noted, place) = (log.clone(), Place::default());
        let field = sim.host("field", move |boot| {
            let client = Client::new(move || Leaver(leave)).reconnect(Reconnect::fixed(secs(10)));
            boot.connect(client.on_progress(tell(&noted, &place)), "hub:9000").map(drop)
        });
        sim.run_for(secs(65));
        assert_eq!(log.count("attempt"), attempts);
        assert_eq!(log.count("ended"), usize::from(attempts == 1));
        assert_eq!(sim.is_up(field), attempts > 1);
        sim.finish();
    }
}

#[test]
fn trying_ends_in_every_state_and_leaves_nothing() {
    // What the client is doing when it is told to stop: waiting, connecting, connected.
    for (state, target) in
        [("waiting", "gone:9000"), ("connecting", "hole:9000"), ("open", "hub:9000")]
    {
        for close in [false, true] {
            let mut sim = Simulation::new(4);
            let log = Log::default();
            let (hub, gone) = (echo(&mut sim, "hub"), echo(&mut sim, "gone"));
            sim.kill(gone);
            let hole = echo(&mut sim, "hole");
            sim.power_off(hole);
            let (field, place) = keeps(&mut sim, target, &Reconnect::fixed(secs(5)), &log);
            sim.run_for(secs(1));
            log.clear();
            let reconnector = reconnector(&place);
            assert!(reconnector.is_trying());
            assert_eq!(reconnector.connection().is_some(), state == "open");
            if close {
                reconnector.close()
            } else {
                reconnector.stop_trying()
            }
            reconnector.stop_trying();
            assert!(!reconnector.is_trying());
            sim.run_for(ms(100));
            let stays = state == "open" && !close;
            let told: &[&str] = match state {
                "waiting" => &["ended"],
                "connecting" => &["failed, retry in None", "ended"],
                _ if stays => &[],
                _ => &["lost, clean true, retry in None", "ended"],
            };
            assert_eq!(log.texts(), told, "{state}");
            assert_eq!(sim.is_up(field), stays);
            if stays {
                assert_eq!(sim.stats(field).timers, 0);
                sim.kill(hub);
                sim.run_for(ms(100));
                assert_eq!(log.texts(), ["lost, clean true, retry in None", "ended"]);
            }
            assert_eq!(sim.open_descriptors(field), 0);
            reconnector.retry_now();
            reconnector.retarget("hub:9000").unwrap();
            sim.run_for(secs(60));
            assert_eq!(log.count("attempt"), 0, "after the end nothing begins");
            sim.finish();
        }
    }
}

#[test]
fn an_attempt_that_is_stopped_as_it_begins_is_cancelled() {
    let mut sim = Simulation::new(11);
    let log = Log::default();
    echo(&mut sim, "hub");
    let noted = log.clone();
    let field = sim.host("field", move |boot| {
        let mut told = tell(&noted, &Place::default());
        let client = Client::new(|| Idle).reconnect(Reconnect::fixed(secs(5)));
        let client = client.on_progress(move |reactor, reconnector, progress| {
            if matches!(progress, Progress::Attempt { .. }) {
                reconnector.stop_trying();
            }
            told(reactor, reconnector, progress);
        });
        boot.connect(client, "hub:9000").map(drop)
    });
    sim.run_for(secs(10));
    assert_eq!(log.texts(), ["attempt 1", "failed, retry in None", "ended"]);
    assert!(!sim.is_up(field));
    sim.finish();
}

#[test]
fn a_new_target_holds_in_every_state() {
    for target in ["gone:9000", "hole:9000", "old:9000"] {
        let mut sim = Simulation::new(5);
        let log = Log::default();
        let gone = echo(&mut sim, "gone");
        sim.kill(gone);
        let hole = echo(&mut sim, "hole");
        sim.power_off(hole);
        let (old, new) = (echo(&mut sim, "old"), echo(&mut sim, "new"));
        let (field, place) = keeps(&mut sim, target, &Reconnect::fixed(secs(600)), &log);
        sim.run_for(secs(1));
        let reconnector = reconnector(&place);
        assert!(reconnector.retarget("nonsense").is_err());
        reconnector.retarget("new:9000").unwrap();
        sim.run_for(secs(1));
        assert!(reconnector.connection().is_some(), "{target}: {:?}", log.texts());
        assert_eq!((sim.stats(old).connections, sim.stats(new).connections), (0, 1));
        assert_eq!(sim.stats(field).connections, 1);
        sim.finish();
    }
}

#[test]
fn an_attempt_that_waits_can_be_hurried() {
    let mut sim = Simulation::new(6);
    let log = Log::default();
    let hub = echo(&mut sim, "hub");
    sim.kill(hub);
    let (_, place) = keeps(&mut sim, "hub:9000", &Reconnect::fixed(secs(3600)), &log);
    sim.run_for(secs(1));
    sim.start(hub);
    reconnector(&place).retry_now();
    sim.run_for(ms(100));
    assert_eq!(log.texts().last().map(String::as_str), Some("opened"));
    sim.finish();
}

/// Stops its client in one of its callbacks.
struct Stopper {
    place: Place,
    at: &'static str,
    stopped: Log,
}

impl Stopper {
    fn reach(&self, now: Instant, at: &str) {
        if at == self.at {
            reconnector(&self.place).close();
            self.stopped.note(now, at);
        }
    }
}

impl Protocol for Stopper {
    fn on_open(&mut self, conn: &mut Conn<'_>) -> Flow {
        conn.write("x")?;
        self.reach(conn.reactor().now(), "on_open");
        Ok(())
    }

    fn on_data(&mut self, conn: &mut Conn<'_>, input: &mut Input<'_>) -> Flow {
        input.take_all();
        self.reach(conn.reactor().now(), "on_data");
        conn.set_timer(Tag(1), ms(500));
        Ok(())
    }

    fn on_timer(&mut self, conn: &mut Conn<'_>, _tag: Tag) -> Flow {
        conn.abort();
        Ok(())
    }

    fn on_close(&mut self, conn: &mut Conn<'_>, _reason: CloseReason) {
        self.reach(conn.reactor().now(), "on_close");
    }

    fn on_connect_failed(&mut self, reactor: &mut Reactor<'_>, _error: ConnectError) {
        self.reach(reactor.now(), "on_connect_failed");
    }
}

#[test]
fn any_callback_may_stop_its_client_whatever_happens() {
    const STEPS: [&str; 8] = [
        "attempt",
        "opened",
        "failed",
        "lost",
        "on_open",
        "on_data",
        "on_close",
        "on_connect_failed",
    ];
    sim::seeds(60, |sim| {
        let step = usize::try_from(sim.pick("step", 0..=STEPS.len() as u64 - 1)).unwrap();
        let after = sim.pick("after", 1..=3);
        let (log, stopped) = (Log::default(), Log::default());
        sim.faults(Faults::swarm());
        echo(sim, "hub");
        let (noted, stops) = (log.clone(), stopped.clone());
        let field = sim.host("field", move |boot| {
            let place = Place::default();
            let (kept, made, inner) = (Rc::clone(&place), Cell::new(0), stops.clone());
            let make = move || {
                made.set(made.get() + 1);
                let at = if made.get() > after { STEPS[step] } else { "never" };
                Stopper { place: Rc::clone(&place), at, stopped: inner.clone() }
            };
            let mut told = tell(&noted, &kept);
            let (steps, stops) = (noted.clone(), stops.clone());
            let client = Client::new(make).reconnect(Reconnect::default().cap(secs(5)));
            let client = client.on_progress(move |reactor, reconnector, progress| {
                told(reactor, reconnector, progress);
                if steps.count("attempt") > usize::try_from(after).unwrap()
                    && steps.texts().last().is_some_and(|last| last.starts_with(STEPS[step]))
                {
                    reconnector.stop_trying();
                    stops.note(reactor.now(), STEPS[step]);
                }
            });
            boot.connect(client, "hub:9000").map(drop)
        });
        sim.spare(field);
        sim.run_for(secs(60));
        sim.calm();
        sim.run_for(secs(60));
        // Each attempt has one outcome, each connection one end, and the client one.
        let count = |text| log.count(text);
        let outcomes = count("opened") + count("failed");
        sim.check(count("attempt") - outcomes <= 1, "an attempt has one outcome");
        sim.check(count("opened") - count("lost") <= 1, "a connection has one end");
        let may_stay = STEPS[step] == "opened";
        sim.check(stopped.count("") == 0 || may_stay || count("ended") == 1, "it has ended");
        if count("ended") == 1 {
            sim.check(!sim.is_up(field), "the client's loop has ended");
            sim.check(count("attempt") == outcomes, "nothing is left under way");
            sim.check(log.texts().last().is_some_and(|last| last == "ended"), "that is the last");
        }
        sim.check(count("ended") <= 1, "one end");
    });
}

#[test]
fn a_factory_that_panics_ends_its_client_and_no_other() {
    let mut sim = Simulation::new(7);
    sim.allow_panics();
    let log = Log::default();
    echo(&mut sim, "hub");
    let noted = log.clone();
    let field = sim.host("field", move |boot| {
        let place = Place::default();
        let client =
            Client::new(|| -> Idle { panic!("no handler") }).reconnect(Reconnect::default());
        boot.connect(client.on_progress(tell(&noted, &place)), "hub:9000").map(drop)
    });
    sim.run_for(secs(10));
    assert_eq!(log.texts(), ["attempt 1", "ended"]);
    assert!(!sim.is_up(field));
    sim.finish();
}

#[test]
fn a_panic_of_what_is_told_of_an_attempt_ends_its_client_too() {
    let mut sim = Simulation::new(12);
    sim.allow_panics();
    let log = Log::default();
    let noted = log.clone();
    let field = sim.host("field", move |boot| {
        let mut told = tell(&noted, &Place::default());
        let client = Client::new(|| Idle).reconnect(Reconnect::fixed(secs(5)));
        let client = client.on_progress(move |reactor, reconnector, progress| {
            let panics = matches!(progress, Progress::Attempt { number: 2 });
            told(reactor, reconnector, progress);
            assert!(!panics, "told of the second attempt");
        });
        boot.connect(client, "nowhere:9000").map(drop)
    });
    sim.run_for(secs(60));
    assert_eq!(log.texts(), ["attempt 1", "failed, retry in Some(5s)", "attempt 2", "ended"]);
    assert!(!sim.is_up(field));
    sim.finish();
}

#[test]
fn who_gives_up_waiting_for_a_slot_keeps_it_from_nobody() {
    let mut sim = Simulation::new(13);
    let (log, limit) = (Log::default(), AttemptLimit::new(1));
    let hole = echo(&mut sim, "hole");
    sim.power_off(hole);
    let policy = Reconnect::fixed(secs(3600)).limit(limit.clone());
    keeps(&mut sim, "hole:9000", &policy, &Log::default());
    let (noted, place) = (log.clone(), Place::default());
    let given = Rc::clone(&place);
    sim.host("patient", move |boot| {
        let client = Client::new(|| Idle).reconnect(policy.clone());
        let client = client.on_progress(tell(&noted, &Place::default()));
        *given.borrow_mut() = Some(client.keep_on(&mut boot.reactor(), "hole:9000")?);
        Ok(())
    });
    sim.run_for(secs(1));
    assert_eq!(log.texts(), [""; 0], "it waits for the other one's attempt, of 3 s");
    reconnector(&place).stop_trying();
    sim.run_for(secs(10));
    assert_eq!(log.texts(), ["ended"]);
    assert_eq!(format!("{limit:?}"), "AttemptLimit { free: 1, waiting: 0, .. }");
    sim.finish();
}

/// Notes its end, and how it failed to begin.
struct Teller(Log);

impl Protocol for Teller {
    fn on_data(&mut self, _conn: &mut Conn<'_>, _input: &mut Input<'_>) -> Flow {
        Ok(())
    }

    fn on_close(&mut self, conn: &mut Conn<'_>, _reason: CloseReason) {
        self.0.note(conn.reactor().now(), "the handler: closed");
    }

    fn on_connect_failed(&mut self, reactor: &mut Reactor<'_>, _error: ConnectError) {
        self.0.note(reactor.now(), "the handler: failed");
    }
}

#[test]
fn the_handler_hears_of_each_end_before_its_client_does() {
    let mut sim = Simulation::new(8);
    let log = Log::default();
    let hub = echo(&mut sim, "hub");
    let (noted, place) = (log.clone(), Place::default());
    sim.host("field", move |boot| {
        let handler = noted.clone();
        let client = Client::new(move || Teller(handler.clone()));
        let client = client.reconnect(Reconnect::fixed(secs(5)).attempts_max(1));
        boot.connect(client.on_progress(tell(&noted, &place)), "hub:9000").map(drop)
    });
    sim.run_for(secs(1));
    log.clear();
    sim.kill(hub);
    sim.run_for(secs(6));
    let told = [
        "the handler: closed",
        "lost, clean true, retry in Some(5s)",
        "attempt 2",
        "the handler: failed",
    ];
    assert_eq!(log.texts()[..4], told);
    assert!(log.texts()[4].starts_with("failed, retry in "), "{:?}", log.texts());
    sim.finish();
}
