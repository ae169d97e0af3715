//! Blocking jobs: their results, their limits, and a loop that goes on meanwhile.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::mpsc;
use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::{LoopConfig, WorkError};

use crate::support::{Log, echo, expect_echo, listen, peer, turn_on, turn_until, wait_for};

#[test]
fn a_result_comes_back_on_the_loop() {
    let mut event_loop = EventLoop::new().unwrap();
    let handle = event_loop.handle();
    let loop_thread = std::thread::current().id();
    // Not `Send`: what happens with the result stays on the loop.
    let got = Rc::new(Cell::new(None));
    let noted = Rc::clone(&got);
    let work = move || (std::thread::current().id(), vec![1, 2, 3]);
    event_loop
        .reactor()
        .run_blocking(work, move |_, result| {
            let (worker, list) = result.unwrap();
            assert!(handle.is_in_loop());
            assert_ne!(worker, loop_thread);
            noted.set(Some(list));
        })
        .unwrap();
    assert!(got.take().is_none(), "run from within the call");
    turn_until(&mut event_loop, "the result", || {
        let list = got.take();
        got.set(list.clone());
        list.is_some()
    });
    assert_eq!(got.take(), Some(vec![1, 2, 3]));
}

#[test]
fn a_panic_comes_back_as_an_error_and_the_workers_go_on() {
    let mut event_loop = EventLoop::new().unwrap();
    let log = Log::default();
    for _ in 0..10 {
        let noted = log.clone();
        let job = || -> u32 { panic!("the job is bad") };
        event_loop
            .reactor()
            .run_blocking(job, move |_, result| {
                let WorkError::Panicked { message } = result.unwrap_err() else { return };
                noted.note(message);
            })
            .unwrap();
    }
    turn_until(&mut event_loop, "ten errors", || log.len() == 10);
    assert_eq!(log.lines(), ["the job is bad"; 10]);
    let noted = log.clone();
    event_loop.reactor().run_blocking(|| 7, move |_, got| noted.note(got.unwrap())).unwrap();
    turn_until(&mut event_loop, "a good job", || log.has("7"));
}

#[test]
fn a_panic_in_the_continuation_does_no_harm() {
    let mut event_loop = EventLoop::new().unwrap();
    let log = Log::default();
    let noted = log.clone();
    event_loop.reactor().run_blocking(|| 1, |_, _| panic!("the continuation is bad")).unwrap();
    event_loop.reactor().run_blocking(|| 2, move |_, got| noted.note(got.unwrap())).unwrap();
    turn_until(&mut event_loop, "the other one", || log.has("2"));
    turn_on(&mut event_loop);
}

#[test]
fn the_loop_serves_while_all_workers_are_busy() {
    let mut event_loop = EventLoop::new().unwrap();
    let (_, address) = listen(&mut event_loop, |_| echo());
    let log = Log::default();
    let mut releases = Vec::new();
    for _ in 0..8 {
        let (release, released) = mpsc::channel::<()>();
        releases.push(release);
        let noted = log.clone();
        let work = move || released.recv().is_ok();
        event_loop.reactor().run_blocking(work, move |_, _| noted.note("done")).unwrap();
    }
    let client = std::thread::spawn(move || {
        let mut stream = peer(address);
        for _ in 0..10 {
            expect_echo(&mut stream, b"meanwhile");
        }
    });
    turn_until(&mut event_loop, "the echoes", || client.is_finished());
    client.join().unwrap();
    assert_eq!(log.len(), 0);
    for release in releases {
        release.send(()).unwrap();
    }
    turn_until(&mut event_loop, "the jobs", || log.len() == 8);
}

#[test]
fn the_queue_is_bounded_and_says_so() {
    let mut event_loop = EventLoop::new().unwrap();
    let (release, released) = mpsc::channel::<()>();
    let released = std::sync::Arc::new(std::sync::Mutex::new(released));
    let log = Log::default();
    let mut accepted = 0;
    loop {
        let (released, noted) = (std::sync::Arc::clone(&released), log.clone());
        let work = move || released.lock().unwrap().recv().is_err();
        let started = event_loop.reactor().run_blocking(work, move |_, _| noted.note("done"));
        if let Err(full) = started {
            assert_eq!(full.to_string(), "the queue of blocking jobs is full");
            break;
        }
        accepted += 1;
        assert!(accepted < 10_000, "the queue has no limit");
    }
    assert!((1024..=1028).contains(&accepted), "{accepted} accepted");
    drop(release);
    turn_until(&mut event_loop, "all have run", || log.len() == accepted);
    let noted = log.clone();
    event_loop.reactor().run_blocking(|| (), move |_, _| noted.note("room again")).unwrap();
    turn_until(&mut event_loop, "one more", || log.has("room again"));
}

