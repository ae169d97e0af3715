use std::sync::Arc;
use std::thread;

use crate::event_loop::inbox::{Inbox, InboxLimits, RefusedReason};

fn limits(tasks_max: usize, bytes_max: usize) -> InboxLimits {
    InboxLimits { tasks_max, bytes_max }
}

#[test]
fn tasks_come_out_in_the_order_they_went_in() {
    let inbox = Inbox::new(InboxLimits::default());
    let mut tasks = vec![0];
    for task in 1..4 {
        inbox.post(task, 1).unwrap();
    }
    inbox.drain(&mut tasks);
    assert_eq!(tasks, [0, 1, 2, 3]);
}

#[test]
fn two_batches_share_two_allocations() {
    let inbox = Inbox::new(InboxLimits::default());
    let mut tasks = Vec::with_capacity(8);
    let first = tasks.as_ptr();
    for task in 0..8 {
        inbox.post(task, 0).unwrap();
    }
    inbox.drain(&mut tasks);
    let second = tasks.as_ptr();
    assert_ne!(first, second);
    for expected in [first, second, first] {
        tasks.clear();
        for task in 0..8 {
            inbox.post(task, 0).unwrap();
        }
        inbox.drain(&mut tasks);
        assert_eq!(tasks.as_ptr(), expected);
    }
}

#[test]
fn a_full_inbox_gives_the_task_back_until_it_is_drained() {
    let inbox = Inbox::new(limits(2, 100));
    inbox.post("a", 1).unwrap();
    inbox.post("b", 1).unwrap();
    let refused = inbox.post("c", 1).unwrap_err();
    assert_eq!((refused.task, refused.reason), ("c", RefusedReason::Full));
    inbox.drain(&mut Vec::new());
    inbox.post("c", 1).unwrap();
}

#[test]
fn bytes_are_limited_exactly_and_without_overflow() {
    let inbox = Inbox::new(limits(100, 10));
    inbox.post("a", 4).unwrap();
    assert_eq!(inbox.post("b", 7).unwrap_err().reason, RefusedReason::Full);
    assert_eq!(inbox.post("b", usize::MAX).unwrap_err().reason, RefusedReason::Full);
    inbox.post("b", 6).unwrap();
    inbox.drain(&mut Vec::new());
    inbox.post("c", 10).unwrap();
}

#[test]
fn close_returns_what_was_queued_and_refuses_the_rest() {
    let inbox = Inbox::new(InboxLimits::default());
    inbox.post(1, 0).unwrap();
    assert_eq!(inbox.close(), [1]);
    let refused = inbox.post(2, 0).unwrap_err();
    assert_eq!((refused.task, refused.reason), (2, RefusedReason::Closed));
    assert_eq!(inbox.close(), []);
    let mut tasks = Vec::new();
    inbox.drain(&mut tasks);
    assert_eq!(tasks, []);
}

#[test]
fn only_the_first_post_to_a_sleeping_loop_asks_for_a_wake_up() {
    let inbox = Inbox::new(InboxLimits::default());
    assert!(!inbox.post(0, 0).unwrap(), "the loop is running");
    assert!(!inbox.sleep_state().begin_sleep(), "there is work");
    inbox.sleep_state().end_sleep();
    inbox.drain(&mut Vec::new());
    assert!(inbox.sleep_state().begin_sleep());
    assert!(inbox.post(1, 0).unwrap());
    assert!(!inbox.post(2, 0).unwrap());
}

/// With real threads and a real sleeper; the model checker covers the interleavings.
#[test]
fn nothing_is_lost_or_reordered_between_four_threads_and_a_sleeping_loop() {
    const THREADS: usize = 4;
    const POSTS: usize = 50_000;
    let inbox = Arc::new(Inbox::new(InboxLimits::default()));
    let sleeper = thread::current();
    let posters: Vec<_> = (0..THREADS)
        .map(|poster| {
            let (inbox, sleeper) = (Arc::clone(&inbox), sleeper.clone());
            thread::spawn(move || {
                for number in 0..POSTS {
                    if inbox.post((poster, number), 0).unwrap() {
                        sleeper.unpark();
                    }
                }
            })
        })
        .collect();
    let mut next = [0; THREADS];
    let mut batch = Vec::new();
    while next != [POSTS; THREADS] {
        if inbox.sleep_state().begin_sleep() {
            thread::park(); // a lost wake-up would hang here
        }
        inbox.sleep_state().end_sleep();
        inbox.drain(&mut batch);
        for (poster, number) in batch.drain(..) {
            assert_eq!(number, next[poster]);
            next[poster] += 1;
        }
    }
    for poster in posters {
        poster.join().unwrap();
    }
}
