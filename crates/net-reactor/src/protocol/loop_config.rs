//! The limits of a loop, with their defaults.

use std::sync::Arc;
use std::time::Duration;

use crate::event_loop::InboxLimits;
use crate::net::{NameOptions, Resolve};
use crate::sys::WorkersLimits;

/// How long a graceful stop waits for connections to finish: 10 s.
const DRAIN: Duration = Duration::from_secs(10);

/// Limits of a loop.
///
/// | setting | default | what happens there |
/// |---|---|---|
/// | `drain` | 10 s from `stop` | open connections are aborted |
/// | `inbox_tasks_max` | 1,048,576 posts waiting | posts are refused with `Full` |
/// | `inbox_bytes_max` | 64 MiB of posted bytes waiting | posts are refused with `Full` |
/// | `worker_threads_max` | 4 threads for blocking jobs | jobs wait for one |
/// | `worker_jobs_max` | 1,024 jobs waiting | [`run_blocking`](crate::Reactor::run_blocking) says [`QueueFull`](crate::QueueFull) |
/// | `name_cache` | 10 s from the answer, 256 names | the name is asked for anew |
/// | `resolver` | the system's, on up to 8 threads of its own | names wait for one |
#[derive(Debug, Clone)]
pub struct LoopConfig {
    pub(super) drain: Duration,
    pub(super) inbox: InboxLimits,
    pub(super) workers: WorkersLimits,
    pub(super) names: NameOptions,
}

impl Default for LoopConfig {
    fn default() -> Self {
        Self {
            drain: DRAIN,
            inbox: InboxLimits::default(),
            workers: WorkersLimits::default(),
            names: NameOptions::default(),
        }
    }
}

impl LoopConfig {
    /// Sets how long a graceful stop waits for connections to finish.
    #[must_use]
    pub fn drain(mut self, time: Duration) -> Self {
        self.drain = time;
        self
    }

    /// Sets how many posts may wait for the loop.
    #[must_use]
    pub fn inbox_tasks_max(mut self, tasks: usize) -> Self {
        self.inbox.tasks_max = tasks;
        self
    }

    /// Lets no more posts wait than `tasks`.
    #[cfg(feature = "sim")]
    pub(crate) fn limit_inbox(mut self, tasks: usize) -> Self {
        self.inbox.tasks_max = self.inbox.tasks_max.min(tasks);
        self
    }

    /// Sets how many posted bytes may wait for the loop.
    #[must_use]
    pub fn inbox_bytes_max(mut self, bytes: usize) -> Self {
        self.inbox.bytes_max = bytes;
        self
    }

    /// Sets how many threads run the blocking jobs of this loop; at least one. They start when jobs
    /// need them.
    #[must_use]
    pub fn worker_threads_max(mut self, threads: usize) -> Self {
        self.workers.threads_max = threads;
        self
    }

    /// Sets for how long the addresses of a name are used again; zero asks for each connection.
    ///
    /// Once a connection to them has failed they are not used again either, but for the first
    /// second. That a name was not found is never remembered.
    #[must_use]
    pub fn name_cache(mut self, time: Duration) -> Self {
        self.names.cache = time;
        self
    }

    /// Sets who resolves host names, in place of the system's resolver.
    #[must_use]
    pub fn resolver(mut self, resolver: impl Resolve) -> Self {
        self.names.resolver = Some(Arc::new(resolver));
        self
    }

    /// Sets how many blocking jobs may wait for a thread.
    #[must_use]
    pub fn worker_jobs_max(mut self, jobs: usize) -> Self {
        self.workers.queued_max = jobs;
        self
    }
}
