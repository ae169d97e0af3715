//! Running and stopping: from where, how often, and what is true afterwards.

use std::sync::mpsc;
use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::{LoopConfig, PostRefused};

use crate::support::{
    Log, PATIENCE, Script, closed_port, echo, expect_echo, listen, no_fork, peer, turn_on, wait_for,
};

#[test]
fn a_stop_before_the_run_makes_it_return() {
    let mut event_loop = EventLoop::new().unwrap();
    event_loop.handle().stop();
    assert!(event_loop.reactor().is_stopping());
    assert_eq!(event_loop.run().unwrap().aborted, 0);
    assert!(!event_loop.reactor().is_stopping());
}

#[test]
fn a_stop_from_another_thread_ends_a_sleeping_run() {
    let mut event_loop = EventLoop::new().unwrap();
    let handle = event_loop.handle();
    let (ready, started) = mpsc::channel();
    event_loop.reactor().defer(move |_| ready.send(()).unwrap());
    let stopper = std::thread::spawn(move || {
        wait_for(&started, "the loop runs");
        handle.stop();
    });
    event_loop.run().unwrap();
    stopper.join().unwrap();
}

#[test]
fn a_loop_runs_again_after_each_stop() {
    let _no_fork = no_fork();
    let mut event_loop = EventLoop::new().unwrap();
    let log = Log::default();
    for round in 0..3 {
        let noted = log.clone();
        event_loop.reactor().call_later(Duration::ZERO, move |reactor| {
            noted.note(round);
            reactor.stop();
        });
        // Twice is once.
        event_loop.reactor().defer(|reactor| {
            reactor.stop();
            reactor.stop();
        });
        let (_, address) = listen(&mut event_loop, |_| echo());
        event_loop.run().unwrap();
        std::net::TcpStream::connect_timeout(&address, PATIENCE).expect_err("it has stopped");
    }
    assert_eq!(log.lines(), ["0", "1", "2"]);
}

#[test]
fn timers_and_tasks_of_a_stopped_loop_are_served_by_its_next_run() {
    let mut event_loop = EventLoop::new().unwrap();
    let log = Log::default();
    let (timer, task, posted) = (log.clone(), log.clone(), log.clone());
    event_loop.reactor().call_later(Duration::from_millis(2), move |_| timer.note("timer"));
    event_loop.handle().stop();
    event_loop.run().unwrap();
    event_loop.reactor().defer(move |_| task.note("task"));
    event_loop.handle().run_in_loop(move |_| posted.note("posted")).unwrap();
    event_loop.reactor().call_later(Duration::from_millis(20), |reactor| reactor.stop());
    event_loop.run().unwrap();
    let mut lines = log.lines();
    lines.sort_unstable();
    assert_eq!(lines, ["posted", "task", "timer"]);
}

/// A handler that stops the loop from the callback with this name.
fn stops_in(place: &'static str, log: &Log) -> Script {
    let log = log.clone();
    let stop_if = move |here: &'static str, conn: &mut Conn<'_>| {
        log.note(here);
        if here == place {
            conn.reactor().stop();
        }
    };
    let (open, data, eof) = (stop_if.clone(), stop_if.clone(), stop_if.clone());
    let (timer, message, close) = (stop_if.clone(), stop_if.clone(), stop_if.clone());
    Script::new()
        .on_open(move |conn| {
            open("open", conn);
            conn.pause();
            conn.set_timer(Tag(0), Duration::ZERO);
            Ok(())
        })
        .on_timer(move |conn, _| {
            timer("timer", conn);
            let id = conn.id();
            Ok(conn.reactor().message(id, ())?)
        })
        .on_message(move |conn, _| {
            message("message", conn);
            conn.resume();
            Ok(())
        })
        .on_data(move |conn, _| {
            data("data", conn);
            Ok(())
        })
        .on_eof(move |conn| {
            eof("eof", conn);
            Eof::Close
        })
        .on_close(move |conn, _| close("close", conn))
        .on_stop(move |conn| {
            stop_if("stop", conn);
            conn.reactor().stop();
            conn.close();
            Ok(())
        })
}

#[test]
fn a_handler_may_stop_the_loop_from_every_callback() {
    for place in ["open", "timer", "message", "data", "eof", "close"] {
        let mut event_loop = EventLoop::new().unwrap();
        let log = Log::default();
        let noted = log.clone();
        let (_, address) = listen(&mut event_loop, move |_| stops_in(place, &noted));
        let client = std::thread::spawn(move || {
            let mut stream = peer(address);
            std::io::Write::write_all(&mut stream, b"x").unwrap();
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let _ = std::io::Read::read(&mut stream, &mut [0; 1]);
        });
        let stopped = event_loop.run().unwrap();
        client.join().unwrap();
        let lines = log.lines();
        assert!(lines.iter().any(|line| line == place), "{place}: {lines:?}");
        assert_eq!(lines.last().map(String::as_str), Some("close"), "{place}: {lines:?}");
        assert_eq!(lines.iter().filter(|line| *line == "close").count(), 1, "{place}: {lines:?}");
        assert_eq!(stopped.aborted, 0, "{place}: {lines:?}");
        assert_eq!(event_loop.stats().connections, 0, "{place}");
    }
}

