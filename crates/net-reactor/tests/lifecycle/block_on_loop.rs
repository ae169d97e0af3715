//! Threads that wait for a function on the loop: what they get, and when they must not wait.

use std::sync::mpsc;
use std::thread;

use net_reactor::prelude::*;
use net_reactor::{BlockOnLoopError, LoopConfig, PostRefused};

use crate::support::{Log, Running, turn_until, wait_for};

#[test]
fn the_answer_comes_from_the_loop() {
    let server = Running::start_echo();
    let owner = server.handle.loops()[0].clone();
    let (asker, inside) = (thread::current().id(), owner.clone());
    let (thread_of_loop, is_in_loop) =
        owner.block_on_loop(move |_| (thread::current().id(), inside.is_in_loop())).unwrap();
    assert!(is_in_loop);
    assert_ne!(thread_of_loop, asker);
    // Askers of many threads get each their own answer.
    let askers: Vec<_> = (0..8_u64)
        .map(|number| {
            let owner = owner.clone();
            thread::spawn(move || {
                for round in 0..100 {
                    assert_eq!(owner.block_on_loop(move |_| (number, round)), Ok((number, round)));
                }
            })
        })
        .collect();
    askers.into_iter().for_each(|asker| asker.join().unwrap());
}

#[test]
fn the_loops_own_thread_is_refused_whether_the_loop_runs_or_not() {
    let mut event_loop = EventLoop::new().unwrap();
    let handle = event_loop.handle();
    assert_eq!(handle.block_on_loop(|_| ()), Err(BlockOnLoopError::OnLoopThread), "not running");
    let (log, inner) = (Log::default(), handle.clone());
    let noted = log.clone();
    event_loop.reactor().defer(move |_| {
        noted.note(inner.block_on_loop(|_| ()).unwrap_err());
    });
    turn_until(&mut event_loop, "the refusal", || log.len() == 1);
    assert_eq!(log.lines(), ["the thread of a loop must not wait for a loop"]);
}

#[test]
fn a_thread_that_runs_another_loop_is_refused() {
    let server = Running::start_echo();
    let other = server.handle.loops()[0].clone();
    let mut event_loop = EventLoop::new().unwrap();
    let (log, asked) = (Log::default(), other.clone());
    let noted = log.clone();
    event_loop.reactor().defer(move |_| noted.note(asked.block_on_loop(|_| ()).is_err()));
    turn_until(&mut event_loop, "the refusal", || log.has("true"));
    // Between two turns it runs none.
    assert_eq!(other.block_on_loop(|_| 7), Ok(7));
}

#[test]
fn a_panic_of_the_function_is_the_callers() {
    let server = Running::start_echo();
    let owner = server.handle.loops()[0].clone();
    let failed = owner.block_on_loop(|_| -> u32 { panic!("the function is bad") });
    let message = "the function is bad".to_owned();
    assert_eq!(failed, Err(BlockOnLoopError::Panicked { message }));
    assert_eq!(owner.block_on_loop(|_| 7), Ok(7), "the loop goes on");
}

#[test]
fn a_loop_that_ends_lets_nobody_wait() {
    let event_loop = EventLoop::new().unwrap();
    let handle = event_loop.handle();
    let (report, reported) = mpsc::channel();
    let asker = thread::spawn(move || {
        report.send(()).unwrap();
        let before = handle.block_on_loop(|_| ());
        (before, handle.block_on_loop(|_| ()))
    });
    wait_for(&reported, "the asker");
    // The question may be on its way still; it has the same answer then, by the other way.
    drop(event_loop);
    let gone = Err(BlockOnLoopError::LoopGone);
    let refused = Err(BlockOnLoopError::Refused(PostRefused::LoopGone));
    let (first, second) = asker.join().unwrap();
    assert!(first == gone || first == refused, "{first:?}");
    assert_eq!(second, refused);
}

#[test]
fn a_full_inbox_refuses_instead_of_waiting() {
    let event_loop = EventLoop::with_config(LoopConfig::default().inbox_tasks_max(1)).unwrap();
    let handle = event_loop.handle();
    handle.run_in_loop(|_| {}).unwrap();
    let asker = thread::spawn(move || handle.block_on_loop(|_| ()));
    let full = BlockOnLoopError::Refused(PostRefused::Full);
    assert_eq!(asker.join().unwrap(), Err(full));
}

#[test]
fn what_the_function_owned_is_dropped_before_the_answer_is_given() {
    struct Told(mpsc::Sender<()>);
    impl Drop for Told {
        fn drop(&mut self) {
            let _ = self.0.send(());
        }
    }
    let server = Running::start_echo();
    let owner = server.handle.loops()[0].clone();
    let (tell, told) = mpsc::channel();
    let own = Told(tell);
    let work = move |_: &mut Reactor<'_>| {
        let _owned = &own;
    };
    owner.block_on_loop(work).unwrap();
    assert!(told.try_recv().is_ok());
}
