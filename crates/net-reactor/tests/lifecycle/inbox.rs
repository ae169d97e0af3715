//! Posts from other threads: their order, their limits, and the wake-up that each deserves.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use net_reactor::prelude::*;
use net_reactor::{LoopConfig, PostRefused};

use crate::support::{Script, closed_port, listen, peer, turn_until, wait_for};

fn limited(config: LoopConfig) -> EventLoop {
    EventLoop::with_config(config).unwrap()
}

#[test]
fn a_full_inbox_gives_the_call_back_and_has_room_after_the_next_turn() {
    let mut event_loop = limited(LoopConfig::default().inbox_tasks_max(3));
    let handle = event_loop.handle();
    let ran = Rc::new(Cell::new(0));
    let (count, counted) = mpsc::channel();
    for _ in 0..3 {
        let count = count.clone();
        handle.run_in_loop(move |_| count.send(()).unwrap()).unwrap();
    }
    let own = count.clone();
    let refused = handle.run_in_loop(move |_| own.send(()).unwrap()).unwrap_err();
    assert_eq!(refused.reason, PostRefused::Full);
    assert_eq!(refused.to_string(), "the loop's inbox is full");
    event_loop.turn(None).unwrap();
    handle.run_in_loop(refused.value).unwrap();
    event_loop.turn(None).unwrap();
    ran.set(counted.try_iter().count());
    assert_eq!(ran.get(), 4);
}

#[test]
fn posted_bytes_are_limited_too() {
    let mut event_loop = limited(LoopConfig::default().inbox_bytes_max(10));
    let id = event_loop.reactor().connect(closed_port(), Script::new()).unwrap();
    let conn = event_loop.reactor().conn_handle(id);
    conn.send(vec![0; 6]).unwrap();
    let refused = conn.send(vec![1; 5]).unwrap_err();
    assert_eq!((refused.reason, refused.value.len()), (PostRefused::Full, 5));
    conn.send(vec![0; 4]).unwrap();
    conn.message("no bytes").unwrap();
    assert_eq!(event_loop.handle().broadcast("x").unwrap_err().reason, PostRefused::Full);
    event_loop.turn(Some(Duration::ZERO)).unwrap();
    conn.send(vec![0; 10]).unwrap();
}

#[test]
fn an_inbox_without_room_can_still_be_stopped() {
    let mut event_loop = limited(LoopConfig::default().inbox_tasks_max(0));
    assert!(event_loop.handle().run_in_loop(|_| {}).is_err());
    event_loop.handle().stop();
    event_loop.run().unwrap();
}

#[test]
fn what_waits_is_bounded_however_fast_it_is_posted() {
    const LIMIT: usize = 10_000;
    const TURNS: usize = 50;
    let mut event_loop = limited(LoopConfig::default().inbox_tasks_max(LIMIT));
    let handle = event_loop.handle();
    let ran = Arc::new(AtomicU64::new(0));
    let (mut posted, mut waiting_max) = (0_u64, 0);
    for _ in 0..TURNS {
        // As much as it takes, between any two turns.
        loop {
            let ran = Arc::clone(&ran);
            let call = move |_: &mut Reactor<'_>| {
                ran.fetch_add(1, Ordering::Relaxed);
            };
            if handle.run_in_loop(call).is_err() {
                break;
            }
            posted += 1;
        }
        event_loop.turn(Some(Duration::ZERO)).unwrap();
        waiting_max = waiting_max.max(posted - ran.load(Ordering::Relaxed));
    }
    assert!(waiting_max <= 2 * LIMIT as u64, "{waiting_max} wait");
    turn_until(&mut event_loop, "all have run", || ran.load(Ordering::Relaxed) == posted);
}