#[test]
fn a_loop_may_be_stopped_from_a_failed_connect_and_from_its_own_end() {
    let mut event_loop = EventLoop::new().unwrap();
    let script = Script::new().on_failed(|reactor, _| reactor.stop());
    event_loop.reactor().connect(closed_port(), script).unwrap();
    event_loop.run().unwrap();
    event_loop.reactor().call_every(Duration::from_millis(1), |reactor, _| reactor.stop_now());
    event_loop.run().unwrap();
    event_loop.run().unwrap();
}

#[test]
fn stop_now_does_not_wait_for_connections() {
    // Patience without end: only `stop_now` can end these runs.
    let mut event_loop =
        EventLoop::with_config(LoopConfig::default().drain(Duration::MAX)).unwrap();
    let log = Log::default();
    let noted = log.clone();
    let (_, address) = listen(&mut event_loop, move |_| {
        let (opened, closed) = (noted.clone(), noted.clone());
        Script::new()
            .on_open(move |conn| {
                opened.note("opened");
                if opened.len() == 3 {
                    conn.reactor().stop_now();
                }
                Ok(())
            })
            .on_stop(|_| Ok(()))
            .on_close(move |_, reason| closed.note(reason))
    });
    let peers = [peer(address), peer(address), peer(address)];
    let stopped = event_loop.run().unwrap();
    assert_eq!(stopped.aborted, 3);
    assert_eq!(log.lines()[3..], ["the loop stopped"; 3]);
    drop(peers);
}

#[test]
fn stop_now_overtakes_a_graceful_stop() {
    let mut event_loop =
        EventLoop::with_config(LoopConfig::default().drain(Duration::MAX)).unwrap();
    let (told, drains) = mpsc::channel();
    let (_, address) = listen(&mut event_loop, move |_| {
        let told = told.clone();
        Script::new()
            .on_open(|conn| {
                conn.reactor().stop();
                Ok(())
            })
            .on_stop(move |_| {
                told.send(()).unwrap();
                Ok(())
            })
    });
    let client = peer(address);
    let handle = event_loop.handle();
    let stopper = std::thread::spawn(move || {
        wait_for(&drains, "the graceful stop has begun");
        handle.stop_now();
    });
    assert_eq!(event_loop.run().unwrap().aborted, 1);
    stopper.join().unwrap();
    drop(client);
}

#[test]
fn a_program_with_a_loop_of_its_own_can_turn_this_one() {
    let mut event_loop = EventLoop::new().unwrap();
    let (_, address) = listen(&mut event_loop, |_| echo());
    let client = std::thread::spawn(move || expect_echo(&mut peer(address), b"embedded"));
    while !client.is_finished() {
        assert_eq!(event_loop.turn(Some(Duration::from_millis(1))).unwrap(), None);
    }
    client.join().unwrap();
    event_loop.reactor().stop();
    let mut stopped = None;
    while stopped.is_none() {
        stopped = event_loop.turn(Some(Duration::from_millis(1))).unwrap();
    }
    turn_on(&mut event_loop);
    assert_eq!(event_loop.turn(Some(Duration::ZERO)).unwrap(), None, "told once");
}

#[test]
fn a_turn_without_sleep_returns_at_once_and_one_with_work_does_not_sleep() {
    let mut event_loop = EventLoop::new().unwrap();
    assert_eq!(event_loop.turn(Some(Duration::ZERO)).unwrap(), None);
    for _ in 0..3 {
        event_loop.reactor().defer(|_| {});
        event_loop.turn(None).unwrap();
        event_loop.handle().run_in_loop(|_| {}).unwrap();
        event_loop.turn(None).unwrap();
        event_loop.reactor().call_later(Duration::ZERO, |_| {});
        event_loop.turn(None).unwrap();
    }
}

#[test]
fn a_loop_may_run_within_another_one() {
    let mut outer = EventLoop::new().unwrap();
    let handle = outer.handle();
    outer.reactor().defer(move |reactor| {
        let mut inner = EventLoop::new().unwrap();
        let (inner_handle, outer_handle) = (inner.handle(), handle.clone());
        inner.reactor().defer(move |reactor| {
            assert!(inner_handle.is_in_loop());
            assert!(!outer_handle.is_in_loop());
            reactor.stop();
        });
        inner.run().unwrap();
        assert!(handle.is_in_loop());
        reactor.stop();
    });
    outer.run().unwrap();
}

#[test]
fn stopping_a_loop_that_is_gone_does_nothing() {
    let event_loop = EventLoop::new().unwrap();
    let handle = event_loop.handle();
    drop(event_loop);
    handle.stop();
    handle.stop_now();
    let refused = handle.run_in_loop(|_| {}).unwrap_err();
    assert_eq!(refused.reason, PostRefused::LoopGone);
}