#[test]
fn the_limits_of_the_workers_can_be_set_and_are_counted() {
    let config = LoopConfig::default().worker_threads_max(1).worker_jobs_max(2);
    let mut event_loop = EventLoop::with_config(config).unwrap();
    let log = Log::default();
    let mut ends = Vec::new();
    let (begin, begun) = mpsc::channel();
    // One that runs and two that wait.
    for number in 0..3 {
        let (end, ended) = mpsc::channel::<()>();
        ends.push(end);
        let (begin, noted) = (begin.clone(), log.clone());
        let work = move || {
            begin.send(number).unwrap();
            ended.recv().is_err()
        };
        event_loop.reactor().run_blocking(work, move |_, _| noted.note("done")).unwrap();
    }
    assert!(event_loop.reactor().run_blocking(|| (), |_, _| {}).is_err());
    let stats = event_loop.stats();
    assert_eq!((stats.jobs, stats.jobs_refused), (3, 1));
    assert_eq!(begun.recv(), Ok(0));
    for (number, end) in (1..).zip(ends) {
        assert!(begun.try_recv().is_err(), "two jobs run on one thread");
        drop(end);
        if number < 3 {
            assert_eq!(begun.recv(), Ok(number));
        }
    }
    turn_until(&mut event_loop, "all have run", || log.len() == 3);
    assert_eq!(event_loop.stats().jobs, 0);
}

#[test]
fn a_result_is_not_lost_to_a_full_inbox() {
    let mut event_loop = EventLoop::with_config(LoopConfig::default().inbox_tasks_max(1)).unwrap();
    event_loop.handle().run_in_loop(|_| {}).unwrap();
    let log = Log::default();
    let noted = log.clone();
    let (ending, ended) = mpsc::channel();
    let work = move || ending.send(()).unwrap();
    event_loop.reactor().run_blocking(work, move |_, _| noted.note("done")).unwrap();
    wait_for(&ended, "the job");
    // Lets the worker come as far as it can while the inbox is full.
    for _ in 0..1000 {
        std::thread::yield_now();
    }
    let mut clock = EventLoop::new().unwrap();
    clock.reactor().call_later(Duration::from_millis(50), |reactor| reactor.stop());
    clock.run().unwrap();
    turn_until(&mut event_loop, "the result", || log.has("done"));
}

#[test]
fn jobs_survive_a_stop_and_end_in_the_next_run() {
    let mut event_loop = EventLoop::new().unwrap();
    let (release, released) = mpsc::channel::<()>();
    let log = Log::default();
    let noted = log.clone();
    event_loop
        .reactor()
        .run_blocking(
            move || released.recv().is_ok(),
            move |reactor, _| {
                noted.note("done");
                reactor.stop();
            },
        )
        .unwrap();
    event_loop.handle().stop();
    event_loop.run().unwrap();
    assert_eq!(log.len(), 0);
    release.send(()).unwrap();
    event_loop.run().unwrap();
    assert_eq!(log.lines(), ["done"]);
}

#[test]
fn a_job_may_outlive_its_loop() {
    let mut event_loop = EventLoop::new().unwrap();
    let (release, released) = mpsc::channel::<()>();
    let (begin, begun) = mpsc::channel();
    let (ending, ended) = mpsc::channel();
    let work = move || {
        begin.send(()).unwrap();
        let _ = released.recv();
        ending.send(()).unwrap();
        vec![0; 1024]
    };
    event_loop.reactor().run_blocking(work, |_, _| panic!("nobody is there")).unwrap();
    wait_for(&begun, "the job begins");
    drop(event_loop);
    release.send(()).unwrap();
    wait_for(&ended, "the job ends");
}
