//! What a loop must do to be measured with posts from other threads, and who does it.

use std::io;
use std::sync::{Arc, Barrier};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::{post_ours, post_std, post_tokio};
use crate::machine::cores::{Cores, pin};

/// How much is posted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PostPlan {
    pub(crate) threads: u64,
    pub(crate) posts_per_thread: u64,
    pub(crate) cores: Cores,
}

/// What came of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PostRun {
    /// From the first thread's first post until the loop has handled the last one.
    pub(crate) elapsed: Duration,
    /// How often a post had to wake the loop by a system call, where the contender knows.
    pub(crate) wakes: Option<u64>,
    /// Handled posts, to prove that none was lost.
    pub(crate) handled: u64,
}

/// One loop in the report. `run` is called on a thread pinned to the server's core.
pub(crate) struct PostContender {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&PostPlan) -> io::Result<PostRun>,
}

/// The first line is the reference of the ratios.
pub(crate) const POSTS: &[PostContender] = &[
    PostContender { name: "std mpsc + eventfd, u64", run: post_std::run::<u64> },
    PostContender { name: "std mpsc + eventfd, boxed task", run: post_std::run::<Task> },
    PostContender { name: "net-reactor, run_in_loop", run: post_ours::run },
    PostContender { name: "tokio mpsc unbounded, u64", run: post_tokio::run::<u64> },
    PostContender { name: "tokio mpsc unbounded, boxed task", run: post_tokio::run::<Task> },
];

/// A task that runs in the loop.
pub(super) type Task = Box<dyn FnOnce(&mut u64) + Send>;

/// What is posted: a plain value, or a boxed task to run in the loop.
pub(super) trait Post: Send + 'static {
    fn make(number: u64) -> Self;

    /// Runs in the loop and counts itself.
    fn handle(self, handled: &mut u64);
}

impl Post for u64 {
    fn make(number: u64) -> Self {
        number
    }

    fn handle(self, handled: &mut u64) {
        *handled += 1;
    }
}

impl Post for Task {
    fn make(number: u64) -> Self {
        // It captures something, as real tasks do: an empty closure would not be allocated.
        Box::new(move |handled| *handled += u64::from(number < u64::MAX))
    }

    fn handle(self, handled: &mut u64) {
        self(handled);
    }
}

impl PostPlan {
    pub(crate) fn total(&self) -> u64 {
        self.threads * self.posts_per_thread
    }
}

/// The posting threads, waiting to be released together.
pub(super) struct Posters {
    start: Arc<Barrier>,
    threads: Vec<JoinHandle<Instant>>,
}

impl Posters {
    /// Starts the threads on the load's core. `make_post` is called once a thread, and what it
    /// returns once a post, with the post's number.
    pub(super) fn new<P: FnMut(u64) + Send + 'static>(
        plan: &PostPlan,
        make_post: impl Fn() -> P,
    ) -> Self {
        let start = Arc::new(Barrier::new(usize::try_from(plan.threads + 1).unwrap_or(1)));
        let (count, core) = (plan.posts_per_thread, plan.cores.load);
        let threads = (0..plan.threads).map(|_| {
            let (start, mut post) = (Arc::clone(&start), make_post());
            thread::spawn(move || {
                // If pinning fails the run is only less steady; the main thread has pinned before.
                let _ = pin(core);
                start.wait();
                let first_post_at = Instant::now();
                (0..count).for_each(&mut post);
                first_post_at
            })
        });
        let threads = threads.collect();
        Self { start, threads }
    }

    /// Lets all threads go.
    pub(super) fn release(&self) {
        self.start.wait();
    }

    /// Waits for the threads and returns the time from the first post until `end`. The threads read
    /// the start themselves: the loop may be scheduled again only after many posts.
    pub(super) fn elapsed_until(self, end: Instant) -> io::Result<Duration> {
        let joined = self.threads.into_iter().map(JoinHandle::join);
        let starts: Result<Vec<Instant>, _> = joined.collect();
        let starts = starts.map_err(|_| io::Error::other("a posting thread panicked"))?;
        Ok(starts.iter().min().map_or(Duration::ZERO, |first| end - *first))
    }
}
