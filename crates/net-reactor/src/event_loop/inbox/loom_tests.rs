//! Every interleaving of posting threads and a sleeping loop.

use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

use crate::event_loop::inbox::{Inbox, InboxLimits, RefusedReason};

/// The kernel's part: a wait that returns once it has been woken, like an eventfd.
struct Kernel {
    woken: Mutex<bool>,
    condvar: Condvar,
    wakes: AtomicUsize,
}

impl Kernel {
    fn new() -> Self {
        Self { woken: Mutex::new(false), condvar: Condvar::new(), wakes: AtomicUsize::new(0) }
    }

    fn wake(&self) {
        self.wakes.fetch_add(1, Ordering::Relaxed);
        *self.woken.lock().unwrap() = true;
        self.condvar.notify_one();
    }

    /// A wake-up that never comes is a deadlock, and the model reports it.
    fn wait(&self) {
        let mut woken = self.woken.lock().unwrap();
        while !*woken {
            woken = self.condvar.wait(woken).unwrap();
        }
        *woken = false;
    }
}

struct Shared {
    inbox: Inbox<usize>,
    kernel: Kernel,
}

impl Shared {
    fn new() -> Arc<Self> {
        Arc::new(Self { inbox: Inbox::new(InboxLimits::default()), kernel: Kernel::new() })
    }

    fn post(&self, task: usize) {
        if self.inbox.post(task, 0).unwrap() {
            self.kernel.wake();
        }
    }

    /// Sleeps if it may, then takes what was posted; returns true if it slept.
    fn turn(&self, tasks: &mut Vec<usize>) -> bool {
        let asleep = self.inbox.sleep_state().begin_sleep();
        if asleep {
            self.kernel.wait();
        }
        self.inbox.sleep_state().end_sleep();
        self.inbox.drain(tasks);
        asleep
    }

    /// Runs turns until `total` tasks have arrived; returns them and the number of sleeps.
    fn run(&self, total: usize) -> (Vec<usize>, usize) {
        let mut tasks = Vec::new();
        let mut sleeps = 0;
        while tasks.len() < total {
            sleeps += usize::from(self.turn(&mut tasks));
        }
        (tasks, sleeps)
    }
}

#[test]
fn loom_no_wake_up_is_lost_between_two_posters_and_a_sleeping_loop() {
    loom::model(|| {
        let shared = Shared::new();
        let posters = [1, 2].map(|task| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.post(task))
        });
        let (mut tasks, sleeps) = shared.run(2);
        for poster in posters {
            poster.join().unwrap();
        }
        tasks.sort_unstable();
        assert_eq!(tasks, [1, 2]);
        let wakes = shared.kernel.wakes.load(Ordering::Relaxed);
        assert!(wakes <= sleeps, "{wakes} wake-ups for {sleeps} sleeps");
    });
}

#[test]
fn loom_a_poster_that_posts_again_is_heard_again() {
    loom::model(|| {
        let shared = Shared::new();
        let poster = thread::spawn({
            let shared = Arc::clone(&shared);
            move || (1..=3).for_each(|task| shared.post(task))
        });
        let (tasks, sleeps) = shared.run(3);
        poster.join().unwrap();
        assert_eq!(tasks, [1, 2, 3]);
        let wakes = shared.kernel.wakes.load(Ordering::Relaxed);
        assert!(wakes <= sleeps, "{wakes} wake-ups for {sleeps} sleeps");
    });
}

/// The loop's first sleep ends by itself, as for a timer or a socket, while a post may be
/// halfway through waking it.
#[test]
fn loom_a_post_that_meets_a_loop_waking_by_itself_is_still_heard() {
    loom::model(|| {
        let shared = Shared::new();
        let poster = thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.post(1)
        });
        let mut early = Vec::new();
        let mut sleeps = usize::from(shared.inbox.sleep_state().begin_sleep());
        shared.inbox.sleep_state().end_sleep();
        shared.inbox.drain(&mut early);
        let (tasks, more) = shared.run(1 - early.len());
        sleeps += more;
        poster.join().unwrap();
        assert_eq!([early, tasks].concat(), [1]);
        assert!(shared.kernel.wakes.load(Ordering::Relaxed) <= sleeps);
    });
}

/// Work need not come through the inbox: a flag will do, if `notify` follows it.
#[test]
fn loom_a_post_and_a_flag_are_both_heard() {
    let mut model = loom::model::Builder::new();
    // Without a bound this takes half a minute and finds nothing more.
    model.preemption_bound = Some(3);
    model.check(|| {
        let shared = Shared::new();
        let stop = Arc::new(AtomicBool::new(false));
        let poster = thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.post(1)
        });
        let stopper = thread::spawn({
            let (shared, stop) = (Arc::clone(&shared), Arc::clone(&stop));
            move || {
                stop.store(true, Ordering::Relaxed);
                if shared.inbox.sleep_state().notify() {
                    shared.kernel.wake();
                }
            }
        });
        let mut tasks = Vec::new();
        while tasks.is_empty() || !stop.load(Ordering::Relaxed) {
            shared.turn(&mut tasks);
        }
        poster.join().unwrap();
        stopper.join().unwrap();
        assert_eq!(tasks, [1]);
    });
}

#[test]
fn loom_a_post_that_meets_close_is_either_returned_by_it_or_given_back() {
    loom::model(|| {
        let shared = Shared::new();
        let posters = [1, 2].map(|task| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || match shared.inbox.post(task, 0) {
                Ok(_) => None,
                Err(refused) => {
                    assert_eq!(refused.reason, RefusedReason::Closed);
                    Some(refused.task)
                }
            })
        });
        let mut tasks = Vec::new();
        shared.inbox.drain(&mut tasks);
        tasks.extend(shared.inbox.close());
        tasks.extend(posters.into_iter().filter_map(|poster| poster.join().unwrap()));
        tasks.sort_unstable();
        assert_eq!(tasks, [1, 2]);
    });
}
