use std::io;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Barrier};
use std::thread;

use crate::sys::workers::{Job, Workers, WorkersLimits};

fn pool(threads_max: usize, queued_max: usize) -> Workers {
    Workers::new(WorkersLimits { threads_max, queued_max })
}

/// A job that says it has begun, then waits to be released by a message or a hang-up.
fn blocking() -> (Job, Receiver<()>, Sender<()>) {
    let (begun_sender, begun) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let job = Box::new(move || {
        begun_sender.send(()).unwrap();
        let _ = released.recv();
    });
    (job, begun, release)
}

fn accepted(result: Result<(), Job>) -> bool {
    result.is_ok()
}

#[test]
fn jobs_of_one_thread_run_in_order_under_the_pool_s_name() {
    let workers = pool(1, 8);
    let (sender, results) = mpsc::channel();
    for number in 0..8 {
        let sender = sender.clone();
        let job = move || sender.send((number, thread::current().name().map(str::to_owned)));
        assert!(accepted(workers.submit(Box::new(move || job().unwrap()))));
    }
    drop(sender);
    for (expected, (number, name)) in (0..8).zip(results) {
        assert_eq!((number, name.as_deref()), (expected, Some("net-reactor-worker")));
    }
}

#[test]
fn as_many_jobs_run_at_once_as_there_may_be_threads() {
    let workers = pool(3, 8);
    let barrier = Arc::new(Barrier::new(4));
    for _ in 0..3 {
        let barrier = Arc::clone(&barrier);
        assert!(accepted(workers.submit(Box::new(move || _ = barrier.wait()))));
    }
    barrier.wait(); // returns only if all three run together
}

#[test]
fn a_full_queue_gives_the_job_back() {
    let workers = pool(1, 1);
    let (job, begun, release) = blocking();
    assert!(accepted(workers.submit(job)));
    begun.recv().unwrap();
    assert!(accepted(workers.submit(Box::new(|| {}))), "one may wait");
    let (sender, result) = mpsc::channel();
    let refused = workers.submit(Box::new(move || sender.send(7).unwrap())).err();
    refused.expect("two may not")();
    assert_eq!(result.recv(), Ok(7), "it was that job");
    drop(release);
}

#[test]
fn a_panicking_job_leaves_its_thread_to_the_next() {
    /// Panics when dropped: the nastiest payload a panic can carry.
    struct Nasty;
    impl Drop for Nasty {
        fn drop(&mut self) {
            std::panic::resume_unwind(Box::new("dropped"));
        }
    }
    let workers = pool(1, 8);
    let (sender, ids) = mpsc::channel();
    let report = move || sender.send(thread::current().id()).unwrap();
    assert!(accepted(workers.submit(Box::new(report.clone()))));
    // `resume_unwind` is a panic that the hook does not print.
    assert!(accepted(workers.submit(Box::new(|| std::panic::resume_unwind(Box::new(1))))));
    assert!(accepted(workers.submit(Box::new(|| std::panic::resume_unwind(Box::new(Nasty))))));
    assert!(accepted(workers.submit(Box::new(report))));
    assert_eq!(ids.recv().unwrap(), ids.recv().unwrap());
}

#[test]
fn without_any_thread_the_job_comes_back() {
    let workers = pool(2, 8);
    let no_threads = |_| Err(io::ErrorKind::WouldBlock.into());
    assert!(!accepted(workers.submit_with(Box::new(|| {}), no_threads)));
    let (job, begun, release) = blocking();
    assert!(accepted(workers.submit(job)), "threads are to be had again");
    begun.recv().unwrap();
    let (sender, result) = mpsc::channel();
    let job = Box::new(move || sender.send(7).unwrap());
    assert!(accepted(workers.submit_with(job, no_threads)), "the one thread will do");
    drop(release);
    assert_eq!(result.recv(), Ok(7));
}

#[test]
fn an_idle_thread_is_used_before_another_is_started() {
    let workers = pool(4, 8);
    let (sender, results) = mpsc::channel();
    let job = move || sender.send(()).unwrap();
    assert!(accepted(workers.submit(Box::new(job.clone()))));
    results.recv().unwrap();
    while workers.shared.lock().running > 0 {
        thread::yield_now();
    }
    let no_threads = |_| panic!("started a second thread");
    assert!(accepted(workers.submit_with(Box::new(job), no_threads)));
    results.recv().unwrap();
}

#[test]
fn drop_waits_for_nothing_and_drops_what_is_queued() {
    let workers = pool(1, 8);
    let (job, begun, release) = blocking();
    assert!(accepted(workers.submit(job)));
    begun.recv().unwrap();
    let (sender, result) = mpsc::channel::<()>();
    assert!(accepted(workers.submit(Box::new(move || sender.send(()).unwrap()))));
    drop(workers); // would hang here if it waited for the job
    assert_eq!(result.recv(), Err(mpsc::RecvError), "dropped, not run");
    release.send(()).expect("the running job is still there");
}

#[test]
fn idle_threads_end_with_the_pool() {
    let workers = pool(1, 8);
    let (sender, result) = mpsc::channel();
    assert!(accepted(workers.submit(Box::new(move || sender.send(()).unwrap()))));
    result.recv().unwrap();
    let shared = Arc::downgrade(&workers.shared);
    drop(workers);
    while shared.strong_count() > 0 {
        thread::yield_now(); // a thread that stayed would hold its share for ever
    }
}