#[test]
fn a_posting_storm_loses_nothing_and_keeps_each_threads_order() {
    const THREADS: u64 = 4;
    const POSTS: u64 = 250_000;

    thread_local! {
        static SEEN: RefCell<HashMap<u64, u64>> = RefCell::default();
    }

    let mut event_loop = EventLoop::new().unwrap();
    let total = Arc::new(AtomicU64::new(0));
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let (handle, total) = (event_loop.handle(), Arc::clone(&total));
            std::thread::spawn(move || {
                for number in 0..POSTS {
                    let total = Arc::clone(&total);
                    let call = move |reactor: &mut Reactor<'_>| {
                        let expected = SEEN.with_borrow_mut(|seen| {
                            let next = seen.entry(thread).or_default();
                            std::mem::replace(next, number + 1)
                        });
                        assert_eq!(expected, number);
                        if total.fetch_add(1, Ordering::Relaxed) + 1 == THREADS * POSTS {
                            reactor.stop();
                        }
                    };
                    let mut post = handle.run_in_loop(call).map_err(|refused| refused.value);
                    while let Err(call) = post {
                        std::thread::yield_now();
                        post = handle.run_in_loop(call).map_err(|refused| refused.value);
                    }
                }
            })
        })
        .collect();
    event_loop.reactor().call_later(3 * crate::support::PATIENCE, |reactor| reactor.stop_now());
    event_loop.run().unwrap();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(total.load(Ordering::Relaxed), THREADS * POSTS);
    assert_eq!(event_loop.stats().spins, 0);
}

#[test]
fn every_post_wakes_a_sleeping_loop() {
    let mut event_loop = EventLoop::new().unwrap();
    let handle = event_loop.handle();
    let poster = std::thread::spawn(move || {
        let (answer, answered) = mpsc::channel();
        // Each post meets a loop that has nothing else to do, and waits for its answer.
        for number in 0..5000 {
            let answer = answer.clone();
            handle.run_in_loop(move |_| answer.send(number).unwrap()).unwrap();
            assert_eq!(wait_for(&answered, "the loop wakes up"), number);
        }
        handle.stop();
    });
    event_loop.run().unwrap();
    poster.join().unwrap();
}

#[test]
fn an_idle_loop_does_not_turn() {
    let mut event_loop = EventLoop::new().unwrap();
    let (_, address) = listen(&mut event_loop, |_| crate::support::echo());
    let client = peer(address);
    while event_loop.stats().accepted < 1 {
        event_loop.turn(Some(crate::support::PATIENCE)).unwrap();
    }
    let before = event_loop.stats();
    event_loop.reactor().call_later(Duration::from_millis(200), |reactor| reactor.stop());
    let pending = event_loop.handle();
    pending.run_in_loop(|_| {}).unwrap();
    let stopper = std::thread::spawn(move || drop(client));
    event_loop.run().unwrap();
    stopper.join().unwrap();
    let turns = event_loop.stats().turns - before.turns;
    assert!(turns <= 12, "{turns} turns");
}

/// Counts how often it is dropped, whoever has it.
struct Counted(Arc<AtomicU64>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_thousand_posts_to_a_loop_that_ends_run_or_are_dropped_or_come_back() {
    for _ in 0..20 {
        let event_loop = EventLoop::new().unwrap();
        let handle = event_loop.handle();
        let (dropped, ran) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let (counted, runs) = (Arc::clone(&dropped), Arc::clone(&ran));
        let (begin, begun) = mpsc::channel();
        let poster = std::thread::spawn(move || {
            let mut refused = 0;
            for number in 0..1000 {
                let (value, runs) = (Counted(Arc::clone(&counted)), Arc::clone(&runs));
                let post = handle.run_in_loop(move |_| {
                    let _value = value;
                    runs.fetch_add(1, Ordering::Relaxed);
                });
                refused += u64::from(post.is_err());
                if number == 10 {
                    begin.send(()).unwrap();
                }
            }
            refused
        });
        wait_for(&begun, "the first posts");
        let mut event_loop = event_loop;
        event_loop.turn(Some(Duration::ZERO)).unwrap();
        drop(event_loop);
        let refused = poster.join().unwrap();
        assert_eq!(dropped.load(Ordering::Relaxed), 1000, "each is dropped once");
        assert!(ran.load(Ordering::Relaxed) + refused <= 1000);
    }
}
