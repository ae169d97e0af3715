//! What is told of the runs that failed.

use std::sync::atomic::{AtomicBool, Ordering};

use net_reactor::sim::Simulation;

use super::crew;
use super::plan::Plan;
use super::tally::{Failed, Tally};
use crate::failure::Failure;

/// More failures than this are not made smaller: they are rarely of different kinds.
const SHRUNK_MAX: usize = 5;

/// A failed run, and the command line that repeats it.
#[derive(Debug)]
pub(super) struct Story {
    pub(super) scenario: &'static str,
    pub(super) seed: u64,
    pub(super) failure: String,
    pub(super) repeat: String,
    /// It is one of those that were to be made smaller, and is told at length.
    pub(super) is_long: bool,
}

/// Tells of every failure, and makes the first ones as small as they can be.
///
/// After a signal they are left as they are: whoever sent it does not want to wait, and the lines
/// that repeat them make them smaller then.
pub(super) fn tell(plan: &Plan, tally: &Tally) -> Result<Vec<Story>, Failure> {
    if tally.failures.is_empty() || tally.is_cut_short {
        return Ok(all(plan, tally, &AtomicBool::new(true)));
    }
    crew::watched(|is_over| {
        let silence = tracing::subscriber::NoSubscriber::default();
        tracing::subscriber::with_default(silence, || all(plan, tally, is_over))
    })
}

fn all(plan: &Plan, tally: &Tally, is_over: &AtomicBool) -> Vec<Story> {
    let each = |(number, failed): (usize, &Failed)| {
        let is_long = number < SHRUNK_MAX;
        let story = Story {
            scenario: failed.job.scenario.name,
            seed: failed.job.seed,
            failure: failed.failure.clone(),
            repeat: plan.line_of(failed),
            is_long,
        };
        if is_long && !failed.is_unsteady { smaller(story, plan, failed, is_over) } else { story }
    };
    tally.failures.iter().enumerate().map(each).collect()
}

/// Makes a failure smaller, until it is over.
fn smaller(mut story: Story, plan: &Plan, failed: &Failed, is_over: &AtomicBool) -> Story {
    let job = failed.job;
    // A run that does nothing does not fail, so the rest of the search is over at once.
    let test = |sim: &mut Simulation| {
        if !is_over.load(Ordering::Relaxed) {
            (job.scenario.run)(sim);
        }
    };
    let small = plan.run_of(job).trace_lines(0).shrink(test);
    if let Some(again) = small.perform(test).failure {
        story.failure = again;
    }
    story.repeat = format!("reactor sim --scenario {} {small}", story.scenario);
    story
}
