//! What is told of the runs that failed.

use super::plan::Plan;
use super::tally::{Failed, Tally};

/// More failures than this are counted, and not made smaller: they are rarely of different kinds.
const SHRUNK_MAX: usize = 5;

/// A failed run, and the command line that repeats it.
#[derive(Debug)]
pub(super) struct Story {
    pub(super) scenario: &'static str,
    pub(super) seed: u64,
    pub(super) failure: String,
    pub(super) repeat: String,
}

/// Makes the first failures as small as they can be.
pub(super) fn tell(plan: &Plan, tally: &Tally) -> Vec<Story> {
    let silence = tracing::subscriber::NoSubscriber::default();
    tracing::subscriber::with_default(silence, || {
        tally.failures.iter().take(SHRUNK_MAX).map(|failed| story(plan, failed)).collect()
    })
}

fn story(plan: &Plan, failed: &Failed) -> Story {
    let Failed { job, failure, is_unsteady } = failed;
    let run = plan.run_of(*job);
    let (scenario, seed) = (job.scenario.name, job.seed);
    if *is_unsteady {
        let repeat = format!("reactor sim --scenario {scenario} {run} --audit {}", plan.times);
        return Story { scenario, seed, failure: failure.clone(), repeat };
    }
    let small = run.clone().trace_lines(0).shrink(job.scenario.run);
    let again = small.perform(job.scenario.run).failure;
    let failure = again.unwrap_or_else(|| failure.clone());
    Story { scenario, seed, failure, repeat: format!("reactor sim --scenario {scenario} {small}") }
}
