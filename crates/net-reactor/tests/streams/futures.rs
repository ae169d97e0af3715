//! The executor: what wakes futures, and what ends them.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::mpsc;
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

use net_reactor::EventLoop;

use super::support::Log;

/// Notes that it was dropped.
struct Noted(Log, &'static str);

impl Drop for Noted {
    fn drop(&mut self) {
        self.0.note(self.1);
    }
}

/// Turns the loop without sleeping, often enough for whatever is due.
fn turn(event_loop: &mut EventLoop) {
    for _ in 0..10 {
        event_loop.turn(Some(Duration::ZERO)).expect("the kernel lets it wait");
    }
}

#[test]
fn futures_run_in_the_order_in_which_they_were_spawned_and_not_within_the_call() {
    let log = Log::default();
    let mut event_loop = EventLoop::new().unwrap();
    for name in ["first", "second"] {
        let noted = log.clone();
        event_loop.reactor().spawn(async move { noted.note(name) });
    }
    assert!(log.take().is_empty());
    turn(&mut event_loop);
    assert_eq!(log.take(), ["first", "second"]);
}

#[test]
fn another_thread_wakes_a_future_on_the_loop() {
    let mut event_loop = EventLoop::new().unwrap();
    let (wakers, woken) = mpsc::channel::<Waker>();
    let waking = thread::spawn(move || {
        for waker in woken {
            waker.wake_by_ref();
            // Both are one post, or come after the future is gone.
            waker.wake();
        }
    });
    let handle = event_loop.handle();
    let own = thread::current().id();
    event_loop.reactor().spawn(async move {
        for _ in 0..100 {
            let mut is_sent = false;
            poll_fn(|context| {
                assert_eq!(thread::current().id(), own);
                if std::mem::replace(&mut is_sent, true) {
                    return Poll::Ready(());
                }
                wakers.send(context.waker().clone()).expect("the thread waits for more");
                Poll::Pending
            })
            .await;
        }
        handle.stop();
    });
    event_loop.run().unwrap();
    waking.join().unwrap();
}

#[test]
fn many_wakes_are_one_poll() {
    let mut event_loop = EventLoop::new().unwrap();
    let polls = Rc::new(Cell::new(0));
    let (counted, (wakers, woken)) = (Rc::clone(&polls), mpsc::channel::<Waker>());
    event_loop.reactor().spawn(poll_fn(move |context| {
        counted.set(counted.get() + 1);
        wakers.send(context.waker().clone()).expect("the test listens");
        Poll::<()>::Pending
    }));
    turn(&mut event_loop);
    assert_eq!(polls.get(), 1);
    let waker = woken.recv().unwrap();
    (0..1_000).for_each(|_| waker.wake_by_ref());
    turn(&mut event_loop);
    assert_eq!(polls.get(), 2);
}

#[test]
fn a_future_that_always_wakes_itself_leaves_others_their_turn() {
    let log = Log::default();
    let noted = log.clone();
    let mut event_loop = EventLoop::new().unwrap();
    event_loop.reactor().spawn(poll_fn(|context| {
        context.waker().wake_by_ref();
        Poll::<()>::Pending
    }));
    let tasks = event_loop.reactor().async_loop();
    let handle = event_loop.handle();
    event_loop.reactor().spawn(async move {
        tasks.sleep(Duration::from_millis(1)).await;
        noted.note("slept");
        handle.stop();
    });
    event_loop.run().unwrap();
    assert_eq!(log.take(), ["slept"]);
}

#[test]
fn a_panic_ends_its_future_alone() {
    let log = Log::default();
    let mut event_loop = EventLoop::new().unwrap();
    let dropped = Noted(log.clone(), "dropped");
    event_loop.reactor().spawn(async move {
        let _dropped = dropped;
        panic!("as asked");
    });
    let noted = log.clone();
    event_loop.reactor().spawn(async move { noted.note("another") });
    turn(&mut event_loop);
    assert_eq!(log.take(), ["dropped", "another"]);
}

#[test]
fn a_cancelled_future_is_dropped_and_not_polled_again() {
    let log = Log::default();
    let mut event_loop = EventLoop::new().unwrap();
    let dropped = Noted(log.clone(), "dropped");
    let task = event_loop.reactor().spawn(async move {
        let _dropped = dropped;
        poll_fn(|context| {
            context.waker().wake_by_ref();
            Poll::<()>::Pending
        })
        .await;
    });
    turn(&mut event_loop);
    assert!(event_loop.reactor().cancel_task(task));
    assert!(log.take().is_empty(), "an operation never calls the user's code");
    turn(&mut event_loop);
    assert_eq!(log.take(), ["dropped"]);
    assert!(!event_loop.reactor().cancel_task(task));
}

#[test]
fn a_sleep_that_is_dropped_leaves_no_timer() {
    let mut event_loop = EventLoop::new().unwrap();
    let tasks = event_loop.reactor().async_loop();
    let kept = tasks.clone();
    event_loop.reactor().spawn(async move {
        let hour = Duration::from_secs(3_600);
        let _ready = kept.timeout(hour, async {}).await;
        let slept = kept.timeout(Duration::from_millis(1), kept.sleep(hour)).await;
        assert!(slept.is_err(), "an hour is longer");
    });
    while event_loop.stats().timers == 0 {
        event_loop.turn(None).unwrap();
    }
    assert_eq!(event_loop.stats().timers, 2);
    while event_loop.stats().timers == 2 {
        event_loop.turn(None).unwrap();
    }
    turn(&mut event_loop);
    assert_eq!(event_loop.stats().timers, 0);
}

#[test]
fn futures_end_with_their_loop_on_its_thread_and_late_wakes_go_nowhere() {
    let log = Log::default();
    let mut event_loop = EventLoop::new().unwrap();
    let (wakers, woken) = mpsc::channel::<Waker>();
    let tasks = event_loop.reactor().async_loop();
    let (dropped, kept) = (Noted(log.clone(), "dropped"), tasks.clone());
    event_loop.reactor().spawn(async move {
        let _dropped = dropped;
        let _sleep = kept.sleep(Duration::from_secs(3_600));
        poll_fn(|context| {
            wakers.send(context.waker().clone()).expect("the test listens");
            Poll::<()>::Pending
        })
        .await;
    });
    turn(&mut event_loop);
    let waker = woken.recv().unwrap();
    drop(event_loop);
    assert_eq!(log.take(), ["dropped"]);
    thread::spawn(move || waker.wake()).join().unwrap();
    // The loop is gone; what is asked of it is dropped.
    let unborn = Noted(log.clone(), "unborn");
    tasks.spawn(async move { drop(unborn) });
    assert_eq!(log.take(), ["unborn"]);
}
