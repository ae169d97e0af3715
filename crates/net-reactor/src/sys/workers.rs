//! Threads for the jobs that would block a loop.

#[cfg(test)]
mod tests;

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// A job for a worker thread.
pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// A bounded pool of threads that run blocking jobs, first in first out.
///
/// Threads start when jobs need them, and stay until the pool is dropped. A job that panics takes
/// nothing down with it; whoever waits for its result learns of it by what the job owned being
/// dropped.
///
/// Dropping the pool drops the jobs that no thread has begun, and waits for nothing: a thread
/// that is stuck in a job, in `getaddrinfo` for one, ends after that job or with the process.
pub(crate) struct Workers {
    shared: Arc<Shared>,
    limits: WorkersLimits,
}

/// How large a pool of [`Workers`] grows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct WorkersLimits {
    /// Threads; zero counts as one. Default: 4.
    pub(crate) threads_max: usize,
    /// Jobs that wait for a thread. Default: 1,024.
    pub(crate) queued_max: usize,
}

struct Shared {
    state: Mutex<State>,
    /// Signalled once for each job queued, and to all threads when the pool closes.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    threads: usize,
    /// Threads that have taken a job and not finished it; the others are about to take one.
    running: usize,
    closed: bool,
}

impl Workers {
    /// Makes a pool without threads.
    pub(crate) fn new(limits: WorkersLimits) -> Self {
        let shared = Shared { state: Mutex::default(), changed: Condvar::new() };
        Self { shared: Arc::new(shared), limits }
    }

    /// Queues a job.
    ///
    /// # Errors
    ///
    /// Gives the job back if the queue is full, or if there is no thread and none can be started.
    pub(crate) fn submit(&self, job: Job) -> Result<(), Job> {
        self.submit_with(job, start_thread)
    }

    fn submit_with(
        &self,
        job: Job,
        start_thread: impl FnOnce(Arc<Shared>) -> io::Result<()>,
    ) -> Result<(), Job> {
        let mut state = self.shared.lock();
        let idle = state.threads - state.running;
        let may_start = state.threads < self.limits.threads_max.max(1);
        // A job that a thread is about to take does not wait for one.
        let jobs_max = self.limits.queued_max.saturating_add(idle + usize::from(may_start));
        if state.jobs.len() >= jobs_max {
            return Err(job);
        }
        if may_start && state.jobs.len() >= idle {
            // The new thread begins by waiting for the lock, which we hold until the job is queued.
            match start_thread(Arc::clone(&self.shared)) {
                Ok(()) => state.threads += 1,
                Err(_) if state.threads == 0 => return Err(job),
                // The threads there are will get to it.
                Err(_) => {}
            }
        }
        state.jobs.push_back(job);
        drop(state);
        self.shared.changed.notify_one();
        Ok(())
    }
}

impl Default for Workers {
    fn default() -> Self {
        Self::new(WorkersLimits::default())
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.closed = true;
        let jobs = mem::take(&mut state.jobs);
        drop(state);
        self.shared.changed.notify_all();
        // Only now, without the lock: dropping a job runs the code of what it owns.
        drop(jobs);
    }
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.shared.lock();
        f.debug_struct("Workers")
            .field("threads", &state.threads)
            .field("running", &state.running)
            .field("queued", &state.jobs.len())
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl Default for WorkersLimits {
    fn default() -> Self {
        Self { threads_max: 4, queued_max: 1_024 }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No job's code runs under the lock, so a poisoned state is as good as any.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs jobs until the pool is closed: the life of one thread.
    fn work(&self) {
        let waiting = |state: &mut State| state.jobs.is_empty() && !state.closed;
        let mut state = self.lock();
        loop {
            let waited = self.changed.wait_while(state, waiting);
            state = waited.unwrap_or_else(PoisonError::into_inner);
            let Some(job) = state.jobs.pop_front() else { return };
            state.running += 1;
            drop(state);
            run(job);
            state = self.lock();
            state.running -= 1;
        }
    }
}

fn start_thread(shared: Arc<Shared>) -> io::Result<()> {
    thread::Builder::new()
        .name("net-reactor-worker".to_owned())
        .spawn(move || shared.work())
        .map(drop)
}

/// Runs a job and survives it. The panic hook has already reported a panic.
fn run(job: Job) {
    // Nothing of ours is shared with the job, so a panic cannot leave anything half-changed.
    if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(job)) {
        discard(payload);
    }
}

/// Drops a panic's payload, whose destructor is foreign code and may panic as well.
fn discard(payload: Box<dyn Any + Send>) {
    if let Err(second) = panic::catch_unwind(AssertUnwindSafe(move || drop(payload))) {
        mem::forget(second);
    }
}
