//! Blocking jobs: how they are made, wait for a place in the queue, and end.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::core::PendingJob;
use super::dispatcher::Dispatcher;
use super::task::{WorkResult, panic_message};
use super::{QueueFull, Reactor, Task, WorkError};
use crate::base::Key;
use crate::driver::Engine;
use crate::sys::Job;

impl Reactor<'_> {
    /// Makes a job, and a place where its end is awaited.
    pub(super) fn make_job<T: Send + 'static>(
        &mut self,
        work: impl FnOnce() -> T + Send + 'static,
        then: impl FnOnce(&mut Reactor<'_>, Result<T, WorkError>) + 'static,
    ) -> (Key, Job) {
        let then = Box::new(move |reactor: &mut Reactor<'_>, result: WorkResult| {
            let result = result.map(|value| match value.downcast::<T>() {
                Ok(value) => *value,
                Err(_) => unreachable!("invariant: a job's result has the job's type"),
            });
            then(reactor, result);
        });
        let job = self.core.jobs.insert(PendingJob { then, waits: None });
        let owner = self.core.handle();
        let run = Box::new(move || {
            let result = catch_unwind(AssertUnwindSafe(work))
                .map(|value| Box::new(value) as Box<dyn Any + Send>)
                .map_err(|panic| WorkError::Panicked { message: panic_message(&*panic) });
            // The queue of jobs has its own limit, and a loop that is gone has nobody to be told.
            let _ = owner.shared.post_beyond_limits(Task::Finished { job, result });
        });
        (job, run)
    }

    /// Runs a job as [`run_blocking`](Reactor::run_blocking) does, but lets it wait while the queue
    /// is full.
    ///
    /// For callers that are few by another limit: nothing here limits how many wait.
    ///
    /// # Errors
    ///
    /// [`QueueFull`] when the queue refuses it although no other job is under way, whose end would
    /// be the time to try again.
    pub(crate) fn run_blocking_in_turn<T: Send + 'static>(
        &mut self,
        work: impl FnOnce() -> T + Send + 'static,
        then: impl FnOnce(&mut Reactor<'_>, Result<T, WorkError>) + 'static,
    ) -> Result<(), QueueFull> {
        let is_first = self.core.waiting_jobs.is_empty();
        let others = self.core.jobs.len() - self.core.waiting_jobs.len();
        let (job, run) = self.make_job(work, then);
        // Behind those that wait already.
        let Err(run) = (if is_first { self.ops.offload(run) } else { Err(run) }) else {
            return Ok(());
        };
        if others == 0 {
            self.core.jobs.remove(job);
            self.core.jobs_refused += 1;
            return Err(QueueFull);
        }
        if let Some(pending) = self.core.jobs.get_mut(job) {
            pending.waits = Some(run);
            self.core.waiting_jobs.push_back(job);
        }
        Ok(())
    }
}

impl<E: Engine> Dispatcher<E> {
    /// Tells the end of a job, which leaves room for one that waits.
    pub(super) fn finish_job(&mut self, job: Key, result: WorkResult) {
        let Some(pending) = self.core.jobs.remove(job) else { return };
        self.start_waiting_jobs();
        self.run(|reactor| (pending.then)(reactor, result));
    }

    fn start_waiting_jobs(&mut self) {
        while let Some(job) = self.core.waiting_jobs.pop_front() {
            let others = self.core.jobs.len() - self.core.waiting_jobs.len() - 1;
            let Some(pending) = self.core.jobs.get_mut(job) else { continue };
            let Some(run) = pending.waits.take() else { continue };
            let Err(run) = self.engine.offload(run) else { continue };
            if others > 0 {
                pending.waits = Some(run);
                return self.core.waiting_jobs.push_front(job);
            }
            // No end will come that would be the time to try again.
            self.core.jobs_refused += 1;
            if let Some(pending) = self.core.jobs.remove(job) {
                self.run(|reactor| (pending.then)(reactor, Err(WorkError::Refused)));
            }
        }
    }
}
