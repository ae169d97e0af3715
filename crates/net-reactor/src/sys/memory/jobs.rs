//! Offloaded jobs: they run in a wait, on the calling thread.

use std::panic::{self, AssertUnwindSafe};
use std::time::Duration;

use super::Memory;
use super::fault::Fault;
use super::network::Event;
use super::readiness::Later;
use super::world::State;
use crate::sys::Job;

/// How late a slow job runs at most.
const SLOW_MAX: Duration = Duration::from_millis(200);

impl Memory {
    /// Runs the jobs that are due; the world is not borrowed while they run.
    pub(super) fn run_jobs(&self) {
        let jobs = self.world.state().take_jobs(self.kernel);
        for job in jobs {
            // A worker thread survives a panic, and so does whoever stands in for one.
            let _ = panic::catch_unwind(AssertUnwindSafe(job));
        }
    }
}

impl State {
    /// Keeps a job for the next wait, or for a later one.
    pub(super) fn add_job(&mut self, kernel: usize, job: Job) -> Result<(), Job> {
        let faulty = self.faults.is_on();
        let owner = &self.kernels[kernel];
        let waiting = owner.jobs.len() + owner.held.slow_jobs.len();
        if owner.held.retired
            || waiting >= owner.jobs_max
            || (faulty && self.fires(kernel, Fault::JobRefused))
        {
            return Err(job);
        }
        if faulty && self.fires(kernel, Fault::JobSlow) {
            let at = self.now + self.drawn_time(Fault::JobSlow, SLOW_MAX);
            let number = self.events_sent;
            self.kernels[kernel].held.slow_jobs.insert(number, job);
            self.schedule(at, Event::Later(Later::Job { kernel, number }));
        } else {
            self.kernels[kernel].jobs.push_back(job);
            self.rouse(kernel);
        }
        Ok(())
    }

    fn take_jobs(&mut self, kernel: usize) -> Vec<Job> {
        let waiting = std::mem::take(&mut self.kernels[kernel].jobs);
        let mut jobs = Vec::from(waiting);
        if !jobs.is_empty() {
            if self.faults.is_on() && jobs.len() > 1 && self.fires(kernel, Fault::JobsShuffled) {
                self.shuffle(Fault::JobsShuffled, &mut jobs);
            }
            self.trace_loop(kernel, "jobs", &[jobs.len() as u64]);
        }
        jobs
    }
}
